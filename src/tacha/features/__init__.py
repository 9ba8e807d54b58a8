"""What is seen in an image: one file a FeatureNet, listed here by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tacha.registry import Registry

if TYPE_CHECKING:
    from tacha.features.base import FeatureNet

NETS: Registry[FeatureNet] = Registry(
    "model",
    "tacha.features",
    {"backbone": "tacha.features.backbone:Backbone"},
)
