"""Mean and covariance of a stream, in one pass and float64."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class Moments:
    """Accumulates rows [..., N, D] over N. Sums are shifted by the first batch's mean, so nothing cancels.

    `count` is the number of rows; where some did not count, a tensor [..., 1, 1] of it.
    """

    count: Tensor | int

    def __init__(self) -> None:
        self.count = 0
        self._empty = True

    def add(self, rows: Tensor, counts: Tensor | None = None) -> None:
        """`counts` [..., N] says which rows do (None: all)."""
        rows = rows.double()
        if counts is not None:
            rows = torch.where(counts.unsqueeze(-1), rows, 0)
        if self._empty:
            self._empty = False
            self._shift = rows.mean(-2, keepdim=True)  # [..., 1, D]
            self._first = torch.zeros_like(self._shift)
            self._second = rows.new_zeros(*rows.shape[:-2], rows.shape[-1], rows.shape[-1])  # [..., D, D]
        rows = rows - self._shift
        if counts is None:
            self.count = self.count + rows.shape[-2]
        else:
            rows = torch.where(counts.unsqueeze(-1), rows, 0)
            self.count = self.count + counts.sum(-1)[..., None, None]
        self._first += rows.sum(-2, keepdim=True)
        self._second += rows.mT @ rows

    @property
    def mean(self) -> Tensor:
        """[..., D]"""
        return (self._shift + self._first / self._divisor).squeeze(-2)

    @property
    def covariance(self) -> Tensor:
        """[..., D, D], divided by the count (maximum likelihood)."""
        first = self._first / self._divisor
        return self._second / self._divisor - first.mT @ first

    @property
    def _divisor(self) -> Tensor | int:
        return self.count.clamp(min=1) if isinstance(self.count, Tensor) else self.count


def mean_of(batches: Iterable[Tensor]) -> Tensor:
    """The float64 mean [D] of all rows of batches [..., D]."""
    count, total = 0, torch.zeros((), dtype=torch.float64)
    for rows in batches:
        rows = rows.flatten(0, -2).double()
        count += rows.shape[0]
        total = total.to(rows.device) + rows.sum(0)
    return total / count
