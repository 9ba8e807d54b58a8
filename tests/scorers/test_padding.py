"""Padding does not count: what a scorer finds there changes neither what it learns nor what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tacha import scorers
from tacha.features.base import Features, places_of
from tacha.scorers.base import Scorer
from tacha.scorers.pooling import MapPooling

SIDE, CELL, C, D = 64, 8, 12, 8  # pixels; the finest grid is 8 x 8
# The rows and columns of pixels that are of the image, an image each in turn: strips of both kinds, and all of it.
BOXES = [((16, 48), (0, 64)), ((0, 64), (8, 56)), ((0, 64), (0, 64))]

CASES: list[tuple[str, dict[str, Any]]] = [
    ("confidence", {}),
    ("cosine", {}),
    ("cosine", {"reads": "patches"}),
    ("depth_banks", {"size": 200}),
    ("depth_banks", {"size": 200, "share": 0.2, "sigma": 1.0, "dimensions": 6}),
    ("euclidean", {"reads": "patches", "share": 0.1}),
    ("hybrid", {}),
    ("knn", {}),
    ("knn", {"reads": "patches", "size": 50, "k": 2}),
    ("mahalanobis", {"reads": "patches"}),
    ("memory_bank", {"size": 200}),
    ("memory_bank", {"size": 200, "share": 0.3, "sigma": 1.0, "whiten": "channel"}),
    ("padim", {"channels": 10}),
    ("padim", {"channels": 10, "grid": 3, "share": 0.2}),
    ("reconstruction", {"share": 0.1}),
    ("reconstruction", {"share": 0.1, "sigma": 1.5}),
    ("subspace", {}),
]
IDS = [name + "".join(f"-{k}={v}" for k, v in settings.items()) for name, settings in CASES]
MAPPED = {"patches", "levels", "residual"}
every_scorer = pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)


@dataclass(frozen=True)
class Garbage:
    """What padding holds: `draw` numbers, or the same as anywhere where None."""

    scale: float | None = None
    seed: int = 0

    def put(self, values: Tensor, valid: Tensor) -> Tensor:
        if self.scale is None:
            return values
        inside = places_of(valid, values.shape[-2:])
        noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(self.seed)) * self.scale
        return torch.where(inside.unsqueeze(1) if values.ndim == 4 else inside, values, noise)


def draw(count: int, seed: int, garbage: Garbage, first: int = 0) -> Features:
    g = torch.Generator().manual_seed(seed)
    valid = torch.zeros(count, SIDE, SIDE, dtype=torch.bool)
    for i in range(count):
        (top, bottom), (left, right) = BOXES[(first + i) % len(BOXES)]
        valid[i, top:bottom, left:right] = True
    levels = tuple(torch.randn(count, C, SIDE // s, SIDE // s, generator=g) + 1 for s in (CELL, 16, 32))
    residual = torch.rand(count, SIDE // 2, SIDE // 2, generator=g)
    put = [garbage.put(level, valid) for level in levels]
    embedding, logits = torch.randn(count, D, generator=g), torch.randn(count, 4, generator=g)
    return Features(embedding, put[0], garbage.put(residual, valid), logits, tuple(put), valid)


def fitted(name: str, settings: dict[str, Any], garbage: Garbage) -> Scorer:
    scorer = scorers.build(name, **settings)
    # The first 12 images are strips alone: what the places of the others say comes later.
    scorer.fit([draw(12, 0, garbage), draw(12, 1, garbage), draw(13, 2, garbage)])
    return scorer


def test_cases_cover_the_registry() -> None:
    table = scorers.SCORERS.table().items()
    assert {name for name, _ in CASES} == {name for name, where in table if where.startswith("tacha.")}


@every_scorer
def test_what_padding_holds_changes_nothing(name: str, settings: dict[str, Any]) -> None:
    one, other = (fitted(name, settings, Garbage(scale, seed)) for scale, seed in ((1.0, 3), (1e4, 4)))
    for key, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key], rtol=1e-5, atol=1e-6, msg=key)
    plain, spoilt = draw(6, 7, Garbage()), draw(6, 7, Garbage(1e4, 5))
    expected, found = one(plain), one(spoilt)
    torch.testing.assert_close(found.image, expected.image, rtol=1e-5, atol=1e-6)
    if expected.map is None:
        return
    torch.testing.assert_close(found.map, expected.map, rtol=1e-4, atol=1e-5)
    assert plain.valid is not None
    inside = places_of(plain.valid, expected.map.shape[1:])
    for each, counts in zip(expected.map, inside, strict=True):
        assert (each[~counts] == each[counts].min()).all()
        assert each[counts].max() == each.max()


@every_scorer
def test_where_all_counts_nothing_is_lost(name: str, settings: dict[str, Any]) -> None:
    scorer = fitted(name, settings, Garbage())
    features = draw(6, 7, Garbage())
    everywhere = features._replace(valid=torch.ones(6, SIDE, SIDE, dtype=torch.bool))
    expected, found = scorer(features._replace(valid=None)), scorer(everywhere)
    torch.testing.assert_close(found.image, expected.image, rtol=1e-5, atol=1e-6)
    if expected.map is not None:
        torch.testing.assert_close(found.map, expected.map, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "euclidean", "knn", "mahalanobis", "memory_bank", "subspace"])
def test_rows_of_padded_images_are_those_of_the_images_cut_out(name: str) -> None:
    padded = draw(9, 0, Garbage(1e4))._replace(levels=None)
    padded = Features(*(None if f is None else f[::3] for f in padded))  # one box for all
    assert padded.patches is not None
    cut = padded.patches[:, :, 2:6, :]
    whole, alone = (scorers.build(name, reads="patches", share=0.25) for _ in range(2))
    whole.fit([padded])
    alone.fit([Features(padded.embedding, cut)])
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(value, alone.state_dict()[key])
    scores, expected = whole(padded), alone(Features(padded.embedding, cut))
    torch.testing.assert_close(scores.image, expected.image)
    assert scores.map is not None
    torch.testing.assert_close(scores.map[:, 2:6], expected.map)


def test_padim_takes_a_place_that_was_always_padding_for_any() -> None:
    strips = draw(30, 0, Garbage(1e4))
    strips = Features(strips.embedding[::3], strips.patches[::3], valid=strips.valid[::3])  # type: ignore[index]
    scorer = scorers.build("padim", channels=C, eps=1e-6)
    scorer.fit([strips])
    mean = scorer.mean.unflatten(0, (8, 8))
    assert strips.patches is not None
    seen = strips.patches[:, :, 2:6].permute(0, 2, 3, 1).flatten(0, 2)
    torch.testing.assert_close(mean[0], seen.mean(0).expand(8, C), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mean[3, 3], strips.patches[:, :, 3, 3].mean(0), rtol=1e-4, atol=1e-5)
    whitened = (seen - mean[0, 0]) @ scorer.whitening[0]
    torch.testing.assert_close(torch.cov(whitened.T, correction=0), torch.eye(C), rtol=0, atol=2e-3)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 3, 17, 64])
def test_the_top_share_is_of_the_places_that_count(share: float, count: int) -> None:
    values = torch.randn(5, 8, 8, generator=torch.Generator().manual_seed(0))
    counts = (torch.arange(64) < count).view(1, 8, 8).expand(5, 8, 8)
    found = MapPooling(share)(torch.where(counts, values, 1e6), counts)
    full = max(1, round(share * 64))
    top = max(1, math.ceil(full * count / 64 - 0.5))
    expected = values.flatten(1)[:, :count].sort(1, descending=True).values[:, :top].mean(1)
    torch.testing.assert_close(found.image, expected)


def test_smoothing_is_the_mean_of_what_counts() -> None:
    pooling = MapPooling(0.1, 1.0)
    assert pooling.radius == 3
    values = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0))
    counts = torch.zeros(1, 8, 8, dtype=torch.bool)
    counts[:, 1:7, 2:6] = True
    smoothed = pooling(torch.where(counts, values, 1e6), counts).map
    assert smoothed is not None
    kernel = pooling.kernel.numpy()
    for y in range(1, 7):
        for x in range(2, 6):
            total = weight = 0.0
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    v, u = min(max(y + dy, 0), 7), min(max(x + dx, 0), 7)
                    if counts[0, v, u]:
                        weight += kernel[dy + 3] * kernel[dx + 3]
                        total += kernel[dy + 3] * kernel[dx + 3] * float(values[0, v, u])
            assert float(smoothed[0, y, x]) == pytest.approx(total / weight, rel=1e-4, abs=1e-5)


class Graph(torch.nn.Module):
    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer
        (self.field,) = scorer.needs

    def forward(self, marks: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        field = values if self.field == "levels" else values[0]
        scores = self.scorer(Features(marks[:, :1, 0], **{self.field: field}, valid=marks > 0.5))
        return tuple(part for part in scores if part is not None)

    def inputs(self, features: Features) -> tuple[Tensor, ...]:
        found = getattr(features, self.field)
        assert features.valid is not None
        return features.valid.float(), *(found if self.field == "levels" else (found,))


@pytest.mark.parametrize(("name", "settings"), [c for c in CASES if scorers.needs(c[0], **c[1]) & MAPPED])
def test_engines_agree_on_padded_images(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    import onnxruntime

    from tacha.runtime.engines.openvino import core

    scorer = fitted(name, settings, Garbage(1.0))
    graph, path = Graph(scorer).eval(), tmp_path / "scorer.onnx"
    example = graph.inputs(draw(2, 3, Garbage()))
    shapes = ({0: torch.export.Dim.DYNAMIC}, tuple({0: torch.export.Dim.DYNAMIC} for _ in example[1:]))
    torch.onnx.export(graph, example, path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    compiled = core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for features in (draw(6, 7, Garbage(1e4)), draw(1, 8, Garbage(1e4), first=1)):
        values = graph.inputs(features)
        expected = [part.numpy() for part in graph(*values)]
        given = dict(zip((i.name for i in session.get_inputs()), (v.numpy() for v in values), strict=True))
        for got in (session.run(None, given), list(compiled(given).values())):
            for theirs, ours in zip(got, expected, strict=True):
                np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


def test_a_grid_too_coarse_for_a_strip_counts_whole() -> None:
    valid = torch.zeros(2, 64, 64, dtype=torch.bool)
    valid[0, 40:48], valid[1] = True, True
    assert places_of(valid, (2, 2)).all()
    assert places_of(valid, (8, 8))[0].sum() == 8


def test_a_backbone_describes_the_image_and_not_its_padding() -> None:
    from tacha.features.backbone import Backbone

    net = Backbone(weights="none")
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    valid = torch.zeros(2, 64, 96, dtype=torch.bool)
    valid[0, 16:48], valid[1] = True, True
    plain, told = net(images), net(images, valid)
    assert told.valid is valid
    assert plain.patches is not None
    torch.testing.assert_close(told.embedding[0], plain.patches[0, :, 2:6].mean((1, 2)))
    torch.testing.assert_close(told.embedding[1], plain.embedding[1])
    assert F.cosine_similarity(told.embedding[0], plain.embedding[0], dim=0) < 1
