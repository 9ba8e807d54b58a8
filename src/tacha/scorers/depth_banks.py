"""Several memory banks, one a view of the net's depths, added up on a common scale."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.base import Scorer, Scores
from tacha.scorers.checks import whole
from tacha.scorers.coreset import Coreset
from tacha.scorers.nearest import nearest_distances
from tacha.scorers.pooling import MapPooling
from tacha.scorers.reduction import principal_axes

# Good images that measure the scale before they join the banks: every second of the first ones, since a deviation of
# few says little, and one in so many of those that follow.
HELD_FIRST, HELD_EVERY, HELD_LAST = 32, 10, 512
# What a view's deviation is thought to be, as a share of its mean, before any image is seen, and as how many images
# that counts: about the median over views of sets of good images (docs/lead.md).
USUAL_SPREAD, USUAL_WEIGHT = 0.07, 8
# Share of the mean variance that whitening adds to every axis, so that those that hold next to nothing stay small.
RIDGE = 0.3


class View(NamedTuple):
    """Which depths a bank sees, on the grid of the first: as directions? whitened? averaged over what square?"""

    levels: tuple[int, ...]
    unit: bool
    white: bool
    around: int

    def rows(self, features: Features) -> tuple[Tensor, Tensor | None]:
        """[B, D, h, w], and which places count [B, h, w] (None: all)."""
        assert features.levels is not None
        seen = [_averaged(features.levels[i].float(), self.around, features) for i in self.levels]
        grid = seen[0].shape[-2:]
        out = torch.cat([_resized(level, grid, features) for level in seen], 1)
        return F.normalize(out, dim=1) if self.unit else out, features.counting(grid)


class DepthBanks(Scorer):
    """Mean over banks of how many standard deviations a place lies farther from its bank than good images' worst do.

    `views` names the banks, separated by spaces: "1+0" stacks the net's levels 1 and 0 on the grid of the one named
    first, "unit:2" takes level 2 with every vector scaled to length one, which tells a change of texture from a change
    of contrast, "white:2" divides what a bank's rows have in common out of them, so that a small change in what is
    always alike counts, and "1@3" is the mean of level 1 over the 3 x 3 places around. Each bank holds at most `size`
    rows, as in `memory_bank`, on its first `dimensions` principal axes (0: all). Its scale are the mean and the
    deviation of the image scores that good images have under it alone while they are not yet in it: a view in which
    good images differ much weighs little.
    After PatchCore (Roth et al. 2022).
    """

    needs = frozenset({"levels"})
    scale: Tensor

    def __init__(
        self,
        views: str = "0+1 unit:white:0 unit:white:1@3 2",
        size: int = 4000,
        share: float = 0.01,
        sigma: float = 0.0,
        projection: int = 64,
        dimensions: int = 88,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.views, self._views = views, _parse(views)
        self.size = whole("size", size, 1)
        self.projection, self.seed = whole("projection", projection, 1), whole("seed", seed, 0)
        self.dimensions = whole("dimensions", dimensions, 0)
        self.pooling = MapPooling(share, sigma)
        self.share, self.sigma = self.pooling.share, self.pooling.sigma
        for i in range(len(self._views)):
            self.register_buffer(f"bank_{i}", torch.empty(0, 0))  # [N, D], or [N, d] on axes
            if self._has_axes(i):
                self.register_buffer(f"axes_{i}", torch.empty(0, 0))  # [D, d]
        self.register_buffer("scale", torch.empty(0, 0))  # [V, 2]: mean and deviation of good images' scores

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        coresets = [Coreset(self.size, self.seed, self.projection) for _ in self._views]
        held: list[list[tuple[Tensor, Tensor | None]]] = [[] for _ in self._views]
        count = 0
        for features in stream:
            self._check(features)
            index = torch.arange(count, count + len(features.embedding))
            hold = (index % torch.where(index < HELD_FIRST, 2, HELD_EVERY) == 0) & (index < HELD_LAST)
            count += len(hold)
            for view, coreset, kept in zip(self._views, coresets, held, strict=True):
                rows, counts = view.rows(features)
                if not torch.isfinite(rows if counts is None else _counting(rows, counts)).all():
                    raise TachaError(f"{self.name}: the net gave levels that are not finite: check its weights")
                kept.append((rows[hold], None if counts is None else counts[hold]))
                coreset.add(_counting(rows[~hold], None if counts is None else counts[~hold]))
        if not count:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")
        scale = []
        for i, (coreset, kept) in enumerate(zip(coresets, held, strict=True)):
            places = torch.cat([rows for rows, _ in kept])  # [n, D, h, w]
            marked = [counts for _, counts in kept if counts is not None]
            counts = torch.cat(marked) if marked else None
            rows = _counting(places, counts)
            learned = coreset.finish() if count > 1 else rows
            if self._has_axes(i):
                ridge = RIDGE if self._views[i].white else None
                self._set(f"axes_{i}", principal_axes(learned, self.dimensions, ridge))
            distances = nearest_distances(self._on_axes(i, _flat(places)), self._on_axes(i, learned), 1)
            maps = distances.reshape(places.shape[0], *places.shape[2:])
            scale.append(_usual(self.pooling(maps, counts).image))
            coreset.add(rows)
            self._set(f"bank_{i}", self._on_axes(i, coreset.finish()))
        self.scale = torch.tensor(scale).to(self.scale)

    def forward(self, features: Features) -> Scores:
        self.require_fitted()
        self._check(features)
        maps = [self._standing(i, view.rows(features)[0]) for i, view in enumerate(self._views)]
        grid = max((m.shape[-2:] for m in maps), key=lambda shape: shape[0] * shape[1])
        together = torch.stack([_resized(m.unsqueeze(1), grid, features).squeeze(1) for m in maps]).mean(0)
        scores: Scores = self.pooling(together, features.counting(grid))
        return scores

    def _standing(self, i: int, rows: Tensor) -> Tensor:
        """Rows [B, D, h, w] -> their distances to bank i, standardised, [B, h, w]."""
        bank: Tensor = getattr(self, f"bank_{i}")
        width = getattr(self, f"axes_{i}").shape[0] if self._has_axes(i) else bank.shape[1]
        if rows.shape[1] != width:
            raise TachaError(
                f"{self.name} was fitted on {width} features a row and was given {rows.shape[1]}: "
                "use the net it was fitted with"
            )
        distances = nearest_distances(self._on_axes(i, _flat(rows)), bank, 1)
        return ((distances - self.scale[i, 0]) / self.scale[i, 1]).reshape(rows.shape[0], *rows.shape[2:])

    def _on_axes(self, i: int, rows: Tensor) -> Tensor:
        """Rows [N, D] -> [N, d]."""
        return rows @ getattr(self, f"axes_{i}") if self._has_axes(i) else rows

    def _has_axes(self, i: int) -> bool:
        return self.dimensions > 0 or self._views[i].white

    def _set(self, name: str, values: Tensor) -> None:
        setattr(self, name, values.to(getattr(self, name)))

    def _check(self, features: Features) -> None:
        levels = features.levels
        deepest = max(i for view in self._views for i in view.levels)
        if levels is None:
            raise TachaError(f"{self.name} needs levels, which this net does not provide: choose another net")
        if deepest >= len(levels):
            raise TachaError(
                f"scorer.views={self.views!r} names level {deepest}, and the net has {len(levels)} (0 to "
                f"{len(levels) - 1}): name other levels, or add to model.layers"
            )


def _parse(views: str) -> tuple[View, ...]:
    out = []
    for word in str(views).split():
        found = re.fullmatch(r"(unit:)?(white:)?(\d+(?:\+\d+)*)(?:@(\d*[13579]))?", word, re.ASCII)
        if not found:
            raise TachaError(
                f"scorer setting views={views!r}: {word!r} is no view; write levels as 1+0, unit:0 for directions, "
                "white:0 or unit:white:0 for whitened ones, 0@3 for means over 3 x 3 places (an odd number)"
            )
        unit, white, levels, around = found.groups()
        numbers = tuple(int(level) for level in levels.split("+"))
        out.append(View(numbers, unit is not None, white is not None, int(around or 1)))
    if not out:
        raise TachaError(f"scorer setting views={views!r}: name at least one view, such as 0+1")
    return tuple(out)


def _flat(rows: Tensor) -> Tensor:
    """[B, D, h, w] -> [B * h * w, D]."""
    return rows.flatten(2).transpose(1, 2).flatten(0, 1)


def _counting(rows: Tensor, counts: Tensor | None) -> Tensor:
    """Rows [B, D, h, w] at the places that count [B, h, w] (None: all): [N, D]."""
    flat = _flat(rows)
    return flat if counts is None else flat[counts.flatten()]


def _usual(scores: Tensor) -> list[float]:
    """Mean and deviation of good images' scores [n], the latter drawn to what is usual where they are few."""
    mean, n = float(scores.mean()), len(scores)
    variance = n * float(scores.var(correction=0)) + USUAL_WEIGHT * (USUAL_SPREAD * mean) ** 2
    spread = math.sqrt(variance / (n + USUAL_WEIGHT))
    return [mean, spread if spread > 1e-12 else 1.0]


def _averaged(level: Tensor, around: int, features: Features) -> Tensor:
    """[B, C, h, w], each place the mean of those in the square around it."""
    if around == 1:
        return level
    pool = partial(F.avg_pool2d, kernel_size=around, stride=1, padding=around // 2, count_include_pad=False)
    return _of_image(level, pool, features)


def _resized(level: Tensor, grid: Sequence[int], features: Features) -> Tensor:
    """[B, C, h, w] on another grid."""
    height, width = level.shape[-2:]
    if (height, width) == tuple(grid):
        return level
    if height % grid[0] == 0 and width % grid[1] == 0:
        return _of_image(level, partial(F.avg_pool2d, kernel_size=(height // grid[0], width // grid[1])), features)
    resize = partial(F.interpolate, size=tuple(grid), mode="bilinear", align_corners=False)
    return _of_image(level, resize, features)


def _of_image(level: Tensor, average: Callable[[Tensor], Tensor], features: Features) -> Tensor:
    """An average of places [B, C, h, w] into which no padding leaks."""
    counts = features.counting(level.shape[-2:])
    if counts is None:
        return average(level)
    counts = counts.unsqueeze(1)
    return average(torch.where(counts, level, 0)) / average(counts.to(level)).clamp(min=1e-6)
