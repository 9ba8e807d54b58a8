"""A cut backbone and a small head that say at once what a bigger detector would find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tacha.errors import TachaError
from tacha.features.backbone import Backbone
from tacha.features.base import FeatureNet, Features
from tacha.features.checks import whole
from tacha.scorers.coreset import Coreset

STEEPEST = 40.0  # asinh of a standing; no map reaches it, and far beyond it a float overflows


class Said(NamedTuple):
    """What a student says of images, in the units that it is trained in."""

    standing: Tensor  # [B, h, w] asinh of how many spreads a place's anomaly lies above the middle
    embedding: Tensor  # [B, E] standardised


class Student(FeatureNet):
    """Predicts a teacher's anomaly map and embedding from a backbone's first layers; made by `tacha distill`.

    `layers` are the backbone's feature indices, 0 the shallowest, and it is cut behind the last. `width` is the head's,
    `embedding` the length of the teacher's embedding. residual [B, h, w]: the teacher's map in its own units, on the
    finest layer's grid. With `weights` none all of it starts at random.
    """

    provides = frozenset({"embedding", "residual"})
    mean: Tensor
    std: Tensor
    middle: Tensor
    spread: Tensor
    offset: Tensor
    scale: Tensor
    trunk: Any  # a timm net
    views: Any  # of _View, one a layer

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        weights: str = "packaged",
        layers: Sequence[int] = (2, 3),
        width: int = 96,
        rows: int = 256,
        embedding: int = 1,
    ) -> None:
        super().__init__()
        self.backbone, self.weights, self.layers = backbone, weights, tuple(sorted(set(layers)))
        self.width, self.rows = whole("width", width, 1), whole("rows", rows, 1)
        self.embedding = whole("embedding", embedding, 1)
        seen = Backbone(backbone, weights, self.layers)  # its checks of names and weights, and what it normalises by
        self.register_buffer("mean", seen.mean)
        self.register_buffer("std", seen.std)
        self.trunk = _cut(seen, backbone, self.layers)
        self.channels: list[int] = seen.net.feature_info.channels()
        self.views = nn.ModuleList(_View(c, rows) for c in self.channels)
        self.narrow = nn.ModuleList(nn.Conv2d(2 * c + 3, width, 1) for c in self.channels)
        self.around = nn.Sequential(  # what lies farther round a place than the last layer sees
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.judge = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, 1, 1))
        self.describe = nn.Linear(sum(self.channels), embedding)
        self.register_buffer("middle", torch.zeros(()))  # of the teacher's maps
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("offset", torch.zeros(embedding))  # of its embedding
        self.register_buffer("scale", torch.ones(embedding))
        self.trunk.requires_grad_(False)

    def levels(self, images: Tensor) -> list[Tensor]:
        """The trunk's layers [B, C, h, w], fine to coarse."""
        found: list[Tensor] = self.trunk.forward_intermediates(
            (images - self.mean) / self.std, indices=list(self.layers), intermediates_only=True
        )
        return found

    def say(self, levels: Sequence[Tensor]) -> Said:
        """The head alone."""
        grid = levels[0].shape[-2:]
        narrow = [turn(view(level)) for turn, view, level in zip(self.narrow, self.views, levels, strict=True)]
        narrow.append(self.around(F.relu(narrow[-1])))
        seen = sum(_resized(level, grid) for level in narrow)
        means = [
            ((level.mean((2, 3), keepdim=True) - view.mean) / view.std).flatten(1)
            for view, level in zip(self.views, levels, strict=True)
        ]
        return Said(self.judge(seen).squeeze(1), self.describe(torch.cat(means, 1)))

    def forward(self, images: Tensor) -> Features:
        said = self.say(self.levels(images))
        standing = said.standing.clamp(-STEEPEST, STEEPEST)
        return Features(
            self.offset + self.scale * said.embedding, residual=self.middle + self.spread * torch.sinh(standing)
        )

    def standing(self, maps: Tensor) -> Tensor:
        """A teacher's maps as `say` says them."""
        return torch.asinh((maps - self.middle) / self.spread)

    def standard(self, embedding: Tensor) -> Tensor:
        """A teacher's embedding as `say` says it."""
        return (embedding - self.offset) / self.scale

    @torch.no_grad()
    def look_at(self, levels: Sequence[Tensor], maps: Tensor, embedding: Tensor) -> None:
        """Take the scales of what it sees and of what it is to say from some images."""
        good = maps <= maps.median()
        for view, level in zip(self.views, levels, strict=True):
            view.look_at(level.float(), F.interpolate(good.unsqueeze(1).float(), level.shape[-2:]).squeeze(1) > 0)
        low, middle, high = np.quantile(maps.numpy(), [0.25, 0.5, 0.75])
        self.middle.fill_(middle)
        self.spread.fill_(max((high - low) / 1.349, 1e-6 * float(maps.abs().max()), 1e-12))  # a normal's deviation
        self.offset.copy_(embedding.mean(0))
        self.scale.copy_(embedding.std(0, correction=0).clamp(min=1e-6))


class _View(nn.Module):
    """A layer [B, C, h, w] as the head sees it [B, 2 C + 3, h, w]: standardised, as directions, and three distances.

    How far out a place is, and how far, in either form, from the nearest of `rows` learned vectors: the teacher's own
    kind of judgement, which holds for what no lesson showed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.near = nn.ParameterList(torch.randn(rows, channels) for _ in range(2))

    def look_at(self, level: Tensor, good: Tensor) -> None:
        """Level [N, C, h, w]; `good` [N, h, w] says which places the nearest vectors may come from."""
        deviation = level.std((0, 2, 3), correction=0)
        self.mean = level.mean((0, 2, 3)).view(-1, 1, 1).to(self.mean)
        # A channel that never moves would blow up whatever moves it later.
        self.std = deviation.clamp(min=float(deviation.max()) / 100 + 1e-6).view(-1, 1, 1).to(self.std)
        for near, form in zip(self.near, self.forms(level), strict=True):
            found = Coreset(len(near), 0)
            for image, mask in zip(form, good, strict=True):
                found.add(image[:, mask].T)
            rows = found.finish()
            near.copy_(rows[torch.arange(len(near)) % len(rows)])

    def forms(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised, and as directions of the same mean square."""
        return (level - self.mean) / self.std, F.normalize(level, dim=1) * level.shape[1] ** 0.5

    def forward(self, level: Tensor) -> Tensor:
        forms = self.forms(level)
        distances = [_distance(form, near) for form, near in zip(forms, self.near, strict=True)]
        return torch.cat([*forms, forms[0].square().mean(1, keepdim=True), *distances], 1)


def _distance(places: Tensor, rows: Tensor) -> Tensor:
    """Root mean square difference of every place [B, C, h, w] from the nearest of rows [K, C], [B, 1, h, w]."""
    products = F.conv2d(places, -2 * rows[:, :, None, None], rows.square().sum(1))
    nearest = products.amin(1, keepdim=True) + places.square().sum(1, keepdim=True)
    return (nearest.clamp(min=0) / places.shape[1] + 1e-3).sqrt()  # the root of nothing has no slope


def _cut(seen: Backbone, backbone: str, layers: Sequence[int]) -> nn.Module:
    """The whole timm net with `seen`'s weights, without what lies behind the last layer."""
    import timm

    net: Any = timm.create_model(backbone, pretrained=False)
    try:
        net.prune_intermediate_layers(list(layers), prune_head=True)
        net.load_state_dict({k: v for k, v in seen.net.state_dict().items() if k in net.state_dict()})
    except (AttributeError, AssertionError, RuntimeError) as error:
        raise TachaError(
            f"model.backbone={backbone!r}: cannot be cut for a student; take an EfficientNet or a ResNet"
        ) from error
    for module in net.modules():
        if hasattr(module, "inplace"):  # as in Backbone
            module.inplace = False
    cut: nn.Module = net.eval()
    return cut


def _resized(level: Tensor, grid: Sequence[int]) -> Tensor:
    if tuple(level.shape[-2:]) == tuple(grid):
        return level
    return F.interpolate(level, size=tuple(grid), mode="bilinear", align_corners=False)
