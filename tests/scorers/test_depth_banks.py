"""depth_banks against a loop, and what its views mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tacha import scorers
from tacha.errors import TachaError
from tacha.features.base import Features


def levels(count: int, seed: int, grids: tuple[int, ...] = (6, 3)) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    return tuple(3 + torch.randn(count, 4 + i, grid, grid, generator=g) for i, grid in enumerate(grids))


def features(deep: tuple[torch.Tensor, ...]) -> Features:
    return Features(deep[0].mean((2, 3)), levels=deep)


def batches(deep: tuple[torch.Tensor, ...], size: int) -> list[Features]:
    return [features(parts) for parts in zip(*(level.split(size) for level in deep), strict=True)]


def raw(deep: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return deep[0]


def unit(deep: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return deep[1] / deep[1].norm(dim=1, keepdim=True)


def averaged(deep: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Levels 1 and 0 on the grid of level 1, both averaged over 3 x 3 before that."""
    fine = torch.zeros_like(deep[0])
    coarse = torch.zeros_like(deep[1])
    for level, out in zip(deep, (fine, coarse), strict=True):
        for i in range(level.shape[2]):
            for j in range(level.shape[3]):
                out[:, :, i, j] = level[:, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean((2, 3))
    return torch.cat([coarse, fine.unflatten(3, (3, 2)).unflatten(2, (3, 2)).mean((3, 5))], 1)


def test_against_a_loop() -> None:
    good, new = levels(55, 0), levels(3, 1)
    scorer = scorers.build("depth_banks", views="0 unit:1 1+0@3 white:0", share=0.0)
    scorer.fit(batches(good, 8))
    held = [i for i in range(55) if (i % 2 == 0 if i < 32 else i % 10 == 0)]
    rest = [i for i in range(55) if i not in held]
    together = torch.zeros(3, 6, 6)
    for view in (raw, unit, averaged, None):
        rows, query = ((view or raw)(deep).movedim(1, 3).double() for deep in (good, new))
        if view is None:
            values, vectors = torch.linalg.eigh(torch.cov(rows[rest].flatten(0, 2).T, correction=0))
            white = vectors / (values + 0.3 * values.mean()).sqrt()
            rows, query = rows @ white, query @ white
        places = rows.shape[1] * rows.shape[2]
        peaks = torch.cdist(rows[held].flatten(0, 2), rows[rest].flatten(0, 2)).amin(1).reshape(-1, places).amax(1)
        spread = (len(held) * peaks.var(correction=0) + 8 * (0.07 * peaks.mean()) ** 2) / (len(held) + 8)
        near = torch.cdist(query.flatten(0, 2), rows.flatten(0, 2)).amin(1).reshape(query.shape[:3])
        standing = ((near - peaks.mean()) / spread.sqrt()).float()
        together += F.interpolate(standing[:, None], size=(6, 6), mode="bilinear", align_corners=False)[:, 0] / 4
    found = scorer(features(new))
    torch.testing.assert_close(found.map, together, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.image, together.amax((1, 2)), rtol=1e-4, atol=1e-4)


def test_the_scale_of_a_depth_does_not_decide() -> None:
    good, new = levels(25, 0), levels(3, 1)
    loud = (torch.tensor(1.0), torch.tensor(1000.0))
    plain, stretched = (scorers.build("depth_banks", views="0 1") for _ in range(2))
    plain.fit(batches(good, 8))
    stretched.fit(batches(tuple(x * k for x, k in zip(good, loud, strict=True)), 8))
    torch.testing.assert_close(
        stretched(features(tuple(x * k for x, k in zip(new, loud, strict=True)))).map,
        plain(features(new)).map,
        rtol=1e-3,
        atol=1e-3,
    )


def test_a_unit_view_sees_direction_only() -> None:
    good, new = levels(25, 0), levels(3, 1)
    scorer = scorers.build("depth_banks", views="unit:0")
    scorer.fit(batches(good, 8))
    brighter = features((new[0] * 7, new[1]))
    torch.testing.assert_close(scorer(brighter).map, scorer(features(new)).map, rtol=1e-4, atol=1e-4)


def test_the_split_into_batches_changes_nothing() -> None:
    good, new = levels(25, 0), levels(3, 1)
    maps = []
    for size in (1, 7, 25):
        scorer = scorers.build("depth_banks", views="0+1 unit:1", size=100)
        scorer.fit(batches(good, size))
        maps.append(scorer(features(new)).map)
    torch.testing.assert_close(maps[1], maps[0])
    torch.testing.assert_close(maps[2], maps[0])


@pytest.mark.parametrize("count", [1, 2])
def test_one_good_image_is_enough(count: int) -> None:
    good = levels(count, 0)
    scorer = scorers.build("depth_banks", views="0 unit:1")
    scorer.fit([features(good)])
    score = scorer(features(tuple(-x for x in good))).image
    assert torch.isfinite(score).all()
    assert (score > scorer(features(good)).image).all()


def test_the_state_comes_back(tmp_path: Path) -> None:
    good, new = levels(25, 0), levels(3, 1)
    scorer = scorers.build("depth_banks", views="0+1 unit:0", size=50)
    scorer.fit(batches(good, 8))
    torch.save(scorer.state_dict(), tmp_path / "state.pt")
    again = scorers.build("depth_banks", **scorer.settings)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(again(features(new)).map, scorer(features(new)).map)


@pytest.mark.parametrize(
    ("views", "says"),
    [
        ("", "name at least one view"),
        ("0+", "'0\\+' is no view"),
        ("cosine:1", "'cosine:1' is no view"),
        ("-1", "'-1' is no view"),
        ("0@2", "'0@2' is no view"),
        ("0@", "'0@' is no view"),
        ("unit:", "'unit:' is no view"),
    ],
)
def test_views_that_mean_nothing_are_refused(views: str, says: str) -> None:
    with pytest.raises(TachaError, match=says):
        scorers.build("depth_banks", views=views)


def test_a_view_in_which_good_images_differ_weighs_little() -> None:
    good, new = levels(41, 0, (6, 6)), levels(3, 1, (6, 6))
    strengths = torch.linspace(0.2, 5, 41)[torch.randperm(41, generator=torch.Generator().manual_seed(2))]
    wild = good[1] * strengths[:, None, None, None]
    scorer = scorers.build("depth_banks", views="0 1", share=0.0)
    scorer.fit(batches((good[0], wild), 8))
    calm, restless = scorer.scale[:, 1] / scorer.scale[:, 0]
    assert restless > 2 * calm
    strange = scorer(features((new[0] + 9, new[1]))).image - scorer(features(new)).image
    other = scorer(features((new[0], new[1] + 9))).image - scorer(features(new)).image
    assert (strange > other).all()


def test_a_level_the_net_does_not_have_is_named() -> None:
    scorer = scorers.build("depth_banks", views="0 unit:2")
    with pytest.raises(TachaError, match="names level 2, and the net has 2"):
        scorer.fit(batches(levels(5, 0), 5))


def test_no_image_is_named() -> None:
    with pytest.raises(TachaError, match="no good images"):
        scorers.build("depth_banks").fit([])


def test_numbers_that_are_not_finite_are_refused() -> None:
    bad = levels(5, 0)
    bad[0][2, 0, 1, 1] = torch.nan
    with pytest.raises(TachaError, match="not finite"):
        scorers.build("depth_banks", views="0").fit(batches(bad, 5))
