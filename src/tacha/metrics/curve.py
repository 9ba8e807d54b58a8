"""Areas under curves of cumulated mass, many weightings at once.

Both image and pixel metrics come down to two arrays: `tp` and `fp` [R, K], the flawed and the good mass at or
above each of K falling thresholds, for R weightings. The last column is the whole mass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _from_zero(x: Array) -> Array:
    return np.concatenate([np.zeros((len(x), 1)), x], axis=1)


def roc_area(tp: Array, fp: Array) -> Array:
    """Area under the ROC curve [R]; a tie between good and flawed counts half, being a slanted segment."""
    x, y = _from_zero(fp), _from_zero(tp)
    area = (np.diff(x) * (y[:, 1:] + y[:, :-1])).sum(axis=1) / 2
    return np.asarray(area / (tp[:, -1] * fp[:, -1]))


def precision_recall_sum(tp: Array, fp: Array) -> Array:
    """Average precision [R]: precision summed over the steps of recall, not interpolated (scikit-learn's)."""
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    return np.asarray((np.diff(_from_zero(tp)) * precision).sum(axis=1) / tp[:, -1])


def highest_f1(tp: Array, fp: Array) -> Array:
    """The best F1 over all thresholds [R]."""
    return np.asarray((2 * tp / (tp + fp + tp[:, -1:])).max(axis=1))


def area_up_to(x: Array, y: Array, limit: float) -> Array:
    """Area under y over x in 0..limit, divided by the limit [R]; linear in between, also at the limit.

    x, y: [R, K], rising, in 0..1, without the starting point (0, 0).
    """
    x, y = _from_zero(x), _from_zero(y)
    x0, y0, y1 = x[:, :-1], y[:, :-1], y[:, 1:]
    width = np.diff(x)
    kept = np.clip(limit - x0, 0, width)  # the part of each segment left of the limit
    share = np.divide(kept, width, out=np.zeros_like(kept), where=width > 0)
    return np.asarray((kept * (y0 + (y1 - y0) * share / 2)).sum(axis=1) / limit)
