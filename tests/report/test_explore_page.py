"""The page of `tacha data check --page`: whole, self-contained, in both languages, whatever the set."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tacha.cli import main
from tacha.data.check import check
from tacha.report.echoed import echoed
from tacha.words import words


class _Page(HTMLParser):
    """Checks that tags close in order, and gathers pictures, texts, links and ids."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str | None] = []
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(given)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given.get("href"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def _read(path: Path) -> _Page:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text), "the page must need nothing from elsewhere"
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert all(i["alt"] and str(i["src"]).startswith("data:image/") for i in page.images)
    assert len(set(page.ids)) == len(page.ids)
    assert {str(link)[1:] for link in page.links} <= {str(i) for i in page.ids}
    return page


def _spoilt(folder: Path) -> Path:
    """A small set with something of everything that a page speaks of."""
    rng = np.random.default_rng(0)

    def save(name: str, pixels: np.ndarray) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)

    def noise(level: int = 0) -> np.ndarray:
        return rng.integers(60 + level, 150 + level, (30, 40, 3))

    for i in range(24):
        save(f"train/good/{i:03d}.png", noise())
        save(f"test/good/{i:03d}.png", noise(20))
        save(f"test/<b>scratch & co/{i:03d}.png", noise(60))
        save(f"ground_truth/<b>scratch & co/{i:03d}_mask.png", np.full((30, 40), 255) * (i % 5 > 0))
    save("train/good/odd.png", noise(90)[:20])
    twin = noise(20)
    save("train/good/twin.png", twin)
    save("test/good/twin.png", twin)
    save("test/good/near.png", np.clip(twin + 1, 0, 255)[::-1])
    save("ground_truth/<b>scratch & co/099_mask.png", np.zeros((3, 3)))
    save("ground_truth/<b>scratch & co/003_mask.png", np.full((3, 3), 255))
    (folder / "ground_truth/<b>scratch & co/004_mask.png").unlink()
    (folder / "train/good/empty.png").touch()
    (folder / "train/good/text.png").write_text("no")
    (folder / "train/good/readme.md").touch()
    (folder / "other").mkdir()
    (folder / "train/bad").mkdir()
    save("train/bad/000.png", noise())
    (folder / "train/good/lost.png").symlink_to(folder / "nowhere.png")
    return folder


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _spoilt(tmp_path_factory.mktemp("spoilt") / "part")


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        (
            "en",
            (
                "Look at this first",
                "3 files cannot be read",
                "1 image is in two splits, or under two labels",
                "1 test image is nearly the same as a training image",
                "brightness alone tells flawed from good",
                "good training and good test images differ in brightness",
                "1 mask has another size than its image",
                "the file is empty",
                "nearly the same in training and test, mirrored or turned",
                "the folder was ignored",
            ),
        ),
        (
            "es",
            (
                "Lo primero por revisar",
                "No se pueden leer 3 archivos",
                "1 imagen está en dos particiones o bajo dos etiquetas",
                "1 imagen de prueba es casi idéntica a una de entrenamiento",
                "una sola medida (brillo) distingue lo defectuoso de lo bueno",
                "difieren en una medida (brillo)",
                "1 máscara no tiene el tamaño de su imagen",
                "el archivo está vacío",
                "casi idénticas en entrenamiento y prueba, reflejada o girada",
                "se omitió la carpeta",
                "solo se entrena con las buenas",
                "enlaces rotos",
            ),
        ),
    ],
)
def test_everything_found_is_on_the_page(spoilt: Path, tmp_path: Path, language: str, wanted: tuple[str, ...]) -> None:
    # One more that no decoder can read: the page must name it as any other.
    page, data = tmp_path / "page.html", tmp_path / "found.json"
    (spoilt / "test/good/cut.png").write_bytes((spoilt / "test/good/000.png").read_bytes()[:300])
    asked = ["data", "check", str(spoilt), "--page", str(page), "--json", str(data), "--language", language]
    assert main(asked) == 1
    read = _read(page)
    text = " ".join(read.text.split())
    for said in (*wanted, "<b>scratch & co", "odd.png"):
        assert said in text
    assert f'lang="{language}"' in page.read_text(encoding="utf-8")
    found = json.loads(data.read_text())["exploration"]
    assert len(found["images"]) == 24 * 3 + 4
    told = {(s["between"], s["trait"]) for s in found["separations"] if s["told"]}
    assert {("labels", "brightness"), ("splits", "brightness")} <= told
    row = next(
        s for s in found["separations"] if (s["between"], s["trait"], s["told"]) == ("labels", "brightness", True)
    )
    assert f"{row['auroc']['value']:.2f} ({row['auroc']['low']:.2f}–{row['auroc']['high']:.2f})" in text


def test_what_the_readers_say_is_known_in_every_language(spoilt: Path) -> None:
    """A line that changed in the readers would show in English on a Spanish page."""
    result = check(spoilt)
    lines = [why for _, why in result.unreadable] + [why for _, why in result.mismatched_masks] + result.notes
    assert len(lines) >= 7
    for line in lines:
        assert echoed(line, words("es")) != line
        assert echoed(line, words("en")) != line or "ignored" in line
    assert echoed("something new", words("es")) == "something new"


@pytest.mark.parametrize("n", [1, 9])
def test_good_images_alone_have_a_page(tmp_path: Path, n: int, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 255, (16, 12), dtype=np.uint8)
        (tmp_path / "good").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "good" / f"{i}.png")
    page = tmp_path / "page.html"
    assert main(["data", "check", str(tmp_path / "good"), "--page", str(page)]) == 0
    text = " ".join(_read(page).text.split())
    assert f"{n} image" in text
    assert "nothing stands out" in text
    assert ("does not say what is usual" if n == 1 else "None of 9 good images stands out") in text
    assert str(page) in capsys.readouterr().out


def test_nothing_readable_still_has_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "part/good"
    folder.mkdir(parents=True)
    (folder / "a.png").touch()
    page = tmp_path / "page.html"
    assert main(["data", "check", str(folder), "--page", str(page)]) == 1
    assert "1 file cannot be read" in _read(page).text


def test_many_categories_are_folded(tmp_path: Path) -> None:
    for c in range(4):
        for i in range(3):
            folder = tmp_path / "set" / f"part {c}" / "train" / "good"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(10 * c + i).integers(0, 255, (9, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    page = tmp_path / "page.html"
    main(["data", "check", str(tmp_path / "set"), "--page", str(page)])
    _read(page)
    assert page.read_text().count("<details>") == 4


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page").mkdir()
    assert main(["data", "check", str(tmp_path / "nothing"), "--page", str(tmp_path / "page")]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
