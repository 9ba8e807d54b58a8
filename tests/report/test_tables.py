"""Rows into tables and verdicts on promises."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tacha.calibration import Calibration, calibrate, conformal, mean_sigma, percentile
from tacha.report.tables import guaranteed, tables, thresholds
from tacha.words import words


def row(metric, value, low=None, high=None, category="a", **more):
    return {"category": category, "metric": metric, "value": value, "low": low, "high": high, "n": 40, **more}


def test_one_line_a_variant():
    (table,) = tables([row("image_auroc", 0.9, engine="torch"), row("image_auroc", 0.8, engine="openvino")])
    assert [name for name, _ in table.body] == ["a · engine torch", "a · engine openvino"]
    assert table.mean[0].value == "85.0"


def test_gaps_intervals_and_unknown_metrics():
    first, second, other = tables(
        [
            row("image_auroc", 0.9, 0.85, 0.95),
            row("image_auroc", 1.0, category="b"),
            row("recall", 0.5, category="b"),
            row("pixel_auroc", 0.99),
            row("artefact_bytes", 12_345_678),
        ]
    )
    assert first.head == ["AUROC", "flawed parts found"]
    assert [(c.value, c.interval) for c in first.body[0][1]] == [("90.0", "85.0–95.0"), ("–", "")]
    assert [c.value for c in first.mean] == ["95.0", "–"]  # no mean of some categories only
    assert second.mean == []
    assert other.head == ["artefact_bytes"]
    assert tables([]) == []


@pytest.mark.parametrize(
    ("value", "low", "outcome"),
    [(0.04, 0.01, "kept"), (0.05, 0.02, "kept"), (0.1, 0.04, "chance allows"), (0.3, 0.2, "broken")],
)
def test_promise_against_measurement(value, low, outcome):
    calibration = {"a": {"threshold": 1.0, "method": "conformal", "promise": {"false_alarm_rate": 0.05}}}
    (found,) = thresholds([row("false_alarm_rate", value, low, 0.5)], calibration)
    assert outcome in found.outcome


def test_no_promise_has_no_outcome():
    (found,) = thresholds([], {"a": {"threshold": 1.0, "method": "percentile", "promise": None}})
    assert (found.promised, found.measured, found.outcome) == ("none", "not measured", "")


@pytest.mark.parametrize(
    "calibration",
    [
        conformal(np.arange(80.0)),
        conformal(np.arange(20.0)),
        percentile(np.arange(30.0), 97.5),
        mean_sigma(np.arange(30.0), 3),
        calibrate("best_f1", [0.0, 1.0, 2.0], [5.0, 6.0]),
    ],
    ids=lambda c: c.method,
)
def test_a_page_says_of_a_threshold_what_the_calibration_says(calibration: Calibration) -> None:
    written = {**calibration.to_dict(), "sentence": calibration.guarantee()}
    assert guaranteed(written, words("en")) == calibration.guarantee()
    told = guaranteed(written, words("es"))
    assert told != calibration.guarantee()
    assert re.findall(r"[\d.]+ %|\d+", told) == re.findall(r"[\d.]+ %|\d+", calibration.guarantee())
