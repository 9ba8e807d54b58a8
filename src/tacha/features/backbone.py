"""A frozen timm backbone seen at several depths, every place described at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features, mean_of_places
from tacha.features.weights import load_weights


class Backbone(FeatureNet):
    """Intermediate features of a pretrained net, locally averaged and stacked (Roth et al. 2022, sec. 3.1).

    `layers` are timm's feature indices (0 the shallowest; see `timm.create_model(features_only=True)`), `stride` the
    pixels between two places of the output (None: the finest layer's own), `pool` the side of the local average.
    levels: each layer at its own grid, [B, C, h, w]; patches [B, sum of channels, H/stride, W/stride]: all of them at
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
        layers: Sequence[int] = (2, 3, 4),
        stride: int | None = None,
        pool: int = 1,
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
        if weights not in ("hub", "none"):
            full = timm.create_model(backbone, pretrained=False)
            load_weights(full, backbone, weights)
        layers = sorted(set(layers))
        try:
            self.net = timm.create_model(
                backbone, pretrained=weights == "hub", features_only=True, out_indices=tuple(layers)
            )
        except (IndexError, AssertionError, ValueError) as error:
            raise TachaError(f"model.layers={layers}: {backbone} does not have all of them ({error})") from error
        except (OSError, RuntimeError) as error:
            raise TachaError(
                f"model.weights=hub: the weights of {backbone} could not be fetched ({type(error).__name__}); "
                "give a path to a file, or packaged"
            ) from error
        if weights not in ("hub", "none"):
            self.net.load_state_dict({k: v for k, v in full.state_dict().items() if k in self.net.state_dict()})
        for module in self.net.modules():
            if hasattr(module, "inplace"):  # saves memory in training only, and a quarter of the time of an export
                module.inplace = False
        config = timm.get_pretrained_cfg(backbone)
        mean, std = (config.mean, config.std) if config else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", tensor(mean).view(3, 1, 1))
        self.register_buffer("std", tensor(std).view(3, 1, 1))
        reductions: list[int] = self.net.feature_info.reduction()
        self.stride = min(reductions) if stride is None else stride
        self.pool = pool
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Frozen: batch statistics stay those of the pretraining."""
        return super().train(False)

    def forward(self, images: Tensor, valid: Tensor | None = None) -> Features:
        grid = (images.shape[-2] // self.stride, images.shape[-1] // self.stride)
        levels = tuple(_pooled(layer, self.pool) for layer in self.net((images - self.mean) / self.std))
        patches = _stack(levels, grid)  # [B, C, h, w]
        return Features(embedding=mean_of_places(patches, valid), patches=patches, levels=levels, valid=valid)


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
