"""Big images as tiles: where the tiles lie, and how what is said of each becomes one map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.data.frame import Box, Size
from tacha.errors import TachaError

Map = npt.NDArray[np.float32]

SMALLEST, LARGEST = 32, 16384  # px
MOST = 0.75  # of a side: each place is seen sixteen times
FLOOR = 1e-3  # weight at a tile's very edge, which with no overlap is all that a place may have


@dataclass(frozen=True)
class Tiling:
    """Square tiles of `side` pixels, each sharing at least `overlap` of its side with the next.

    Raises TachaError, in the words of a run's settings, for values out of range.
    """

    side: int
    overlap: float = 0.25

    def __post_init__(self) -> None:
        side, overlap = self.side, self.overlap
        if not isinstance(side, int) or isinstance(side, bool) or not SMALLEST <= side <= LARGEST:
            raise TachaError(
                f"data.tile={side!r}: give a whole number of pixels from {SMALLEST} to {LARGEST}, or null for no tiles"
            )
        if not isinstance(overlap, int | float) or isinstance(overlap, bool) or not 0 <= overlap <= MOST:
            raise TachaError(f"data.overlap={overlap!r}: give a share of a tile's side from 0 to {MOST}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Tiling | None:
        """That of a run's data settings, or of an artefact's card under `input`: none, or TachaError out of range."""
        tile = settings.get("tile")
        return None if tile is None else cls(tile, settings.get("overlap", cls.overlap))

    def tile_size(self, size: Size) -> Size:
        """(width, height) of the tiles of an image of `size` (width, height)."""
        return min(self.side, size[0]), min(self.side, size[1])

    def boxes(self, size: Size) -> tuple[Box, ...]:
        """The tiles that cover an image of `size` (width, height), row by row: evenly spaced, the last flush with
        the border. A side shorter than a tile's is taken whole, so all tiles of an image are of one size."""
        (across, width), (down, height) = (self._starts(length) for length in size)
        return tuple(Box(x, y, x + width, y + height) for y in down for x in across)

    def _starts(self, length: int) -> tuple[list[int], int]:
        """Where tiles begin along a side, and how long they are."""
        side = min(self.side, length)
        step = math.floor(side * (1 - self.overlap)) or 1
        gaps = math.ceil((length - side) / step)
        return [i * (length - side) // max(1, gaps) for i in range(gaps + 1)], side


def blend(maps: Sequence[Map], boxes: Sequence[Box], size: Size) -> Map:
    """Maps [h, w] of the tiles at `boxes` as one map of the whole image of `size` (width, height).

    Its cells are as large as those of the tiles' maps. Where tiles overlap it is their mean, weighted by a Hann window
    over each tile: what a tile says near its sides, where a net sees less, fades out. The map of an image that is one
    tile is left as it is.
    """
    if len(boxes) == 1:
        return maps[0]
    left, top, right, bottom = boxes[0]
    height, width = maps[0].shape
    grid = _cells(size[1], height / (bottom - top)), _cells(size[0], width / (right - left))
    total, weight = np.zeros(grid), np.zeros(grid)
    for one, (left, top, right, bottom) in zip(maps, boxes, strict=True):
        rows, down, falling = _onto(size[1], grid[0], (top, bottom), height)
        columns, across, aside = _onto(size[0], grid[1], (left, right), width)
        share = np.outer(falling, aside)
        total[rows, columns] += share * (down @ one @ across.T)
        weight[rows, columns] += share
    return (total / weight).astype(np.float32)


def _cells(length: int, density: float) -> int:
    return max(1, round(length * density))


def _onto(
    length: int, cells: int, span: tuple[int, int], places: int
) -> tuple[slice, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A tile's `places` along one side brought to those of the image's `cells` whose centres lie in its span.

    Which cells [n], the matrix [n, places] of linear interpolation, and the window's weight [n] of each.
    """
    centres = (np.arange(cells) + 0.5) * length / cells
    first, last = np.searchsorted(centres, span)
    inside = (centres[first:last] - span[0]) / (span[1] - span[0])  # 0..1 along the tile
    at = np.clip(inside * places - 0.5, 0, places - 1)
    matrix = np.clip(1 - np.abs(at[:, None] - np.arange(places)), 0, None)
    return slice(int(first), int(last)), matrix, FLOOR + np.sin(np.pi * inside) ** 2
