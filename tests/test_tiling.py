"""Where tiles lie and how their maps are put together, against the naive way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tacha.errors import TachaError
from tacha.tiling import Map, Tiling, blend

SIZES = [(1, 1), (31, 400), (100, 100), (128, 128), (129, 128), (1000, 750), (333, 97), (2000, 33)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tiling", [Tiling(32, 0), Tiling(128), Tiling(100, 0.5), Tiling(33, 0.75), Tiling(16384)])
def test_tiles_cover_an_image_evenly(size: tuple[int, int], tiling: Tiling) -> None:
    width, height = size
    boxes = tiling.boxes(size)
    seen = np.zeros((height, width), dtype=int)
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (min(tiling.side, width), min(tiling.side, height))
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= height
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1
    assert len(set(boxes)) == len(boxes)
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == size
    for side, length in enumerate(size):
        starts = sorted({box[side] for box in boxes})
        steps = np.diff(starts)
        assert np.ptp(steps) <= 1 if len(steps) else length <= tiling.side
        # As much overlap as was asked for, by no more tiles than that takes.
        step = math.floor(min(tiling.side, length) * (1 - tiling.overlap)) or 1
        assert (steps <= step).all()
        assert (len(starts) - 2) * step < max(1, length - tiling.side)


def test_an_image_that_is_one_tile_keeps_its_map() -> None:
    one = np.random.default_rng(0).random((7, 9), dtype=np.float32)
    assert blend([one], Tiling(64).boxes((64, 50)), (64, 50)) is one


def naive(maps: list[Map], tiling: Tiling, size: tuple[int, int], grid: tuple[int, int]) -> Map:
    """Every cell of the image by itself: each tile over its centre is read there, and weighs by a Hann window."""
    from tacha.tiling import FLOOR

    def read(line: np.ndarray, at: float) -> np.ndarray:
        at = min(max(at - 0.5, 0), len(line) - 1)
        low = min(int(at), len(line) - 1)
        high = min(low + 1, len(line) - 1)
        return line[low] + (at - low) * (line[high] - line[low])

    out = np.zeros(grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            y, x = (row + 0.5) * size[1] / grid[0], (column + 0.5) * size[0] / grid[1]
            values, weights = [], []
            for one, (left, top, right, bottom) in zip(maps, tiling.boxes(size), strict=True):
                if not (left <= x < right and top <= y < bottom):
                    continue
                v, u = (y - top) / (bottom - top), (x - left) / (right - left)
                values.append(float(read(read(one, v * one.shape[0]), u * one.shape[1])))
                hann = [FLOOR + 0.5 - 0.5 * math.cos(2 * math.pi * share) for share in (v, u)]
                weights.append(hann[0] * hann[1])
            out[row, column] = np.average(values, weights=weights)
    return out.astype(np.float32)


@pytest.mark.parametrize(
    ("tiling", "size", "shape", "grid"),
    [
        (Tiling(64), (100, 90), (8, 8), (11, 12)),
        (Tiling(64, 0), (128, 128), (4, 4), (8, 8)),
        (Tiling(50, 0.5), (140, 40), (5, 10), (5, 28)),  # lower than a tile
        (Tiling(32), (75, 33), (1, 1), (1, 2)),
        (Tiling(32, 0.75), (50, 50), (64, 64), (100, 100)),
    ],
)
def test_maps_are_blended_as_the_naive_way_does(
    tiling: Tiling, size: tuple[int, int], shape: tuple[int, int], grid: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    maps = [rng.standard_normal(shape).astype(np.float32) for _ in tiling.boxes(size)]
    found = blend(maps, tiling.boxes(size), size)
    assert found.dtype == np.float32
    assert found.shape == grid
    np.testing.assert_allclose(found, naive(maps, tiling, size, grid), rtol=0, atol=1e-5)


@pytest.mark.parametrize("overlap", [0, 0.1, 0.25, 0.6])
def test_what_is_the_same_everywhere_has_no_seams(overlap: float) -> None:
    tiling, size = Tiling(128, overlap), (1000, 433)
    maps = [np.full((16, 16), 0.7, np.float32) for _ in tiling.boxes(size)]
    np.testing.assert_allclose(blend(maps, tiling.boxes(size), size), 0.7, rtol=1e-6)


def test_a_slope_runs_on_over_the_seams() -> None:
    """Tiles that each see the same slope of their image give that slope, wherever they were cut."""
    tiling, size, cells = Tiling(128), (1000, 500), 16
    maps = []
    for left, _, right, _ in tiling.boxes(size):
        centres = left + (np.arange(cells) + 0.5) * (right - left) / cells
        maps.append(np.tile(centres.astype(np.float32), (cells, 1)))
    found = blend(maps, tiling.boxes(size), size)
    expected = (np.arange(found.shape[1]) + 0.5) * size[0] / found.shape[1]
    np.testing.assert_allclose(found[:, 1:-1], np.tile(expected[1:-1], (len(found), 1)), atol=0.6)  # of 8 px a cell


def test_tiles_that_disagree_fade_into_each_other() -> None:
    tiling, size = Tiling(128), (1000, 128)
    maps = [np.full((16, 16), float(i % 2), np.float32) for i, _ in enumerate(tiling.boxes(size))]
    assert np.abs(np.diff(blend(maps, tiling.boxes(size), size), axis=1)).max() < 0.45  # unblended: 1


@pytest.mark.parametrize("side", [0, -5, 31, 16385, 256.0, "big", True, float("nan"), None])
def test_sides_that_are_none(side: object) -> None:
    with pytest.raises(TachaError, match=r"^data\.tile=.*: give a whole number of pixels from 32 to 16384"):
        Tiling(side)  # type: ignore[arg-type]


@pytest.mark.parametrize("overlap", [1, 0.76, -0.1, float("nan"), float("inf"), "half", None, True])
def test_overlaps_that_are_none(overlap: object) -> None:
    with pytest.raises(TachaError, match=r"^data\.overlap=.*: give a share of a tile's side from 0 to 0\.75"):
        Tiling(64, overlap)  # type: ignore[arg-type]
