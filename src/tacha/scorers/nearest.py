"""Exact distances to the nearest rows of a bank."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 32  # bank rows whose best is found before it is searched for: engines sort where they are asked for an argmax
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
    k, blocks = min(k, bank.shape[0]), -(-bank.shape[0] // BLOCK)
    in_blocks = k == 1 and blocks > 2
    if in_blocks:
        bank = torch.cat([bank, bank[: blocks * BLOCK - bank.shape[0]]])  # copies fill the last block
    rows, bank = rows - centre, bank - centre
    closeness = rows @ bank.T - 0.5 * bank.square().sum(1)  # [N, M]: -d²/2 + |row|²/2
    if in_blocks:
        found = _argmax(closeness.unflatten(1, (blocks, BLOCK)))
    else:
        found = closeness.argmax(1, keepdim=True) if k == 1 else closeness.topk(k, dim=1).indices  # [N, k]
    return (rows.unsqueeze(1) - bank[found]).square().sum(2).sqrt()


def _argmax(values: Tensor) -> Tensor:
    """Where the largest of [N, blocks, BLOCK] is, as [N, 1] in their flat order: the best block, then within it."""
    block = values.amax(2).argmax(1, keepdim=True)  # [N, 1]
    within = values.gather(1, block.unsqueeze(2).expand(-1, 1, BLOCK)).squeeze(1)
    return block * BLOCK + within.argmax(1, keepdim=True)
