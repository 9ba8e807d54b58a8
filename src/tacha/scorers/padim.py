"""A Gaussian for every place."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.checks import between, whole
from tacha.scorers.moments import Moments
from tacha.scorers.rows import RowScorer


class PaDiM(RowScorer):
    """Mahalanobis distance of each place to the good patches seen at that place.

    A seeded choice of `channels` features, average-pooled to at most `grid` places a side. `eps` times the mean
    variance over all places and channels is added to each variance, which makes the ridge free of the net's
    scale. Defard et al. 2020, sec. III, where eps is an absolute 0.01.
    """

    channel: Tensor
    mean: Tensor
    whitening: Tensor

    def __init__(
        self,
        channels: int = 64,
        grid: int = 28,
        eps: float = 0.01,
        share: float = 0.0,
        sigma: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__("patches", share, sigma)
        self.channels, self.grid = whole("channels", channels, 1), whole("grid", grid, 1)
        self.eps, self.seed = between("eps", eps, 1e-6), whole("seed", seed, 0)
        self.register_buffer("channel", torch.empty(0, dtype=torch.long))  # [C]
        self.register_buffer("mean", torch.empty(0, 0))  # [P, C]
        self.register_buffer("whitening", torch.empty(0, 0, 0))  # [P, C, C] transposed inverse Cholesky factor

    def places(self, features: Features) -> Tensor:
        places = super().places(features)
        if self.channel.numel():
            places = places[:, self.channel]
        across = pooling_matrix(places.shape[3], self.grid).to(places)
        down = pooling_matrix(places.shape[2], self.grid).to(places)
        return down @ places @ across.T

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        self.channel = self.channel.new_empty(0)  # read all of them again
        moments, generator = Moments(), torch.Generator().manual_seed(self.seed)
        channel = None
        for rows in self.batches(stream):
            if channel is None:
                channel = torch.randperm(rows.shape[2], generator=generator)[: self.channels].sort().values
                channel = channel.to(rows.device)
            moments.add(rows[:, :, channel].transpose(0, 1))  # [P, B, C]
        assert channel is not None
        covariance = moments.covariance * (moments.count / max(1, moments.count - 1))
        variance = covariance.diagonal(dim1=1, dim2=2)  # [P, C], a view
        variance += self.eps * (float(variance.mean()) or 1.0)
        inverse = inverse_cholesky(covariance)
        self.channel, self.mean = channel.to(self.channel), moments.mean.to(self.mean)
        self.whitening = inverse.mT.contiguous().to(self.whitening)

    def distance(self, rows: Tensor) -> Tensor:
        if rows.shape[1] != self.mean.shape[0]:
            raise TachaError(
                f"{self.name} was fitted on {self.mean.shape[0]} places and was given {rows.shape[1]}: "
                "use images of the size it was fitted on"
            )
        centred = (rows - self.mean).transpose(0, 1)  # [P, B, C]
        return (centred @ self.whitening).square().sum(2).sqrt().transpose(0, 1)


def inverse_cholesky(covariance: Tensor) -> Tensor:
    """L⁻¹ [..., D, D] of covariance = L Lᵀ: |L⁻¹ x| is the Mahalanobis norm of x."""
    identity = torch.eye(covariance.shape[-1]).to(covariance).expand_as(covariance)
    inverse: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), identity, upper=False)
    return inverse


def pooling_matrix(size: int, most: int) -> Tensor:
    """[min(size, most), size]: adaptive average pooling as a product, which every engine has."""
    places = min(size, most)
    matrix = torch.zeros(places, size)
    for i in range(places):
        start, end = i * size // places, -(-(i + 1) * size // places)
        matrix[i, start:end] = 1 / (end - start)
    return matrix
