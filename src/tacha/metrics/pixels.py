"""How well anomaly maps find the flawed pixels: a streaming count in flat memory.

A pixel's value is replaced by the top bits of its float32 pattern, which sort as the floats do: a bin is at most
2^-11 = .05 % wide, at any magnitude, without knowing the range beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.metrics.bootstrap import bootstrap_weights, percentile_interval
from tacha.metrics.curve import Array, area_up_to, highest_f1, precision_recall_sum, roc_area
from tacha.metrics.figure import Figure

DROPPED_BITS = 12  # of float32's 23 mantissa bits; 11 are kept
BLOCK = 2_000_000  # cells of resampled histograms held at once


def bins(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Bin numbers that rise with the values, negative ones included."""
    bits = (np.asarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32)  # + 0: -0.0 is 0.0
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (rising >> DROPPED_BITS).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Histogram:
    """One image: used bins [K], and in each the normal pixels, the flawed ones, and these over region size."""

    used: npt.NDArray[np.int64]
    normal: Array
    flawed: Array
    regions: Array


class PixelFigures:
    """Counts maps against masks one image at a time, then gives the pixel figures."""

    def __init__(self) -> None:
        self._images: list[_Histogram] = []

    def __len__(self) -> int:
        return len(self._images)

    def add(self, anomaly_map: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> None:
        """Count one image: map [H, W] and mask [H, W], True where flawed, all False for a good image.

        Leave out flawed images that have no mask. Raises TachaError on unequal shapes or values not finite.
        """
        if anomaly_map.ndim != 2 or anomaly_map.shape != mask.shape:
            raise TachaError(
                f"map {anomaly_map.shape} and mask {mask.shape} differ: bring both to the same height and width"
            )
        if not np.isfinite(anomaly_map).all():
            raise TachaError("the anomaly map has values that are not finite: look at the image and the scorer")
        flawed = mask.astype(bool)
        keys = bins(anomaly_map)
        first = int(keys.min())
        keys -= first
        length = int(keys.max()) + 1
        every = np.bincount(keys.ravel(), minlength=length)
        used = np.flatnonzero(every)
        hit: Array = np.zeros(used.size)
        share: Array = np.zeros(used.size)
        if flawed.any():
            inside = keys[flawed]
            hit = np.bincount(inside, minlength=length)[used].astype(np.float64)
            share = np.bincount(inside, _region_shares(flawed), minlength=length)[used].astype(np.float64)
        self._images.append(_Histogram(used + first, every[used] - hit, hit, share))

    def figures(self, seed: int = 0, resamples: int = 200) -> list[Figure]:
        """pixel_auroc, pixel_ap, pixel_f1_max, aupro_30, aupro_05, with bootstrap intervals over images.

        Empty where no pixel is flawed or none is normal. AUPRO is the area under the mean overlap of the regions
        (8-connected) over the false-positive rate of all normal pixels, up to a rate of .30 or .05, divided by
        it (Bergmann et al. 2021, The MVTec Anomaly Detection Dataset, IJCV 129, section 5.2).
        """
        if not any(h.flawed.any() for h in self._images) or not any(h.normal.any() for h in self._images):
            return []
        histograms = self._stacked()
        values = _measure(np.ones((1, len(self))), *histograms)
        labels = [bool(h.flawed.any()) for h in self._images]
        rows = max(1, BLOCK // histograms[0].shape[1])
        drawn = [
            _measure(block[i : i + rows], *histograms)
            for block in bootstrap_weights(labels, resamples, seed)
            for i in range(0, len(block), rows)
        ]
        return [
            Figure(name, float(value[0]), *percentile_interval(np.concatenate([d[name] for d in drawn])), len(self))
            for name, value in values.items()
        ]

    def _stacked(self) -> tuple[Any, Any, Any]:
        """Sparse [N, K] counts of normal, flawed and region-weighted pixels over the K used bins, falling."""
        from scipy.sparse import csr_array

        used = np.concatenate([h.used for h in self._images])
        all_bins, column = np.unique(used, return_inverse=True)
        starts = np.cumsum([0, *(h.used.size for h in self._images)])
        shape = (len(self), all_bins.size)

        def stack(parts: list[Array]) -> Any:
            return csr_array((np.concatenate(parts), all_bins.size - 1 - column, starts), shape=shape)

        return (
            stack([h.normal for h in self._images]),
            stack([h.flawed for h in self._images]),
            stack([h.regions for h in self._images]),
        )


def _region_shares(flawed: npt.NDArray[np.bool_]) -> Array:
    """For each flawed pixel, in row order, one over the size of its 8-connected region."""
    from scipy.ndimage import label

    labels, _ = label(flawed, structure=np.ones((3, 3)))
    own = labels[flawed]
    return np.asarray(1 / np.bincount(own)[own])


def _measure(weights: Array, normal: Any, flawed: Any, regions: Any) -> dict[str, Array]:
    """Every pixel metric [R] for image weights [R, N]; resamples without a normal pixel are dropped."""
    fp = np.cumsum(np.asarray(weights @ normal), axis=1)
    whole = fp[:, -1] > 0
    fp = fp[whole]
    tp = np.cumsum(np.asarray(weights[whole] @ flawed), axis=1)
    overlap = np.cumsum(np.asarray(weights[whole] @ regions), axis=1)
    rate, overlap = fp / fp[:, -1:], overlap / overlap[:, -1:]
    return {
        "pixel_auroc": roc_area(tp, fp),
        "pixel_ap": precision_recall_sum(tp, fp),
        "pixel_f1_max": highest_f1(tp, fp),
        "aupro_30": area_up_to(rate, overlap, 0.30),
        "aupro_05": area_up_to(rate, overlap, 0.05),
    }
