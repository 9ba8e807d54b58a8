"""Cosine distance to the mean direction of good features."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from tacha.features.base import Features
from tacha.scorers.moments import mean_of
from tacha.scorers.rows import RowScorer


class Cosine(RowScorer):
    """1 - cos(row, mean direction), from 0 to 2; the mean direction is that of the mean of unit rows."""

    direction: Tensor

    def __init__(self, reads: str = "embedding", share: float = 0.0, sigma: float = 0.0) -> None:
        super().__init__(reads, share, sigma)
        self.register_buffer("direction", torch.empty(0))  # [D]

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        mean = mean_of(F.normalize(rows, dim=2) for rows in self.batches(stream))
        self.direction = F.normalize(mean, dim=0).to(self.direction)

    def distance(self, rows: Tensor) -> Tensor:
        self.check_width(rows, self.direction.shape[0])
        unit = rows / rows.square().sum(2, keepdim=True).sqrt().clamp(min=1e-12)
        return 0.5 * (unit - self.direction).square().sum(2)  # 1 - cos, without its cancellation
