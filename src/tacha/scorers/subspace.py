"""What the principal components of good features leave unexplained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.checks import between, whole
from tacha.scorers.moments import Moments
from tacha.scorers.rows import RowScorer


class Subspace(RowScorer):
    """Norm of the part of a row outside the principal subspace of the good rows.

    The subspace keeps `components` directions, or, if that is 0, the fewest that explain the share `variance`
    of the variance, but never all. The stored basis is that of its complement, so that the residual is one
    product, without cancellation. The Q statistic of Jackson & Mudholkar 1979.
    """

    mean: Tensor
    complement: Tensor

    def __init__(
        self,
        variance: float = 0.95,
        components: int = 0,
        reads: str = "patches",
        share: float = 0.0,
        sigma: float = 0.0,
    ) -> None:
        super().__init__(reads, share, sigma)
        self.variance, self.components = (
            between("variance", variance, 0, 1),
            whole("components", components, 0),
        )
        self.register_buffer("mean", torch.empty(0))  # [D]
        self.register_buffer("complement", torch.empty(0, 0))  # [D, D - kept]

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        moments = Moments()
        for rows in self.batches(stream):
            moments.add(rows.flatten(0, 1))
        values, vectors = torch.linalg.eigh(moments.covariance)  # ascending
        D = values.shape[0]
        if D == 1 or self.components >= D:
            raise TachaError(f"{self.name}: components={self.components} must be fewer than the {D} features")
        explained = values.clamp(min=0).flip(0).cumsum(0)
        kept = self.components or int((explained < self.variance * explained[-1]).sum()) + 1
        self.mean = moments.mean.to(self.mean)
        self.complement = vectors[:, : D - min(kept, D - 1)].contiguous().to(self.complement)

    def distance(self, rows: Tensor) -> Tensor:
        self.check_width(rows, self.mean.shape[0])
        return ((rows - self.mean) @ self.complement).square().sum(2).sqrt()
