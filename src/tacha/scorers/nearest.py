"""Exact distances to the nearest rows of a bank."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 8192  # rows searched at once in torch: bounds the [rows, bank] matrix


def nearest_distances(rows: Tensor, bank: Tensor, k: int) -> Tensor:
    """Euclidean distances from rows [N, D] to their k nearest of bank [M, D], as [N, min(k, M)].

    The search is one matrix product. The distance to what it finds is then recomputed by subtraction: two
    engines that round the search differently may swap near-equal neighbours, but agree on the distance.
    """
    if torch.compiler.is_compiling() or rows.shape[0] <= CHUNK:
        return _nearest(rows, bank, k)
    return torch.cat([_nearest(part, bank, k) for part in rows.split(CHUNK)])


def _nearest(rows: Tensor, bank: Tensor, k: int) -> Tensor:
    centre = bank.mean(0)  # products of centred vectors lose fewer digits
    centred = bank - centre
    closeness = (rows - centre) @ centred.T - 0.5 * centred.square().sum(1)  # [N, M]: -d²/2 + |row|²/2
    k = min(k, bank.shape[0])
    found = closeness.argmax(1, keepdim=True) if k == 1 else closeness.topk(k, dim=1).indices  # [N, k]
    return (rows.unsqueeze(1) - bank[found]).square().sum(2).sqrt()
