"""Fewer dimensions for the rows of a bank."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_axes(rows: Tensor, dimensions: int) -> Tensor:
    """Orthonormal axes [D, min(dimensions, D)] of the subspace in which rows [N, D] vary most.

    Distances between rows on fewer axes are never longer than they were. Within the subspace the axes are turned at
    random, seeded: each then carries about as much as any other, and int8, whose steps are as long as the longest
    axis asks, loses none of them (after QuIP, Chee et al. 2023, sec. 4). Computed in float64.
    """
    centred = rows.double() - rows.double().mean(0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    axes = vectors.flip(1)[:, :dimensions].cpu()
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))  # an axis has no sign of its own
    size = axes.shape[1]
    random = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned: Tensor = ((axes * largest.sign()) @ torch.linalg.qr(random).Q).to(rows)
    return turned
