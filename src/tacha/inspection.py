"""The one result type: what tacha says of one image, wherever it says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Region:
    """A connected place of a flawed image where its map stands out; pixels of the original image."""

    box: tuple[int, int, int, int]  # left, top, right, bottom; right and bottom excluded
    area: int  # pixels
    peak: float  # highest map value inside

    def to_dict(self) -> dict[str, Any]:
        return {"box": list(self.box), "area": self.area, "peak": self.peak}


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The verdict on one image.

    `score` is raw: higher is more abnormal, flawed above `threshold`. `p_value` is the share of good parts
    that would score as high (None where the calibration has no good scores to compare with).
    `map` is [h, w] float32 over the image on the scale of `map_threshold`, at the model's own resolution; None for
    detectors that judge an image as a whole. `regions`, highest peak first, are where the map exceeds `map_threshold`
    (or comes within a tenth of its own peak, where nothing does); a good image has none.
    """

    path: Path | None
    score: float
    threshold: float
    p_value: float | None
    map: npt.NDArray[np.float32] | None
    map_threshold: float | None
    regions: tuple[Region, ...]
    size: tuple[int, int]  # width, height of the original image in pixels

    @property
    def flawed(self) -> bool:
        return self.score > self.threshold

    @property
    def verdict(self) -> str:
        """ "flawed" or "good"."""
        return "flawed" if self.flawed else "good"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the map."""
        return {
            "path": None if self.path is None else str(self.path),
            "verdict": self.verdict,
            "score": self.score,
            "threshold": self.threshold,
            "p_value": self.p_value,
            "regions": [r.to_dict() for r in self.regions],
            "width": self.size[0],
            "height": self.size[1],
        }
