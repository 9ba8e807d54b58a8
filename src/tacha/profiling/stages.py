"""A verdict taken apart: reading, features, scorer, map and verdict, each by itself; and the engine that judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tacha.data.frame import over_image
from tacha.data.image import Prepared
from tacha.data.view import Seen
from tacha.errors import TachaError
from tacha.inspection import Inspection
from tacha.inspector import TOGETHER, Inspector
from tacha.judging import batches, joined
from tacha.runtime.engines import REFERENCE

if TYPE_CHECKING:
    from tacha.features.base import Features
    from tacha.runtime.artefact import Artefact

READING, FEATURES, SCORER, ENGINE, VERDICT = "reading", "features", "scorer", "engine", "verdict"
IN_PYTHON = (READING, VERDICT)  # stages without torch: their functions are counted too
DEVICES = ("cpu", "cuda")

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Read:
    """An image as engines take it: batches of its pieces [B, 3, H, W]."""

    path: Path
    seen: Seen
    batches: Sequence[Prepared]


class Stages:
    """The stages of one artefact; each takes what the one before it gave.

    Features and scorer are torch's, on `device`; `net` is False for int8, which torch does not run. Raises TachaError
    where there is no such device.
    """

    def __init__(self, inspector: Inspector, device: str) -> None:
        check_device(device)
        self.inspector, self.device = inspector, device
        self.precision = inspector.engine.precision
        self.net = "arithmetic" not in inspector.card
        # Without this, torch on the processor would be measured twice.
        self.fused = inspector.engine.name != REFERENCE
        self._detector = _detector(inspector.artefact, device) if self.net else None

    def read(self, path: Path) -> Read:
        """From the file to arrays at the detector's frame."""
        seen = self.inspector.view.read(path)
        pieces = list(seen.pieces)
        return Read(path, Seen(pieces, seen.boxes, seen.size), list(batches(pieces, TOGETHER)))

    def features(self, read: Read) -> list[Features]:
        """What the net says of each batch; bringing the pixels to the device is part of it."""
        import torch

        from tacha.detector import unmarked

        assert self._detector is not None
        found = []
        with self._computing():
            for batch in read.batches:
                images = torch.from_numpy(batch).to(self.device)
                found.append(self._detector.net(*unmarked(images) if self._detector.padded else (images,)))
        return found

    def scores(self, features: Sequence[Features]) -> list[Sequence[Array]]:
        """Each batch's scores and maps, in the main memory as an engine gives them."""
        assert self._detector is not None
        with self._computing():
            found = [self._detector.scorer(f) for f in features]
            return [[x.float().cpu().numpy() for x in (s.image, s.map) if x is not None] for s in found]

    def engine(self, read: Read) -> list[Sequence[Array]]:
        """The same by the engine that judges here, features and scorer in one."""
        return [self.inspector.engine(batch) for batch in read.batches]

    def verdict(self, read: Read, outputs: Sequence[Sequence[Array]]) -> Inspection:
        """From scores and maps to the verdict: padding cut off, tiles joined, p-value, regions."""
        pieces = iter(read.seen.pieces)
        said = [
            (score, over_image(rest[0][i], next(pieces)) if rest else None)
            for scores, *rest in outputs
            for i, score in enumerate(scores)
        ]
        score, anomaly_map = joined(read.seen, said)
        return self.inspector.judged(read.path, read.seen.size, score, anomaly_map)

    def settle(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()

    @contextmanager
    def _computing(self) -> Iterator[None]:
        import torch

        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            yield


def check_device(device: str) -> None:
    """Raises TachaError for a device that torch does not have here."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise TachaError(
                "--device cuda: torch finds no CUDA device on this machine; leave --device out to profile on the CPU"
            )


def _detector(artefact: Artefact, device: str) -> Any:
    from tacha.runtime.engines.torch import detector_of

    return detector_of(artefact).to(device)
