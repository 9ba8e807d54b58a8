"""Which engine, and at what precision, where nobody says: a short measurement on this machine, kept for the next time.

Candidates take turns on one image, as in `tacha bench`: whatever else the machine does falls on all alike, and in the
pause before a turn the threads of the one before fall asleep. A candidate must be clearly faster than those listed
before it to be chosen, so that noise does not change the choice.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tacha.data.frame import Frame
from tacha.errors import TachaError
from tacha.runtime import kept
from tacha.runtime.artefact import Artefact
from tacha.runtime.engines import AUTO, ENGINES, REFERENCE, Engine, attempt, start
from tacha.runtime.machine import available_cores, cpu
from tacha.versions import versions

WARM_UP = 2  # images
TURNS = 5
FEWEST = 3  # turns
SECONDS = 1.0  # after which only the fewest turns are taken
PAUSE = 0.02  # seconds
ENGINE_GAIN = 1.1  # times as fast as the engines before it that another must be
PRECISION_GAIN = 1.25  # and a lower precision, which moves scores


@dataclass(frozen=True)
class Candidate:
    """An engine at a precision; `gain` is how many times as fast as those before it it must be to be chosen."""

    engine: str
    precision: str
    gain: float = ENGINE_GAIN

    @property
    def label(self) -> str:
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class Choice:
    """An engine with the artefact loaded, and how it came to be chosen.

    `milliseconds`: of an image, by candidate; empty where nothing was measured. `refused`: candidates that do not take
    the artefact. `note`: what its user should know.
    """

    engine: Engine
    milliseconds: dict[str, float] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    note: str = ""


def to_judge(
    artefact: Artefact, engine: str = AUTO, precision: str = AUTO, threads: int | None = None, *, anew: bool = False
) -> Choice:
    """What judges with a calibrated artefact. `anew`: measure, whatever was kept.

    Precision "auto" is that of the calibration, for which the threshold's promise holds; f32 and a note where no
    engine asked for has it here. Raises TachaError where none takes the artefact.
    """
    calibrated = artefact.card["calibrated_on"]
    wanted = calibrated["precision"] if precision == AUTO else precision
    names = _engines() if engine == AUTO else [engine]
    if engine == AUTO and "arithmetic" in artefact.card:
        names = [calibrated["engine"]]  # int8 is rounded by each engine in its own way, which moves scores
    try:
        return _fastest(artefact, [Candidate(name, wanted) for name in names], threads, anew)
    except TachaError:
        if precision != AUTO or wanted == "f32":
            raise
    found = _fastest(artefact, [Candidate(name, "f32") for name in names], threads, anew)
    note = f"{artefact.card['name']}: calibrated at {wanted}, which {' and '.join(names)} cannot do on this machine: "
    return replace(found, note=f"{note}judged at f32, so what its threshold promises may not hold")


def to_calibrate(artefact: Artefact, engine: str, precision: str, threads: int | None = None) -> Engine:
    """What calibrates a new artefact. Precision "auto" measures: bf16 where it is clearly faster, else f32."""
    names = _engines() if engine == AUTO else [engine]
    candidates = [Candidate(name, "f32" if precision == AUTO else precision) for name in names]
    if precision == AUTO:
        candidates += [Candidate(name, "bf16", PRECISION_GAIN) for name in names]
    return _fastest(artefact, candidates, threads).engine


def _engines() -> list[str]:
    return [name for name in ENGINES.table() if name != REFERENCE]


def _fastest(artefact: Artefact, candidates: Sequence[Candidate], threads: int | None, anew: bool = False) -> Choice:
    """The chosen candidate, started. Raises the first one's TachaError where none starts."""
    first = candidates[0]
    if len(candidates) == 1:
        return Choice(start(artefact, first.engine, first.precision, threads))
    about = _about(artefact, candidates, threads)
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    chosen = None if anew else kept.recall(key).get("chosen")
    for candidate in candidates:
        if candidate.label == chosen:
            return Choice(start(artefact, candidate.engine, candidate.precision, threads))
    image = np.random.default_rng(0).random((1, *Frame.of_card(artefact.card).shape), dtype=np.float32)
    running: dict[Candidate, Engine] = {}
    for candidate in candidates:
        try:
            engine = attempt(artefact, candidate.engine, candidate.precision, threads)
            for _ in range(WARM_UP):
                engine(image)
        except Exception:  # whatever an engine raises for what it does not take: another may
            continue
        running[candidate] = engine
    if not running:
        return Choice(start(artefact, first.engine, first.precision, threads))
    milliseconds = measured(list(running.values()), image) if len(running) > 1 else [0.0]
    times = dict(zip(running, milliseconds, strict=True))
    best = preferred(times)
    shown = {candidate.label: round(ms, 3) for candidate, ms in times.items() if len(times) > 1}
    kept.keep(key, {"chosen": best.label, "milliseconds": shown, **about})
    refused = tuple(c.label for c in candidates if c not in running)
    return Choice(running[best], shown, refused)


def measured(engines: Sequence[Engine], image: Any) -> list[float]:
    """Median time of each engine in ms, over turns whose order moves on by one each time."""
    times: list[list[float]] = [[] for _ in engines]
    for order in _turns(len(engines)):
        for i in order:
            time.sleep(PAUSE)
            began = time.perf_counter()
            engines[i](image)
            times[i].append(1e3 * (time.perf_counter() - began))
    return [statistics.median(found) for found in times]


def preferred(milliseconds: dict[Candidate, float]) -> Candidate:
    """The first, or the one that beats what was preferred before it by its gain."""
    best, *others = milliseconds
    for candidate in others:
        if milliseconds[candidate] * candidate.gain <= milliseconds[best]:
            best = candidate
    return best


def _turns(count: int) -> Iterator[list[int]]:
    began = time.perf_counter()
    for turn in range(TURNS):
        if turn >= FEWEST and time.perf_counter() - began > SECONDS:
            return
        first = turn % count
        yield [*range(first, count), *range(first)]


def _about(artefact: Artefact, candidates: Sequence[Candidate], threads: int | None) -> dict[str, Any]:
    """All that the choice depends on: another value of any of it, another measurement."""
    found = versions()
    libraries = {"tacha", *(candidate.engine for candidate in candidates)}
    return {
        "candidates": [candidate.label for candidate in candidates],
        "threads": threads,
        "cores": available_cores(),
        "cpu": cpu(),
        "versions": {name: version for name, version in found.items() if name in libraries},
        # It names input and tensors with their shapes, and holds no weights.
        "graph": hashlib.sha256(artefact.graph).hexdigest(),
    }
