from __future__ import annotations

import pytest
import timm
import torch
from torch.nn import functional as F

from tacha import TachaError
from tacha.features.backbone import Backbone
from tacha.features.student import Student

TINY = {"weights": "none", "width": 8, "rows": 4, "embedding": 5}


def test_its_trunk_is_the_backbone_cut_short() -> None:
    student, whole = Student(weights="packaged", width=8, rows=4), Backbone(layers=(2, 3))
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
    torch.testing.assert_close(student.middle + student.spread * torch.sinh(standing), maps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(student.offset + student.scale * student.standard(embedding), embedding)


def test_the_nearest_row_is_the_nearest() -> None:
    student = Student(layers=(2, 3), **TINY)
    view = student.views[0]
    level = torch.rand(2, student.channels[0], 3, 3)
    with torch.no_grad():
        seen = view(level)
        for place, (form, near) in enumerate(zip(view.forms(level), view.near, strict=True)):
            expected = torch.empty(2, 3, 3)
            for b in range(2):
                for y in range(3):
                    for x in range(3):
                        expected[b, y, x] = min((F.mse_loss(form[b, :, y, x], row) + 1e-3).sqrt() for row in near)
            torch.testing.assert_close(seen[:, place - 2], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 0}, r"model\.width=0"),
        ({"rows": 0}, r"model\.rows=0"),
        ({"backbone": "no_such_net"}, "timm has no such model"),
        ({"backbone": "resnet18", "weights": "packaged"}, "packaged holds"),
        ({"layers": (2, 9)}, "does not have all of them"),
    ],
)
def test_what_cannot_be_built(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says):
        Student(**{**TINY, **settings})
