"""Image figures and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tacha.errors import TachaError
from tacha.metrics import exact_interval, image_figures
from tacha.metrics.bootstrap import bootstrap_weights


def by_name(figures):
    return {f.metric: f for f in figures}


def test_names_and_values():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [40, 60])
    scores = rng.normal(size=100) + 2 * labels
    figures = by_name(image_figures(scores, labels, threshold=1.5, resamples=200))
    assert list(figures) == [
        "image_auroc",
        "image_ap",
        "image_f1",
        "image_f1_max",
        "image_accuracy",
        "image_accuracy_max",
        "balanced_accuracy",
        "best_threshold",
        "false_alarm_rate",
        "recall",
    ]
    for figure in figures.values():
        assert figure.metric == "best_threshold" or figure.low <= figure.value <= figure.high
    assert figures["image_auroc"].n == 100
    assert figures["false_alarm_rate"].n == 40
    assert figures["recall"].n == 60
    assert figures["image_f1"].value <= figures["image_f1_max"].value


@pytest.mark.parametrize("seed", range(8))
def test_accuracies_and_the_best_threshold_by_trying_every_threshold(seed):
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, 18)]
    scores = rng.integers(0, 6, 20) / 4 + (seed % 3) * labels
    found = by_name(image_figures(scores, labels, 0.8, resamples=10))
    tried = [-1.0, *(scores + 1e-9)]
    accuracies = [np.mean((scores > t) == labels) for t in tried]
    f1 = [2 * np.sum((scores > t) & (labels == 1)) / (np.sum(scores > t) + labels.sum()) for t in tried]
    assert found["image_accuracy"].value == pytest.approx(np.mean((scores > 0.8) == labels))
    assert found["image_accuracy_max"].value == pytest.approx(max(accuracies))
    called = scores > found["best_threshold"].value
    assert 2 * np.sum(called & (labels == 1)) / (called.sum() + labels.sum()) == pytest.approx(max(f1))


def test_seeded():
    labels, scores = [0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6]
    assert image_figures(scores, labels, 3, seed=4) == image_figures(scores, labels, 3, seed=4)


def test_one_class_leaves_the_comparisons_out():
    assert list(by_name(image_figures([1, 2, 3], [0, 0, 0], 2.5))) == ["false_alarm_rate"]
    assert list(by_name(image_figures([1, 2, 3], [1, 1, 1], 2.5))) == ["recall"]
    assert image_figures([], [], 1) == []


def test_not_finite_is_refused():
    with pytest.raises(TachaError, match="finite"):
        image_figures([1, np.nan], [0, 0], 1)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (3, 41), (1, 1), (50, 1000)])
def test_exact_interval_is_clopper_pearson(hits, n):
    reference = binomtest(hits, n).proportion_ci(method="exact")
    assert exact_interval(hits, n) == pytest.approx((reference.low, reference.high))


def test_bootstrap_keeps_the_strata():
    labels = np.array([0, 1, 0, 1, 1])
    weights = np.concatenate(list(bootstrap_weights(labels, 50, seed=0)))
    assert weights.shape == (50, 5)
    assert (weights[:, labels == 0].sum(axis=1) == 2).all()
    assert (weights[:, labels == 1].sum(axis=1) == 3).all()
    assert weights.std(axis=0).min() > 0


def test_interval_covers_the_truth():
    """Scores N(0, 1) against N(1, 1): the true AUROC is Phi(1 / sqrt 2) = .7602."""
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 60)
    covered = 0
    for i in range(60):
        figure = image_figures(rng.normal(size=120) + labels, labels, 0, seed=i, resamples=200)[0]
        covered += figure.low <= 0.7602 <= figure.high
    assert covered >= 50
