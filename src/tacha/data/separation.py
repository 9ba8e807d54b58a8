"""Whether one simple measurement, without any model, tells flawed from good, or training from test images.

Where it does, a detector can score well by it and find no flaw: the photographs were taken otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacha.data.traits import Trait
from tacha.metrics.bootstrap import bootstrap_interval, bootstrap_weights, percentile_interval
from tacha.metrics.ranking import auroc

RESAMPLES = 400
LABELS, SPLITS = "labels", "splits"
# From which AUROC, either way, a difference is said aloud: chance would have to be as unlikely as SURE, over all
# comparisons together (Bonferroni), and no single image may decide it.
ENOUGH = {LABELS: 0.80, SPLITS: 0.70}
SURE = 0.01
FOLLOWING = ("clipped", "bits")  # what changes with the others; by itself it says nothing more

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """The chance that an image of the second group has more of a trait than one of the first, ties half."""

    value: float
    low: float
    high: float

    @property
    def apart(self) -> float:
        """The same, whichever group has more: 0.5 to 1."""
        return max(self.value, 1 - self.value)


@dataclass(frozen=True)
class Separation:
    """How well one trait tells two groups of images of a category apart, 95 % bootstrap interval beside it.

    `between` is "labels" (good against flawed test images) or "splits" (good training against good test images);
    `defect` is empty for all flawed ones. `p` is of the Mann-Whitney test. `outside` is the same with the flaws' own
    pixels left out of both groups, where masks allow it.
    """

    category: str
    trait: str
    between: str
    defect: str
    counts: tuple[int, int]
    auroc: Ranked
    p: float
    outside: Ranked | None = None
    told: bool = False  # whether it is worth saying

    @property
    def of_flaws(self) -> bool:
        """Whether the flaws' own pixels are known to make the difference, rather than the photographs."""
        return self.outside is not None and self.outside.apart < ENOUGH[self.between]


def separate(
    category: str,
    trait: Trait,
    between: str,
    defect: str,
    first: Sequence[float],
    second: Sequence[float],
    seed: int = 0,
) -> Separation | None:
    """Compare two groups by one trait. None where a group is empty or nothing differs at all."""
    if not first or not second:
        return None
    values = np.asarray([*first, *second], dtype=np.float64)
    # What no one could see is no difference: it is counted as equal.
    scaled = trait.scale(values)
    if float(np.ptp(scaled)) < trait.floor:
        return None
    from scipy.stats import mannwhitneyu

    labels = np.repeat([0, 1], [len(first), len(second)])
    low, high = bootstrap_interval(lambda w: auroc(scaled, labels, w), labels, seed, RESAMPLES)
    p = float(mannwhitneyu(values[labels == 1], values[labels == 0]).pvalue)
    ranked = Ranked(float(auroc(scaled, labels)[0]), low, high)
    return Separation(category, trait.name, between, defect, (len(first), len(second)), ranked, p)


def without_flaws(
    good: npt.NDArray[np.uint8], flawed: npt.NDArray[np.uint8], masks: npt.NDArray[np.uint8], trait: str, seed: int = 0
) -> Ranked | None:
    """The same by one of OUTSIDE, of the cells of thumbnails [N, 32, 32] that no mask [M, 32, 32] touches or is beside.

    Each flawed image is compared with every good one, both without the cells of that image's own flaw: a large flaw
    then hides as much of one as of the other. Thumbnails are of edges for sharpness. None where too little is left.
    """
    from scipy.ndimage import maximum_filter

    measure = OUTSIDE[trait]
    wins = []
    pixels = good.reshape(len(good), -1).astype(np.float64)
    for image, mask in zip(flawed, masks, strict=True):
        left = maximum_filter(mask, 3).ravel() == 0  # masks are drawn tight, and an edge is sharp on both its sides
        if left.sum() < left.size / 4:
            continue
        own = measure(image.reshape(1, -1)[:, left].astype(np.float64))
        others = measure(pixels[:, left])
        wins.append((others < own) + 0.5 * (others == own))
    if not wins or not len(good):
        return None
    table = np.stack(wins)  # [flawed, good]
    labels = np.repeat([0, 1], table.shape[::-1])
    drawn = [_weighted(table, w) for w in bootstrap_weights(labels, RESAMPLES, seed)]
    low, high = percentile_interval(np.concatenate(drawn))
    return Ranked(float(table.mean()), low, high)


def of_flaws(group: Sequence[Separation]) -> bool:
    """Whether the flaws' own pixels are known to make all differences of a category's labels."""
    leading = [s for s in group if s.trait not in FOLLOWING]
    return bool(leading) and all(s.of_flaws for s in leading)


def surely(p: float, comparisons: int) -> bool:
    """Whether chance is ruled out, given how many comparisons were made."""
    return p * max(1, comparisons) < SURE


def _weighted(table: Array, weights: Array) -> Array:
    flawed, good = table.shape
    return np.asarray(np.einsum("ri,ij,rj->r", weights[:, good:], table, weights[:, :good]) / (flawed * good))


def _means(pixels: Array) -> Array:
    return np.asarray(pixels.mean(axis=1))


def _deviations(pixels: Array) -> Array:
    return np.asarray(pixels.std(axis=1))


OUTSIDE = {
    "brightness": _means,
    "contrast": _deviations,
    "saturation": _means,
    "warmth": _means,
    "sharpness": _means,
}
