"""Heat maps on one fixed scale."""

from __future__ import annotations

import numpy as np

from tacha.report.overlay import GAP, heat_overlay, side_by_side

GREY = np.full((60, 80, 3), 128, np.uint8)


def redness(picture):
    return picture[..., 0].astype(int) - picture[..., 2].astype(int)


def test_a_good_part_does_not_look_red():
    anomaly_map = np.random.default_rng(0).uniform(0, 0.99, size=(6, 8)).astype(np.float32)
    out = heat_overlay(GREY, anomaly_map, 1.0, (0.2, 2.0))
    assert out.dtype == np.uint8
    assert out.shape == GREY.shape
    assert redness(out).max() <= 0


def test_nothing_is_drawn_at_or_below_low():
    assert (heat_overlay(GREY, np.zeros((6, 8), np.float32), 1.0, (0.2, 2.0)) == GREY).all()


def test_redder_the_higher_and_outlined():
    anomaly_map = np.zeros((60, 80), np.float32)
    anomaly_map[10:30, 10:30], anomaly_map[10:30, 50:70] = 1.1, 2.0
    out = heat_overlay(GREY, anomaly_map, 1.0, (0.2, 2.0))
    assert 0 < redness(out)[20, 20] < redness(out)[20, 60]
    assert (out[9, 15] == 255).all()  # just outside the region
    assert (out[8, 15] == 0).all()
    assert (out[50, 40] == 128).all()


def test_the_scale_is_not_the_image_s_own():
    """The same value gets the same tint, whatever else the map holds."""
    weak, strong = np.full((60, 80), 0.7, np.float32), np.full((60, 80), 0.7, np.float32)
    strong[40:50, 40:50] = 50
    a, b = (heat_overlay(GREY, m, 1.0, (0.2, 2.0)) for m in (weak, strong))
    assert (a[:30] == b[:30]).all()


def test_a_degenerate_scale_is_survived():
    out = heat_overlay(GREY, np.full((6, 8), 3.0, np.float32), 1.0, (1.0, 1.0))
    assert redness(out).min() > 0


def test_side_by_side():
    assert side_by_side(GREY, GREY).shape == (60, 160 + GAP, 3)
    mask = np.zeros((60, 80), bool)
    mask[5, 5] = True
    row = side_by_side(GREY, GREY, mask)
    assert row.shape == (60, 240 + 2 * GAP, 3)
    assert (row[5, 160 + 2 * GAP + 5] == 255).all()
    assert (row[6, 160 + 2 * GAP + 5] == 0).all()
