"""An autoencoder with skip connections."""

from __future__ import annotations

from tacha.errors import TachaError
from tacha.features.checks import whole
from tacha.features.coder import ImageAutoencoder


class UNet(ImageAutoencoder):
    """Ronneberger et al. 2015, trained to give its input back; what it cannot is the residual.

    `size`: side of the images; `latent`: numbers of the bottleneck, which are the embedding; `width`: channels of
    the finest of `depth` levels. `skips`: how many levels the decoder sees, counted from the deepest (None: all).
    The finest skips can copy a flaw straight through; leaving them out is one remedy.
    """

    def __init__(
        self,
        size: int = 128,
        latent: int = 128,
        width: int = 32,
        depth: int = 4,
        skips: int | None = None,
        residual: str = "l2",
    ) -> None:
        kept = depth if skips is None else whole("skips", skips, 0)
        if kept > depth:
            raise TachaError(f"model.skips={skips}: there are depth={depth} to keep; give at most that, or null")
        super().__init__(size, latent, width, depth, residual, skips=kept, codes=1)
        self.skips = skips
