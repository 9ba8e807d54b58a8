"""How badly the net reconstructs an image."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.base import Scorer, Scores
from tacha.scorers.pooling import MapPooling


class Reconstruction(Scorer):
    """The net's residual as the map, its pooled value as the score. Fitting only counts the good images."""

    count: Tensor

    def __init__(self, share: float = 0.0, sigma: float = 0.0) -> None:
        super().__init__()
        self.needs = frozenset({"residual"})
        self.pooling = MapPooling(share, sigma)
        self.share, self.sigma = self.pooling.share, self.pooling.sigma
        self.register_buffer("count", torch.zeros((), dtype=torch.long))  # images seen

    def fit(self, stream: Iterable[Features]) -> None:
        count = sum(self.read(features, "residual").shape[0] for features in stream)
        if not count:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")
        self.count = torch.full_like(self.count, count)

    def forward(self, features: Features) -> Scores:
        residual = self.read(features, "residual").float()
        pooled: Scores = self.pooling(residual, features.counting(residual.shape[1:]))
        return pooled
