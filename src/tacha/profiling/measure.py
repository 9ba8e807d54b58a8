"""A verdict's stages over rounds: first by the clock alone, then under the profilers, which cost time themselves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tacha.errors import TachaError
from tacha.files import written
from tacha.profiling.layers import Layer, layers_of
from tacha.profiling.operators import Operator, Tally, added, functions_of, median_of, tally_of, torch_profile
from tacha.profiling.stages import ENGINE, FEATURES, IN_PYTHON, READING, SCORER, VERDICT, Read, Stages
from tacha.progress import track

T = TypeVar("T")

PAUSE = 0.02  # seconds in which an engine's threads, which spin, fall asleep


@dataclass(frozen=True)
class Spent:
    """Time of a stage in ms an image: median over rounds, the lowest and the highest of them.

    `profiled`: the median under the profiler, None where it was not profiled.
    """

    stage: str
    median: float
    low: float
    high: float
    profiled: float | None = None


@dataclass(frozen=True)
class Profile:
    """What was measured of an artefact; the stages in the order of a verdict, `engine` in place of features and scorer
    where the graph runs in one."""

    stages: tuple[Spent, ...]
    operators: tuple[Operator, ...]
    layers: tuple[Layer, ...]
    traces: tuple[Path, ...]


def profile(stages: Stages, images: Sequence[Path], rounds: int, threads: int | None, folder: Path) -> Profile:
    """Measure on the images, `rounds` times over after a round that warms up, and write a trace a stage in `folder`.

    Raises TachaError for an image that cannot be read.
    """
    if not images:
        raise TachaError("there is no image to profile on: name some")
    # The engine has rounds of its own: its threads and torch's take the cores from each other for a while.
    clocks = [
        _added(_clocked(stages, path) for path in images)
        for _ in track(range(rounds + 1), rounds + 1, "stages by the clock")
    ]
    if stages.fused:
        for clock in track(clocks, rounds + 1, "the engine by the clock"):
            clock |= _added(_engine_clocked(stages, path) for path in images)
    tallies: list[Tally] = []
    slowed: list[dict[str, float]] = []
    for _ in track(range(rounds + 1), rounds + 1, "under the profiler"):
        found = [_profiled(stages, path) for path in images]
        tallies.append(added(tally for tally, _ in found))
        slowed.append(_added(times for _, times in found))
    traces = _traces(stages, images[0], folder)
    names = [s for s in (READING, FEATURES, SCORER, ENGINE, VERDICT) if s in clocks[0]]
    spent = []
    for name in names:
        times = [c[name] / len(images) for c in clocks[1:]]
        under = statistics.median(s[name] for s in slowed[1:]) / len(images) if name in slowed[0] else None
        spent.append(Spent(name, statistics.median(times), min(times), max(times), under))
    layers: list[Layer] = []
    if stages.inspector.engine.name == "openvino":
        batches = [stages.read(path).batches for path in images]
        layers = layers_of(stages.inspector.artefact, batches, rounds, stages.precision, threads)
    return Profile(tuple(spent), tuple(median_of(tallies[1:], len(images))), tuple(layers), tuple(traces))


def _clocked(stages: Stages, path: Path) -> dict[str, float]:
    """Milliseconds of each stage of one image, one after another as in an inspection."""
    times = {}
    time.sleep(PAUSE)
    read, times[READING] = _timed(stages, lambda: stages.read(path))
    if stages.net:
        features, times[FEATURES] = _timed(stages, lambda: stages.features(read))
        outputs, times[SCORER] = _timed(stages, lambda: stages.scores(features))
    else:
        outputs = stages.engine(read)
    _, times[VERDICT] = _timed(stages, lambda: stages.verdict(read, outputs))
    return times


def _engine_clocked(stages: Stages, path: Path) -> dict[str, float]:
    read = stages.read(path)
    time.sleep(PAUSE)
    return {ENGINE: _timed(stages, lambda: stages.engine(read))[1]}


def _timed(stages: Stages, call: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = call()
    stages.settle()
    return result, 1e3 * (time.perf_counter() - began)


def _calls(stages: Stages, path: Path) -> list[tuple[str, Callable[[], Any]]]:
    """The stages that are profiled, each with what the ones before it gave: to be called once or more."""
    read: Read = stages.read(path)
    calls: list[tuple[str, Callable[[], Any]]] = [(READING, lambda: stages.read(path))]
    if stages.net:
        features = stages.features(read)
        outputs = stages.scores(features)
        calls += [(FEATURES, lambda: stages.features(read)), (SCORER, lambda: stages.scores(features))]
    else:
        outputs = stages.engine(read)
    return [*calls, (VERDICT, lambda: stages.verdict(read, outputs))]


def _profiled(stages: Stages, path: Path) -> tuple[Tally, dict[str, float]]:
    """What each stage of one image did, and its milliseconds under the profiler."""
    tallies, times = [], {}
    for stage, call in _calls(stages, path):
        time.sleep(PAUSE)
        if stage in IN_PYTHON:
            tally, times[stage] = _timed(stages, partial(functions_of, call, stage))
        else:
            with torch_profile(stages.device) as profiler:
                _, times[stage] = _timed(stages, call)
            tally = tally_of(profiler.events(), stage)
        tallies.append(tally)
    return added(tallies), times


def _traces(stages: Stages, path: Path, folder: Path) -> list[Path]:
    """trace_STAGE.json of one image, for chrome://tracing or Perfetto; of the stages in Python with their functions."""
    from torch.profiler import record_function

    out = []
    for stage, call in _calls(stages, path):
        with torch_profile(stages.device, stacks=stage in IN_PYTHON) as profiler, record_function(stage):
            call()
            stages.settle()
        target = folder / f"trace_{stage}.json"
        with written(target) as part:
            profiler.export_chrome_trace(str(part))
        out.append(target)
    return out


def _added(found: Any) -> dict[str, float]:
    total: dict[str, float] = {}
    for times in found:
        for stage, ms in times.items():
            total[stage] = total.get(stage, 0.0) + ms
    return total
