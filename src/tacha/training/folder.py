"""What a training leaves in its folder, and whether it is this very training's."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.files import write_text
from tacha.training.history import Row, read_history

MARK = "training.json"


class TrainingFolder:
    """checkpoints/best.ckpt and last.ckpt, history.csv, figures/, and training.json: of what, and whether finished.

    `identity`, plain values, says what is trained: whatever was left there by another is deleted (`replaced`).
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.checkpoints, self.figures = path / "checkpoints", path / "figures"
        self.best, self.last = self.checkpoints / "best.ckpt", self.checkpoints / "last.ckpt"
        self.history_file = path / "history.csv"
        self._identity = json.loads(json.dumps(identity, default=str))
        mark = self._mark()
        self.replaced = mark is not None and mark.get("of") != self._identity
        if self.replaced:
            for folder in (self.checkpoints, self.figures):
                shutil.rmtree(folder, ignore_errors=True)
            self.history_file.unlink(missing_ok=True)
        self.finished = not self.replaced and mark is not None and bool(mark.get("finished")) and self.best.is_file()
        if not self.finished:
            self._write(False)

    def finish(self) -> None:
        """Nothing is left to train."""
        self._write(True)
        self.finished = True

    def history(self) -> list[Row]:
        """The rows of every epoch so far. Raises TachaError."""
        return read_history(self.history_file)

    def check_last(self) -> Path | None:
        """The checkpoint to go on from, if there is one. Raises TachaError when it is damaged."""
        if not self.last.is_file():
            return None
        _read(self.last)
        return self.last

    def load_best(self, net: FeatureNet) -> None:
        """Give a net its best epoch's weights; it is then in eval mode and frozen. Raises TachaError."""
        state = _read(self.best)["state_dict"]
        try:
            net.load_state_dict({k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")})
        except RuntimeError as error:
            raise TachaError(f"{self.best}: the weights of another net; delete {self.path} and train again") from error
        net.eval()
        net.requires_grad_(False)

    def _mark(self) -> dict[str, Any] | None:
        with contextlib.suppress(OSError, ValueError):
            mark = json.loads((self.path / MARK).read_text(encoding="utf-8"))
            if isinstance(mark, dict):
                return mark
        for folder in (self.checkpoints, self.figures):
            if folder.is_dir() and any(folder.iterdir()):
                raise TachaError(f"{folder}: is there and not from a training of tacha's; choose another folder")
        return None

    def _write(self, finished: bool) -> None:
        write_text(self.path / MARK, json.dumps({"finished": finished, "of": self._identity}, indent=1))


def _read(path: Path) -> dict[str, Any]:
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"]  # a file of something else has none
    except Exception as error:  # the unpickler raises a dozen kinds; the user needs the file's name
        raise TachaError(
            f"{path}: a damaged checkpoint ({type(error).__name__}); delete {path.parent} to train from the start"
        ) from error
    return checkpoint
