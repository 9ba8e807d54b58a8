"""Regions in original pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tacha.regions import regions, upsample


def test_boxes_areas_peaks_at_native_size():
    anomaly_map = np.zeros((10, 12), np.float32)
    anomaly_map[2:4, 3:6] = 2
    anomaly_map[7, 8] = anomaly_map[8, 9] = 5  # joined by a corner
    found = regions(anomaly_map, 1.0, (12, 10))
    assert [r.box for r in found] == [(8, 7, 10, 9), (3, 2, 6, 4)]
    assert [r.area for r in found] == [2, 6]
    assert [r.peak for r in found] == [5, 2]
    assert [r.area for r in regions(anomaly_map, 1.0, (12, 10), min_area=3)] == [6]


def test_scaled_to_the_image():
    anomaly_map = np.zeros((10, 20), np.float32)
    anomaly_map[4:6, 5:10] = 4
    (region,) = regions(anomaly_map, 2.0, (200, 100))
    assert region.box == pytest.approx((50, 40, 100, 60), abs=3)
    assert region.area == pytest.approx(1000, rel=0.1)


def test_none_at_or_below_the_threshold():
    assert regions(np.ones((4, 4), np.float32), 1.0, (16, 16)) == ()


def test_a_huge_image_is_found_small_and_scaled():
    anomaly_map = np.zeros((8, 8), np.float32)
    anomaly_map[:, 4:] = 2
    (region,) = regions(anomaly_map, 1.0, (30_000, 30_000))
    assert region.box == pytest.approx((15_000, 0, 30_000, 30_000), abs=20)
    assert region.area == pytest.approx(450_000_000, rel=0.01)


def test_upsample_is_bilinear_with_aligned_centres():
    anomaly_map = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(anomaly_map)[None, None], size=(40, 63), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    assert upsample(anomaly_map, (63, 40)) == pytest.approx(expected, abs=1e-5)
    assert upsample(anomaly_map, (7, 5)) == pytest.approx(anomaly_map)
