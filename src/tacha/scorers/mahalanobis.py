"""Mahalanobis distance to the good features, with a shrunk covariance."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.features.base import Features
from tacha.scorers.moments import Moments
from tacha.scorers.padim import inverse_cholesky
from tacha.scorers.rows import RowScorer


class Mahalanobis(RowScorer):
    """Distance to the mean of good rows under their covariance, which is invertible for any number of images.

    Lee et al. 2018, sec. 2.1, for one class; shrinkage: OAS, Chen et al. 2010, eq. 23, without its 2/D
    term, as scikit-learn has it.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, reads: str = "embedding", share: float = 0.0, sigma: float = 0.0) -> None:
        super().__init__(reads, share, sigma)
        self.register_buffer("mean", torch.empty(0))  # [D]
        self.register_buffer("whitening", torch.empty(0, 0))  # [D, D] transposed inverse Cholesky factor

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        moments = Moments()
        for rows in self.batches(stream):
            moments.add(rows.flatten(0, 1))
        covariance, _ = oas(moments.covariance, int(moments.count))
        self.mean = moments.mean.to(self.mean)
        self.whitening = inverse_cholesky(covariance).T.contiguous().to(self.whitening)

    def distance(self, rows: Tensor) -> Tensor:
        self.check_width(rows, self.mean.shape[0])
        return ((rows - self.mean) @ self.whitening).square().sum(2).sqrt()


def oas(covariance: Tensor, count: int) -> tuple[Tensor, float]:
    """The covariance [D, D] of `count` rows shrunk towards a multiple of the identity, and the shrinkage.

    Identical rows, which have no covariance, give the identity.
    """
    D = covariance.shape[0]
    scale = float(covariance.diagonal().mean())
    power = float(covariance.square().mean())
    denominator = (count + 1) * (power - scale**2 / D)
    shrinkage = min(1.0, (power + scale**2) / denominator) if denominator > 0 else 1.0
    identity = torch.eye(D).to(covariance)
    return (1 - shrinkage) * covariance + (shrinkage * scale or 1.0) * identity, shrinkage
