"""What clusters are worth against labels that they never saw, beside the detector's own verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from tacha.analysis.clusters import Clusters
from tacha.metrics import Figure, exact_interval
from tacha.metrics.bootstrap import bootstrap_interval
from tacha.metrics.ranking import auroc, f1_at

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000


def shape_of(found: Clusters, points: Floats) -> list[Figure]:
    """What needs no label: clusters, noise, and the silhouette (Rousseeuw 1987) of what is in two or more clusters."""
    from sklearn.metrics import silhouette_score

    n = len(points)
    figures = [
        Figure("clusters", found.count, None, None, n),
        Figure("noise", int(found.noise.sum()), None, None, n),
        Figure("eps", found.eps, None, None, n),
    ]
    inside = ~found.noise
    if 2 <= found.count < int(inside.sum()):
        value = float(silhouette_score(points[inside], found.labels[inside]))
        figures.append(Figure("silhouette", value, None, None, int(inside.sum())))
    return figures


def against_truth(found: Clusters, labels: npt.NDArray[np.int64], kinds: Sequence[str], seed: int) -> list[Figure]:
    """Noise read as flawed, the k-distance as score, and clusters against the kinds of part.

    Empty where the images are of one class.
    """
    if len(set(labels.tolist())) < 2:
        return []
    from sklearn.metrics import adjusted_rand_score

    figures = [*verdict_figures(found.noise, labels, seed), _auroc(found.distances, labels, seed)]
    rand = float(adjusted_rand_score(list(kinds), found.labels))
    return [*figures, Figure("adjusted_rand", rand, None, None, len(labels))]


def detector_figures(scores: Floats, threshold: float, labels: npt.NDArray[np.int64], seed: int) -> list[Figure]:
    """The same figures of the detector on the same images; empty where these are of one class."""
    if len(set(labels.tolist())) < 2:
        return []
    return [*verdict_figures(scores > threshold, labels, seed), _auroc(scores, labels, seed)]


def verdict_figures(called: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64], seed: int) -> list[Figure]:
    """Precision, recall and false-alarm rate with exact intervals, F1 with a bootstrap one.

    Precision is left out where nothing is called flawed.
    """
    flawed = labels.astype(bool)
    figures = []
    for name, hits, n in (
        ("precision", int((called & flawed).sum()), int(called.sum())),
        ("recall", int((called & flawed).sum()), int(flawed.sum())),
        ("false_alarm_rate", int((called & ~flawed).sum()), int((~flawed).sum())),
    ):
        if n:
            figures.append(Figure(name, hits / n, *exact_interval(hits, n), n))
    measure = partial(f1_at, called.astype(float), labels, 0.5)
    interval = bootstrap_interval(measure, labels, seed, RESAMPLES)
    return [*figures, Figure("f1", float(measure()[0]), *interval, len(labels))]


def _auroc(scores: Floats, labels: npt.NDArray[np.int64], seed: int) -> Figure:
    measure = partial(auroc, scores, labels)
    return Figure(
        "image_auroc", float(measure()[0]), *bootstrap_interval(measure, labels, seed, RESAMPLES), len(labels)
    )
