"""Training an autoencoder to give clean images back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.losses import LOSSES, image_loss
from tacha.training.base import Batch, Learner, at_least_zero, one_of, share


class Reconstruct(Learner):
    """`loss` (one of tacha.losses.LOSSES) between the clean image and what the net makes of a spoilt one.

    While training, the input has Gaussian noise of standard deviation `noise`, and a share `mask` of its squares of
    `mask_side` pixels is black; what is to be reconstructed has neither, nor has validation. A net with `sample`
    (the VAE) adds kl_weight · KL(posterior ‖ standard normal), in nats summed over the latent and averaged over the
    batch, against a reconstruction loss averaged over pixels. Terms: loss, and for a VAE reconstruction and kl.
    """

    net: Any  # a FeatureNet with `reconstruct`

    def __init__(
        self,
        net: FeatureNet,
        loss: str = "l2",
        ssim_weight: float = 0.84,
        noise: float = 0.0,
        mask: float = 0.0,
        mask_side: int = 16,
        kl_weight: float = 1e-4,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: str = "adam",
        schedule: str = "none",
    ) -> None:
        super().__init__(net, lr, weight_decay, optimizer, schedule)
        if not hasattr(net, "reconstruct"):
            raise TachaError(f"{type(net).__name__} reconstructs no images: use unet, autoencoder or vae")
        one_of("loss", loss, LOSSES)
        share("ssim_weight", ssim_weight)
        at_least_zero("noise", noise)
        share("mask", mask)
        at_least_zero("kl_weight", kl_weight)
        if not isinstance(mask_side, int) or mask_side < 1:
            raise TachaError(f"model.mask_side={mask_side!r}: give a whole number of pixels of 1 or more")
        self.kind, self.ssim_weight, self.kl_weight = loss, ssim_weight, kl_weight
        self.noise, self.mask, self.mask_side = noise, mask, mask_side

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, _ = batch
        spoilt = self.spoilt(images) if self.training else images
        if not hasattr(self.net, "sample"):
            return {"loss": image_loss(self.kind, self.net.reconstruct(spoilt), images, self.ssim_weight)}
        made, mean, log_variance = self.net.sample(spoilt)
        reconstruction = image_loss(self.kind, made, images, self.ssim_weight)
        mean, log_variance = mean.float(), log_variance.float()
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        return {"loss": reconstruction + self.kl_weight * kl, "reconstruction": reconstruction, "kl": kl}

    def spoilt(self, images: Tensor) -> Tensor:
        """Images [B, 3, S, S] with the noise and the black squares, in 0..1."""
        if self.noise:
            images = (images + self.noise * torch.randn_like(images)).clamp(0, 1)
        if self.mask:
            batch, _, height, width = images.shape
            squares = (batch, 1, -(-height // self.mask_side), -(-width // self.mask_side))
            seen = (torch.rand(squares, device=images.device) >= self.mask).to(images.dtype)
            seen = seen.repeat_interleave(self.mask_side, 2).repeat_interleave(self.mask_side, 3)
            images = images * seen[..., :height, :width]
        return images
