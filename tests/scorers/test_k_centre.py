"""greedy_k_centre, which looks at many points together, against the choice made point by point."""

from __future__ import annotations

import pytest
import torch

from tacha.scorers.coreset import TOGETHER, greedy_k_centre


def one_by_one(points: torch.Tensor, size: int) -> list[int]:
    chosen = [int(points.square().sum(1).argmax())]
    while len(chosen) < size:
        chosen.append(int(torch.cdist(points, points[chosen]).amin(1).argmax()))
    return chosen


@pytest.mark.parametrize(("count", "dimensions", "size"), [(500, 2, 200), (500, 16, 499), (40, 3, 40), (3000, 8, 300)])
def test_the_choice_is_the_one_made_point_by_point(count: int, dimensions: int, size: int) -> None:
    points = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen, radius2 = greedy_k_centre(points, size)
    assert chosen.tolist() == one_by_one(points, size)
    left = torch.cdist(points, points[chosen]).amin(1).max() ** 2
    assert radius2 == pytest.approx(float(left), abs=1e-9)


def test_copies_are_chosen_once() -> None:
    points = torch.randn(2 * TOGETHER, 5, generator=torch.Generator().manual_seed(0))
    chosen, radius2 = greedy_k_centre(points.repeat(3, 1), 4 * TOGETHER)
    assert sorted(i % len(points) for i in chosen.tolist()) == list(range(len(points)))
    assert radius2 <= 1e-4


@pytest.mark.parametrize("size", [1, 3])
def test_one_point(size: int) -> None:
    chosen, radius2 = greedy_k_centre(torch.ones(1, 4), size)
    assert chosen.tolist() == [0]
    assert radius2 == 0
