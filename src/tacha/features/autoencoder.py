"""An autoencoder whose bottleneck is the only way through."""

from __future__ import annotations

from tacha.features.coder import ImageAutoencoder


class Autoencoder(ImageAutoencoder):
    """The U-Net of the same settings without its skips: everything passes through `latent` numbers."""

    def __init__(
        self, size: int = 128, latent: int = 128, width: int = 32, depth: int = 4, residual: str = "l2"
    ) -> None:
        super().__init__(size, latent, width, depth, residual, skips=0, codes=1)
