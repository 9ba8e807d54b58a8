"""Flaws drawn on held-out good images: what a detector made out of another is judged by, without any test image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacha.data.flaws import FLAWS, add_flaw
from tacha.data.frame import Frame
from tacha.data.image import UInt8Image, prepare, read_image
from tacha.errors import TachaError
from tacha.metrics.ranking import auroc
from tacha.progress import track
from tacha.runtime.engines import Engine

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

MOST = 64  # held-out good images, and as many with a flaw drawn on them
STRENGTHS = (1.0, 0.5, 0.25, 0.125, 0.0625)  # a flaw is laid over the good image this strongly
TELLING = 0.95  # AUROC; a probe that a detector solves better than that hides what another loses of it

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """Prepared images [3, H, W]: held-out good ones, of a tiled detector a tile of each, then the same with flaws."""

    images: list[Image]
    labels: npt.NDArray[np.bool_]
    strength: float

    def scores(self, engine: Engine) -> npt.NDArray[np.float64]:
        """One image at a time [N]."""
        return np.array([float(engine(image[None])[0][0]) for image in self.images])

    def auroc(self, scores: npt.NDArray[np.float64]) -> float:
        return float(auroc(scores, self.labels)[0])


def probe(data: InspectionDataModule, frame: Frame, strength: float = 1.0) -> Probe:
    """Held-out good images and a flaw drawn on each, its kind in turn. Raises TachaError where none can be read."""
    return _laid(*_drawn(data), frame, strength)


def telling_probe(data: InspectionDataModule, frame: Frame, engine: Engine) -> tuple[Probe, npt.NDArray[np.float64]]:
    """A probe whose flaws are only as strong as still leaves the engine something to miss, and the engine's scores."""
    good, flawed = _drawn(data)
    for strength in STRENGTHS:
        found = _laid(good, flawed, frame, strength)
        scores = found.scores(engine)
        if found.auroc(scores) <= TELLING:
            break
    return found, scores


def _laid(good: list[UInt8Image], flawed: list[UInt8Image], frame: Frame, strength: float) -> Probe:
    # Both from whole pixels: they shall differ by the flaw, not by how a JPEG was decoded.
    mixed = [
        np.rint(a + strength * (b.astype(np.float32) - a)).astype(np.uint8) for a, b in zip(good, flawed, strict=True)
    ]
    images = [prepare(image, frame) for image in (*good, *mixed)]
    return Probe(images, np.repeat([False, True], len(good)), strength)


def _drawn(data: InspectionDataModule) -> tuple[list[UInt8Image], list[UInt8Image]]:
    rng = np.random.default_rng(0)
    kinds = sorted(FLAWS)
    good: list[UInt8Image] = []
    flawed: list[UInt8Image] = []
    most = min(MOST, len(data.validation_samples))
    for sample in track(data.validation_samples[:MOST], most, "drawing flaws"):
        try:
            pixels = data.view.part(read_image(sample.path), len(good) / most)
        except TachaError:  # listed when the detector was fitted
            continue
        for turn in range(len(kinds)):
            try:
                drawn, _ = add_flaw(kinds[(len(flawed) + turn) % len(kinds)], pixels, rng)
            except ValueError:  # this kind cannot be seen on this image
                continue
            good.append(pixels)
            flawed.append(drawn)
            break
    if not good:
        raise TachaError(f"{data.catalogue.root}: not one held-out image could be read and drawn on; check the files")
    return good, flawed
