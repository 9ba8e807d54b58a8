"""An autoencoder over the features of a frozen net, a place at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from tacha.features.backbone import Backbone
from tacha.features.base import FeatureNet, Features
from tacha.features.checks import whole


class FeatCAE(FeatureNet):
    """1x1 convolutions that squeeze every place's stacked features to `latent` numbers and back (DFR, Shi et al. 2021).

    `backbone`, `weights`, `layers`, `stride` and `pool` are Backbone's; ResNet-50's layer2, layer3 and layer4 are
    layers 2, 3 and 4. `in_channels` follows from them. residual [B, h, w]: the mean squared error of a place's
    features; embedding [B, latent]: the mean code. Only the autoencoder trains.
    """

    provides = frozenset({"embedding", "residual"})

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        weights: str = "packaged",
        layers: Sequence[int] | Sequence[str] = (2, 3, 4),
        latent: int = 64,
        stride: int | None = None,
        pool: int = 1,
    ) -> None:
        super().__init__()
        self.backbone, self.weights, self.layers = backbone, weights, tuple(layers)
        self.latent, self.stride, self.pool = whole("latent", latent, 1), stride, pool
        self.frozen = Backbone(backbone, weights, layers, stride, pool)
        self.in_channels = sum(self.frozen.channels)
        wide, narrow = (self.in_channels + 2 * latent) // 2, 2 * latent
        self.encoder = _convolutions(self.in_channels, wide, narrow, latent)
        self.decoder = _convolutions(latent, narrow, wide, self.in_channels)

    def features(self, images: Tensor) -> Tensor:
        """The frozen net's features [B, in_channels, h, w]."""
        patches: Tensor = self.frozen(images).patches
        return patches

    def decode(self, features: Tensor) -> Tensor:
        """Features [B, in_channels, h, w] as the autoencoder gives them back."""
        out: Tensor = self.decoder(self.encoder(features))
        return out

    def forward(self, images: Tensor) -> Features:
        features = self.features(images)
        code = self.encoder(features)  # [B, latent, h, w]
        residual = (self.decoder(code) - features).square().mean(1)
        return Features(code.mean((2, 3)), residual=residual)


def _convolutions(*channels: int) -> nn.Sequential:
    *inner, last = [nn.Conv2d(a, b, 1) for a, b in pairwise(channels)]
    parts: list[nn.Module] = []
    for conv in inner:
        parts += [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]
    return nn.Sequential(*parts, last)
