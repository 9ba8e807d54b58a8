"""What ran inside a stage: torch's operators by torch.profiler, Python's functions by cProfile."""

from __future__ import annotations

import cProfile
import csv
import io
import os
import pstats
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.files import write_text

OPERATOR, KERNEL, FUNCTION = "operator", "kernel", "function"
MIB = 2**20

Key = tuple[str, str, str]  # stage, kind, name
Tally = dict[Key, npt.NDArray[np.float64]]  # calls, then the fields of Operator that follow


@dataclass(frozen=True)
class Operator:
    """One operator of a stage, an image or a step: times in ms, memory in MiB (below 0: more freed than allocated).

    `kind`: an operator of torch, a kernel of the accelerator (which is also in its operator's device time), or a
    function of Python. `self_ms` leaves out what it called; `device_*` is the accelerator's time.
    """

    stage: str
    kind: str
    name: str
    calls: float
    self_ms: float
    total_ms: float
    device_self_ms: float
    device_total_ms: float
    memory_mib: float
    device_memory_mib: float

    @property
    def own_ms(self) -> float:
        """Its own time on the device where it ran, by which operators are ranked."""
        return self.self_ms + self.device_self_ms


FIGURES = len(fields(Operator)) - 3


def torch_profile(device: str = "cpu", stacks: bool = False) -> Any:
    """A torch.profiler over the CPU, and over CUDA where the work is there; `stacks`: the functions of Python too."""
    # Its library says on standard error that it begins and that it ends, whatever level is set after the first time.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    return profile(activities=activities, profile_memory=True, with_stack=stacks)


def tally_of(events: Iterable[Any], stage: str) -> Tally:
    """A stage's events of a torch.profiler summed by kind and name; those that only mark a span are left out."""
    found: Tally = defaultdict(lambda: np.zeros(FIGURES))
    for event in events:
        if event.is_user_annotation or event.name.startswith("ProfilerStep"):
            continue
        kind = OPERATOR if event.device_type.name == "CPU" else KERNEL
        # A recursive operator's total would be counted once a level.
        inner = _inside_its_like(event)
        found[stage, kind, event.name] += (
            event.count,
            event.self_cpu_time_total / 1e3,
            0 if inner else event.cpu_time_total / 1e3,
            event.self_device_time_total / 1e3,
            0 if inner else event.device_time_total / 1e3,
            event.self_cpu_memory_usage / MIB,
            event.self_device_memory_usage / MIB,
        )
    return dict(found)


def _inside_its_like(event: Any) -> bool:
    above = event.cpu_parent
    while above is not None:
        if above.name == event.name:
            return True
        above = above.cpu_parent
    return False


def functions_of(call: Callable[[], Any], stage: str) -> Tally:
    """Python's functions in a call, by cProfile: no memory, no device."""
    profiler = cProfile.Profile()
    profiler.runcall(call)
    found: Tally = defaultdict(lambda: np.zeros(FIGURES))
    stats: Any = pstats.Stats(profiler)
    for (file, _, function), (_, calls, own, total, _) in stats.stats.items():
        found[stage, FUNCTION, _named(file, function)] += (calls, 1e3 * own, 1e3 * total, 0, 0, 0, 0)
    return dict(found)


def _named(file: str, function: str) -> str:
    """A function by its file and the folder that holds it: the same on every machine."""
    if file == "~":
        return function.strip("<>").split(" object at ")[0]
    return f"{'/'.join(Path(file).parts[-2:])}:{function}"


def added(tallies: Iterable[Tally]) -> Tally:
    """The sum of several."""
    found: Tally = defaultdict(lambda: np.zeros(FIGURES))
    for tally in tallies:
        for key, figures in tally.items():
            found[key] += figures
    return dict(found)


def median_of(rounds: Sequence[Tally], among: int) -> list[Operator]:
    """Medians over rounds, each of `among` images or steps; the longest first within a stage.

    What a round did not have counts as 0 there.
    """
    nothing = np.zeros(FIGURES)
    keys = dict.fromkeys(key for tally in rounds for key in tally)
    out = []
    for stage, kind, name in keys:
        figures = np.median([tally.get((stage, kind, name), nothing) for tally in rounds], axis=0) / among
        out.append(Operator(stage, kind, name, *(float(x) for x in figures)))
    places = {stage: i for i, stage in enumerate(dict.fromkeys(stage for stage, _, _ in keys))}
    return sorted(out, key=lambda o: (places[o.stage], -o.own_ms))


def write_operators(path: Path, operators: Sequence[Operator]) -> Path:
    """CSV: a row an operator, the fields of Operator."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([f.name for f in fields(Operator)])
    writer.writerows([x if isinstance(x, str) else f"{x:.6g}" for x in astuple(o)] for o in operators)
    return write_text(path, buffer.getvalue())
