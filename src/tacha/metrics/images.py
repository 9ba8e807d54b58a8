"""The figures of one category's image scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from tacha.metrics.bootstrap import bootstrap_interval, exact_interval
from tacha.metrics.figure import Figure
from tacha.metrics.ranking import (
    accuracy_at,
    auroc,
    average_precision,
    balanced_accuracy_at,
    best_accuracy,
    best_f1,
    best_threshold,
    checked,
    f1_at,
)


def image_figures(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, seed: int = 0, resamples: int = 1000
) -> list[Figure]:
    """Every image metric that these images allow; scores [N] raw, labels [N] 0 good or 1 flawed.

    With one class only, what compares the two is left out. `image_f1_max` and `image_accuracy_max` take the best
    threshold for these very images (`best_threshold` is F1's), all else the given one. `false_alarm_rate` and `recall`
    have exact intervals, `best_threshold` none, the rest bootstrap ones.
    Raises TachaError on scores that are not finite.
    """
    s, y, _ = checked(scores, labels)
    figures = []
    if y.any() and not y.all():
        measures = {
            "image_auroc": partial(auroc, s, y),
            "image_ap": partial(average_precision, s, y),
            "image_f1": partial(f1_at, s, y, threshold),
            "image_f1_max": partial(best_f1, s, y),
            "image_accuracy": partial(accuracy_at, s, y, threshold),
            "image_accuracy_max": partial(best_accuracy, s, y),
            "balanced_accuracy": partial(balanced_accuracy_at, s, y, threshold),
        }
        for name, measure in measures.items():
            low, high = bootstrap_interval(measure, y, seed, resamples)
            figures.append(Figure(name, float(measure()[0]), low, high, y.size))
        figures.append(Figure("best_threshold", best_threshold(s, y), None, None, y.size))
    for name, members in (("false_alarm_rate", ~y), ("recall", y)):
        n = int(members.sum())
        if n:
            hits = int(np.count_nonzero(s[members] > threshold))
            figures.append(Figure(name, hits / n, *exact_interval(hits, n), n))
    return figures
