"""Ranking metrics against loops over pairs, scikit-learn, and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tacha.errors import TachaError
from tacha.metrics.ranking import (
    auroc,
    average_precision,
    balanced_accuracy_at,
    best_f1,
    f1_at,
    false_alarm_rate_at,
    recall_at,
)


def naive_auroc(scores, labels):
    wins = [
        1.0 if f > g else 0.5 if f == g else 0.0
        for f, fl in zip(scores, labels, strict=True)
        if fl
        for g, gl in zip(scores, labels, strict=True)
        if not gl
    ]
    return sum(wins) / len(wins)


@st.composite
def cases(draw):
    """Scores on a coarse grid, so that ties are common, of both classes, with whole weights."""
    n = draw(st.integers(2, 25))
    scores = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))]
    weights = [1, 1, *draw(st.lists(st.integers(0, 3), min_size=n - 2, max_size=n - 2))]
    return np.array(scores, float), np.array(labels), np.array(weights)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_against_references(case):
    scores, labels, _ = case
    assert auroc(scores, labels)[0] == pytest.approx(naive_auroc(scores, labels))
    assert auroc(scores, labels)[0] == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels)[0] == pytest.approx(average_precision_score(labels, scores))
    oracle = max(f1_score(labels, scores >= t) for t in scores)
    assert best_f1(scores, labels)[0] == pytest.approx(oracle)
    for threshold in (-5, -0.5, 0, 2):
        called = scores > threshold
        assert f1_at(scores, labels, threshold)[0] == pytest.approx(f1_score(labels, called))


@given(cases())
@settings(max_examples=60, deadline=None)
def test_whole_weights_are_repetitions(case):
    scores, labels, weights = case
    again, marks = np.repeat(scores, weights), np.repeat(labels, weights)
    for measure in (auroc, average_precision, best_f1):
        assert measure(scores, labels, weights[None])[0] == pytest.approx(measure(again, marks)[0])
    for at in (f1_at, recall_at, false_alarm_rate_at, balanced_accuracy_at):
        assert at(scores, labels, 0, weights[None])[0] == pytest.approx(at(again, marks, 0)[0])


@given(cases())
@settings(max_examples=30, deadline=None)
def test_rising_transforms_change_nothing(case):
    scores, labels, _ = case
    for measure in (auroc, average_precision, best_f1):
        expected = measure(scores, labels)[0]
        assert measure(np.exp(3 * scores) + 1e6, labels)[0] == pytest.approx(expected)
        assert measure(scores * 1e9 - 7, labels)[0] == pytest.approx(expected)


def test_by_hand():
    scores, labels = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]
    assert auroc(scores, labels)[0] == 0.75
    assert average_precision(scores, labels)[0] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert best_f1(scores, labels)[0] == pytest.approx(0.8)
    assert recall_at(scores, labels, 0.4)[0] == 0.5
    assert false_alarm_rate_at(scores, labels, 0.4)[0] == 0  # a score at the threshold is good
    assert balanced_accuracy_at(scores, labels, 0.4)[0] == 0.75


def test_scores_beyond_0_and_1_are_not_clamped():
    assert auroc([1.5, 2.5, 3.5, 4.5], [0, 0, 1, 1])[0] == 1
    assert auroc([-4.0, -3.0, -2.0, -1.0], [0, 0, 1, 1])[0] == 1


def test_rows_of_weights_are_independent():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=30), np.arange(30) % 2
    weights = rng.integers(1, 4, size=(5, 30))
    together = auroc(scores, labels, weights)
    assert together.shape == (5,)
    assert together == pytest.approx([auroc(scores, labels, w[None])[0] for w in weights])


@pytest.mark.parametrize(
    ("scores", "labels", "weights", "message"),
    [
        ([0.1, np.nan], [0, 1], None, "score 1 is nan"),
        ([np.inf, 0.1], [0, 1], None, "score 0 is inf"),
        ([0.1, 0.2], [0, 0], None, "no flawed image"),
        ([0.1, 0.2], [1, 1], None, "no good image"),
        ([0.1, 0.2], [0, 2], None, "neither 0 nor 1"),
        ([0.1, 0.2], [0, 1, 1], None, "do not match"),
        ([0.1, 0.2], [0, 1], [[1, -1]], "negative"),
        ([], [], None, "no flawed image"),
    ],
)
def test_bad_input(scores, labels, weights, message):
    with pytest.raises(TachaError, match=message):
        auroc(scores, labels, weights)
