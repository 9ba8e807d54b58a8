"""The losses of every epoch, as a table that survives an interruption."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning

from tacha.errors import TachaError
from tacha.files import write_text

FIRST = ("net", "epoch", "train_loss", "val_loss")

Row = dict[str, Any]


class History(lightning.Callback):
    """Writes a row an epoch to `path`: losses, other metrics, steps so far, learning rate, seconds.

    Its rows are in the checkpoint too, so that a training which goes on continues them.
    """

    def __init__(self, path: Path, net: str) -> None:
        self.path, self.net = path, net
        self.rows: list[Row] = []
        self._began, self._lr = 0.0, 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._began = time.perf_counter()
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])  # at the end it is the next epoch's

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(
            {
                "net": self.net,
                "epoch": trainer.current_epoch,
                **{name: metrics[name] for name in sorted(metrics)},
                "step": trainer.global_step,
                "lr": self._lr,
                "seconds": round(time.perf_counter() - self._began, 3),
            }
        )
        write_history(self.path, self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = [dict(row) for row in state_dict["rows"]]


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """CSV: net, epoch, train_loss, val_loss, and what else there is."""
    rest = dict.fromkeys(name for row in rows for name in row if name not in FIRST)
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, [*FIRST, *rest], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(path, buffer.getvalue())


def read_history(path: Path) -> list[Row]:
    """What `write_history` wrote, with its numbers as numbers. Raises TachaError."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [_typed(row) for row in csv.DictReader(stream)]
    except (OSError, ValueError) as error:
        raise TachaError(f"{path}: not a table of epochs that can be read ({error}); train again") from error


def best_row(rows: Sequence[Row]) -> Row:
    """The epoch of the lowest validation loss, the first of equals: the one whose weights are kept."""
    return min(rows, key=lambda row: float(row["val_loss"]))


def _typed(row: Mapping[str, str]) -> Row:
    return {
        name: value if name == "net" else int(value) if name in ("epoch", "step") else float(value)
        for name, value in row.items()
        if value != ""
    }
