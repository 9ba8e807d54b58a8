"""How well image scores tell flawed from good, with and without a threshold.

Every function takes raw scores [N] (higher is more abnormal), labels [N] (0 good, 1 flawed) and optional weights
[R, N], and returns [R]; without weights R is 1. An image is flawed when score > threshold. Nothing is clamped or
rounded. A score that is not finite, or a class without any weight that the metric needs, raises TachaError.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.metrics.curve import Array, highest_f1, precision_recall_sum, roc_area


def checked(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> tuple[Array, npt.NDArray[np.bool_], Array]:
    """Scores [N], labels [N] as booleans, weights [R, N]; TachaError where they cannot be used."""
    s = np.asarray(scores, dtype=np.float64)
    y = np.asarray(labels)
    w = np.ones((1, s.size)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if s.ndim != 1 or y.shape != s.shape or w.shape[1:] != s.shape:
        raise TachaError(
            f"scores {s.shape}, labels {y.shape} and weights {w.shape} do not match: give one of each an image"
        )
    if not np.isfinite(s).all():
        at = int(np.flatnonzero(~np.isfinite(s))[0])
        raise TachaError(f"score {at} is {s[at]}: a metric needs finite scores, look at that image and the scorer")
    if not np.isin(y, (0, 1)).all():
        raise TachaError("a label is neither 0 nor 1: use 0 for good and 1 for flawed")
    if not np.isfinite(w).all() or (w < 0).any():
        raise TachaError("a weight is negative or not finite: give weights of 0 or more")
    return s, y.astype(bool), w


def _mass(weights: Array, chosen: npt.NDArray[np.bool_], name: str) -> Array:
    """Weight of the chosen images [R], which may not be nothing."""
    mass = np.asarray(weights[:, chosen].sum(axis=1))
    if mass.size and mass.min() <= 0:
        raise TachaError(f"there is no {name} image to measure on: give at least one, or leave this metric out")
    return mass


def _curve(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Array, Array]:
    """tp, fp [R, K]: weight of the flawed and of the good at or above each of the K distinct scores, falling."""
    s, y, w = checked(scores, labels, weights)
    _mass(w, y, "flawed")
    _mass(w, ~y, "good")
    order = np.argsort(-s, kind="stable")
    s, y, w = s[order], y[order], w[:, order]
    ends = np.append(np.flatnonzero(np.diff(s)), s.size - 1)  # last of each run of equal scores
    return np.cumsum(w * y, axis=1)[:, ends], np.cumsum(w * ~y, axis=1)[:, ends]


def auroc(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Chance that a flawed image outscores a good one, ties counting half [R]."""
    return roc_area(*_curve(scores, labels, weights))


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Area under precision over recall [R], summed in steps as scikit-learn does."""
    return precision_recall_sum(*_curve(scores, labels, weights))


def best_f1(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """F1 at the best threshold for these very images [R]: an oracle, above what any fixed threshold gives."""
    return highest_f1(*_curve(scores, labels, weights))


def best_accuracy(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Share judged rightly at the best threshold for these very images [R], calling all of them good among them."""
    tp, fp = _curve(scores, labels, weights)
    flawed, good = tp[:, -1:], fp[:, -1:]
    right = np.maximum((tp + good - fp).max(axis=1), good[:, 0])
    return np.asarray(right / (flawed + good)[:, 0])


def best_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The threshold at which these very images have their best F1, an oracle: the highest score called good."""
    tp, fp = (part[0] for part in _curve(scores, labels, None))
    falling = np.unique(np.asarray(scores, dtype=np.float64))[::-1]
    at = int(np.argmax(2 * tp / (tp + fp + tp[-1])))
    return float(falling[at + 1] if at + 1 < falling.size else np.nextafter(falling[at], -np.inf))


def accuracy_at(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Array:
    """Share of all images judged rightly [R]; balanced_accuracy_at is the fairer where one class is rare."""
    s, y, w = checked(scores, labels, weights)
    return np.asarray(w[:, y == (s > threshold)].sum(axis=1) / w.sum(axis=1))


def recall_at(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Array:
    """Share of the flawed images found [R]."""
    s, y, w = checked(scores, labels, weights)
    return np.asarray(w[:, y & (s > threshold)].sum(axis=1) / _mass(w, y, "flawed"))


def false_alarm_rate_at(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Array:
    """Share of the good images called flawed [R]."""
    s, y, w = checked(scores, labels, weights)
    return np.asarray(w[:, ~y & (s > threshold)].sum(axis=1) / _mass(w, ~y, "good"))


def balanced_accuracy_at(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Array:
    """Mean of the shares of good and of flawed images judged rightly [R]."""
    false_alarms = false_alarm_rate_at(scores, labels, threshold, weights)
    return np.asarray((recall_at(scores, labels, threshold, weights) + 1 - false_alarms) / 2)


def f1_at(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Array:
    """F1 of the verdict "flawed" [R]."""
    s, y, w = checked(scores, labels, weights)
    called = s > threshold
    tp = w[:, y & called].sum(axis=1)
    return np.asarray(2 * tp / (w[:, called].sum(axis=1) + _mass(w, y, "flawed")))
