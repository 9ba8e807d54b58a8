"""Several memory banks, one a view of the net's depths, added up on a common scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

HELD_EVERY = 10  # one good image in so many measures the scale before it joins the banks
HELD_MOST = 64


class View(NamedTuple):
    """Which depths a bank sees, stacked at the finest of them, and whether as directions only."""

    levels: tuple[int, ...]
    unit: bool

    def rows(self, features: Features) -> tuple[Tensor, Tensor | None]:
        """[B, D, h, w], and which places count [B, h, w] (None: all)."""
        assert features.levels is not None
        seen = [features.levels[i].float() for i in self.levels]
        grid = max((level.shape[-2:] for level in seen), key=lambda shape: shape[0] * shape[1])
        out = torch.cat([_resized(level, grid, features) for level in seen], 1)
        return F.normalize(out, dim=1) if self.unit else out, features.counting(grid)


class DepthBanks(Scorer):
    """Mean over banks of how many standard deviations a place lies farther from its bank than good ones do.

    `views` names the banks, separated by spaces: "0+1" stacks the net's two shallowest levels, "unit:2" takes level
    2 with every vector scaled to length one, which tells a change of texture from a change of contrast. Each bank
    holds at most `size` rows, as in `memory_bank`, on its first `dimensions` principal axes (0: all). Its scale comes
    from good images while they are not yet in it.
    After PatchCore (Roth et al. 2022).
    """

    needs = frozenset({"levels"})
    scale: Tensor

    def __init__(
        self,
        views: str = "0+1 unit:0 unit:1 unit:2",
        size: int = 4000,
        share: float = 0.01,
        sigma: float = 0.0,
        projection: int = 64,
        dimensions: int = 0,
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
            if self.dimensions:
                self.register_buffer(f"axes_{i}", torch.empty(0, 0))  # [D, d]
        self.register_buffer("scale", torch.empty(0, 0))  # [V, 2]: mean and deviation of good distances

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        coresets = [Coreset(self.size, self.seed, self.projection) for _ in self._views]
        held: list[list[Tensor]] = [[] for _ in self._views]
        count = 0
        for features in stream:
            self._check(features)
            hold = torch.arange(count, count + len(features.embedding)) % HELD_EVERY == 0
            hold &= torch.arange(count, count + len(hold)) < HELD_EVERY * HELD_MOST
            count += len(hold)
            for view, coreset, kept in zip(self._views, coresets, held, strict=True):
                rows, counts = view.rows(features)
                held_rows, others = _counting(rows, counts, hold), _counting(rows, counts, ~hold)
                if not (torch.isfinite(held_rows).all() and torch.isfinite(others).all()):
                    raise TachaError(f"{self.name}: the net gave levels that are not finite: check its weights")
                kept.append(held_rows)
                coreset.add(others)
        if not count:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")
        scale = []
        for i, (coreset, kept) in enumerate(zip(coresets, held, strict=True)):
            rows = torch.cat(kept)
            learned = coreset.finish() if count > 1 else rows
            if self.dimensions:
                self._set(f"axes_{i}", principal_axes(learned, self.dimensions))
            distances = nearest_distances(self._on_axes(i, rows), self._on_axes(i, learned), 1)
            spread = float(distances.std(correction=0))
            scale.append([float(distances.mean()), spread if spread > 1e-12 else 1.0])
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
        width = getattr(self, f"axes_{i}").shape[0] if self.dimensions else bank.shape[1]
        if rows.shape[1] != width:
            raise TachaError(
                f"{self.name} was fitted on {width} features a row and was given {rows.shape[1]}: "
                "use the net it was fitted with"
            )
        distances = nearest_distances(self._on_axes(i, _flat(rows)), bank, 1)
        return ((distances - self.scale[i, 0]) / self.scale[i, 1]).reshape(rows.shape[0], *rows.shape[2:])

    def _on_axes(self, i: int, rows: Tensor) -> Tensor:
        """Rows [N, D] -> [N, d]."""
        return rows @ getattr(self, f"axes_{i}") if self.dimensions else rows

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
        kind, _, numbers = word.rpartition(":")
        parts = numbers.split("+")
        if kind not in ("", "unit") or not all(part.isdecimal() for part in parts):
            raise TachaError(
                f"scorer setting views={views!r}: {word!r} is no view; write levels as 0+1, or unit:0 for directions"
            )
        out.append(View(tuple(int(part) for part in parts), kind == "unit"))
    if not out:
        raise TachaError(f"scorer setting views={views!r}: name at least one view, such as 0+1")
    return tuple(out)


def _flat(rows: Tensor) -> Tensor:
    """[B, D, h, w] -> [B * h * w, D]."""
    return rows.flatten(2).transpose(1, 2).flatten(0, 1)


def _counting(rows: Tensor, counts: Tensor | None, images: Tensor) -> Tensor:
    """Rows [B, D, h, w] of some images [B], at the places that count: [N, D]."""
    flat = _flat(rows[images])
    return flat if counts is None else flat[counts[images].flatten()]


def _resized(level: Tensor, grid: Sequence[int], features: Features) -> Tensor:
    """[B, C, h, w] on another grid; what is padding does not leak into what is none."""
    if tuple(level.shape[-2:]) == tuple(grid):
        return level

    def brought(values: Tensor) -> Tensor:
        return F.interpolate(values, size=tuple(grid), mode="bilinear", align_corners=False)

    counts = features.counting(level.shape[-2:])
    if counts is None:
        return brought(level)
    counts = counts.unsqueeze(1)
    return brought(torch.where(counts, level, 0)) / brought(counts.to(level)).clamp(min=1e-6)
