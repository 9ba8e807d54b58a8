"""Training a classifier of categories or defects."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.training.base import Batch, Learner, share


class Classify(Learner):
    """Cross-entropy on a net that has logits. Terms: loss, accuracy."""

    needs_labels: ClassVar[bool] = True

    def __init__(
        self,
        net: FeatureNet,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: str = "adam",
        schedule: str = "none",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(net, lr, weight_decay, optimizer, schedule)
        if "logits" not in net.provides:
            raise TachaError(f"{type(net).__name__} has no logits, so it cannot learn classes: use cnn or vit")
        share("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, targets = batch
        return self.judged(self.net(images), targets)

    def judged(self, features: Features, targets: Tensor) -> dict[str, Tensor]:
        """The hard loss and the accuracy of what the net said."""
        from torchmetrics.functional.classification import multiclass_accuracy

        logits = features.logits
        assert logits is not None
        return {
            "loss": F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing),
            "accuracy": multiclass_accuracy(logits, targets, num_classes=logits.shape[1], average="micro"),
        }
