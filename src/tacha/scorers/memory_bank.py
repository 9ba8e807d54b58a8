"""Distance to the nearest of the good rows kept in a memory bank."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.features.base import Features
from tacha.scorers.checks import one_of, whole
from tacha.scorers.coreset import Coreset
from tacha.scorers.moments import Moments
from tacha.scorers.nearest import nearest_distances
from tacha.scorers.reduction import principal_axes
from tacha.scorers.rows import RowScorer


class MemoryBank(RowScorer):
    """Mean distance to the `neighbours` nearest of at most `size` good rows, a coreset of all of them.

    `whiten="channel"` first divides each feature by its standard deviation over the good rows.
    `projection` is the number of dimensions the coreset is chosen in; `dimensions` how many principal axes of the bank
    rows are then compared on (0: all).
    PatchCore, Roth et al. 2022, sec. 3.1 to 3.3, with a streaming coreset and without score reweighting.
    """

    bank: Tensor
    scale: Tensor
    axes: Tensor

    def __init__(
        self,
        size: int = 4000,
        neighbours: int = 1,
        share: float = 0.0,
        sigma: float = 0.0,
        whiten: str = "none",
        projection: int = 64,
        dimensions: int = 0,
        seed: int = 0,
        reads: str = "patches",
    ) -> None:
        super().__init__(reads, share, sigma)
        self.size, self.neighbours = whole("size", size, 1), whole("neighbours", neighbours, 1)
        self.whiten = one_of("whiten", whiten, ("none", "channel"))
        self.projection, self.seed = whole("projection", projection, 1), whole("seed", seed, 0)
        self.dimensions = whole("dimensions", dimensions, 0)
        self.register_buffer("bank", torch.empty(0, 0))  # [N, D], or [N, d] on axes
        self.register_buffer("scale", torch.empty(0))  # [D]
        if self.dimensions:
            self.register_buffer("axes", torch.empty(0, 0))  # [D, d]

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        scale = self._channel_scale(stream) if self.whiten == "channel" else None
        coreset = Coreset(self.size, self.seed, self.projection)
        for rows in self.batches(stream):
            scale = torch.ones_like(rows[0, 0]) if scale is None else scale
            coreset.add(rows.flatten(0, 1) * scale)
        assert scale is not None
        bank = coreset.finish()
        if self.dimensions:
            self.axes = principal_axes(bank, self.dimensions).to(self.axes)
            bank = bank @ self.axes
        self.scale, self.bank = scale.to(self.scale), bank.to(self.bank)

    def _channel_scale(self, stream: Iterable[Features]) -> Tensor:
        moments = Moments()
        for rows in self.batches(stream):
            moments.add(rows.flatten(0, 1).T.unsqueeze(2))  # [D, N, 1]: variances only
        spread = moments.covariance.flatten().clamp(min=0).sqrt()
        floor = 1e-3 * spread.mean()  # a constant channel must not decide everything
        return spread.clamp(min=float(floor) or 1.0).reciprocal().float()

    def distance(self, rows: Tensor) -> Tensor:
        self.check_width(rows, self.scale.shape[0])
        flat = (rows * self.scale).flatten(0, 1)  # [B * P, D]
        if self.dimensions:
            flat = flat @ self.axes
        nearest = nearest_distances(flat, self.bank, self.neighbours).mean(1)
        return nearest.reshape(-1, rows.shape[1])
