"""`tacha profile`: what it counts against what is known to run, its files, its page, its refusals."""

from __future__ import annotations

import csv
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tacha.cli import main
from tacha.inspector import Inspector
from tacha.profiling.operators import FUNCTION, OPERATOR, functions_of, median_of, tally_of, torch_profile
from tacha.profiling.stages import Stages
from tacha.runtime import artefact as artefacts
from tacha.words import LANGUAGES, words

STAGES = {"reading", "features", "scorer", "engine", "verdict"}


@pytest.fixture(scope="module")
def profiled(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("profile") / "of"
    command = ["profile", str(small_run), "--engine", "openvino", "--rounds", "2", "--count", "2", "--out", str(out)]
    assert main(command) == 0
    return out


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_operators_are_those_that_ran() -> None:
    a = torch.rand(40, 50)
    with torch_profile() as profiler:
        for _ in range(3):
            (a @ a.T).sum()
    (product,) = [o for o in median_of([tally_of(profiler.events(), "x")], 1) if o.name == "aten::mm"]
    assert (product.stage, product.kind, product.calls) == ("x", OPERATOR, 3)
    assert 0 < product.self_ms <= product.total_ms
    assert product.memory_mib == pytest.approx(3 * 40 * 40 * 4 / 2**20)
    assert product.device_total_ms == product.device_memory_mib == 0


def test_medians_are_over_rounds_and_what_a_round_lacks_is_nothing() -> None:
    def row(ms: float) -> np.ndarray:
        return np.array([2, ms, ms, 0, 0, 0, 0.0])

    rounds = [
        {("s", OPERATOR, "always"): row(2), ("s", OPERATOR, "once"): row(9)},
        {("s", OPERATOR, "always"): row(8)},
        {("s", OPERATOR, "always"): row(4)},
    ]
    always, once = median_of(rounds, among=2)
    assert (always.name, always.calls, always.self_ms) == ("always", 1, 2)
    assert (once.calls, once.self_ms) == (0, 0)


def test_functions_are_named_by_file_and_never_by_the_machine() -> None:
    found = median_of([functions_of(lambda: [json.dumps({"a": 1}) for _ in range(4)], "x")], 1)
    dumps = next(o for o in found if o.name.endswith("json/__init__.py:dumps"))
    assert (dumps.kind, dumps.calls) == (FUNCTION, 4)
    assert not [o.name for o in found if o.name.startswith("/") or " at 0x" in o.name]


@pytest.mark.parametrize("tiles", [{}, {"tile": 48, "overlap": 0.25}], ids=["whole", "tiles"])
def test_a_verdict_by_stages_is_the_verdict(artefact_path: Path, sample_root: Path, tiles: dict[str, float]) -> None:
    artefact = artefacts.read(artefact_path)
    card = {**artefact.card, "input": {**artefact.card["input"], **tiles}}
    inspector = Inspector(replace(artefact, card=card), engine="torch")
    stages = Stages(inspector, "cpu")
    for path in sorted((sample_root / "brick" / "test").glob("*/*.png"))[::7]:
        read = stages.read(path)
        assert (len(read.seen.boxes) > 1) == bool(tiles)
        found, whole = stages.verdict(read, stages.scores(stages.features(read))), inspector.inspect(path)
        assert found.to_dict() == whole.to_dict()
        assert found.map is not None
        assert np.array_equal(found.map, whole.map)
        assert stages.verdict(read, stages.engine(read)).to_dict() == whole.to_dict()


def test_int8_is_seen_in_its_engine_alone(artefact_path: Path, good_image: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    artefact = artefacts.read(artefact_path)
    said = artefacts.write(replace(artefact, card={**artefact.card, "arithmetic": "int8"}), tmp_path / "of.tacha")
    assert main(["profile", str(said), str(good_image), "--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    assert "torch has no int8 for this artefact" in capsys.readouterr().out
    rows = json.loads((tmp_path / "out" / "profile.json").read_text())["rows"]
    assert {r["stage"] for r in rows} == {"reading", "engine", "verdict"}
    assert "does not run this artefact's int8" in (tmp_path / "out" / "profile.html").read_text().replace("&#39;", "'")


def test_what_it_writes(profiled: Path) -> None:
    run = json.loads((profiled / "profile.json").read_text())
    assert {r["stage"] for r in run["rows"]} == STAGES
    assert all(0 < r["low"] <= r["median"] <= r["high"] for r in run["rows"])
    assert {r["stage"] for r in run["rows"] if r["profiled"] is None} == {"engine"}
    assert (run["run"]["images"], run["run"]["rounds"], run["run"]["engine"]) == (2, 2, "openvino")
    operators = table(profiled / "operators.csv")
    assert {o["stage"] for o in operators} == STAGES - {"engine"}
    kinds = {(o["stage"], o["kind"]) for o in operators}
    assert kinds == {("reading", FUNCTION), ("features", OPERATOR), ("scorer", OPERATOR), ("verdict", FUNCTION)}
    assert next(o for o in operators if o["stage"] == "features")["name"].startswith("aten::")
    assert any("decode" in o["name"] for o in operators if o["stage"] == "reading")
    assert all(float(o["self_ms"]) <= float(o["total_ms"]) + 1e-6 for o in operators)
    layers = table(profiled / "layers.csv")
    assert {"Convolution", "FullyConnected"} & {row["kind"] for row in layers}
    assert [float(row["wall_ms"]) for row in layers] == sorted((float(row["wall_ms"]) for row in layers), reverse=True)
    for stage in STAGES - {"engine"}:
        events = json.loads((profiled / f"trace_{stage}.json").read_text())["traceEvents"]
        assert any(e.get("name") == stage for e in events)


def test_convolutions_are_counted_an_image(profiled: Path, artefact_path: Path) -> None:
    from tacha.runtime.engines.torch import detector_of

    net = detector_of(artefacts.read(artefact_path)).net
    ran = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda *_: ran.append(1))
    with torch.inference_mode():
        net(torch.rand(1, 3, 64, 64))
    (row,) = [
        o for o in table(profiled / "operators.csv") if (o["stage"], o["name"]) == ("features", "aten::convolution")
    ]
    assert float(row["calls"]) == len(ran)


def test_the_page_is_whole_and_asks_for_nothing(profiled: Path) -> None:
    text = (profiled / "profile.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"?https?:|<script", text)
    run = json.loads((profiled / "profile.json").read_text())
    for row in run["rows"]:
        assert f"{row['median']:.2f}<small>{row['low']:.2f}–{row['high']:.2f}" in text
    assert "aten::" in text
    assert "OpenVINO" in text
    assert not re.search(r"width:(nan|inf|-)", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks(artefact_path: Path, good_image: Path, tmp_path: Path, language: str) -> None:
    arguments = [str(artefact_path), str(good_image), "--engine", "torch", "--rounds", "1", "--language", language]
    assert main(["profile", *arguments, "--out", str(tmp_path)]) == 0
    text = (tmp_path / "profile.html").read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in text
    assert words(language).gettext("Where the time goes") in text
    assert not (tmp_path / "layers.csv").exists()
    assert {r["stage"] for r in json.loads((tmp_path / "profile.json").read_text())["rows"]} == STAGES - {"engine"}


def test_a_slow_stage_is_seen_to_be_slow(
    artefact_path: Path, good_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Stages, path: Path, read=Stages.read):  # type: ignore[no-untyped-def]
        time.sleep(0.15)
        return read(self, path)

    monkeypatch.setattr(Stages, "read", slow)
    arguments = ["--engine", "torch", "--rounds", "1", "--out", str(tmp_path)]
    assert main(["profile", str(artefact_path), str(good_image), *arguments]) == 0
    rows = {r["stage"]: r for r in json.loads((tmp_path / "profile.json").read_text())["rows"]}
    assert rows["reading"]["low"] >= 150
    reading = [o for o in table(tmp_path / "operators.csv") if o["stage"] == "reading"]
    assert "sleep" in reading[0]["name"]  # the longest of its stage
    assert float(reading[0]["self_ms"]) >= 150


def _two(run: Path, tmp_path: Path) -> str:
    for name in ("one", "two"):
        (tmp_path / f"{name}.tacha").write_bytes((run / "brick.tacha").read_bytes())
    return str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{artefact}", "{image}", "--rounds", "0"], "--rounds and --count: give 1 or more"),
        (["{artefact}", "missing.png"], "missing.png: no such image"),
        (["{artefact}", "{broken}"], "broken.png: not an image that can be read"),
        (["missing.tacha", "{image}"], "missing.tacha: no such artefact"),
        (["{alone}"], "alone.tacha: does not lie in a run folder"),
        (["{two}"], "has 2 artefacts (one.tacha, two.tacha); name one of them"),
        (["{empty}"], "has no artefact"),
        (["{artefact}", "{image}", "--threads", "0"], "threads"),
        pytest.param(
            ["{artefact}", "{image}", "--device", "cuda"],
            "--device cuda: torch finds no CUDA device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], says: str, small_run: Path, good_image: Path, tmp_path: Path, capsys
) -> None:  # type: ignore[no-untyped-def]
    places = {name: tmp_path / name for name in ("empty", "two", "alone")}
    for place in places.values():
        place.mkdir()
    alone, broken = places["alone"] / "alone.tacha", tmp_path / "broken.png"
    alone.write_bytes((small_run / "brick.tacha").read_bytes())
    broken.write_bytes(b"no image")
    known = {
        "artefact": small_run / "brick.tacha",
        "image": good_image,
        "broken": broken,
        "alone": alone,
        "two": _two(small_run, places["two"]),
        "empty": places["empty"],
    }
    out = tmp_path / "out"
    assert main(["profile", *(a.format(**known) for a in arguments), "--out", str(out)]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert error.count("\n") == 0
    assert not out.exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_has_its_kernels(artefact_path: Path, good_image: Path, tmp_path: Path) -> None:
    arguments = [str(artefact_path), str(good_image), "--device", "cuda", "--engine", "torch", "--rounds", "1"]
    assert main(["profile", *arguments, "--out", str(tmp_path)]) == 0
    operators = table(tmp_path / "operators.csv")
    assert any(o["kind"] == "kernel" and float(o["device_self_ms"]) > 0 for o in operators)
    assert any(o["kind"] == OPERATOR and float(o["device_total_ms"]) > 0 for o in operators)
