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
    scale. A place where all good images were padded has the Gaussian of all places.
    Defard et al. 2020, sec. III, where eps is an absolute 0.01.
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

    def places(self, features: Features) -> tuple[Tensor, Tensor | None]:
        places, counts = super().places(features)
        if self.channel.numel():
            places = places[:, self.channel]
        across = pooling_matrix(places.shape[3], self.grid).to(places)
        down = pooling_matrix(places.shape[2], self.grid).to(places)
        if counts is None:
            return down @ places @ across.T, None
        share = down @ counts.to(places) @ across.T  # [B, h, w]
        pooled = down @ torch.where(counts.unsqueeze(1), places, 0) @ across.T
        inside = features.counting(share.shape[1:])
        assert inside is not None
        return pooled / share.clamp(min=1e-6).unsqueeze(1), inside & (share > 1e-6)

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        self.channel = self.channel.new_empty(0)  # read all of them again
        moments, generator = Moments(), torch.Generator().manual_seed(self.seed)
        channel = None
        for rows, counts in self.placed(stream):
            if channel is None:
                channel = torch.randperm(rows.shape[2], generator=generator)[: self.channels].sort().values
                channel = channel.to(rows.device)
            moments.add(rows[:, :, channel].transpose(0, 1), None if counts is None else counts.T)  # [P, B, C]
        assert channel is not None
        mean, covariance = _everywhere(moments)
        variance = covariance.diagonal(dim1=1, dim2=2)  # [P, C], a view
        variance += self.eps * (float(variance.mean()) or 1.0)
        inverse = inverse_cholesky(covariance)
        self.channel, self.mean = channel.to(self.channel), mean.to(self.mean)
        self.whitening = inverse.mT.contiguous().to(self.whitening)

    def distance(self, rows: Tensor) -> Tensor:
        if rows.shape[1] != self.mean.shape[0]:
            raise TachaError(
                f"{self.name} was fitted on {self.mean.shape[0]} places and was given {rows.shape[1]}: "
                "use images of the size it was fitted on"
            )
        centred = (rows - self.mean).transpose(0, 1)  # [P, B, C]
        return (centred @ self.whitening).square().sum(2).sqrt().transpose(0, 1)


def _everywhere(moments: Moments) -> tuple[Tensor, Tensor]:
    """Means [P, C] and unbiased covariances [P, C, C]; where a place has no row, those of all rows of all places."""
    mean, covariance, count = moments.mean, moments.covariance, moments.count
    if not isinstance(count, Tensor):
        return mean, covariance * (count / max(1, count - 1))
    share = count / count.sum()  # [P, 1, 1]
    centre = (share.squeeze(-1) * mean).sum(0)
    off = mean - centre
    together = (share * (covariance + off.unsqueeze(2) * off.unsqueeze(1))).sum(0)
    none = count == 0
    mean = torch.where(none.squeeze(-1), centre, mean)
    return mean, torch.where(none, together, covariance * (count / (count - 1).clamp(min=1)))


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
