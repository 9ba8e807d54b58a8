from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from data_sets import TRAIN, WRITERS, picture, save, write_classes, write_csv, write_mvtec

from tacha.data.layouts import read_catalogue
from tacha.errors import TachaError

DETECTED = {
    "mvtec": "mvtec",
    "mvtec_root": "mvtec",
    "unsuffixed_masks": "mvtec",
    "ok_ko": "ok_ko",
    "upper_case": "ok_ko",
    "classes": "classes",
    "folder": "folder",
    "csv": "csv",
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_gives_the_same_catalogue(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    catalogue = read_catalogue(root)
    assert catalogue.layout == DETECTED[name]
    assert catalogue.categories == ("part",)
    assert catalogue.notes == ()
    table = Counter((s.split, s.label) for s in catalogue)
    expected = {("train", 0): 6, ("test", 0): 2, ("test", 1): 3}
    assert table == ({("train", 0): 6} if name == "folder" else expected)
    assert {s.defect.lower() for s in catalogue if s.label} <= {"bad", "ko"}
    masked = name in ("mvtec", "mvtec_root", "unsuffixed_masks", "csv")
    assert all((s.mask is not None) == (masked and s.label == 1) for s in catalogue)
    for sample in catalogue:
        assert sample.mask is None or sample.mask.stem.removesuffix("_mask") == sample.path.stem
    assert read_catalogue(root, layout=catalogue.layout) == catalogue
    assert read_catalogue(root).digest() == catalogue.digest()


def test_categories(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_mvtec(tmp_path / name)
    assert read_catalogue(tmp_path).categories == ("a", "b", "c")
    assert read_catalogue(tmp_path, categories=["c", "a"]).categories == ("a", "c")
    with pytest.raises(TachaError, match="no category 'd'; there are a, b, c"):
        read_catalogue(tmp_path, categories=["d"])


def test_class_folders_split_is_seeded(tmp_path: Path) -> None:
    root = write_classes(tmp_path)

    def kept(**options: object) -> set[str]:
        catalogue = read_catalogue(root, **options)  # type: ignore[arg-type]
        return {s.path.name for s in catalogue.select(split="test", label=0)}

    assert kept() == kept()
    assert len({frozenset(kept(seed=seed)) for seed in range(5)}) > 1
    assert len(kept(test_share=0.5)) == 4
    assert kept(test_share=0.0) == set()
    assert read_catalogue(root, good_class="bad").select(label=1)[0].defect == "OK"
    with pytest.raises(TachaError, match="no class folder fine among OK, bad"):
        read_catalogue(root, "classes", good_class="fine")


def test_what_is_passed_over_is_noted(part: Path) -> None:
    good = part / "train" / "good"
    (good / ".hidden.png").write_bytes(b"")
    (good / "notes.txt").write_text("")
    (good / "gone.png").symlink_to(part / "nowhere.png")
    save(part / "train" / "bad" / "0.png", picture(1))
    (part / "extra").mkdir()
    catalogue = read_catalogue(part)
    assert len(catalogue.select(split="train")) == TRAIN
    notes = "\n".join(catalogue.notes)
    for said in ("1 files that are no images", ".txt", "1 broken links", "1 images ignored", "extra: folder"):
        assert said in notes


def test_suffixes_in_any_case(part: Path) -> None:
    first = part / "train" / "good" / "000.png"
    first.rename(first.with_suffix(".PNG"))
    assert len(read_catalogue(part).select(split="train")) == TRAIN


@pytest.mark.parametrize("name", ["mvtec", "folder"])
def test_loops_of_links_end(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    inner = next(p for p in sorted(root.rglob("*")) if p.is_dir() and list(p.glob("*.png")))
    (inner / "loop").symlink_to(inner, target_is_directory=True)
    (root / "self").symlink_to(root, target_is_directory=True)
    assert len(read_catalogue(root).select(split="train")) == TRAIN


def _nothing(folder: Path) -> Path:
    return folder / "nowhere"


def _empty(folder: Path) -> Path:
    return folder


def _file(folder: Path) -> Path:
    return save(folder / "a.png", picture(0))


def _no_good(folder: Path) -> Path:
    save(folder / "test" / "good" / "a.png", picture(0))
    return folder


def _only_bad(folder: Path) -> Path:
    save(folder / "bad" / "a.png", picture(0))
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "no such folder"),
        (_empty, r"no images; looked for train/good .* say layout=NAME"),
        (_file, "a file where a data set is wanted"),
        (_no_good, "no good training images for"),
        (_only_bad, "a folder 'bad' but no good one"),
    ],
)
def test_hopeless_roots(tmp_path: Path, make: object, message: str) -> None:
    root = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(TachaError, match=message) as caught:
        read_catalogue(root)
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "coco"}, "layout=coco: no such layout"),
        ({"layout": "csv"}, "not one .csv file"),
        ({"test_share": 1.5}, "test_share=1.5"),
        ({"categories": []}, "an empty list"),
    ],
)
def test_bad_settings(part: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(TachaError, match=message):
        read_catalogue(part, **options)  # type: ignore[arg-type]


HEADING = "path,split,label,category,mask"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,label", "a.png,good"], "line 1: missing column split"),
        ([HEADING + ",colour"], "line 1: unknown column 'colour'"),
        ([HEADING, "a.png,train,good,,", "b.png,val,good,,"], "line 3: split 'val'"),
        ([HEADING, "a.png,train,scratch,,"], r"line 2: a flawed image \(scratch\) in the train split"),
        ([HEADING, "a.png,train,,,"], "line 2: no label"),
        ([HEADING, ",train,good,,"], "line 2: no image path"),
        ([HEADING, "z.png,train,good,,"], "line 2: no such image file"),
        ([HEADING, "a.png,test,scratch,,z.png"], "line 2: no such mask file"),
        ([HEADING, "a.png,train,good,,", "a.png,test,good,,"], "line 3: a.png is on line 2 too"),
        ([HEADING, "a.png,train,good,,,,"], "line 2: more fields"),
        ([HEADING, 'a.png,train,"good'], "not a readable CSV"),
        ([HEADING], "no images"),
    ],
)
def test_bad_tables(tmp_path: Path, lines: list[str], message: str) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, picture(0))
    table = tmp_path / "t.csv"
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(TachaError, match=message) as caught:
        read_catalogue(table)
    assert str(table) in str(caught.value)


def test_table_labels_and_separators(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.png", picture(i))
    lines = ["Path;Split;Label", "0.png;train;OK", "1.png;TEST;0", "2.png;test;1", "3.png;test;scratch"]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    catalogue = read_catalogue(tmp_path)
    assert catalogue.layout == "csv"
    assert {s.path.name: s.defect for s in catalogue} == {
        "0.png": "good",
        "1.png": "good",
        "2.png": "bad",
        "3.png": "scratch",
    }


def test_table_from_its_folder(tmp_path: Path) -> None:
    table = write_csv(tmp_path)
    (tmp_path / "images").rename(tmp_path / "pictures")
    table.write_text(table.read_text().replace("images/", "pictures/"))
    assert read_catalogue(table).samples == read_catalogue(tmp_path, "csv").samples
