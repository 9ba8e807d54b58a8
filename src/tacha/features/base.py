"""FeatureNet: what is seen in an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from tacha.data.frame import centres


class Features(NamedTuple):
    """What a FeatureNet says of a batch. A net leaves out (None) what it does not have."""

    embedding: Tensor  # [B, D] one vector an image
    patches: Tensor | None = None  # [B, C, h, w] one vector a place
    residual: Tensor | None = None  # [B, H, W] reconstruction error a pixel, higher is worse
    logits: Tensor | None = None  # [B, K]
    levels: tuple[Tensor, ...] | None = None  # [B, C, h, w] each: the net's depths at their own grids, fine to coarse
    valid: Tensor | None = None  # [B, H, W] bool: which pixels are of the image and not padding; None: all

    def cpu(self) -> Features:
        """The same, in the main memory."""
        embedding, patches, residual, logits, levels, valid = self
        patches, residual, logits, valid = (None if f is None else f.cpu() for f in (patches, residual, logits, valid))
        deep = None if levels is None else tuple(level.cpu() for level in levels)
        return Features(embedding.cpu(), patches, residual, logits, deep, valid)

    def counting(self, grid: Sequence[int]) -> Tensor | None:
        """The places of an (h, w) grid whose centre is no padding, [B, h, w] bool; None: all of them."""
        return None if self.valid is None else places_of(self.valid, grid)


def places_of(valid: Tensor, grid: Sequence[int]) -> Tensor:
    """Pixels [B, H, W] that are of the image -> places [B, h, w] that are: those with such a pixel in the middle.

    Where a grid is so coarse that no place of an image is, all of its places are.
    """
    rows, columns = (centres(int(cells), side) for cells, side in zip(grid, valid.shape[1:], strict=True))
    inside = valid[:, rows][:, :, columns]
    return inside | ~inside.flatten(1).any(1)[:, None, None]


def mean_of_places(values: Tensor, valid: Tensor | None) -> Tensor:
    """Over the places of the image: [B, C, h, w], pixels [B, H, W] (None: all) -> [B, C]."""
    if valid is None:
        return values.mean((2, 3))
    inside = places_of(valid, values.shape[2:]).unsqueeze(1)  # [B, 1, h, w]
    return torch.where(inside, values, 0).sum((2, 3)) / inside.sum((2, 3))


class FeatureNet(nn.Module):
    """`forward(images [B, 3, H, W], RGB float in 0..1) -> Features`; normalisation happens inside.

    `provides` names the fields of Features that this net fills. `keeps_aspect`: it takes images of any height and
    width, and a second argument, `valid` [B, H, W] or None, which it heeds where it averages and hands on.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"embedding"})
    keeps_aspect: ClassVar[bool] = False

    def forward(self, images: Tensor) -> Features:
        raise NotImplementedError
