"""tacha bench, on real artefacts and processes."""

from __future__ import annotations

import argparse
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tacha import load
from tacha.cli import main, parser
from tacha.commands.bench import _samples, chosen_variants
from tacha.data.content import digest
from tacha.errors import TachaError
from tacha.report.bench import means
from tacha.report.frontier import Point, frontier, frontier_plot
from tacha.runtime import artefact as artefacts
from tacha.runtime import bench as benches
from tacha.runtime.bench import Measured, Variant


def test_two_engines_side_by_side(
    artefact_path: Path, sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["bench", str(artefact_path), "--data", str(sample_root), "--engines", "openvino,torch", "--count", "5"]
    assert main([*given, "--rounds", "2", "--batch", "3", "--threads", "1", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "bench.json").read_text())
    assert [(r["engine"], r["threads"]) for r in found["rows"]] == [("openvino", 1), ("torch", 1)]
    for row in found["rows"]:
        assert 0 < row["engine_p50_ms"] < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["images_per_second"] > 0
        assert row["start_seconds"] > 0
        assert row["peak_mib"] > 50
        assert row["file_mib"] == pytest.approx(artefact_path.stat().st_size / 2**20)
        assert row["changed_verdicts"] == 0
        assert row["judged"] > 5  # every labelled image, not those alone that were timed
        assert row["time_ratio"]["to"] == "brick · torch f32"
        auroc = next(f for f in row["figures"] if f["metric"] == "image_auroc")
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
    assert found["rows"][1]["time_ratio"]["median"] == 1
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
    assert "brick · openvino f32" in said


def test_peak_memory_is_the_variants_own(artefact_path: Path, sample_root: Path) -> None:
    ballast = np.ones(2**30, np.uint8)
    image = next((sample_root / "brick" / "test" / "good").glob("*.png"))
    found = benches.bench([Variant(artefact_path, "openvino")], [image], rounds=1, threads=1)
    assert found[0].peak_mb is not None
    assert 50 < found[0].peak_mb < ballast.nbytes / 2**20


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "--data DIR with test images, or --images"),
        (["--images", "nowhere.png"], "nowhere.png"),
        (["--data", "{set}", "--engines", "magic"], "magic"),
        (["--data", "{set}", "--precisions", "int3"], "int3"),
        (["--data", "{set}", "--engines", "onnxruntime", "--precisions", "bf16"], "no bf16"),
        (["--data", "{set}", "--category", "glass"], "glass"),
        (["--data", "{set}", "--rounds", "0"], "1 or more"),
        (["--data", "{set}", "--batch", "0"], "1 or more"),
        (["--data", "{set}", "--threads", "0"], "--threads 0: give 1 or more"),
    ],
)
def test_what_cannot_be_measured(
    artefact_path: Path, sample_root: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(artefact_path), *(m.format(set=sample_root) for m in more)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_int8_is_measured_where_it_runs(
    artefact_path: Path, good_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = artefacts.read(artefact_path)
    path = artefacts.write(
        replace(whole, card={**whole.card, "arithmetic": {"int8": []}}), tmp_path / "brick.int8.tacha"
    )
    asked = parser().parse_args(["bench", str(artefact_path), str(path)])
    chosen = chosen_variants([("", artefact_path), ("", path)], asked)
    assert {v.engine for v in chosen if v.artefact == artefact_path} == {"openvino", "onnxruntime", "torch"}
    assert {v.engine for v in chosen if v.artefact == path} == {"openvino", "onnxruntime"}
    assert main(["bench", str(path), "--images", str(good_image), "--engines", "torch"]) == 2
    assert "torch no int8" in capsys.readouterr().err


def test_a_process_that_is_killed_is_named(
    artefact_path: Path, good_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = benches._asked

    def kill_at_throughput(variant: Variant, line: Any, what: str, *arguments: object) -> object:
        if what == "throughput":
            children = benches.multiprocessing.active_children()
            os.kill(children[0].pid or 0, signal.SIGKILL)
            children[0].join()  # dead when it is asked
        return asked(variant, line, what, *arguments)

    monkeypatch.setattr(benches, "_asked", kill_at_throughput)
    with pytest.raises(TachaError, match=r"brick · onnxruntime f32: its process ended"):
        benches.bench([Variant(artefact_path, "onnxruntime")], [good_image], rounds=1)


def test_an_engine_that_fails_as_it_runs_is_named(
    artefact_path: Path, good_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = benches._asked

    def ask_nonsense(variant: Variant, line: Any, what: str, *arguments: object) -> object:
        return asked(variant, line, "nonsense" if what == "throughput" else what, *arguments)

    monkeypatch.setattr(benches, "_asked", ask_nonsense)
    with pytest.raises(TachaError, match=r"brick · openvino f32: AttributeError: '_Server' object has no attribute"):
        benches.bench([Variant(artefact_path, "openvino")], [good_image], rounds=1)


def test_what_a_classifier_learned_from_is_not_measured_on(
    artefact_path: Path, sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artefact = artefacts.read(artefact_path)
    flawed = sorted(p for p in (sample_root / "brick" / "test").rglob("*.png") if p.parent.name != "good")
    learned = tmp_path / "learned.tacha"
    artefacts.write(replace(artefact, card={**artefact.card, "learned_flaws": [digest(flawed[0])]}), learned)
    asked = argparse.Namespace(data=str(sample_root), images=None, artefacts=[learned], category=None)
    found = _samples(asked)
    assert digest(flawed[0]) not in {digest(s.path) for s in found}
    assert "1 images were learned from and are left out" in capsys.readouterr().out
    asked.artefacts = [artefact_path]
    assert len(_samples(asked)) == len(found) + 1


def test_ratios_and_changes_against_loops() -> None:
    a, b = (Measured(Variant(Path(n), "torch"), {}, 0, 0) for n in "ab")
    a.whole, b.whole = [[1, 3, 2], [4, 4, 9]], [[2, 2, 2], [8, 1, 2]]
    assert a.ratio(b) == (1.5, 1.0, 2.0)
    assert a.quantile(0.5) == 3.5
    a.verdicts, b.verdicts = {Path("x"): "good", Path("y"): "flawed"}, {Path("x"): "flawed", Path("y"): "flawed"}
    assert a.changed(b) == 1


def test_means_over_categories_of_what_was_measured_in_all() -> None:
    def measured(name: str, value: float, times: list[float]) -> Measured:
        auroc = {"metric": "image_auroc", "value": value, "low": value - 0.03, "high": value + 0.04}
        return Measured(Variant(Path("x"), "torch", "f32", name), {}, 0, 0, [times], figures=[auroc])

    nut = [measured("a", 0.8, [1, 2, 9]), measured("b", 0.7, [5]), measured("a · f16", 0.9, [1])]
    screw = [measured("a", 0.9, [4]), measured("b", 0.6, [7])]
    a, b = means([nut, screw])
    assert (a.label, a.milliseconds, a.value) == ("a · torch f32", 3, pytest.approx(0.85))
    assert a.low == pytest.approx(0.85 - 0.03 / 2**0.5)
    assert a.high == pytest.approx(0.85 + 0.04 / 2**0.5)
    assert (b.label, b.milliseconds, b.value) == ("b · torch f32", 6, pytest.approx(0.65))


@pytest.mark.parametrize("seed", range(6))
def test_frontier_against_all_pairs(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    points = [Point(str(i), float(rng.integers(1, 9)), float(rng.integers(0, 6)) / 6) for i in range(12)]

    def beaten(p: Point) -> bool:
        return any(
            q.milliseconds <= p.milliseconds
            and q.value >= p.value
            and (q.milliseconds, q.value) != (p.milliseconds, p.value)
            for q in points
        )

    assert {p[1:3] for p in frontier(points)} == {p[1:3] for p in points if not beaten(p)}
    assert frontier_plot(points, "x", tmp_path / "f.png").stat().st_size > 1000


def test_batches_are_judged_as_single_images_are(artefact_path: Path, sample_root: Path, tmp_path: Path) -> None:
    inspector = load(artefact_path)
    paths = sorted((sample_root / "brick" / "test").glob("*/*.png"))[:7]
    alone = [inspector.inspect(p) for p in paths]
    for batch in (1, 2, 3, 7, 50):
        together = list(inspector.inspect_many(paths, batch=batch))
        assert [f.path for f in together] == paths
        assert [f.verdict for f in together] == [f.verdict for f in alone]
        np.testing.assert_allclose([f.score for f in together], [f.score for f in alone], rtol=1e-4)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    skipped: list[tuple[Path, str]] = []
    some = [*paths[:2], bad, *paths[2:4], bad]
    assert [f.path for f in inspector.inspect_many(some, skipped, batch=3)] == paths[:4]
    assert len(skipped) == 2
    judged = []
    with pytest.raises(TachaError, match=r"bad\.png"):  # noqa: PT012
        for found in inspector.inspect_many(some, batch=4):
            judged.append(found.path)
    assert judged == paths[:2]  # what was read before the bad one is not lost
