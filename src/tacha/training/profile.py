"""Training steps under torch.profiler: operators.csv beside the history."""

from __future__ import annotations

from bisect import bisect
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.profiler import record_function

from tacha.profiling.operators import Tally, median_of, tally_of, torch_profile, write_operators

WARM_UP = 2  # the first steps, which are left out where there are more
DATA, FORWARD, BACKWARD, OPTIMISER, REST = "data", "forward", "backward", "optimiser", "rest"
_MARK = "tacha:"


class StepProfile(lightning.Callback):
    """Profiles `steps` training steps, or as many as there are, and writes the medians over them to `path`.

    Each operator stands under the part of the step in which it ran: data (the next batch, as far as this process reads
    it), forward, backward, optimiser. What comes between two epochs is left out. `profiled` is the number of steps;
    where it is 0, for the training that goes on had none left, nothing is written.
    """

    def __init__(self, path: Path, steps: int) -> None:
        self.path, self.steps = path, steps
        self.profiled = 0
        self._seen = 0
        self._profiler: Any = None
        self._device = "cpu"

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._device = pl_module.device.type
        self._profiler = torch_profile(self._device)
        self._profiler.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._mark(DATA)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._mark(FORWARD)

    def on_before_backward(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Any) -> None:
        self._mark(BACKWARD)

    def on_after_backward(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._mark(OPTIMISER)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._profiler is not None:
            self._seen += 1
            if self._seen == WARM_UP + self.steps:
                self._end()
        self._mark(DATA)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._mark(REST)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._mark(REST)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self._profiler is not None:
            self._end()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        if self._profiler is not None:  # a profiler left running would go on collecting
            self._profiler.stop()
            self._profiler = None

    def _mark(self, part: str) -> None:
        """Write down that a part begins; not a span, for the optimiser's step has forward and backward inside it."""
        if self._profiler is None:
            return
        if self._device == "cuda":  # so that its kernels end in the part that started them
            torch.cuda.synchronize()
        with record_function(_MARK + part):
            pass

    def _end(self) -> None:
        self._mark(REST)
        self._profiler.stop()
        events = self._profiler.events()
        self._profiler = None
        tallies = _by_step(events)[max(0, min(WARM_UP, self._seen - 1)) :]
        self.profiled = len(tallies)
        if tallies:
            write_operators(self.path, median_of(tallies, 1))


def _by_step(events: Any) -> list[Tally]:
    """The operators of each step by the part that they began in."""
    marks = sorted((e.time_range.start, e.name.removeprefix(_MARK)) for e in events if e.name.startswith(_MARK))
    starts = [start for start, _ in marks]
    parts: list[tuple[int, str]] = []  # each mark's step, counted by its forward passes, and part
    step = 0
    for place, (_, part) in enumerate(marks):
        # Data are read before the forward pass of their step.
        opens = part == DATA or (part == FORWARD and (place == 0 or marks[place - 1][1] != DATA))
        step += opens
        parts.append((step, part))
    found: dict[int, dict[str, list[Any]]] = {}
    for event in events:
        place = bisect(starts, event.time_range.start) - 1
        if place >= 0 and parts[place][1] != REST and not event.name.startswith(_MARK):
            step, part = parts[place]
            found.setdefault(step, {}).setdefault(part, []).append(event)
    steps = [parts_of for parts_of in found.values() if FORWARD in parts_of]
    return [_tally(parts_of) for parts_of in steps]


def _tally(parts: dict[str, list[Any]]) -> Tally:
    out: Tally = {}
    for part in (DATA, FORWARD, BACKWARD, OPTIMISER):
        out |= tally_of(parts.get(part, ()), part)
    return out
