"""Training an autoencoder over the features of a frozen net."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.training.base import Batch, Learner


class ReconstructFeatures(Learner):
    """The mean squared error between `net.features(images)` and `net.decode` of them (DFR, Shi et al. 2021)."""

    net: Any  # a FeatureNet with `features` and `decode`

    def __init__(
        self,
        net: FeatureNet,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: str = "adam",
        schedule: str = "none",
    ) -> None:
        super().__init__(net, lr, weight_decay, optimizer, schedule)
        if not (hasattr(net, "features") and hasattr(net, "decode")):
            raise TachaError(f"{type(net).__name__} has no features to reconstruct: use featcae")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, _ = batch
        features = self.net.features(images)
        return {"loss": F.mse_loss(self.net.decode(features), features)}
