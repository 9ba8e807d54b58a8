"""Intervals: the stratified percentile bootstrap, and the exact interval of a rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tacha.metrics.curve import Array

BLOCK = 2_000_000  # weights held at once


def bootstrap_weights(labels: npt.ArrayLike, resamples: int, seed: int) -> Iterator[Array]:
    """Blocks [r, N] of how often each image is drawn, `resamples` rows in all.

    Images are drawn with replacement within each label, so that every resample keeps the numbers of good and
    flawed images (Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 8 and 13).
    """
    y = np.asarray(labels)
    rng = np.random.default_rng(seed)
    strata = [np.flatnonzero(y == label) for label in np.unique(y)]
    block = max(1, BLOCK // max(1, y.size))
    for start in range(0, resamples, block):
        weights = np.zeros((min(block, resamples - start), y.size))
        for members in strata:
            n = members.size
            weights[:, members] = rng.multinomial(n, np.full(n, 1 / n), size=len(weights))
        yield weights


def percentile_interval(values: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """The central `confidence` share of the resampled values."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.asarray(values), [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_interval(
    measure: Callable[[Array], Array], labels: npt.ArrayLike, seed: int, resamples: int
) -> tuple[float, float]:
    """95 % interval of `measure`, which maps weights [r, N] to values [r]."""
    return percentile_interval(np.concatenate([measure(w) for w in bootstrap_weights(labels, resamples, seed)]))


def exact_interval(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the rate behind `hits` of `n` (Clopper and Pearson 1934): covers at least `confidence`."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high
