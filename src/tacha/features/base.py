"""FeatureNet: what is seen in an image."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Features(NamedTuple):
    """What a FeatureNet says of a batch. A net leaves out (None) what it does not have."""

    embedding: Tensor  # [B, D] one vector an image
    patches: Tensor | None = None  # [B, C, h, w] one vector a place
    residual: Tensor | None = None  # [B, H, W] reconstruction error a pixel, higher is worse
    logits: Tensor | None = None  # [B, K]
    levels: tuple[Tensor, ...] | None = None  # [B, C, h, w] each: the net's depths at their own grids, fine to coarse

    def cpu(self) -> Features:
        """The same, in the main memory."""
        embedding, patches, residual, logits, levels = self
        patches, residual, logits = (None if f is None else f.cpu() for f in (patches, residual, logits))
        deep = None if levels is None else tuple(level.cpu() for level in levels)
        return Features(embedding.cpu(), patches, residual, logits, deep)


class FeatureNet(nn.Module):
    """`forward(images [B, 3, H, W], RGB float in 0..1) -> Features`; normalisation happens inside.

    `provides` names the fields of Features that this net fills.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"embedding"})

    def forward(self, images: Tensor) -> Features:
        raise NotImplementedError
