"""An autoencoder whose bottleneck is a Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor

from tacha.features.coder import ImageAutoencoder


class VAE(ImageAutoencoder):
    """The autoencoder of the same settings with a diagonal Gaussian for its `latent` numbers (Kingma & Welling 2014).

    The embedding, and what is decoded when judging, is its mean.
    """

    def __init__(
        self, size: int = 128, latent: int = 128, width: int = 32, depth: int = 4, residual: str = "l2"
    ) -> None:
        super().__init__(size, latent, width, depth, residual, skips=0, codes=2)

    def sample(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(reconstruction [B, 3, size, size], mean [B, latent], log variance [B, latent]).

        While training, the reconstruction is of a sample; in eval mode, of the mean.
        """
        levels, codes = self.code(images)
        mean, log_variance = codes.chunk(2, 1)
        log_variance = log_variance.clamp(-20, 20)  # beyond, its exponential overflows half precision
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        return self.decode(levels, z), mean, log_variance
