"""Which engine and precision are chosen, what is kept of the choice, and what happens where it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tacha import TachaError, load
from tacha.cli import main
from tacha.configuration import compose
from tacha.run import train
from tacha.runtime import artefact as artefacts
from tacha.runtime import choice, kept
from tacha.runtime.choice import Candidate, preferred, to_calibrate, to_judge
from tacha.runtime.engines import ENGINES
from tacha.runtime.engines import openvino as openvino_engine

OV, ORT, OV16 = Candidate("openvino", "f32"), Candidate("onnxruntime", "f32"), Candidate("openvino", "bf16", 1.25)
needs_bf16 = pytest.mark.skipif(not openvino_engine.has_bf16(), reason="this CPU has no bf16")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("TACHA_CACHE", str(tmp_path / "cache"))
    kept._say.cache_clear()
    return tmp_path / "cache" / "engines.json"


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Sets what each label takes, in ms; returns a list of what was measured since."""

    def set_times(**milliseconds: float) -> list[list[str]]:
        asked: list[list[str]] = []

        def measured(engines, image):  # type: ignore[no-untyped-def]
            asked.append([f"{e.name} {e.precision}" for e in engines])
            return [milliseconds[f"{e.name}_{e.precision}"] for e in engines]

        monkeypatch.setattr(choice, "measured", measured)
        return asked

    return set_times


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({OV: 10, ORT: 9.2}, OV),  # within noise of the first
        ({OV: 10, ORT: 9.0}, ORT),
        ({OV: 10, ORT: 30}, OV),
        ({ORT: 5}, ORT),
        ({OV: 10, ORT: 12, OV16: 8.1}, OV),
        ({OV: 10, ORT: 12, OV16: 8.0}, OV16),
        ({OV: 10, ORT: 6, OV16: 5}, ORT),  # against the fastest, not against its own engine
        ({OV: 10, ORT: 6, OV16: 4}, OV16),
    ],
)
def test_another_must_be_clearly_faster(times: dict[Candidate, float], chosen: Candidate) -> None:
    assert preferred(times) == chosen


def test_turns_are_fair_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    milliseconds = choice.measured([lambda _: calls.append("a"), lambda _: calls.append("b")], None)  # type: ignore[list-item]
    assert len(milliseconds) == 2
    assert all(ms >= 0 for ms in milliseconds)
    assert "".join(calls[:6]) == "abbaab"
    monkeypatch.setattr(choice, "SECONDS", 0.0)
    calls.clear()
    choice.measured([lambda _: calls.append("a")], None)  # type: ignore[list-item]
    assert len(calls) == choice.FEWEST


def test_it_is_measured_once_and_then_remembered(artefact_path: Path, cache: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed(openvino_f32=10, onnxruntime_f32=5)
    for _ in range(2):
        assert load(artefact_path).engine.name == "onnxruntime"
    assert measured == [["openvino f32", "onnxruntime f32"]]
    (entry,) = json.loads(cache.read_text()).values()
    assert entry["chosen"] == "onnxruntime f32"
    assert entry["milliseconds"] == {"openvino f32": 10, "onnxruntime f32": 5}
    assert str(Path.home()) not in cache.read_text()
    assert [p.name for p in cache.parent.iterdir()] == ["engines.json"]


def test_a_second_process_does_not_measure(artefact_path: Path, timed) -> None:  # type: ignore[no-untyped-def]
    timed(openvino_f32=10, onnxruntime_f32=5)
    load(artefact_path)
    code = """if True:
        import sys
        from tacha.runtime import choice
        choice.measured = None
        import tacha
        print(tacha.load(sys.argv[1]))
    """
    done = subprocess.run([sys.executable, "-c", code, str(artefact_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "engine='onnxruntime', precision='f32'" in done.stdout


def test_a_real_measurement_chooses_one_that_there_is(artefact_path: Path, cache: Path) -> None:
    found = to_judge(artefacts.read(artefact_path))
    assert set(found.milliseconds) == {"openvino f32", "onnxruntime f32"}
    assert all(ms > 0 for ms in found.milliseconds.values())
    assert f"{found.engine.name} {found.engine.precision}" in found.milliseconds
    assert json.loads(cache.read_text())
    image = np.zeros((1, 3, 64, 64), np.float32)
    assert np.isfinite(found.engine(image)[0]).all()


def test_what_the_choice_depends_on(artefact_path: Path, cache: Path, timed, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    measured = timed(openvino_f32=10, onnxruntime_f32=5)
    artefact = artefacts.read(artefact_path)
    other = replace(artefact, weights=artefact.weights[:-4] + b"\0\0\0\0", card={**artefact.card, "name": "other"})
    for again in (artefact, other):  # weights and names do not matter
        to_judge(again)
    assert len(measured) == 1
    to_judge(artefact, threads=1)
    assert len(measured) == 2
    for name, value in (("available_cores", 99), ("cpu", "another"), ("versions", {"tacha": "9", "openvino": "9"})):
        monkeypatch.setattr(choice, name, lambda value=value: value)
        to_judge(artefact)
    import onnx

    graph = onnx.load_model_from_string(artefact.graph)
    graph.graph.name = "another"
    to_judge(replace(artefact, graph=graph.SerializeToString()))
    assert len(measured) == len(json.loads(cache.read_text())) == 6


def test_a_named_engine_is_not_measured(artefact_path: Path, cache: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed()
    for name in ENGINES.names():
        assert load(artefact_path, engine=name).engine.name == name
    assert measured == []
    assert not cache.exists()


def test_check_probe_measures_anew(artefact_path: Path, cache: Path, timed, capsys) -> None:  # type: ignore[no-untyped-def]
    timed(openvino_f32=10, onnxruntime_f32=5)
    load(artefact_path)
    timed(openvino_f32=4, onnxruntime_f32=5)
    assert load(artefact_path).engine.name == "onnxruntime"
    assert main(["check", str(artefact_path), "--probe"]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime f32: 5.0 ms an image" in said
    assert "here it is judged by openvino f32" in said
    assert load(artefact_path).engine.name == "openvino"
    assert len(json.loads(cache.read_text())) == 1


@pytest.mark.parametrize("damage", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"x": {}'])
def test_a_damaged_cache_is_named_and_replaced(
    damage: bytes, artefact_path: Path, cache: Path, timed, capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    measured = timed(openvino_f32=10, onnxruntime_f32=5)
    cache.parent.mkdir()
    cache.write_bytes(damage)
    for _ in range(2):
        assert load(artefact_path).engine.name == "onnxruntime"
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{cache}: damaged" in error
    assert len(measured) == 1
    assert len(json.loads(cache.read_text())) == 1


@pytest.mark.parametrize("entry", [3, {}, {"chosen": 3}, {"chosen": "abacus f32"}, ["openvino f32"]])
def test_an_entry_that_says_nothing_is_measured_anew(entry: object, artefact_path: Path, cache: Path, timed) -> None:  # type: ignore[no-untyped-def]
    timed(openvino_f32=10, onnxruntime_f32=5)
    load(artefact_path)
    cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), entry)))
    measured = timed(openvino_f32=10, onnxruntime_f32=5)
    assert load(artefact_path).engine.name == "onnxruntime"
    assert len(measured) == 1


@pytest.mark.parametrize("place", ["below a file", "a folder in its place"])
def test_a_cache_that_cannot_be_used_is_said_once(
    place: str, artefact_path: Path, tmp_path: Path, timed, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    folder = tmp_path / "file" / "below"
    if place == "below a file":
        folder.parent.write_text("a file")
    else:
        (folder / "engines.json").mkdir(parents=True)
    monkeypatch.setenv("TACHA_CACHE", str(folder))
    measured = timed(openvino_f32=10, onnxruntime_f32=5)
    for _ in range(2):
        assert load(artefact_path).engine.name == "onnxruntime"
    assert len(measured) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(folder) in error
    assert "TACHA_CACHE" in error


def test_a_user_without_a_home_is_measured_each_time(
    artefact_path: Path, tmp_path: Path, timed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    import platformdirs

    monkeypatch.delenv("TACHA_CACHE")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/tacha"))
    monkeypatch.chdir(tmp_path)
    timed(openvino_f32=10, onnxruntime_f32=5)
    assert load(artefact_path).engine.name == "onnxruntime"
    assert "no home folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_oldest_entries_make_room(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    for key in "abcdb":
        kept.keep(key, {"chosen": key})
    assert list(json.loads(cache.read_text())) == ["c", "d", "b"]
    assert kept.recall("d") == {"chosen": "d"}
    assert kept.recall("a") == {}


def test_writers_at_once_leave_a_whole_file(cache: Path) -> None:
    code = "import sys; from tacha.runtime import kept; [kept.keep(f'{sys.argv[1]}{i}', {}) for i in range(20)]"

    def write(name: str) -> int:
        return subprocess.run([sys.executable, "-c", code, name]).returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(write, "abc")) == [0, 0, 0]
    assert len(json.loads(cache.read_text())) >= 20
    assert [p.name for p in cache.parent.iterdir()] == ["engines.json"]


def calibrated_at(precision: str, source: Path, target: Path, **more: object) -> Path:
    artefact = artefacts.read(source)
    on = {"engine": "openvino", "precision": precision}
    return artefacts.write(replace(artefact, card={**artefact.card, "calibrated_on": on, **more}), target)


@needs_bf16
def test_precision_is_the_calibrations(artefact_path: Path, tmp_path: Path, cache: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed()
    found = load(calibrated_at("bf16", artefact_path, tmp_path / "low.tacha"))
    assert (found.engine.name, found.engine.precision, found.note) == ("openvino", "bf16", "")
    assert measured == []  # only one engine has it
    timed(openvino_f32=1, onnxruntime_f32=1)
    assert load(tmp_path / "low.tacha", precision="f32").engine.precision == "f32"


def test_a_precision_that_is_not_there_is_noted(
    artefact_path: Path, sample_root: Path, good_image: Path, tmp_path: Path, timed, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    monkeypatch.setattr(openvino_engine, "has_bf16", lambda: False)
    timed(openvino_f32=10, onnxruntime_f32=10)
    path = calibrated_at("bf16", artefact_path, tmp_path / "low.tacha")
    found = load(path)
    assert (found.engine.name, found.engine.precision) == ("openvino", "f32")
    assert "calibrated at bf16, which openvino and onnxruntime cannot do on this machine: judged at f32" in found.note
    named = load(path, engine="onnxruntime")
    assert (named.engine.precision, "which onnxruntime cannot do" in named.note) == ("f32", True)
    assert main(["inspect", str(path), str(good_image), "--json", str(tmp_path / "v.json")]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "note: brick: calibrated at bf16" in error
    assert json.loads((tmp_path / "v.json").read_text())["precision"] == "f32"
    assert main(["evaluate", str(path), str(sample_root), "--out", str(tmp_path / "out")]) == 0
    assert "note: brick: calibrated at bf16" in capsys.readouterr().out
    run = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {(r["engine"], r["precision"]) for r in run["rows"]} == {("openvino", "f32")}
    assert any("calibrated at bf16" in note for note in run["run"]["notes"])
    assert json.loads((tmp_path / "out" / "config.yaml").read_text())["engine"] == "openvino"
    with pytest.raises(TachaError, match="no bf16 on this CPU"):  # asked for by name, it is an error
        load(path, precision="bf16", engine="openvino")


def test_int8_stays_on_the_engine_that_calibrated_it(artefact_path: Path, tmp_path: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed()
    path = calibrated_at("f32", artefact_path, tmp_path / "small.tacha", arithmetic={"int8": ["MatMul"]})
    assert load(path).engine.name == "openvino"
    assert measured == []


@pytest.mark.parametrize(("engine", "faster"), [("auto", "bf16"), ("openvino", "bf16"), ("openvino", "f32")])
@needs_bf16
def test_calibrating_takes_bf16_only_where_it_is_clearly_faster(
    engine: str, faster: str, artefact_path: Path, timed
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    timed(openvino_f32=10, onnxruntime_f32=20, openvino_bf16=7 if faster == "bf16" else 9)
    assert to_calibrate(artefacts.read(artefact_path), engine, "auto").precision == faster


def test_calibrating_on_an_engine_without_bf16(artefact_path: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed()
    assert to_calibrate(artefacts.read(artefact_path), "onnxruntime", "auto").precision == "f32"
    assert measured == []


@needs_bf16
def test_a_run_records_what_was_chosen(sample_root: Path, tmp_path: Path, timed) -> None:  # type: ignore[no-untyped-def]
    measured = timed(openvino_f32=10, onnxruntime_f32=10, openvino_bf16=5)
    overrides = ["data=mvtec", f"data.root={sample_root}", "data.categories=[brick,grass]", "data.size=64"]
    overrides += ["scorer.size=300", "runtime.engine=auto", "runtime.precision=auto", "evaluation.pixels=false"]
    run = train(compose(overrides), tmp_path / "run")
    assert len(measured) == 1  # one engine judges all of a run
    assert {(r["engine"], r["precision"]) for r in run.rows} == {("openvino", "bf16")}
    for name in ("brick", "grass"):
        card = artefacts.read(tmp_path / "run" / f"{name}.tacha").card
        assert card["calibrated_on"] == {"engine": "openvino", "precision": "bf16"}
        assert load(tmp_path / "run" / f"{name}.tacha").engine.precision == "bf16"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"engine": "abacus"}, "abacus"),
        ({"precision": "f8"}, "f8"),
        ({"threads": 0}, "threads=0"),
    ],
)
def test_what_cannot_be_asked(more: dict[str, str], says: str, artefact_path: Path, cache: Path) -> None:
    with pytest.raises(TachaError, match=says):
        load(artefact_path, **more)  # type: ignore[arg-type]
    assert not cache.exists()
