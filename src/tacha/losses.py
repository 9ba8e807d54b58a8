"""How far a reconstruction is from its image: one number to train on, or a map of where."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from tacha.errors import TachaError

_Ssim: TypeAlias = Callable[[Tensor, Tensor], Tensor]

LOSSES = ("l1", "l2", "ssim", "ssim_l1")
SIGMA, RADIUS = 1.5, 5  # of SSIM's Gaussian window, in pixels (Wang et al. 2004, sec. III.B)
C1, C2 = 0.01**2, 0.03**2  # for a data range of 1


def image_loss(kind: str, a: Tensor, b: Tensor, ssim_weight: float = 0.84) -> Tensor:
    """A scalar to train on, from [B, C, H, W] twice, in 0..1: the mean of `residual_map` over pixels and batch.

    SSIM is torchmetrics'. Raises TachaError for another kind.
    """
    return _combined(kind, a, b, ssim_weight, _torchmetrics_ssim).mean()


def residual_map(kind: str, a: Tensor, b: Tensor, ssim_weight: float = 0.84) -> Tensor:
    """The loss at each pixel, averaged over channels: [B, C, H, W] twice, in 0..1 -> [B, H, W] float32, 0 where equal.

    l1: |a - b|. l2: (a - b)². ssim: 1 - SSIM (Wang et al. 2004: 11 x 11 Gaussian window of sigma 1.5, data range 1;
    images of at least 6 pixels a side). ssim_l1: ssim_weight · ssim + (1 - ssim_weight) · l1 (Zhao et al. 2017, sec.
    III.D, with SSIM at one scale). Raises TachaError for another kind.
    """
    return _combined(kind, a, b, ssim_weight, _plain_ssim)


def _combined(kind: str, a: Tensor, b: Tensor, ssim_weight: float, ssim: _Ssim) -> Tensor:
    if kind not in LOSSES:
        raise TachaError(f"unknown loss {kind!r}: there are {', '.join(LOSSES)}")
    # SSIM subtracts squares that nearly cancel, which half precision cannot hold.
    with torch.autocast(a.device.type, enabled=False):
        a, b = a.float(), b.float()
        if kind == "l1":
            return (a - b).abs().mean(1)
        if kind == "l2":
            return (a - b).square().mean(1)
        dissimilarity = 1 - ssim(a, b).mean(1)
        if kind == "ssim":
            return dissimilarity
        return ssim_weight * dissimilarity + (1 - ssim_weight) * (a - b).abs().mean(1)


def _torchmetrics_ssim(a: Tensor, b: Tensor) -> Tensor:
    from torchmetrics.functional.image import structural_similarity_index_measure

    ssim: Tensor = structural_similarity_index_measure(
        a, b, sigma=SIGMA, data_range=1.0, reduction="none", return_full_image=True
    )[1]
    return ssim


def _plain_ssim(a: Tensor, b: Tensor) -> Tensor:
    """What torchmetrics computes, in operations that ONNX can express for any batch size."""
    channels = a.shape[1]
    places = torch.arange(-RADIUS, RADIUS + 1, dtype=a.dtype, device=a.device)
    window = torch.softmax(-(places / SIGMA).square() / 2, 0)
    moments = torch.cat((a, b, a * a, b * b, a * b), 1)  # [B, 5C, H, W]
    moments = F.pad(moments, (RADIUS,) * 4, mode="reflect")
    kernel = window.expand(5 * channels, 1, 1, -1)
    moments = F.conv2d(F.conv2d(moments, kernel, groups=5 * channels), kernel.transpose(2, 3), groups=5 * channels)
    by_kind = moments.unflatten(1, (5, channels))  # indexed: ONNX would make a sequence of chunks, which OpenVINO lacks
    mean_a, mean_b, aa, bb, ab = (by_kind[:, i] for i in range(5))
    variances = (aa - mean_a.square()).clamp(min=0) + (bb - mean_b.square()).clamp(min=0)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    ssim: Tensor = luminance * (2 * (ab - mean_a * mean_b) + C2) / (variances + C2)
    return ssim
