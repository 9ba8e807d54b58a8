"""Good images unlike the other good ones, before any training: robust z-scores of what is simple to measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacha.data.traits import TRAITS, Trait
from tacha.words import _

LEAST = 8  # fewer images do not say what is usual
FAR = 3.5
REFERENCES = 2000  # images that one is compared with at most
MAD = 1.4826  # makes a median absolute deviation the standard deviation of a normal distribution

NEAREST = Trait(
    "nearest",
    _("distance from the nearest"),
    _("grey levels"),
    _("root mean square difference from the most similar good image, both at 16 × 16 px"),
    0.1,
    True,
)

KNOWN = {t.name: t for t in (*TRAITS, NEAREST)}

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reason:
    """What is unusual: the value, how many robust standard deviations off it is, and from where to where is usual."""

    trait: str
    value: float
    z: float
    low: float
    high: float


@dataclass(frozen=True)
class Unusual:
    """A good image that is unlike the others, with the reasons, the strongest first."""

    path: Path
    category: str
    reasons: tuple[Reason, ...]


def unusual(
    category: str,
    paths: Sequence[Path],
    traits: Mapping[str, Sequence[float]],
    thumbnails: npt.NDArray[np.uint8],
) -> list[Unusual]:
    """The images of one category's good ones that are far out in any trait, the farthest first.

    z is (value - median) / max(1.4826 MAD, the trait's floor), as in Iglewicz and Hoaglin 1993, How to Detect and
    Handle Outliers; far is beyond 3.5 either way, and only upwards for the distance from the nearest image.
    """
    if len(paths) < LEAST:
        return []
    reasons: list[list[Reason]] = [[] for _ in paths]
    for t in TRAITS:
        _collect(t, np.asarray(traits[t.name], dtype=np.float64), reasons)
    _collect(NEAREST, nearest_distances(thumbnails), reasons, above_only=True)
    found = [
        Unusual(path, category, tuple(sorted(r, key=lambda x: -abs(x.z))))
        for path, r in zip(paths, reasons, strict=True)
        if r
    ]
    return sorted(found, key=lambda u: (-abs(u.reasons[0].z), u.path))


def nearest_distances(thumbnails: npt.NDArray[np.uint8]) -> Array:
    """From each thumbnail [N, 32, 32] to the most similar other, at 16 x 16: root mean square of grey levels [N].

    Of more than 2,000 images, an even share serves as what the others are compared with.
    """
    n = len(thumbnails)
    pooled = thumbnails.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(n, -1)
    chosen = np.unique(np.linspace(0, n - 1, min(n, REFERENCES)).round().astype(int))
    references = pooled[chosen]
    squares = (references**2).sum(axis=1)
    out = np.empty(n)
    for start in range(0, n, 1000):
        block = pooled[start : start + 1000]
        distances = (block**2).sum(axis=1)[:, None] + squares - 2 * block @ references.T
        own = np.searchsorted(chosen, np.arange(start, start + len(block)))
        own = np.minimum(own, len(chosen) - 1)
        itself = chosen[own] == np.arange(start, start + len(block))
        distances[np.flatnonzero(itself), own[itself]] = np.inf
        out[start : start + 1000] = np.sqrt(np.maximum(distances.min(axis=1), 0) / pooled.shape[1])
    return out


def _collect(t: Trait, values: Array, reasons: list[list[Reason]], above_only: bool = False) -> None:
    scaled = t.scale(values)
    middle = float(np.median(scaled))
    spread = max(MAD * float(np.median(np.abs(scaled - middle))), t.floor)
    z = (scaled - middle) / spread
    low, high = (t.back(middle + side * FAR * spread) for side in (-1, 1))
    low = max(low, t.lowest)
    for i in np.flatnonzero((z if above_only else np.abs(z)) > FAR):
        reasons[i].append(Reason(t.name, float(values[i]), float(z[i]), low, high))
