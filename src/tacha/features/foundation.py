"""Patch tokens of a self-supervised vision transformer, from several of its blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.features.checks import check_images, whole
from tacha.features.transformers import transformer


class Foundation(FeatureNet):
    """A frozen DINOv2 (Oquab et al. 2024) or its like, seen after several of its blocks.

    `backbone` is any of timm's plain vision transformers, `weights` hub, a path or none, `layers` its blocks, 0 the
    first: those behind the deepest are cut off. `size` is the side of the images; where it is no multiple of the
    patch they are resized to the nearest inside, and position embeddings are resampled to that once.
    levels: a block's patch tokens each, under the net's last norm, [B, C, h, w], all at one grid, shallow to deep;
    patches [B, sum of C, h, w]: all of them; embedding: the mean of the patches over places.
    """

    provides = frozenset({"embedding", "patches", "levels"})
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "vit_small_patch14_dinov2",
        weights: str = "hub",
        layers: Sequence[int] = (5, 8, 11),
        size: int = 252,
    ) -> None:
        super().__init__()
        self.size = whole("size", size, 1)
        self.net = transformer(backbone, weights, "vit_small_patch14_dinov2")
        depth = len(self.net.blocks)
        numbers = [layer for layer in layers if isinstance(layer, int) and not isinstance(layer, bool)]
        if not numbers or len(numbers) != len(layers) or min(numbers) < 0 or max(numbers) >= depth:
            raise TachaError(f"model.layers={list(layers)}: name blocks of {backbone}, from 0 to {depth - 1}")
        self.layers = sorted(set(numbers))
        patch = max(self.net.patch_embed.patch_size)
        self.side = max(1, round(size / patch)) * patch  # of the images as the transformer sees them
        self.net.prune_intermediate_layers(self.layers)
        self.net.set_input_size(img_size=(self.side, self.side))
        config = self.net.pretrained_cfg
        self.register_buffer("mean", tensor(config["mean"]).view(3, 1, 1))
        self.register_buffer("std", tensor(config["std"]).view(3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Foundation:
        """Frozen."""
        return super().train(False)

    def forward(self, images: Tensor) -> Features:
        check_images(images, self.size)
        images = (images - self.mean) / self.std
        if self.side != self.size:
            images = F.interpolate(images, size=(self.side, self.side), mode="bilinear", align_corners=False)
        levels = tuple(
            self.net.forward_intermediates(images, indices=self.layers, norm=True, intermediates_only=True)
        )  # [B, C, h, w] each
        patches = torch.cat(levels, 1)
        return Features(embedding=patches.mean((2, 3)), patches=patches, levels=levels)
