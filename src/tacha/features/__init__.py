"""What is seen in an image: one file a FeatureNet, listed here by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tacha.registry import Registry

if TYPE_CHECKING:
    from tacha.features.base import FeatureNet

NETS: Registry[FeatureNet] = Registry(
    "model",
    "tacha.features",
    {
        "autoencoder": "tacha.features.autoencoder:Autoencoder",
        "backbone": "tacha.features.backbone:Backbone",
        "cnn": "tacha.features.cnn:CNN",
        "featcae": "tacha.features.featcae:FeatCAE",
        "foundation": "tacha.features.foundation:Foundation",
        "student": "tacha.features.student:Student",
        "unet": "tacha.features.unet:UNet",
        "vae": "tacha.features.vae:VAE",
        "vit": "tacha.features.vit:ViT",
    },
)
