"""A cut backbone that is near to few rows where a bigger detector is near to many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tacha.errors import TachaError
from tacha.features.backbone import Backbone
from tacha.features.base import FeatureNet, Features, mean_of_places
from tacha.features.checks import whole
from tacha.scorers.coreset import Coreset


class Said(NamedTuple):
    """What a student says of images, in the units that it is trained in."""

    standing: Tensor  # [B, h, w] how many spreads a place's anomaly lies above the middle of the teacher's
    embedding: Tensor  # [B, E] standardised


class Student(FeatureNet):
    """Predicts a teacher's anomaly map and embedding from a backbone's first layers; made by `tacha distill`.

    `layers` are the backbone's feature indices, 0 the shallowest; it is cut behind the last, on whose grid it looks.
    A place's anomaly is a sum, with weights that are never negative, of its distances from learned `rows` in each of
    its views: all layers stacked, and each alone as directions. A free head imitates the teacher as well on what its
    lessons show and fails on real flaws, which they do not; farther from every row cannot mean less anomalous.
    `embedding` is the length of the teacher's. residual [B, h, w]: the teacher's map in its own units, on the finest
    layer's grid. With `weights` none all of it starts at random.
    """

    provides = frozenset({"embedding", "residual"})
    keeps_aspect = True
    mean: Tensor
    std: Tensor
    middle: Tensor
    spread: Tensor
    offset: Tensor
    scale: Tensor
    usual: Tensor
    usual_spread: Tensor
    trunk: Any  # a timm net
    views: Any  # of _View

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        weights: str = "packaged",
        layers: Sequence[int] = (2, 3),
        rows: int = 1024,
        embedding: int = 1,
    ) -> None:
        super().__init__()
        if any(isinstance(layer, str) for layer in layers):
            raise TachaError(f"model.layers={list(layers)}: a student takes feature indices, such as 2 and 3")
        self.backbone, self.weights, self.layers = backbone, weights, tuple(sorted(set(layers)))
        self.rows = whole("rows", rows, 1)
        self.embedding = whole("embedding", embedding, 1)
        seen = Backbone(backbone, weights, self.layers)  # its checks of names and weights, and what it normalises by
        self.register_buffer("mean", seen.mean)
        self.register_buffer("std", seen.std)
        self.trunk = _cut(seen, backbone, self.layers)
        self.channels = seen.channels
        every = range(len(self.channels))
        sights = [(tuple(every), False), *(((i,), True) for i in every)]
        self.views = nn.ModuleList(
            _View(levels, unit, sum(self.channels[i] for i in levels), rows) for levels, unit in sights
        )
        self.weight = nn.Parameter(torch.zeros(len(sights)))  # softplus of it counts
        self.bias = nn.Parameter(torch.zeros(()))
        self.describe = nn.Linear(sum(self.channels), embedding)
        self.register_buffer("usual", torch.zeros(sum(self.channels)))  # means of the levels over images
        self.register_buffer("usual_spread", torch.ones(sum(self.channels)))
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

    def say(self, levels: Sequence[Tensor], valid: Tensor | None = None) -> Said:
        """All but the trunk."""
        gathered = _gathered(levels)
        far = torch.cat([view(gathered) for view in self.views], 1)  # [B, V, h, w]
        standing = self.bias + (far * F.softplus(self.weight).view(-1, 1, 1)).sum(1, keepdim=True)
        grid = levels[0].shape[-2:]
        if standing.shape[-2:] != grid:
            standing = F.interpolate(standing, size=tuple(grid), mode="bilinear", align_corners=False)
        return Said(standing.squeeze(1), self.describe((_means(levels, valid) - self.usual) / self.usual_spread))

    def forward(self, images: Tensor, valid: Tensor | None = None) -> Features:
        said = self.say(self.levels(images), valid)
        residual = self.middle + self.spread * said.standing
        return Features(self.offset + self.scale * said.embedding, residual=residual, valid=valid)

    def standing(self, maps: Tensor) -> Tensor:
        """A teacher's maps as `say` says them."""
        return (maps - self.middle) / self.spread

    def standard(self, embedding: Tensor) -> Tensor:
        """A teacher's embedding as `say` says it."""
        return (embedding - self.offset) / self.scale

    @torch.no_grad()
    def look_at(self, levels: Sequence[Tensor], maps: Tensor, embedding: Tensor) -> None:
        """Take the first rows, and the scales of what it sees and of what it is to say, from some images."""
        levels = [level.float() for level in levels]
        gathered = _gathered(levels)
        height, width = gathered[0].shape[-2:]
        calm = (maps <= maps.median()).unsqueeze(1).float()
        good = F.adaptive_avg_pool2d(calm, (height, width)).squeeze(1) >= 0.5
        good |= ~good.any()  # a handful of coarse places may all hold something
        for view in self.views:
            view.look_at(gathered, good)
        means = _means(levels)
        deviation = means.std(0, correction=0)
        self.usual.copy_(means.mean(0))
        # A channel that never moves would blow up whatever moves it later.
        self.usual_spread.copy_(deviation.clamp(min=float(deviation.max()) / 100 + 1e-6))
        low, middle, high = np.quantile(maps.numpy(), [0.25, 0.5, 0.75])
        self.middle.fill_(middle)
        self.spread.fill_(max((high - low) / 1.349, 1e-6 * float(maps.abs().max()), 1e-12))  # a normal's deviation
        self.offset.copy_(embedding.mean(0))
        self.scale.copy_(embedding.std(0, correction=0).clamp(min=1e-6))


class _View(nn.Module):
    """How far places are from the nearest of `rows` learned vectors, standardised: levels [B, C, h, w] -> [B, 1, h, w].

    `levels` says which of the net's are stacked, and `unit` whether as directions only.
    """

    size: Tensor
    usual: Tensor
    spread: Tensor

    def __init__(self, levels: tuple[int, ...], unit: bool, channels: int, rows: int) -> None:
        super().__init__()
        self.levels, self.unit = levels, unit
        self.rows = nn.Parameter(torch.randn(rows, channels))
        for name in ("size", "usual", "spread"):  # of vectors, and of distances
            self.register_buffer(name, torch.ones(()))

    def look_at(self, levels: Sequence[Tensor], good: Tensor) -> None:
        """Levels on one grid; `good` [N, h, w] says which places the first rows may come from."""
        self.size.fill_(1.0)
        self.size.copy_(self.places(levels).square().mean().sqrt().clamp(min=1e-6))
        places = self.places(levels)
        found = Coreset(len(self.rows), 0)
        for image, mask in zip(places, good, strict=True):
            found.add(image[:, mask].T)
        rows = found.finish()
        self.rows.copy_(rows[torch.arange(len(self.rows)) % len(rows)])
        far = _distance(places, self.rows)
        self.usual.copy_(far.mean())
        self.spread.copy_(far.std(correction=0).clamp(min=1e-6))

    def places(self, levels: Sequence[Tensor]) -> Tensor:
        """Vectors [B, C, h, w] of about unit mean square."""
        stacked = torch.cat([levels[i] for i in self.levels], 1)
        return (F.normalize(stacked, dim=1) if self.unit else stacked) / self.size

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        return (_distance(self.places(levels), self.rows) - self.usual) / self.spread


def _distance(places: Tensor, rows: Tensor) -> Tensor:
    """Root mean square difference of every place [B, C, h, w] from the nearest of rows [K, C], [B, 1, h, w]."""
    products = F.conv2d(places, -2 * rows[:, :, None, None], rows.square().sum(1))
    nearest = products.amin(1, keepdim=True) + places.square().sum(1, keepdim=True)
    return (nearest.clamp(min=0) / places.shape[1] + 1e-4).sqrt()  # the root of nothing has no slope


def _gathered(levels: Sequence[Tensor]) -> list[Tensor]:
    """All levels on the coarsest one's grid: the mean of what falls on a place."""
    height, width = levels[-1].shape[-2:]
    grid = (height, width)
    return [level if tuple(level.shape[-2:]) == grid else F.adaptive_avg_pool2d(level, grid) for level in levels]


def _means(levels: Sequence[Tensor], valid: Tensor | None = None) -> Tensor:
    """[B, sum of C]."""
    return torch.cat([mean_of_places(level, valid) for level in levels], 1)


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
