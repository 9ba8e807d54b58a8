"""The scientific report: one content, three writers, and no claim that its figures do not make."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typst
from markdown_it import MarkdownIt

from tacha.cli import main
from tacha.errors import TachaError
from tacha.report.compare import Value
from tacha.report.curves import Curve
from tacha.report.paper.about_claims import apart, beside
from tacha.report.paper.about_training import FALLING, LEVEL, OVERFITS, UNKNOWN, verdict
from tacha.report.paper.as_markdown import plain
from tacha.report.paper.as_typst import string
from tacha.report.paper.content import Figure, Table
from tacha.report.paper.material import read_material
from tacha.report.paper.pen import Pen
from tacha.report.paper.write import write_paper

HOSTILE = ["<script>alert(1)</script>", "#let x = 1", "$x_1$", "a|b", "_under_ *star*", "two\nlines", "\\n \"q\" `c`",
           "[x](y) ![i](j)", "@ref <lab> ~ -- // /*", "1. one", "&amp; &", "~~gone~~",
           "- dash", "+ plus", "1) one", "=== x", "--- x", "3.5", "# x", "{{ x }} {% y %}"]  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and words; nesting must close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.language: str | None = None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "html":
            self.language = dict(attrs)["lang"]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def edited(run_dir: Path) -> Callable[..., Path]:
    """The run folder with its metrics.json changed."""

    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        data = json.loads((run_dir / "metrics.json").read_text())
        change(data)
        (run_dir / "metrics.json").write_text(json.dumps(data))
        return run_dir

    return edit


def read(markdown: str) -> str:
    """Markdown as a reader of it shows it, by markdown-it with GitHub's tables: the words alone."""
    return Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)).text


def test_all_formats_say_the_same_figures(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = write_paper([run_dir], out)
    assert [p.name for p in written] == ["report.html", "report.md", "report.pdf"]
    html, markdown = Page((out / "report.html").read_text()).text, read((out / "report.md").read_text())
    rows = json.loads((run_dir / "metrics.json").read_text())["rows"]
    seen = 0
    for row in rows:
        if row["metric"] in ("image_auroc", "recall", "aupro_30", "pixel_ap"):
            value, low, high = (f"{100 * row[k]:.1f}" for k in ("value", "low", "high"))
            assert f"{value} {low}–{high}" in html
            assert f"{value} ({low}–{high})" in markdown
            seen += 1
    assert seen == 8
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_self_contained_with_alternative_texts_and_figures_saved_alone(run_dir: Path, tmp_path: Path) -> None:
    write_paper([run_dir], tmp_path / "out", ["html", "md"])
    text = (tmp_path / "out/report.html").read_text()
    page = Page(text)
    assert page.images
    assert all(i["alt"] and str(i["src"]).startswith("data:image/") for i in page.images)
    assert not {"script", "link", "iframe", "b"} & set(page.tags)
    assert "http:" not in text
    assert "https:" not in text
    saved = sorted(p.name for p in (tmp_path / "out/figures").iterdir())
    assert len(saved) == len(page.images)
    assert [name[:2] for name in saved] == [f"{i:02}" for i in range(1, len(saved) + 1)]
    markdown = (tmp_path / "out/report.md").read_text()
    assert re.findall(r"\]\(figures/([^)]+)\)", markdown) == saved
    assert re.findall(r"Figure (\d+)\.", page.text) == [str(i) for i in range(1, len(saved) + 1)]


def test_hostile_names_are_only_words(run_dir: Path, tmp_path: Path) -> None:
    write_paper([run_dir], tmp_path / "out", title=HOSTILE[0], authors="A. <b>Uthor</b> #1")
    page = Page((tmp_path / "out/report.html").read_text())
    markdown = read((tmp_path / "out/report.md").read_text())
    for text in (page.text, markdown):
        assert "<b>nut</b> $x_$" in text
        assert HOSTILE[0] in text
        assert "A. <b>Uthor</b> #1" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_survives_markdown_and_typst(text: str) -> None:
    flat = " ".join(text.split())
    assert read(f"| x |\n| --- |\n| {plain(text)} |\n") == f"x {flat}"
    assert read(f"- {plain(text)}\n") == flat
    found = json.loads(typst.query(f"#metadata({string(text)}) <x>".encode(), "<x>", field="value", one=True))
    assert found == flat


@pytest.mark.parametrize(
    ("one", "other", "separate"),
    [
        (Value(0.9, 0.85, 0.95), Value(0.7, 0.6, 0.8), True),
        (Value(0.7, 0.6, 0.8), Value(0.9, 0.85, 0.95), True),
        (Value(0.9, 0.8, 0.95), Value(0.7, 0.6, 0.85), False),
        (Value(0.9, 0.8, 0.95), Value(0.7, 0.6, 0.8), False),  # they touch
        (Value(0.9), Value(0.7, 0.6, 0.8), None),
        (Value(0.9, 0.8, 0.95), Value(0.7, None, 0.8), None),
    ],
)
def test_a_claim_is_what_the_intervals_allow(one: Value, other: Value, separate: bool | None, tmp_path: Path) -> None:
    assert apart(one, other) is separate
    said = beside(Pen("en", tmp_path), "image_auroc", "nut", ("A", one), ("B", other), "Table 7")
    assert ("is better than" in said) is (separate is True)
    assert ("cannot be told apart" in said) is (separate is False)
    assert ("nothing is claimed" in said) is (separate is None)
    assert "(Table 7)" in said
    better = "A" if one.value > other.value else "B"
    assert said.index(f": {better}") == said.index(": ")


def test_less_is_better_of_false_alarms(tmp_path: Path) -> None:
    few, many = Value(0.01, 0.0, 0.02), Value(0.2, 0.1, 0.3)
    said = beside(Pen("en", tmp_path), "false_alarm_rate", "nut", ("many", many), ("few", few), "Table 1")
    assert "few, 1.0 % (0.0–2.0), is better than many, 20.0 % (10.0–30.0)" in said


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        ((5, 4, 3, 2), (5.0, 4.0, 4.5, 6.0), OVERFITS),
        ((5, 4, 4.5, 5), (5.0, 4.0, 4.5, 6.0), LEVEL),  # both rise: that is no overfitting
        ((5, 4, 3, 2), (5.0, 4.0, 4.05, 4.1), LEVEL),
        ((5, 4, 3, 2), (5.0, 4.0, 3.5, 3.0), FALLING),
        ((5, 4), (float("nan"), float("nan")), UNKNOWN),
        ((5,), (4.0,), LEVEL),
    ],
)
def test_overfitting_is_said_only_where_the_history_shows_it(
    train: tuple[float, ...], validation: tuple[float, ...], expected: str
) -> None:
    assert verdict(Curve("x", tuple(range(len(train))), train, validation)) == expected


def test_history_reconstructions_bench_and_clusters_are_told_where_they_are(run_dir: Path, tmp_path: Path) -> None:
    net = run_dir / "nets" / "screw"
    (net / "figures").mkdir(parents=True)
    rows = "epoch,train_loss,val_loss\n0,5,5\n1,4,4\n2,3,5\n"
    (net / "history.csv").write_text(rows)
    shutil.copy(run_dir / "figures" / "gallery_43_0.png", net / "figures" / "reconstructions_2.png")
    figures = [{"metric": "image_auroc", "value": 0.9, "low": 0.8, "high": 0.95, "n": 60}]
    worse = [{"metric": "image_auroc", "value": 0.6, "low": 0.5, "high": 0.7, "n": 60}]
    bench = [{"label": "torch f32", "figures": figures}, {"label": "openvino int8", "figures": worse, "p50_ms": 8.25}]
    (run_dir / "bench.json").write_text(json.dumps({"rows": bench}))
    clusters = [
        {"category": "screw", "plane": plane, "metric": "f1", "value": v, "low": v - 0.05, "high": v + 0.05, "n": 60}
        for plane, v in (("pca", 0.5), ("tsne", 0.78), ("detector", 0.8))
    ]
    (run_dir / "clusters").mkdir()
    (run_dir / "clusters" / "clusters.json").write_text(json.dumps({"rows": clusters}))
    points = [f"{i}.png,screw,{'good' if i % 2 else 'a$b$'},1,{i},{-i},{i % 3 - 1}" for i in range(12)]
    (run_dir / "clusters" / "points.csv").write_text(
        "\n".join(["path,category,defect,score,pca_x,pca_y,pca_cluster", *points])
    )
    write_paper([run_dir], tmp_path / "out", ["html"])
    words = Page((tmp_path / "out/report.html").read_text()).text
    for expected in (
        "Embeddings of the test images of screw on the plane of PCA.",
        "screw overfitted: the validation loss rose by more than 5 %",
        "Images and what the net gives back",
        "torch f32, 90.0 % (80.0–95.0), is better than openvino int8, 60.0 % (50.0–70.0)",
        "the detector itself, 80.0 % (75.0–85.0), is better than DBSCAN on PCA, 50.0 % (45.0–55.0)",
        "the detector itself, 80.0 % (75.0–85.0), and DBSCAN on t-SNE, 78.0 % (73.0–83.0), cannot be told apart",
        "must not be trusted",
    ):
        assert expected in words


def test_what_is_absent_is_said_with_the_command_that_makes_it(run_dir: Path, tmp_path: Path) -> None:
    write_paper([run_dir], tmp_path / "out", ["html"])
    words = Page((tmp_path / "out/report.html").read_text()).text
    for expected in ("`tacha cluster RUN`", "`tacha compress RUN`", "no history.csv", "no reconstructions to show"):
        assert expected in words
    assert "overfitted" not in words


def test_a_run_without_labels_is_told_without_figures(
    run_dir: Path, edited: Callable[..., Path], tmp_path: Path
) -> None:
    def unlabelled(data: dict[str, Any]) -> None:
        data["rows"] = [r for r in data["rows"] if r["metric"] == "promised_false_alarm_rate"]
        data["run"]["gallery"] = {}

    edited(unlabelled)
    (run_dir / "predictions.csv").write_text("path,category,label,defect,score,p_value,verdict\n")
    write_paper([run_dir], tmp_path / "out")
    words = Page((tmp_path / "out/report.html").read_text()).text
    assert "No labelled test images were judged" in words
    assert "nothing is claimed" in words


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv", "config.yaml", "figures/gallery_43_1.png"])
def test_a_file_missing_is_one_line_that_names_it(name: str, run_dir: Path, tmp_path: Path) -> None:
    (run_dir / name).unlink()
    with pytest.raises(TachaError, match=re.escape(name)):
        write_paper([run_dir], tmp_path / "out")
    assert not list(tmp_path.glob("out/report.*"))


@pytest.mark.parametrize("text", ["", "[1]", '{"rows": [{"plane": "pca"}]}', '{"rows": 3}'])
@pytest.mark.parametrize("name", ["clusters.json", "bench.json"])
def test_a_damaged_addition_is_named(name: str, text: str, run_dir: Path) -> None:
    (run_dir / name).write_text(text)
    with pytest.raises(TachaError, match=rf"{name}: is damaged .* make it again"):
        read_material([run_dir])


@pytest.mark.parametrize("line", ["a.png,screw,good,1,x,2,0", "a.png,screw", "a.png,screw,good,1,1,2,z"])
def test_damaged_points_are_named(line: str, run_dir: Path) -> None:
    row = {"category": "screw", "plane": "pca", "metric": "f1", "value": 0.5}
    (run_dir / "clusters.json").write_text(json.dumps({"rows": [row]}))
    (run_dir / "points.csv").write_text(f"path,category,defect,score,pca_x,pca_y,pca_cluster\n{line}\n")
    with pytest.raises(TachaError, match=r"points\.csv: is damaged"):
        read_material([run_dir])


def test_several_runs_of_one_category_are_compared_by_what_differs(run_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run_dir, other, ignore=shutil.ignore_patterns("out", "other"))
    data = json.loads((other / "metrics.json").read_text())
    for row in data["rows"]:
        row["scorer"] = "padim"
        if row["metric"] == "image_auroc":
            row.update(value=0.5, low=0.4, high=0.6)
    (other / "metrics.json").write_text(json.dumps(data))
    write_paper([run_dir, other], tmp_path / "out", ["html"])
    words = Page((tmp_path / "out/report.html").read_text()).text
    assert "2 combinations of net, scorer and settings were tried" in words
    assert re.search(r"screw, AUROC: memory_bank, \S+ % \(\S+\), is better than padim, 50\.0 % \(40\.0–60\.0\)", words)
    assert "screw · padim" in words
    assert "its interval holds the 50 % of chance" in words


def test_spanish_is_spanish(run_dir: Path, tmp_path: Path) -> None:
    write_paper([run_dir], tmp_path / "out", ["html", "md", "pdf"], "es")
    page = Page((tmp_path / "out/report.html").read_text())
    assert page.language == "es"
    for expected in ("Resumen", "Discusión", "Referencias", "Tabla 1", "Figura 1", "imágenes buenas"):
        assert expected in page.text
    for english in ("Abstract", "Table 1", "Figure 1", "Settings tried", "threshold", "flawed parts"):
        assert english not in page.text.replace("best_threshold", "")


def test_every_table_and_figure_that_a_sentence_names_is_there(run_dir: Path, tmp_path: Path) -> None:
    from tacha.report.paper.assemble import assemble

    paper = assemble(read_material([run_dir]), tmp_path, "en")
    blocks = [b for s in paper.sections for b in s.blocks]
    labels = {b.label for b in blocks if isinstance(b, (Table, Figure))}
    named = set(re.findall(r"(?:Table|Figure) \d+", repr(paper)))
    assert named == labels
    discussion = next(s for s in paper.sections if s.title == "Discussion")
    for block in discussion.blocks:
        for claim in getattr(block, "items", ()):
            assert re.search(r"\(Table \d+\)", claim), claim
            assert re.search(r"\d–\d", claim), claim
    cited = {int(n) for group in re.findall(r"\[([\d, ]+)\]", repr(paper.sections)) for n in group.split(",")}
    assert cited == set(range(1, len(paper.references) + 1))


def test_without_typst_the_rest_is_written_and_one_line_says_so(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)  # as Python itself marks what cannot be imported
    assert main(["report", str(run_dir), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "note: no PDF was written, for Typst is not installed: pip install 'tacha[pdf]'"
    assert sorted(p.name for p in (tmp_path / "out").glob("report.*")) == ["report.html", "report.md"]
    assert main(["report", str(run_dir), "--out", str(tmp_path / "out2"), "--format", "pdf"]) == 2
    assert "pip install 'tacha[pdf]'" in capsys.readouterr().err


def test_the_verb_on_a_real_run_in_both_languages(
    small_run: Path, other_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for language in ("en", "es"):
        out = tmp_path / language
        assert main(["report", str(small_run), str(other_run), "--language", language, "--out", str(out)]) == 0
        assert [Path(x).name for x in capsys.readouterr().out.splitlines()] == [
            "report.html",
            "report.md",
            "report.pdf",
        ]
        words = Page((out / "report.html").read_text()).text
        truth: Mapping[str, Any] = next(
            r for r in json.loads((small_run / "metrics.json").read_text())["rows"] if r["metric"] == "image_auroc"
        )
        assert f"{100 * truth['value']:.1f} {100 * truth['low']:.1f}–{100 * truth['high']:.1f}" in words


def test_a_run_s_own_page_is_never_written_over(run_dir: Path) -> None:
    (run_dir / "report.html").write_text("its own")
    with pytest.raises(TachaError, match=r"is a run folder.*choose another --out"):
        write_paper([run_dir], run_dir)
    assert (run_dir / "report.html").read_text() == "its own"


@pytest.mark.parametrize(("option", "value"), [("--format", "docx"), ("--format", ","), ("--out", "/dev/null/x")])
def test_a_bad_request_is_one_line(
    option: str, value: str, run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run_dir), "--out", str(tmp_path / "out"), option, value]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert value.strip(",") in error
    assert not (tmp_path / "out").exists()
