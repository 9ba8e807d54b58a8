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
        embedding: int = 1,
    ) -> None:
        super().__init__()
        self.backbone, self.weights, self.layers = backbone, weights, tuple(sorted(set(layers)))
        self.width, self.embedding = whole("width", width, 1), whole("embedding", embedding, 1)
        seen = Backbone(backbone, weights, self.layers)  # its checks of names and weights, and what it normalises by
        self.register_buffer("mean", seen.mean)
        self.register_buffer("std", seen.std)
        self.trunk = _cut(seen, backbone, self.layers)
        self.channels: list[int] = seen.net.feature_info.channels()
        self.views = nn.ModuleList(_View(c) for c in self.channels)
        self.narrow = nn.ModuleList(nn.Conv2d(2 * c + 1, width, 1) for c in self.channels)
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
        means = torch.cat(
            [view.standard(level).mean((2, 3)) for view, level in zip(self.views, levels, strict=True)], 1
        )
        return Said(self.judge(seen).squeeze(1), self.describe(means))

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
        for view, level in zip(self.views, levels, strict=True):
            view.look_at(level.float())
        low, middle, high = np.quantile(maps.numpy(), [0.25, 0.5, 0.75])
        self.middle.fill_(middle)
        self.spread.fill_(max((high - low) / 1.349, 1e-6 * float(maps.abs().max()), 1e-12))  # a normal's deviation
        self.offset.copy_(embedding.mean(0))
        self.scale.copy_(embedding.std(0, correction=0).clamp(min=1e-6))


class _View(nn.Module):
    """A layer [B, C, h, w] as the head sees it [B, 2 C + 1, h, w]: standardised, as directions, and how far out it is.

    The last, the mean square, lets one unit of the next layer enclose a ball of good features.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def look_at(self, level: Tensor) -> None:
        deviation = level.std((0, 2, 3), correction=0)
        self.mean = level.mean((0, 2, 3)).view(-1, 1, 1).to(self.mean)
        # A channel that never moves would blow up whatever moves it later.
        self.std = deviation.clamp(min=float(deviation.max()) / 100 + 1e-6).view(-1, 1, 1).to(self.std)

    def standard(self, level: Tensor) -> Tensor:
        return (level - self.mean) / self.std

    def forward(self, level: Tensor) -> Tensor:
        x = self.standard(level)
        directions = F.normalize(level, dim=1) * level.shape[1] ** 0.5
        return torch.cat([x, directions, x.square().mean(1, keepdim=True)], 1)


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
