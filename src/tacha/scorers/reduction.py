"""Fewer dimensions for the rows of a bank."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_axes(rows: Tensor, dimensions: int) -> Tensor:
    """The orthonormal axes [D, min(dimensions, D)] along which rows [N, D] vary most, from the first down.

    Distances between rows on fewer axes are never longer than they were. Computed in float64, and each axis has its
    largest part positive, so that the same rows give the same axes.
    """
    centred = rows.double() - rows.double().mean(0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    axes = vectors.flip(1)[:, :dimensions]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    reduced: Tensor = (axes * largest.sign()).to(rows)
    return reduced
