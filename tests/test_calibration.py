"""Thresholds: the promise holds, the p-values are uniform, the words are plain, bad settings are refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom
from sklearn.metrics import f1_score

from tacha.calibration import METHODS, Calibration, best_f1, calibrate, conformal, mean_sigma, needed, percentile
from tacha.errors import TachaError


@pytest.mark.parametrize(
    ("rate", "confidence", "n"),
    [(0.05, 0.95, 59), (0.01, 0.95, 299), (0.10, 0.95, 29), (0.05, 0.90, 45), (0.01, 0.99, 459), (0.5, 0.75, 2)],
)
def test_needed(rate, confidence, n):
    assert needed(rate, confidence) == n
    assert (1 - rate) ** n <= 1 - confidence + 1e-12 < (1 - rate) ** (n - 1)


@pytest.mark.parametrize("n", [59, 92, 93, 200, 1000])
def test_conformal_takes_the_lowest_rank_that_keeps_the_promise(n):
    calibration = conformal(np.arange(1, n + 1))
    k = round(calibration.threshold)
    assert beta(n + 1 - k, k).cdf(0.05) >= 0.95
    assert beta(n + 2 - k, k - 1).cdf(0.05) < 0.95
    assert binom(n, 0.05).sf(n - k) == pytest.approx(beta(n + 1 - k, k).cdf(0.05))
    assert calibration.promise.false_alarm_rate == 0.05


@pytest.mark.parametrize(("n", "rate"), [(60, 0.05), (150, 0.05), (20, 0.05), (40, 0.2)])
def test_the_promise_holds(n, rate):
    """Over fresh calibration sets, the true rate exceeds the promised one at most 1 - confidence of the time."""
    rng = np.random.default_rng(n)
    broken = 0
    for _ in range(2000):
        calibration = conformal(rng.uniform(size=n), false_alarm_rate=rate)
        broken += 1 - calibration.threshold > calibration.promise.false_alarm_rate
    assert broken / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_too_few_good_images_promise_what_they_can():
    calibration = conformal(np.arange(43.0))
    assert calibration.threshold == 42
    assert calibration.promise.needed == 59
    assert calibration.promise.false_alarm_rate == pytest.approx(1 - 0.05 ** (1 / 43))
    assert calibration.guarantee() == (
        "With 43 good images it can promise a false-alarm rate of at most 6.7 % (95 % confidence); for 5 % it needs 59."
    )


def test_sentences():
    scores = np.arange(60.0)
    assert "At most 5 % of good parts" in conformal(scores).guarantee()
    assert "99 % percentile of 60 good scores; it promises no" in percentile(scores).guarantee()
    assert "mean plus 3 standard deviations" in mean_sigma(scores).guarantee()
    oracle = best_f1(scores, scores + 30)
    assert oracle.oracle
    assert "must not be quoted as performance" in oracle.guarantee()
    assert "saw defects" in oracle.guarantee()


def test_simple_rules():
    scores = np.arange(101.0)
    assert percentile(scores, q=99).threshold == 99
    assert percentile(scores, q=100).threshold == 100
    assert mean_sigma([1.0, 2.0, 3.0], k=2).threshold == pytest.approx(2 + 2 * 1)


def test_p_values_by_hand_and_with_ties():
    calibration = conformal([1.0, 2.0, 2.0, 3.0])
    assert [calibration.p_value(s) for s in (0, 1, 2, 2.5, 3, 4)] == [1, 1, 0.8, 0.4, 0.4, 0.2]


def test_p_values_are_uniform_on_good_parts():
    rng = np.random.default_rng(2)
    ps = np.array([conformal(rng.normal(size=19)).p_value(rng.normal()) for _ in range(4000)])
    for level in (0.05, 0.2, 0.5):
        assert (ps <= level + 1e-9).mean() == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 4000))


def test_a_score_at_the_threshold_is_good():
    calibration = conformal([2.0] * 80)
    assert not calibration.flawed(2.0)
    assert calibration.flawed(np.nextafter(2.0, 3))
    with pytest.raises(TachaError, match="not a number"):
        calibration.flawed(math.nan)
    with pytest.raises(TachaError, match="not a number"):
        calibration.p_value(math.nan)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=15), st.lists(st.integers(-5, 5), min_size=1, max_size=15))
@settings(max_examples=60, deadline=None)
def test_best_f1_is_the_best(good, flawed):
    scores, labels = np.array(good + flawed, float), [0] * len(good) + [1] * len(flawed)
    reached = f1_score(labels, scores > best_f1(good, flawed).threshold)
    assert reached == pytest.approx(max(f1_score(labels, scores > t) for t in np.arange(-6, 6)))


def test_best_f1_of_neighbouring_floats():
    high = np.nextafter(1.0, 2)
    threshold = best_f1([1.0], [high]).threshold
    assert 1.0 <= threshold < high


@pytest.mark.parametrize("method", METHODS)
def test_roundtrip(method):
    rng = np.random.default_rng(0)
    calibration = calibrate(method, rng.normal(size=70), rng.normal(size=5) + 3)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert calibration.method == method
    assert list(calibration.good_scores) == sorted(calibration.good_scores)


@pytest.mark.parametrize("data", [{}, {"method": "x"}, {**conformal([1.0]).to_dict(), "good_scores": None}])
def test_damaged(data):
    with pytest.raises(TachaError, match="damaged"):
        Calibration.from_dict(data)


@pytest.mark.parametrize(
    ("method", "good", "settings", "message"),
    [
        ("otsu", [1.0], {}, "percentile, mean_sigma, conformal, best_f1"),
        ("conformal", [], {}, "0 good scores"),
        ("conformal", [1.0, math.nan], {}, "not finite"),
        ("conformal", [1.0], {"false_alarm_rate": 0}, "false_alarm_rate=0 is out of range"),
        ("conformal", [1.0], {"false_alarm_rate": 1.0}, "out of range"),
        ("conformal", [1.0], {"false_alarm_rate": "x"}, "out of range"),
        ("conformal", [1.0], {"confidence": 1}, "confidence=1"),
        ("conformal", [1.0], {"alpha": 0.1}, "no setting 'alpha': it has false_alarm_rate, confidence"),
        ("percentile", [1.0], {"q": 101}, "q=101"),
        ("percentile", [1.0], {"q": math.nan}, "q=nan"),
        ("mean_sigma", [1.0], {}, "needs 2"),
        ("mean_sigma", [1.0, 2.0], {"k": -1}, "k=-1"),
        ("best_f1", [1.0], {}, "needs scores of flawed"),
    ],
)
def test_bad_input(method, good, settings, message):
    with pytest.raises(TachaError, match=message):
        calibrate(method, good, **settings)


@pytest.mark.parametrize(
    ("scores", "expected"), [([-3.0, -1.0, 0.0001], 3.0), ([0.5, 2.0], 2.0), ([0.0, 0.0], 1e-12), ([-1e-20], 1e-12)]
)
def test_magnitude_is_of_the_scores_where_the_threshold_is_near_zero(scores, expected):
    assert calibrate("percentile", scores).magnitude == expected
