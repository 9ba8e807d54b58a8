"""What the image autoencoders share: an encoder to one vector, a decoder back, skips between them where asked."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.features.checks import check_images, check_side, whole
from tacha.losses import LOSSES, residual_map


class Encoder(nn.Module):
    """images [B, 3, S, S] -> what each level saw before it was halved, from the finest, and the bottleneck's map.

    Level i has width * 2^i channels, at most 8 * width, and a side of S / 2^i.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.channels = [width * min(2**i, 8) for i in range(depth + 1)]
        self.stem = _block(3, self.channels[0])
        self.down = nn.ModuleList(_block(a, b, stride=2) for a, b in pairwise(self.channels))

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        levels = [self.stem(2 * images - 1)]
        for halve in self.down:
            levels.append(halve(levels[-1]))
        return levels[:-1], levels[-1]


class Decoder(nn.Module):
    """The bottleneck's map and the encoder's levels, of which it reads the deepest `skips` -> images in 0..1."""

    def __init__(self, channels: list[int], skips: int) -> None:
        super().__init__()
        self.skips = skips
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        for i, (a, b) in enumerate(pairwise(channels[::-1])):
            self.up.append(nn.ConvTranspose2d(a, b, 2, stride=2))
            self.merge.append(_block(2 * b if i < skips else b, b))
        self.head = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, bottleneck: Tensor, levels: list[Tensor]) -> Tensor:
        x = bottleneck
        for i, (up, merge) in enumerate(zip(self.up, self.merge, strict=True)):
            x = up(x)
            x = merge(torch.cat([x, levels[-1 - i]], 1) if i < self.skips else x)
        return torch.sigmoid(self.head(x))


class ImageAutoencoder(FeatureNet):
    """Encoder, a vector of `latent` numbers, decoder. Base of the autoencoders; a subclass names its settings.

    embedding [B, latent]; residual [B, size, size]: how wrong each pixel of the reconstruction is, in the measure
    `residual` (one of tacha.losses.LOSSES). `codes` numbers of the bottleneck are made for each of `latent`.
    """

    provides = frozenset({"embedding", "residual"})

    def __init__(self, size: int, latent: int, width: int, depth: int, residual: str, skips: int, codes: int) -> None:
        super().__init__()
        self.latent, self.width = whole("latent", latent, 1), whole("width", width, 1)
        self.depth = whole("depth", depth, 1)
        # Two places a side are left at least, so that batch statistics exist for a batch of one image too.
        self.size = check_side(size, 2**depth, 2 ** (depth + 1), f"depth={depth} halvings")
        if residual not in LOSSES:
            raise TachaError(f"model.residual={residual!r}: choose one of {', '.join(LOSSES)}")
        self.residual = residual
        self.encoder = Encoder(width, depth)
        self.decoder = Decoder(self.encoder.channels, skips)
        shape = (self.encoder.channels[-1], size // 2**depth, size // 2**depth)
        numbers = shape[0] * shape[1] * shape[2]
        self.squeeze = nn.Sequential(nn.Flatten(), nn.Linear(numbers, codes * latent))
        self.expand = nn.Sequential(nn.Linear(latent, numbers), nn.Unflatten(1, shape), nn.LeakyReLU(0.2))

    def code(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """The encoder's levels and the bottleneck's numbers [B, codes * latent]. TachaError for another image size."""
        check_images(images, self.size)
        levels, bottleneck = self.encoder(images)
        return levels, self.squeeze(bottleneck)

    def decode(self, levels: list[Tensor], z: Tensor) -> Tensor:
        """Images [B, 3, size, size] in 0..1 from z [B, latent] and the encoder's levels."""
        images: Tensor = self.decoder(self.expand(z), levels)
        return images

    def encode(self, images: Tensor) -> Tensor:
        """[B, latent]"""
        return self.code(images)[1][:, : self.latent]

    def reconstruct(self, images: Tensor) -> Tensor:
        """[B, 3, size, size] in 0..1"""
        levels, codes = self.code(images)
        return self.decode(levels, codes[:, : self.latent])

    def forward(self, images: Tensor) -> Features:
        levels, codes = self.code(images)
        embedding = codes[:, : self.latent]
        residual = residual_map(self.residual, images, self.decode(levels, embedding))
        return Features(embedding, residual=residual)


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)
    )
