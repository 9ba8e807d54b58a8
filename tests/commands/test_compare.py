"""`tacha compare`: runs side by side, from nothing but what they left in their folders."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tacha import TachaError
from tacha.cli import main
from tacha.report.compare import Value, compare, differing, find_runs, labels, lower_is_better, mean_of, over_seeds
from tacha.report.compare_html import headline, remarks, write_comparison

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a run folder: figures {(category, metric): (value, low, high)}, settings, histories and pictures."""

    def write(
        name: str,
        figures: Mapping[tuple[str, str], tuple[float, float | None, float | None]],
        settings: Mapping[str, Any] | None = None,
        history: Mapping[str, str] | None = None,
        pictures: tuple[str, ...] = (),
        digest: str = "ab",
        **row: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        about = {"net": "unet", "scorer": "reconstruction", "engine": "torch", "precision": "f32", "seed": 0, **row}
        rows = [
            {"category": c, "metric": m, "value": v, "low": low, "high": high, "n": 40, **about}
            for (c, m), (v, low, high) in figures.items()
        ]
        run = {"name": name, "started": "2026-01-02", "seconds": 61.2, "data": {"digest": digest}}
        (folder / "metrics.json").write_text(json.dumps({"rows": rows, "run": run}))
        (folder / "config.yaml").write_text(yaml.safe_dump(settings or {}))
        for group, text in (history or {}).items():
            path = folder / "nets" / group / "history.csv"
            path.parent.mkdir(parents=True)
            path.write_text(text)
        for picture in pictures:
            path = folder / picture
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 12, 3), 99, np.uint8)).save(path)
        return folder

    return write


def auroc(**categories: tuple[float, float | None, float | None]) -> dict[tuple[str, str], Any]:
    return {(c, "image_auroc"): v for c, v in categories.items()}


def test_a_real_sweep_as_a_user_compares_it(
    small_run: Path, other_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", str(small_run), str(other_run), "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(out / "compare.html")
    rows = [r for r in csv.DictReader((out / "compare.csv").open()) if r["metric"] == "image_auroc"]
    for folder, row in zip((small_run, other_run), rows, strict=True):
        truth = next(
            r for r in json.loads((folder / "metrics.json").read_text())["rows"] if r["metric"] == "image_auroc"
        )
        assert [float(row[k]) for k in ("value", "low", "high")] == [truth[k] for k in ("value", "low", "high")]
        assert row["scorer"] == truth["scorer"]
        assert any(truth["scorer"] in line and f"{truth['value']:.3f}" in line for line in printed)
    assert "scorer.name" not in rows[0]  # said once


def test_the_best_is_marked_and_what_the_intervals_do_not_tell_apart(make: Make) -> None:
    runs = [
        make("a", auroc(screw=(0.90, 0.85, 0.95)), {"model": {"loss": "l1"}}),
        make("b", auroc(screw=(0.96, 0.93, 0.98)), {"model": {"loss": "ssim"}}),
        make("c", auroc(screw=(0.70, 0.60, 0.80)), {"model": {"loss": "l2"}}),
        make("d", auroc(screw=(0.80, None, None)), {"model": {"loss": "ssim_l1"}}),
    ]
    comparison = compare(runs)
    assert comparison.columns == ["model.loss"]
    column = comparison.judged("image_auroc", "screw")
    assert [j and (j.best, j.apart) for j in column] == [(False, False), (True, None), (False, True), (False, None)]
    assert remarks(comparison, "image_auroc", "screw") == [
        "screw: ssim is not separated from l1; separated from 1 of 2."
    ]
    assert headline(comparison, "image_auroc").startswith("Best image AUROC on screw: ssim, 96.0 (93.0–98.0)")


@pytest.mark.parametrize(
    ("metric", "lower"),
    [("image_auroc", False), ("false_alarm_rate", True), ("fit_seconds", True), ("train_minutes", True),
     ("inspect_ms_p50", True), ("val_loss", True), ("recall", False), ("accuracy", False)],
)  # fmt: skip
def test_less_is_better_of_some(metric: str, lower: bool, make: Make) -> None:
    assert lower_is_better(metric) is lower
    high = make("high", {("x", metric): (2.0, 1.9, 2.1)})
    low = make("low", {("x", metric): (1.0, 0.9, 1.1)})
    found = compare([high, low]).judged(metric, "x")
    assert [j is not None and j.best for j in found] == ([False, True] if lower else [True, False])
    assert found[0 if lower else 1].apart is True  # type: ignore[union-attr]


def test_the_mean_over_categories_and_its_interval(make: Make) -> None:
    both = make("both", auroc(nut=(0.9, 0.8, 1.0), screw=(0.7, 0.6, 0.75)))
    one = make("one", auroc(nut=(0.99, 0.98, 1.0)))
    comparison = compare([both, one])
    assert comparison.categories("image_auroc") == ["nut", "screw", "mean"]
    mean, lacking = comparison.judged("image_auroc", "mean")
    assert lacking is None  # a mean over fewer categories is no rival
    assert mean is not None
    assert not mean.best
    assert mean.value.value == pytest.approx(0.8)
    assert mean.value.low == pytest.approx(0.8 - math.sqrt(0.1**2 + 0.1**2) / 2)
    assert mean.value.high == pytest.approx(0.8 + math.sqrt(0.1**2 + 0.05**2) / 2)
    assert mean_of([Value(1.0, 0.5, 1.5), Value(2.0)]) == Value(1.5)


def test_the_interval_of_the_mean_covers_as_it_says() -> None:
    rng = np.random.default_rng(0)
    truth, sd = np.array([0.6, 0.8, 0.9]), np.array([0.05, 0.02, 0.03])
    hits = 0
    for _ in range(2000):
        seen = rng.normal(truth, sd)
        mean = mean_of([Value(v, v - 1.96 * s, v + 1.96 * s) for v, s in zip(seen, sd, strict=True)])
        assert mean.low is not None
        assert mean.high is not None
        hits += mean.low <= truth.mean() <= mean.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([{"seed": "0", "model.lr": "1"}, {"seed": "0", "model.lr": "2"}], ["model.lr"]),
        ([{"seed": "0", "scorer.seed": "0"}, {"seed": "1", "scorer.seed": "1"}], ["seed"]),
        ([{"name": "a", "data.name": "a"}, {"name": "b", "data.name": "b"}], ["data.name"]),
        ([{"name": "a"}, {"name": "b"}], ["name"]),
        ([{"seed": "0"}, {"seed": "0"}], []),
        # what only one of two models has is said by the model's name
        ([{"model.name": "unet", "model.skips": "2"}, {"model.name": "vae", "model.kl": "1"}], ["model.name"]),
        ([{"model.name": "unet", "model.lr": "1"}, {"model.name": "vae", "model.lr": "2"}], ["model.name"]),
        ([{"model.name": "unet", "model.lr": "1"}, {"model.name": "vae", "model.lr": "2"},
          {"model.name": "unet", "model.lr": "3"}], ["model.name", "model.lr"]),
        # a setting that an older version did not have
        ([{"trainer.accelerator": "cpu"}, {"trainer.accelerator": "cpu", "trainer.patience": "5"}], []),
    ],
)  # fmt: skip
def test_only_settings_that_tell_runs_apart_are_columns(settings: list[dict[str, str]], expected: list[str]) -> None:
    assert differing(settings) == expected


def test_labels_are_short_and_never_twice_the_same() -> None:
    settings = [{"model.loss": "l1", "model.latent": "64"}, {"model.loss": "ssim", "model.latent": "null"}]
    found = labels(settings, [Path("a"), Path("b")])
    assert found == ["l1 · latent 64", "ssim · latent null"]
    assert labels([{}, {}], [Path("x/a"), Path("x/b")]) == ["a", "b"]
    assert labels([{"seed": "1"}, {"seed": "1"}], [Path("a"), Path("b")]) == ["seed 1 · a", "seed 1 · b"]


def test_a_sweep_folder_is_its_runs_by_number_once_each(make: Make, tmp_path: Path) -> None:
    for number in (10, 2, 0):
        make(f"sweep/{number}", auroc(nut=(0.5, 0.4, 0.6)))
    (tmp_path / "sweep" / "7").mkdir()
    found, notes = find_runs([tmp_path / "sweep" / "2", tmp_path / "sweep"])
    assert [p.name for p in found] == ["2", "0", "10"]
    assert len(notes) == 1
    assert "7: has no metrics.json, so it was left out" in notes[0]


def test_scorers_of_one_run_are_lines_of_their_own_and_share_what_its_training_measured(make: Make) -> None:
    folder = make("run", auroc(nut=(0.5, 0.4, 0.6)))
    data = json.loads((folder / "metrics.json").read_text())
    (row,) = data["rows"]
    data["rows"] += [{**row, "scorer": "cosine", "value": 0.7}, {**row, "scorer": None, "metric": "train_seconds"}]
    (folder / "metrics.json").write_text(json.dumps(data))
    comparison = compare([folder])
    assert [e.label for e in comparison.entries] == ["reconstruction", "cosine"]
    assert comparison.columns == ["scorer"]
    assert all("nut" in e.figures["train_seconds"] for e in comparison.entries)


def test_seeds_are_taken_together(make: Make) -> None:
    runs = [
        make(f"{net}{seed}", auroc(nut=(value, 0.1, 0.9)), {"seed": seed}, net=net, seed=seed)
        for net, values in {"cnn": (0.5, 0.6, 0.7), "vae": (0.8,)}.items()
        for seed, value in enumerate(values)
    ]
    assert over_seeds(compare(runs), "image_auroc", "nut") == [("cnn", [0.5, 0.6, 0.7])]


def test_curves_pictures_and_notes_are_found(make: Make, tmp_path: Path) -> None:
    history = "net,epoch,train_loss,val_loss\nunet,0,0.5,0.6\nunet,1,0.3,0.4\nunet,2,0.1,0.45\n"
    a = make(
        "a",
        auroc(nut=(0.9, 0.8, 1.0)),
        {"model": {"loss": "l1"}},
        {"nut": history, "nut/teacher": history.replace("0.45", "0.3")},
        ("nets/nut/figures/reconstructions_2.png", "nets/nut/figures/reconstructions_10.png", "figures/tsne.png"),
    )
    b = make(
        "b",
        auroc(nut=(0.8, 0.7, 0.9)),
        {"model": {"loss": "l2"}},
        {"all": history.replace("0.45", "") + "teacher,0,1.0,nan\n"},
        digest="cd",
    )
    comparison = compare([a, b])
    curve, teacher = comparison.runs[0].curves
    assert (teacher.name, teacher.best) == ("nut · teacher", 2)
    assert (curve.name, curve.best, curve.validation) == ("nut", 1, (0.6, 0.4, 0.45))
    assert [(c.name, c.best) for c in comparison.runs[1].curves] == [("all · unet", 1), ("all · teacher", None)]
    assert [p.name for p in comparison.runs[0].pictures["Reconstructions"]] == ["reconstructions_10.png"]
    assert [p.name for p in comparison.runs[0].pictures["Embeddings"]] == ["tsne.png"]
    assert any("same images" in note for note in comparison.notes)
    text = write_comparison(comparison, tmp_path / "out").read_text(encoding="utf-8")
    assert "reconstructions_10.png" in text
    assert "reconstructions_2.png" not in text
    words = Words(text).words
    row = words[words.index("l1 · nut") :]
    assert row[:7] == ["l1 · nut", "3", "1", "0.3", "0.4", "0.1", "0.35"]  # epochs, kept, losses, gap there, at the end
    assert (tmp_path / "out" / "figures" / "curves.png").is_file()


class Words(HTMLParser):
    """The words between tags; nothing that runs, nothing from elsewhere, and every tag closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe")
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "href"
            assert name != "src" or (value or "").startswith("data:")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(" ".join(data.split()))


def test_hostile_names_stay_words(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = '<script>alert("x")</script> $\\frac{1$ [bold]'
    runs = [make(f"{i}", auroc(**{evil: (0.5 + i / 10, 0.4, 0.8)}), {"data": {"root": f"{evil}{i}"}}) for i in (0, 1)]
    assert main(["compare", *map(str, runs), "--out", str(tmp_path / "out")]) == 0
    assert "[bold]" in capsys.readouterr().out
    assert any(evil in word for word in Words((tmp_path / "out" / "compare.html").read_text()).words)


def test_ten_categories_and_another_metric(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"c{i}" for i in range(10)]
    figures = [{(c, m): (0.5 + k / 9, 0.4, 0.8) for c in names for m in ("image_auroc", "aupro_30")} for k in range(3)]
    runs = [make(str(k), made, {"seed": k}, seed=k) for k, made in enumerate(figures)]
    arguments = ["compare", *map(str, runs), "--metric", "aupro_30", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("AUPRO to .30")
    assert "c3" not in printed  # the terminal has the mean, the page has them all
    rows = list(csv.DictReader((tmp_path / "out" / "compare.csv").open()))
    assert len(rows) == 3 * 2 * 11


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), "has no metrics.json"),
        (lambda folder: (folder / "metrics.json").write_text("{"), "metrics.json: is damaged"),
        (lambda folder: (folder / "metrics.json").write_text('{"rows": [], "run": {}}'), "has no figures"),
        (lambda folder: (folder / "config.yaml").write_text("a: [1"), "config.yaml: is damaged"),
        (lambda folder: (folder / "nets/nut/history.csv").write_text("epoch\nx\n"), "history.csv line 2: is damaged"),
        (lambda folder: (folder / "nets/nut/history.csv").write_text("loss\n1\n"), "history.csv line 2: is damaged"),
        (lambda folder: (folder / "figures/reconstruction.png").write_bytes(b"no"), "is not a whole picture"),
        (lambda folder: folder.rename(folder.with_name("gone")), "no such run folder"),
    ],
)
def test_bad_input_is_one_line(
    break_it: Callable[[Path], Any], says: str, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = {"nut": "net,epoch,train_loss,val_loss\nunet,0,1,1\n"}
    folder = make("run", auroc(nut=(0.5, 0.4, 0.6)), None, history, ("figures/reconstruction.png",))
    break_it(folder)
    assert main(["compare", str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert error.count("\n") == 0
    assert not (tmp_path / "out" / "compare.html").exists()


def test_an_unknown_metric_names_those_there_are(make: Make, tmp_path: Path) -> None:
    comparison = compare([make("run", auroc(nut=(0.5, 0.4, 0.6)))])
    with pytest.raises(TachaError, match=r"--metric loveliness: .* there are image_auroc"):
        write_comparison(comparison, tmp_path / "out", "loveliness")
    assert not (tmp_path / "out").exists()


def test_the_page_in_spanish(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = {"all": "epoch,train_loss,val_loss\n0,5,5\n1,4,4\n"}
    one = make("one", auroc(screw=(0.9, 0.85, 0.95)), {"model": {"loss": "l1"}}, history)
    two = make("two", auroc(screw=(0.7, 0.6, 0.8)), {"model": {"loss": "ssim"}}, history)
    assert main(["compare", str(one), str(two), "--language", "es", "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    text = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    for expected in (
        '<html lang="es">',
        "2 ejecuciones comparadas",
        "Mejor AUROC por imagen en screw: l1, 90.0 (85.0–95.0); separada de todas las demás.",
        "screw: l1 se separa de todas las demás.",
        "los dos intervalos del 95 % se solapan",
        "La brecha es la pérdida de validación menos la de entrenamiento.",
    ):
        assert expected in text
    for english in ("separated", "Figures", "The gap is", "weights kept"):
        assert english not in text
