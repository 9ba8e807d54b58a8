from __future__ import annotations

import pytest
import timm
import torch
from torch.nn import functional as F

from tacha import TachaError
from tacha.features.backbone import Backbone
from tacha.features.student import Student

TINY = {"weights": "none", "rows": 4, "embedding": 5}


def test_its_trunk_is_the_backbone_cut_short() -> None:
    student, whole = Student(weights="packaged", rows=4), Backbone(layers=(2, 3))
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        for mine, theirs in zip(student.levels(images), whole(images).levels, strict=True):
            torch.testing.assert_close(mine, theirs)
    held = sum(p.numel() for p in student.trunk.parameters())
    assert held < 0.3 * sum(p.numel() for p in timm.create_model("tf_efficientnet_lite0").parameters())
    assert not any(p.requires_grad for p in student.trunk.parameters())


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "resnet18"])
def test_shapes(backbone: str) -> None:
    student = Student(backbone=backbone, layers=(3, 2), **TINY).eval()
    with torch.inference_mode():
        features = student(torch.rand(2, 3, 64, 64))
    assert features.embedding.shape == (2, 5)
    assert features.residual.shape == (2, 8, 8)
    assert torch.isfinite(features.residual).all()


def test_units_of_the_teacher_come_back() -> None:
    student = Student(layers=(2, 3), **TINY)
    maps, embedding = torch.rand(6, 8, 8) * 30 - 4, torch.randn(6, 5) * torch.tensor([1, 10, 100, 1e-3, 0.0])
    levels = [torch.rand(6, c, n, n) for c, n in zip(student.channels, (8, 4), strict=True)]
    student.look_at(levels, maps, embedding)
    standing = student.standing(maps)
    torch.testing.assert_close(student.middle + student.spread * standing, maps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(student.offset + student.scale * student.standard(embedding), embedding)


def test_a_view_is_the_distance_from_the_nearest_row() -> None:
    student = Student(layers=(2, 3), **TINY)
    levels = [torch.rand(2, c, n, n) for c, n in zip(student.channels, (6, 3), strict=True)]
    student.look_at(levels, torch.rand(2, 6, 6), torch.randn(2, 5))
    fine, coarse = F.avg_pool2d(levels[0], 2), levels[1]
    sights = [torch.cat([fine, coarse], 1), F.normalize(fine, dim=1), F.normalize(coarse, dim=1)]
    with torch.no_grad():
        for view, seen in zip(student.views, sights, strict=True):
            far = view([fine, coarse]) * view.spread + view.usual
            for b in range(2):
                for y in range(3):
                    for x in range(3):
                        place = seen[b, :, y, x] / view.size
                        nearest = min((F.mse_loss(place, row) + 1e-4).sqrt() for row in view.rows)
                        torch.testing.assert_close(far[b, 0, y, x], nearest, rtol=1e-3, atol=1e-3)


def test_farther_is_never_less_anomalous() -> None:
    student = Student(layers=(2, 3), **TINY)
    student.weight.data.copy_(torch.tensor([-3.0, 0.0, 5.0]))
    levels = [torch.rand(2, c, n, n) for c, n in zip(student.channels, (4, 2), strict=True)]
    for view in student.views:
        student.look_at(levels, torch.rand(2, 4, 4), torch.randn(2, 5))
        with torch.no_grad():
            before = student.say(levels).standing.clone()
            view.rows.add_(10.0)  # every row is far now
            assert (student.say(levels).standing > before).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rows": 0}, r"model\.rows=0"),
        ({"backbone": "no_such_net"}, "timm has no such model"),
        ({"backbone": "resnet18", "weights": "packaged"}, "packaged holds"),
        ({"layers": (2, 9)}, "does not have all of them"),
    ],
)
def test_what_cannot_be_built(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says):
        Student(**{**TINY, **settings})
