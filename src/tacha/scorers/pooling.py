"""The score of an image from its anomaly map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tacha.scorers.base import Scores
from tacha.scorers.checks import between


class MapPooling(nn.Module):
    """Image score: the maximum of the map (`share` 0), or the mean of its top share of places (at least one).

    `sigma` > 0 first smooths the map with a Gaussian of that many cells, edges replicated. Of a padded image only the
    places that count are smoothed, shared out and looked at; the others get the lowest value of these.
    """

    kernel: Tensor

    def __init__(self, share: float = 0.0, sigma: float = 0.0) -> None:
        super().__init__()
        self.share = between("share", share, 0, 1)
        self.sigma = between("sigma", sigma, 0)
        self.radius = math.ceil(3 * self.sigma)
        offsets = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (offsets / self.sigma).square()) if self.sigma else torch.ones(1)
        self.register_buffer("kernel", (weights / weights.sum()).float(), persistent=False)  # [2r + 1]

    def smooth(self, anomaly_map: Tensor) -> Tensor:
        """[B, h, w] -> [B, h, w]."""
        if not self.sigma:
            return anomaly_map
        kernel = self.kernel.to(anomaly_map)
        padded = F.pad(anomaly_map.unsqueeze(1), [self.radius] * 4, mode="replicate")  # [B, 1, h + 2r, w + 2r]
        across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
        return F.conv2d(across, kernel.view(1, 1, -1, 1)).squeeze(1)

    def forward(self, anomaly_map: Tensor, counts: Tensor | None = None) -> Scores:
        """[B, h, w], and which places count (None: all) -> the image scores [B] and the smoothed map [B, h, w]."""
        smoothed = self.smooth(anomaly_map) if counts is None else self._smooth_inside(anomaly_map, counts)
        places = smoothed.flatten(1)  # [B, h * w]
        top = max(1, round(self.share * places.shape[1]))
        if top == 1:
            return Scores(places.amax(1), smoothed)
        highest = places.topk(top, dim=1).values
        if counts is None:
            return Scores(highest.mean(1), smoothed)
        # As many of them as the share of the places that count: these come first, for no other is higher.
        nth = torch.arange(top, device=places.device)
        taken = (nth + 0.5 < top * counts.flatten(1).float().mean(1, keepdim=True)) | (nth == 0)  # [B, top]
        return Scores(torch.where(taken, highest, 0).sum(1) / taken.sum(1), smoothed)

    def _smooth_inside(self, anomaly_map: Tensor, counts: Tensor) -> Tensor:
        if self.sigma:
            near = self.smooth(counts.to(anomaly_map)).clamp(min=1e-6)
            anomaly_map = self.smooth(torch.where(counts, anomaly_map, 0)) / near
        lowest = torch.where(counts, anomaly_map, torch.inf).amin((1, 2), keepdim=True)
        return torch.where(counts, anomaly_map, lowest)
