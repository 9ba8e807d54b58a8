"""`tacha compare --bench`: the best entries of real runs side by side, and what keeps them from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tacha.cli import main
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Sample
from tacha.finalists import Final, finals
from tacha.report.compare import compare
from tacha.runtime import artefact as artefacts
from tacha.runtime.bench import Measured, Variant
from tacha.runtime.storage import halved

QUICK = ["--engines", "openvino", "--rounds", "1", "--count", "3", "--threads", "1", "--batch", "2"]


@pytest.fixture
def runs(small_run: Path, other_run: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of two runs on the same images."""
    return shutil.copytree(small_run, tmp_path / "banks"), shutil.copytree(other_run, tmp_path / "mahalanobis")


def _score(folder: Path, value: float, metric: str = "image_auroc") -> None:
    """Another figure in metrics.json, so that which of two is best is the test's own choice."""
    path = folder / "metrics.json"
    found = json.loads(path.read_text())
    for row in found["rows"]:
        if row["metric"] == metric:
            row.update(value=value, low=value - 0.01, high=value + 0.01)
    path.write_text(json.dumps(found))


def test_the_best_in_one_command(runs: tuple[Path, Path], tmp_path: Path) -> None:
    banks, mahalanobis = runs
    _score(banks, 0.8)
    _score(mahalanobis, 0.9)
    whole = artefacts.read(banks / "brick.tacha")
    small = halved(whole)
    artefacts.write(replace(small, card={**small.card, "variant": {"kind": "f16"}}), banks / "brick.f16.tacha")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tacha", "compare", *map(str, runs), "--out", str(out), "--bench", *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "bench" / "brick" / "bench.json").read_text())
    names = ["mahalanobis · pixels false", "depth_banks · pixels true", "depth_banks · pixels true · f16"]
    labels = [f"{name} · openvino f32" for name in names]
    assert [r["label"] for r in found["rows"]] == labels
    kept = [mahalanobis / "brick.tacha", banks / "brick.tacha", banks / "brick.f16.tacha"]
    assert [Path(r["artefact"]) for r in found["rows"]] == kept
    assert all(r["threads"] == 1 for r in found["rows"])
    assert found["run"]["images"] == 3
    # It is measured on the run's own test images, so it finds the run's own figure.
    truth = next(m["value"] for m in whole.card["metrics"] if m["metric"] == "image_auroc")
    auroc = next(f["value"] for f in found["rows"][1]["figures"] if f["metric"] == "image_auroc")
    assert auroc == pytest.approx(truth, abs=0.01)
    files = [out / "compare.csv", *(out / "bench" / "brick" / n for n in ("bench.json", "frontier.png"))]
    assert done.stdout.splitlines()[-4:] == [*map(str, files), str(out / "compare.html")]
    assert all(f.is_file() for f in files)
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert "The best by image AUROC, side by side" in page
    assert all(page.count(f">{label}<") == 1 for label in labels)


def test_only_as_many_as_asked_and_by_the_metric_asked(runs: tuple[Path, Path]) -> None:
    for folder, auroc, milliseconds in zip(runs, (0.9, 0.8), (9.0, 5.0), strict=True):
        _score(folder, auroc)
        _score(folder, milliseconds, "inspect_ms_p50")
    comparison = compare(runs)
    for metric, best in (("image_auroc", runs[0]), ("inspect_ms_p50", runs[1])):
        (final,) = finals(comparison, metric, 1)
        assert [path for _, path in final.named] == [best / "brick.tacha"]
        assert final.category == "brick"
        assert {s.split for s in final.samples} == {"test"}
        assert len(finals(comparison, metric, 5)[0].named) == 2


def test_a_scorer_asked_for_twice_is_the_main_one(runs: tuple[Path, Path]) -> None:
    """A run does not judge by the main scorer again where `others` names it with the same settings."""
    settings = yaml.safe_load((runs[0] / "config.yaml").read_text())
    settings["others"] = {"again": dict(settings["scorer"])}
    (runs[0] / "config.yaml").write_text(yaml.safe_dump(settings))
    (final,) = finals(compare(runs[:1]), "image_auroc", 1)
    assert [path for _, path in final.named] == [runs[0] / "brick.tacha"]


def test_scorers_of_one_run_each_have_their_artefact(runs: tuple[Path, Path]) -> None:
    """A variant of another scorer's artefact is not taken for one of the main scorer's."""
    banks, mahalanobis = runs
    config = yaml.safe_load((banks / "config.yaml").read_text())
    config["others"] = {"maha": yaml.safe_load((mahalanobis / "config.yaml").read_text())["scorer"]}
    (banks / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(mahalanobis / "brick.tacha", banks / "brick.maha.tacha")
    small = halved(artefacts.read(mahalanobis / "brick.tacha"))
    artefacts.write(replace(small, card={**small.card, "variant": {"kind": "f16"}}), banks / "brick.maha.f16.tacha")
    found = json.loads((banks / "metrics.json").read_text())
    found["rows"] += [{**r, "scorer": "mahalanobis"} for r in found["rows"]]
    (banks / "metrics.json").write_text(json.dumps(found))
    (final,) = finals(compare([banks]), "image_auroc", 3)
    assert [(name, path.name) for name, path in final.named] == [
        ("depth_banks", "brick.tacha"),
        ("mahalanobis", "brick.maha.tacha"),
        ("mahalanobis · f16", "brick.maha.f16.tacha"),
    ]


def _root(folder: Path, root: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data"]["root"] = str(root)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _moved_and_less(folder: Path, sample_root: Path) -> Path:
    root = shutil.copytree(sample_root / "brick", folder.parent / "set" / "brick").parent
    sorted((root / "brick" / "test" / "good").glob("*.png"))[0].unlink()
    _root(folder, root)
    return root


def _fitted_on_less(folder: Path, sample_root: Path) -> None:
    root = _moved_and_less(folder, sample_root)
    artefact = artefacts.read(folder / "brick.tacha")
    about = {**artefact.card["data"], "digest": read_catalogue(root, "mvtec", ["brick"]).digest()}
    artefacts.write(replace(artefact, card={**artefact.card, "data": about}), folder / "brick.tacha")


def _of_another_category(folder: Path, sample_root: Path) -> None:
    found = json.loads((folder / "metrics.json").read_text())
    for row in found["rows"]:
        row["category"] = "glass"
    (folder / "metrics.json").write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("break_it", "more", "says"),
    [
        (lambda folder, _: (folder / "brick.tacha").unlink(), [], "brick.tacha: the artefact is gone"),
        (lambda folder, _: (folder / "brick.tacha").write_text("x"), [], "not a tacha artefact"),
        (lambda folder, _: _root(folder, folder / "nowhere"), [], "data are not there any more"),
        (_moved_and_less, [], "is not what brick.tacha was fitted on"),
        (_fitted_on_less, [], "were tested on different images of brick"),
        (_of_another_category, [], "no entry has image_auroc on every category (brick, glass)"),
        (lambda folder, _: (folder / "config.yaml").write_text("seed: 0"), [], "is not the configuration of a run"),
        (lambda *_: None, ["--bench", "0"], "at least 1"),
        (lambda *_: None, ["--engines", "magic"], "magic"),
        (lambda *_: None, ["--rounds", "0"], "1 or more"),
    ],
)
def test_what_cannot_be_put_side_by_side(
    break_it: Callable[[Path, Path], Any],
    more: list[str],
    says: str,
    runs: tuple[Path, Path],
    sample_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_it(runs[1], sample_root)
    assert main(["compare", *map(str, runs), "--out", str(tmp_path / "out"), "--bench", *more]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_data_in_another_place_are_the_same_data(runs: tuple[Path, Path], sample_root: Path, tmp_path: Path) -> None:
    _root(runs[1], shutil.copytree(sample_root / "brick", tmp_path / "set" / "brick").parent)
    (final,) = finals(compare(runs), "image_auroc", 2)
    assert len(final.named) == 2


def test_several_categories_end_in_their_mean(
    runs: tuple[Path, Path],
    artefact_path: Path,
    good_image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    auroc = {"metric": "image_auroc", "value": 0.8, "low": 0.7, "high": 0.9}

    def measured(variants: list[Variant], images: list[Path], *_: object, **__: object) -> list[Measured]:
        return [
            Measured(v, {"threads": 1}, 0, 0, [[5.0]], [[4.0]], {images[0]: "good"}, figures=[auroc]) for v in variants
        ]

    sample = Sample(good_image, "brick", "test")
    both = [Final(c, [("a", artefact_path), ("b", artefact_path)], (sample,)) for c in ("brick", "glass")]
    monkeypatch.setattr("tacha.finalists.finals", lambda *_: both)
    monkeypatch.setattr("tacha.commands.bench.bench", measured)
    out = tmp_path / "out"
    assert main(["compare", *map(str, runs), "--out", str(out), "--bench", "2", "--engines", "torch"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(out / "bench" / "frontier.png"), str(out / "compare.html")]
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert page.index("in the mean over categories") < page.index(">brick <small>") < page.index(">glass <small>")
    assert page.count(">a · torch f32<") == 3
