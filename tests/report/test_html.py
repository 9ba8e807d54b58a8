"""The report is whole, self-contained, and harmless whatever the files are called."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser

import pytest
from PIL import Image

from tacha.configuration import compose
from tacha.errors import TachaError
from tacha.report.html import write_report
from tacha.run import check_settings

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting; gathers tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.images, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        assert not any(name.startswith("on") for name in attributes)
        assert "href" not in attributes
        if tag == "img":
            self.images.append(attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def text(run_dir):
    return write_report(run_dir).read_text(encoding="utf-8")


def test_self_contained_and_small(text):
    page = Page(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert len(page.images) == 1 + 2 + 8  # ROC, a histogram a category, the gallery
    for image in page.images:
        assert image["alt"]
        kind, data = image["src"].split(",", 1)
        assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert len(text) < 2_000_000


def test_says_what_it_must(text, run_dir):
    words = Page(text).text
    rows = json.loads((run_dir / "metrics.json").read_text())["rows"]
    for row in rows:
        if row["metric"] in ("image_auroc", "aupro_30", "pixel_auroc"):
            assert f"{100 * row['value']:.1f}" in words
            assert f"{100 * row['low']:.1f}–{100 * row['high']:.1f}" in words
    mean = sum(r["value"] for r in rows if r["metric"] == "image_auroc") / 2
    assert f"Mean image AUROC: {100 * mean:.1f} %" in words
    for expected in (
        "On 120 test images of 2 products, tacha found",
        "With 43 good images it can promise a false-alarm rate of at most 6.7 %",
        "At most 5 % of good parts like the 80",
        "of 30 good test images (95 % interval",
        "Missed flaws, worst first",
        "False alarms, worst first",
        "p-value 0.023",
        "1 file was skipped",
        "truncated image",
        "2 masks are empty",
        "model: name: backbone",
        "numpy 2.1.0",
        "ab" * 32,
        "31.2 29.0–44.5",
    ):
        assert expected in words


def test_hostile_names_are_only_words(text):
    page = Page(text)
    assert '<script>alert("x")</script>.png' in page.text
    assert "<b>nut</b> $x_$" in page.text
    assert {"b", "i", "script"} & set(page.tags) == {"i"}  # the legend's swatches
    assert page.tags.count("i") == 2


def test_figures_are_saved_alone(text, run_dir):
    names = sorted(p.name for p in (run_dir / "figures").glob("[rs]*.png"))
    assert names == ["roc.png", "scores_0_screw.png", "scores_1__b_nut_b_x__.png"]


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv", "config.yaml", "figures/gallery_43_0.png"])
def test_a_missing_piece_is_named(run_dir, name):
    (run_dir / name).unlink()
    with pytest.raises(TachaError, match=name):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[]"),
        ("metrics.json", '{"rows": [{"metric": 1}], "run": {}}'),
        ("predictions.csv", "path,category\na,b\n"),
        ("predictions.csv", "path,category,label,defect,score,p_value,verdict\na,b,0,good,high,,good\n"),
    ],
)
def test_a_damaged_piece_is_named(run_dir, name, content):
    (run_dir / name).write_text(content)
    with pytest.raises(TachaError, match=f"{name}: .*damaged"):
        write_report(run_dir)


def test_a_picture_outside_the_run_is_refused(run_dir, tmp_path_factory):
    outside = tmp_path_factory.mktemp("other") / "secret.png"
    Image.new("RGB", (4, 4)).save(outside)
    data = json.loads((run_dir / "metrics.json").read_text())
    data["run"]["gallery"]["screw"][0]["image"] = str(outside)
    (run_dir / "metrics.json").write_text(json.dumps(data))
    with pytest.raises(TachaError, match="outside the run folder"):
        write_report(run_dir)


def test_a_run_without_test_images(run_dir):
    data = json.loads((run_dir / "metrics.json").read_text())
    data["rows"] = [r for r in data["rows"] if r["metric"] == "promised_false_alarm_rate"]
    data["run"]["gallery"] = {}
    (run_dir / "metrics.json").write_text(json.dumps(data))
    header = (run_dir / "predictions.csv").read_text().splitlines()[0]
    (run_dir / "predictions.csv").write_text(header + "\n")
    page = Page(write_report(run_dir).read_text())
    assert "Fitted on 2 products; no test images were judged." in page.text
    assert "not measured" in page.text
    assert page.images == []


def test_one_class_only(run_dir):
    lines = (run_dir / "predictions.csv").read_text().splitlines()
    (run_dir / "predictions.csv").write_text("\n".join([lines[0], *(x for x in lines if ",good," in x)]) + "\n")
    page = Page(write_report(run_dir).read_text())
    assert "good ones flawed" in page.text
    assert len(page.images) == 2 + 8


def test_an_oracle_is_called_one(run_dir):
    data = json.loads((run_dir / "metrics.json").read_text())
    data["run"]["calibration"]["screw"] |= {"oracle": True, "promise": None, "sentence": "It saw defects."}
    (run_dir / "metrics.json").write_text(json.dumps(data))
    assert "must not be quoted as performance" in Page(write_report(run_dir).read_text()).text


def test_the_page_in_spanish(run_dir):
    text = write_report(run_dir, "es").read_text(encoding="utf-8")
    words = Page(text).text
    assert '<html lang="es">' in text
    for expected in (
        "En 120 imágenes de prueba de 2 productos, tacha halló",
        "Con 43 imágenes buenas puede prometer",
        "intervalos del 95 %",
        "Defectos no detectados, los peores primero",
        "valor p 0.023",
        "Se omitió 1 archivo",
        "exactitud con el umbral",
    ):
        assert expected in words
    for english in ("threshold", "flawed", "Figures", "How it was made", "false alarms"):
        assert english not in words


def test_an_unknown_language_is_refused_before_anything_is_written(run_dir):
    with pytest.raises(TachaError, match=r"report\.language='xx'"):
        write_report(run_dir, "xx")
    assert not (run_dir / "report.html").exists()


def test_a_run_refuses_an_unknown_language_before_it_starts():
    settings = compose(["report.language=xx"])
    with pytest.raises(TachaError, match=r"report\.language='xx': there are en, es"):
        check_settings(settings)
