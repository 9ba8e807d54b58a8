"""Other axes for the rows of a bank: fewer, or all varying alike."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_axes(rows: Tensor, dimensions: int = 0, ridge: float | None = None) -> Tensor:
    """Axes [D, min(dimensions, D)] of the subspace in which rows [N, D] vary most; 0 dimensions for all.

    Orthonormal where `ridge` is None: distances between rows on fewer axes are never longer than they were. Otherwise
    rows are whitened: each axis is divided by the root of its variance plus `ridge` times the mean variance of all.
    Within the subspace the axes are turned at random, seeded: each then carries about as much as any other, and int8,
    whose steps are as long as the longest axis asks, loses none of them (after QuIP, Chee et al. 2023, sec. 4).
    Computed in float64.
    """
    centred = rows.double() - rows.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))  # ascending
    axes, variances = vectors.flip(1)[:, : dimensions or None].cpu(), values.clamp(min=0).flip(0).cpu()
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))  # an axis has no sign of its own
    axes = axes * largest.sign()
    size = axes.shape[1]
    if ridge is not None:
        least = torch.finfo(rows.dtype).tiny  # rows that are all alike
        axes = axes / (variances[:size] + ridge * variances.mean()).clamp(min=least).sqrt()
    random = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned: Tensor = (axes @ torch.linalg.qr(random).Q).to(rows)
    return turned
