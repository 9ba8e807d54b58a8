"""A frozen timm backbone seen at several depths, every place described at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn, tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features, mean_of_places
from tacha.features.checks import whole
from tacha.features.modules import cut
from tacha.features.weights import load_weights


class Backbone(FeatureNet):
    """Intermediate features of a pretrained net, locally averaged and stacked (Roth et al. 2022, sec. 3.1).

    `layers` are timm's feature indices (0 the shallowest; see `timm.create_model(features_only=True)`), or names of
    any modules that give maps ("blocks.5"); what lies behind the deepest is not run. `stride` is the pixels between
    two places of the output (None: the finest layer's own), `pool` the side of the local average. The net looks again
    `halves` times, each time at the image shrunk to half.
    levels: each layer at its own grid, [B, C, h, w], fine to coarse, with `channels` and `reductions`, and after these
    the same of each shrunk image; patches [B, sum of channels, H/stride, W/stride]: all layers of the whole image at
    one grid; embedding: the mean of the patches over places.
    """

    provides = frozenset({"embedding", "patches", "levels"})
    keeps_aspect = True
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        weights: str = "packaged",
        layers: Sequence[int] | Sequence[str] = (2, 3, 4),
        stride: int | None = None,
        pool: int = 1,
        halves: int = 0,
    ) -> None:
        super().__init__()
        import timm

        if backbone not in timm.list_models():
            close = difflib.get_close_matches(backbone, timm.list_models(), n=3)
            hint = f"; close ones: {', '.join(close)}" if close else ""
            raise TachaError(f"model.backbone={backbone!r}: timm has no such model{hint}")
        if stride is not None and stride < 1:
            raise TachaError(f"model.stride={stride}: give 1 or more pixels, or null")
        if not layers or pool < 1 or pool % 2 == 0:
            raise TachaError(
                f"model.layers={list(layers)}, model.pool={pool}: name a layer, and an odd pool of 1 or more"
            )
        self.halves = whole("halves", halves, 0)
        config = timm.get_pretrained_cfg(backbone)
        mean, std = (config.mean, config.std) if config else ((0.5,) * 3, (0.5,) * 3)
        self.net: nn.Module
        self.named: tuple[str, ...] | None = None  # the modules whose outputs the net gives by name
        if all(isinstance(layer, str) for layer in layers):
            net = _still(_whole(backbone, weights))
            found = cut(net, backbone, list(dict.fromkeys(map(str, layers))), config.input_size[-1] if config else 224)
            self.net, self.named = found.net, found.layers
            self.channels, self.reductions = found.channels, found.reductions
        elif all(isinstance(layer, int) and not isinstance(layer, bool) for layer in layers):
            net = _still(_indexed(backbone, weights, sorted({int(layer) for layer in layers})))
            self.net = net
            self.channels, self.reductions = net.feature_info.channels(), net.feature_info.reduction()
        else:
            raise TachaError(f"model.layers={list(layers)}: give indices, or names of modules, not both")
        self.register_buffer("mean", tensor(mean).view(3, 1, 1))
        self.register_buffer("std", tensor(std).view(3, 1, 1))
        self.stride = min(self.reductions) if stride is None else stride
        self.reductions = [r << half for half in range(halves + 1) for r in self.reductions]
        self.channels = self.channels * (halves + 1)
        self.pool = pool
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Frozen: batch statistics stay those of the pretraining."""
        return super().train(False)

    def forward(self, images: Tensor, valid: Tensor | None = None) -> Features:
        grid = (images.shape[-2] // self.stride, images.shape[-1] // self.stride)
        seen = (images - self.mean) / self.std
        levels = self._levels(seen)
        patches = _stack(levels, grid)  # [B, C, h, w]
        for _ in range(self.halves):
            seen = F.avg_pool2d(seen, 2)
            levels += self._levels(seen)
        return Features(embedding=mean_of_places(patches, valid), patches=patches, levels=levels, valid=valid)

    def _levels(self, seen: Tensor) -> tuple[Tensor, ...]:
        found = self.net(seen)
        return tuple(
            _pooled(layer, self.pool) for layer in (found if self.named is None else map(found.get, self.named))
        )


def _whole(backbone: str, weights: str) -> Any:
    import timm

    with _fetching(backbone, weights):
        net = timm.create_model(backbone, pretrained=weights == "hub")
    if weights not in ("hub", "none"):
        load_weights(net, backbone, weights)
    return net


def _indexed(backbone: str, weights: str, layers: Sequence[int]) -> Any:
    import timm

    whole = None if weights in ("hub", "none") else _whole(backbone, weights)
    try:
        with _fetching(backbone, weights):
            net = timm.create_model(
                backbone, pretrained=weights == "hub", features_only=True, out_indices=tuple(layers)
            )
    except (AttributeError, RuntimeError) as error:  # a few nets of timm's have no list of features
        raise TachaError(
            f"model.layers={layers}: {backbone} has no feature indices; name modules, or choose another backbone"
        ) from error
    except (IndexError, AssertionError, ValueError) as error:
        raise TachaError(f"model.layers={layers}: {backbone} does not have all of them ({error})") from error
    if whole is not None:
        net.load_state_dict({k: v for k, v in whole.state_dict().items() if k in net.state_dict()})
    return net


@contextmanager
def _fetching(backbone: str, weights: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        if weights != "hub":
            raise
        raise TachaError(
            f"model.weights=hub: the weights of {backbone} could not be fetched ({type(error).__name__}); "
            "give a path to a file, or packaged"
        ) from error


def _still(net: Any) -> Any:
    for module in net.modules():
        if hasattr(module, "inplace"):  # saves memory in training only, and a quarter of the time of an export
            module.inplace = False
    return net


def _pooled(layer: Tensor, pool: int) -> Tensor:
    return F.avg_pool2d(layer, pool, 1, pool // 2, count_include_pad=False) if pool > 1 else layer


def _stack(layers: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
    out = []
    for layer in layers:
        k = layer.shape[-2] // grid[0]
        if k > 1:
            layer = F.avg_pool2d(layer, k, k)
        if layer.shape[-2:] != grid:
            layer = F.interpolate(layer, size=grid, mode="bilinear", align_corners=False)
        out.append(layer)

    return torch.cat(out, 1)
