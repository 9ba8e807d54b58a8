"""Pixel figures against exact curves over every distinct value."""

from __future__ import annotations

import time

import numpy as np
import pytest
from skimage.measure import label
from sklearn.metrics import average_precision_score, roc_auc_score

from tacha.errors import TachaError
from tacha.metrics import PixelFigures
from tacha.metrics.pixels import bins


def naive_aupro(maps, masks, limit):
    """A threshold at every distinct value; regions and rates counted afresh at each."""
    regions = [label(m, connectivity=2) for m in masks]
    normal = sum(int((~m).sum()) for m in masks)
    rates, overlaps = [0.0], [0.0]
    for t in sorted({float(v) for m in maps for v in m.ravel()}, reverse=True):
        rates.append(sum(int(((m >= t) & ~k).sum()) for m, k in zip(maps, masks, strict=True)) / normal)
        overlaps.append(
            np.mean(
                [(m >= t)[r == i].mean() for m, r in zip(maps, regions, strict=True) for i in range(1, r.max() + 1)]
            )
        )
    area = 0.0
    for x0, x1, y0, y1 in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


def made(rng, offset=0.0):
    """Maps of several shapes with touching-by-a-corner, small and large regions, and two good images."""
    maps, masks = [], []
    for i, shape in enumerate([(12, 9), (10, 14), (8, 8), (12, 9), (9, 11)]):
        mask = np.zeros(shape, bool)
        if i < 3:
            mask[1:3, 1:3] = mask[3, 3] = True
            mask[6 : 7 + i, 5:8] = True
        maps.append((rng.normal(size=shape) + 1.2 * mask + offset).astype(np.float32))
        masks.append(mask)
    return maps, masks


def figures_of(maps, masks, **kwargs):
    pixels = PixelFigures()
    for m, k in zip(maps, masks, strict=True):
        pixels.add(m, k)
    return {f.metric: f for f in pixels.figures(**kwargs)}


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_against_exact_curves(offset):
    maps, masks = made(np.random.default_rng(0), offset)
    figures = figures_of(maps, masks, resamples=50)
    values = np.concatenate([m.ravel() for m in maps])
    truth = np.concatenate([m.ravel() for m in masks])
    assert figures["pixel_auroc"].value == pytest.approx(roc_auc_score(truth, values), abs=1e-3)
    assert figures["pixel_ap"].value == pytest.approx(average_precision_score(truth, values), abs=3e-3)
    called = [values >= t for t in np.unique(values)]
    f1 = max(2 * (c & truth).sum() / (c.sum() + truth.sum()) for c in called)
    assert figures["pixel_f1_max"].value == pytest.approx(f1, abs=3e-3)
    assert figures["aupro_30"].value == pytest.approx(naive_aupro(maps, masks, 0.30), abs=2e-3)
    assert figures["aupro_05"].value == pytest.approx(naive_aupro(maps, masks, 0.05), abs=3e-3)
    for figure in figures.values():
        assert figure.low <= figure.high
        assert figure.n == 5


def test_exact_with_ties():
    rng = np.random.default_rng(3)
    maps, masks = made(rng)
    maps = [np.round(m).astype(np.float32) for m in maps]
    figures = figures_of(maps, masks, resamples=2)
    assert figures["aupro_30"].value == pytest.approx(naive_aupro(maps, masks, 0.30), abs=1e-9)
    values = np.concatenate([m.ravel() for m in maps])
    truth = np.concatenate([m.ravel() for m in masks])
    assert figures["pixel_auroc"].value == pytest.approx(roc_auc_score(truth, values), abs=1e-9)


def test_by_hand():
    """Two regions of 1 and 3 pixels: finding the small one alone is half the overlap, at no false positive."""
    mask = np.zeros((4, 5), bool)
    mask[0, 0] = True
    mask[3, 0:3] = True
    anomaly_map = np.zeros((4, 5), np.float32)
    anomaly_map[0, 0] = 2
    figures = figures_of([anomaly_map], [mask], resamples=2)
    # from (0, .5) the curve runs straight to (1, 1): the mean over 0..x is .5 + x / 4
    assert figures["aupro_30"].value == pytest.approx(0.575)
    assert figures["aupro_05"].value == pytest.approx(0.5125)


def test_perfect_and_every_region_counts_alike():
    mask = np.zeros((20, 20), bool)
    mask[0, 0] = True
    mask[5:15, 5:15] = True
    assert figures_of([mask.astype(np.float32)], [mask])["aupro_05"].value == pytest.approx(1)


def test_no_flawed_pixel_gives_nothing():
    assert figures_of([np.ones((4, 4), np.float32)], [np.zeros((4, 4), bool)]) == {}
    assert PixelFigures().figures() == []


def test_bins_rise_with_the_values():
    values = np.array([-1e30, -2, -1, -1e-30, 0, 1e-30, 0.5, 1, 1.01, 3, 1e30], np.float32)
    assert (np.diff(bins(values)) > 0).all()
    assert bins(np.array([-0.0], np.float32)) == bins(np.array([0.0], np.float32))


@pytest.mark.parametrize(
    ("anomaly_map", "mask", "message"),
    [
        (np.zeros((3, 4), np.float32), np.zeros((4, 3), bool), r"\(3, 4\).*\(4, 3\)"),
        (np.full((2, 2), np.nan, np.float32), np.zeros((2, 2), bool), "not finite"),
    ],
)
def test_bad_input(anomaly_map, mask, message):
    with pytest.raises(TachaError, match=message):
        PixelFigures().add(anomaly_map, mask)


def test_fast_enough():
    rng = np.random.default_rng(0)
    base = rng.gamma(4, size=(448, 448)).astype(np.float32)
    mask = np.zeros((448, 448), bool)
    mask[100:140, 200:260] = True
    pixels = PixelFigures()
    start = time.process_time()
    for i in range(40):
        pixels.add(base * np.float32(1 + i / 100) + mask, mask if i % 2 else np.zeros_like(mask))
    pixels.figures()
    assert time.process_time() - start < 10  # measured well below 2 s; the bound is for busy machines
