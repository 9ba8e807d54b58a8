"""Heat maps on one fixed scale."""

from __future__ import annotations

import numpy as np
import pytest

from tacha.report.overlay import BEHIND, GAP, captioned, colour_bar, heat_overlay, side_by_side
from tacha.report.sizes import sized
from tacha.words import words

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


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45, 0.6, 0.9, 1.0])
def test_the_bar_has_the_overlay_s_own_colours(share):
    """A value looks the same in the bar and on a part that is as grey as the bar's ground, whatever its map holds."""
    low, threshold, high = 0.2, 1.0, 2.0
    bar = colour_bar(600, threshold, (low, high))
    edge = max(9, 600 // 26)
    inside = 600 - 2 * edge
    row = edge + round((1 - share) * (inside - 1))
    value = low + share * (high - low)
    part = np.full((400, 400, 3), BEHIND, np.uint8)
    for rest in (0.0, 0.9, 40.0):  # a rescaling by the image's own range would tint these three differently
        anomaly_map = np.full((400, 400), value, np.float32)
        anomaly_map[200:, :] = rest
        seen = heat_overlay(part, anomaly_map, threshold, (low, high))[20, 20].astype(int)
        assert np.abs(seen - bar[row, 4].astype(int)).max() <= 3


def test_the_threshold_is_marked_across_the_bar_where_it_stands():
    bar = colour_bar(600, 1.0, (0.0, 2.0))
    dark = np.flatnonzero((bar[:, :20] == 0).all((1, 2)))
    assert abs(dark.mean() - 299.5) <= 2
    high = colour_bar(600, 1.5, (0.0, 2.0))
    assert np.flatnonzero((high[:, :20] == 0).all((1, 2))).mean() < 200


@pytest.mark.parametrize("height", [1, 8, 33, 256, 4000])
@pytest.mark.parametrize(("threshold", "scale"), [(1.0, (0.0, 2.0)), (1.0, (1.0, 1.0)), (-3.5, (-9.0, 2.0))])
def test_a_bar_fits_beside_any_picture(height, threshold, scale):
    bar = colour_bar(height, threshold, scale)
    assert bar.dtype == np.uint8
    assert bar.shape[0] == height
    image = np.zeros((height, 40, 3), np.uint8)
    row = side_by_side(image, image, np.zeros((height, 40), bool), bar)
    assert row.shape == (height, 3 * 40 + bar.shape[1] + 3 * GAP, 3)


def test_a_caption_is_below_and_wraps():
    panels = np.full((50, 200, 3), 7, np.uint8)
    short, long = captioned(panels, "flawed"), captioned(panels, "flawed " * 40)
    assert (short[:50] == 7).all()
    assert 50 < short.shape[0] < long.shape[0]
    assert short.shape[1] == long.shape[1] == 200
    assert short[50:].min() < 128


def test_sizes_are_pixels_and_shares():
    regions = [{"area": 500}, {"area": 50}, {"area": 5}, {"area": 1}, {"area": 1}]
    assert sized(regions[:1], (100, 100), words("en")) == "1 region: 500 px (5 %)"
    assert sized(regions, (100, 100), words("en")) == (
        "5 regions: 500 px (5 %), 50 px (0.5 %), 5 px (0.05 %), 2 fainter ones"
    )
    assert sized([], (100, 100), words("en")) == "no region stands out"
    assert sized(regions[:2], (100, 100), words("es")) == "2 regiones: 500 px (5 %), 50 px (0.5 %)"


def test_captions_have_spanish_letters():
    """A font without them draws the same box for each."""
    panels = np.full((50, 200, 3), 7, np.uint8)
    drawn = [captioned(panels, letter)[50:] for letter in "óñáéíúü¿"]
    assert all((drawn[i] != drawn[j]).any() for i in range(len(drawn)) for j in range(i))
