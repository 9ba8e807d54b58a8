"""A fixed number of rows that cover a stream of any length."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

CHUNK = 4096  # rows absorbed at once, whatever the batch size: the result does not depend on the split
ROOM = 32768  # rows held before the first choice among them, where three budgets are fewer: one choice beats many
TOGETHER = 64  # farthest points looked at together
BLOCK = 1024  # centres compared at once, before the rows that they cover are set aside


class Coreset:
    """Streaming greedy k-centre. Every row is seen; at most max(3 x budget, ROOM) + CHUNK rows are held.

    Merge and reduce, after the doubling algorithm (Charikar et al. 1997, sec. 3): a row nearer to a kept one
    than the covering radius is dropped, the others are kept; when that many are, greedy k-centre
    (Gonzalez 1985; Sener & Savarese 2018) reduces them to two budgets and its covering radius is the new one.
    Distances are those of a random projection to `projection` dimensions (Roth et al. 2022, sec. 3.2).
    """

    def __init__(self, budget: int, seed: int = 0, projection: int = 64) -> None:
        self.budget, self.seed, self.projection = budget, seed, projection
        self.room = max(3 * budget, ROOM)
        self.radius2 = 0.0  # squared covering radius among projected rows
        self._kept = self._waiting = 0
        self._rows: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        """Absorbs rows [N, D]."""
        if self._rows is None:
            self._allocate(rows)
        while rows.shape[0]:
            part = rows[: CHUNK - self._waiting]
            self._chunk[self._waiting : self._waiting + part.shape[0]] = part
            self._waiting += part.shape[0]
            rows = rows[part.shape[0] :]
            if self._waiting == CHUNK:
                self._absorb()

    def finish(self) -> Tensor:
        """The centres [min(rows seen, budget), D]; fewer if fewer rows are distinct."""
        if self._rows is None:
            raise ValueError("no rows were added")
        self._absorb()
        if self._kept > self.budget:
            self._reduce(self._rows, self.budget)
        return self._rows[: self._kept].clone()

    def _allocate(self, rows: Tensor) -> None:
        D = rows.shape[1]
        d = min(self.projection, D)
        capacity = self.room + CHUNK
        self._rows = rows.new_empty(capacity, D)
        self._points = rows.new_empty(capacity, d)
        self._half_norms = rows.new_empty(capacity)
        self._chunk = rows.new_empty(CHUNK, D)
        self._shift = rows.new_zeros(D)
        generator = torch.Generator().manual_seed(self.seed)
        matrix = torch.eye(D) if d == D else torch.randn(D, d, generator=generator) / d**0.5
        self._matrix = matrix.to(rows)

    def _absorb(self) -> None:
        assert self._rows is not None
        rows = self._chunk[: self._waiting]
        self._waiting = 0
        if not self._kept and rows.shape[0]:
            self._shift = rows.mean(0)
        points = (rows - self._shift) @ self._matrix
        if self.radius2 > 0:
            centres, half_norms = self._points[: self._kept], self._half_norms[: self._kept]
            left = _uncovered(points, centres, half_norms, self.radius2)
            rows, points = rows[left], points[left]
        end = self._kept + rows.shape[0]
        self._rows[self._kept : end] = rows
        self._points[self._kept : end] = points
        self._half_norms[self._kept : end] = 0.5 * points.square().sum(1)
        self._kept = end
        if self._kept > self.room:
            self._reduce(self._rows, 2 * self.budget)

    def _reduce(self, rows: Tensor, size: int) -> None:
        chosen, radius2 = greedy_k_centre(self._points[: self._kept], size)
        self._kept = chosen.shape[0]
        rows[: self._kept] = rows[chosen]
        self._points[: self._kept] = self._points[chosen]
        self._half_norms[: self._kept] = self._half_norms[chosen]
        self.radius2 = max(self.radius2, radius2)


def greedy_k_centre(points: Tensor, size: int) -> tuple[Tensor, float]:
    """Farthest-point choice of `size` of points [N, d]: their indices, and the squared covering radius.

    Starts at the point of largest norm. Stops early when every point left coincides with a chosen one.
    The farthest few are looked at together: while one of them is still at least as far as they all were from the
    rest, it is the farthest of all, so the choice is the one that is made point by point, in products of matrices.
    """
    norms = points.square().sum(1)
    tolerance = 1e-6 * float(norms.max())  # what rounding leaves between equal points
    nearest = torch.full_like(norms, torch.inf)
    taken = norms.argmax().reshape(1)
    chosen = [taken]
    count = 1
    space = points.new_empty(points.shape[0] * TOGETHER)  # allocated once, as in _uncovered
    while True:
        squared = torch.mm(points, points[taken].T, out=space[: points.shape[0] * len(taken)].view(-1, len(taken)))
        squared.mul_(-2).add_(norms[taken])  # and the points' own norms, which change no minimum
        torch.minimum(nearest, squared.amin(1).add_(norms), out=nearest)
        nearest[taken] = 0
        farthest = nearest.topk(min(TOGETHER, len(nearest)))
        if count == size or float(farthest.values[0]) <= tolerance:
            break
        taken = farthest.indices[_farthest_among(points[farthest.indices], farthest.values, size - count, tolerance)]
        chosen.append(taken)
        count += len(taken)
    return torch.cat(chosen), max(0.0, float(nearest.max()))


def _farthest_among(points: Tensor, nearest: Tensor, most: int, tolerance: float) -> list[int]:
    """Which of points [n, d] come next, in order: as long as no point that is not here can be farther.

    `nearest` [n] are their squared distances to what is chosen, the largest of all, descending.
    """
    between = torch.cdist(points, points).square().cpu().numpy()
    values = nearest.cpu().numpy().copy()
    floor = max(float(values[-1]), tolerance)
    found: list[int] = []
    while len(found) < most:
        best = int(values.argmax())
        if (found and values[best] < floor) or values[best] <= tolerance:
            break
        found.append(best)
        values = np.minimum(values, between[best])
        values[best] = -1
    return found


def _uncovered(points: Tensor, centres: Tensor, half_norms: Tensor, radius2: float) -> Tensor:
    """Indices of the points [N, d] farther than the radius from every centre [M, d]."""
    left = torch.arange(points.shape[0], device=points.device)
    reach = 0.5 * (points.square().sum(1) - radius2)  # d² <= radius² where point·centre - |centre|²/2 >= reach
    points = torch.cat([points, torch.ones_like(points[:, :1])], 1)  # [N, d + 1]
    centres = torch.cat([centres, -half_norms[:, None]], 1)  # [M, d + 1]
    space = points.new_empty(points.shape[0] * BLOCK)  # allocated once: fresh pages cost more than the product
    for block in centres.split(BLOCK):
        out = space[: points.shape[0] * block.shape[0]].view(points.shape[0], block.shape[0])
        far = (torch.mm(points, block.T, out=out).amax(1) < reach).nonzero().squeeze(1)
        left, points, reach = left[far], points[far], reach[far]
    return left
