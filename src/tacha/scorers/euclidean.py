"""Euclidean distance to the mean of good features."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.features.base import Features
from tacha.scorers.moments import mean_of
from tacha.scorers.rows import RowScorer


class Euclidean(RowScorer):
    """|row - mean|: the plainest baseline, every feature counts alike."""

    mean: Tensor

    def __init__(self, reads: str = "embedding", share: float = 0.0, sigma: float = 0.0) -> None:
        super().__init__(reads, share, sigma)
        self.register_buffer("mean", torch.empty(0))  # [D]

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        self.mean = mean_of(self.batches(stream)).to(self.mean)

    def distance(self, rows: Tensor) -> Tensor:
        self.check_width(rows, self.mean.shape[0])
        return (rows - self.mean).square().sum(2).sqrt()
