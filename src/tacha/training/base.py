"""What every way of training a net shares: the steps, the optimiser, the schedule, the refusal of NaN."""

from __future__ import annotations

from typing import Any, ClassVar

import lightning
import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet

Batch = tuple[Tensor, Tensor]  # images [B, 3, S, S], class indices [B]

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("none", "cosine", "plateau")
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 3  # halve the rate when val_loss has not fallen for three epochs


class NotFiniteError(TachaError):
    """A loss that is NaN or infinite."""


class Learner(lightning.LightningModule):
    """Trains `net`, a FeatureNet, by the `loss` that a subclass defines.

    Logs the epoch means of the loss's terms as train_*, val_* and test_*. `schedule`: cosine falls to nothing over
    the trainer's epochs, plateau halves the rate where val_loss stays. Raises TachaError for settings out of range,
    and NotFiniteError, which is one, before a step is taken with such a loss.
    """

    needs_labels: ClassVar[bool] = False
    epochs: int | None = None  # instead of the trainer's
    teacher_folder: str | None = None  # where a teacher is trained, instead of inside this training's folder

    def __init__(self, net: FeatureNet, lr: float, weight_decay: float, optimizer: str, schedule: str) -> None:
        super().__init__()
        positive("lr", lr)
        at_least_zero("weight_decay", weight_decay)
        one_of("optimizer", optimizer, OPTIMIZERS)
        one_of("schedule", schedule, SCHEDULES)
        self.save_hyperparameters(ignore=["net"])
        self.net = net
        self.lr, self.weight_decay, self.optimizer, self.schedule = lr, weight_decay, optimizer, schedule

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalars; "loss" is the one to make small."""
        raise NotImplementedError

    def teacher_learner(self) -> Learner | None:
        """How a teacher is to be trained first, on the same data; most have none."""
        return None

    def notes(self) -> list[str]:
        """One-line remarks that belong beside every result of this training."""
        return []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, index: int) -> None:
        self._step(batch, "val")

    def test_step(self, batch: Batch, index: int) -> None:
        self._step(batch, "test")

    def configure_optimizers(self) -> Any:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer]
        optimizer = kind(self._trained(), lr=self.lr, weight_decay=self.weight_decay)
        if self.schedule == "none":
            return optimizer
        if self.schedule == "cosine":
            epochs = max(1, self.trainer.max_epochs or 1)
            return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)]
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}

    def _trained(self) -> list[torch.nn.Parameter]:
        parameters = [p for p in self.net.parameters() if p.requires_grad]
        if not parameters:
            raise TachaError(f"{type(self.net).__name__} has nothing to train: set model.learner=null")
        return parameters

    def _step(self, batch: Batch, stage: str) -> Tensor:
        terms = self.loss(batch)
        loss = terms["loss"]
        if not torch.isfinite(loss):
            raise NotFiniteError(
                f"the {stage} loss is {loss.item()} at epoch {self.current_epoch}, step {self.global_step}: "
                f"lower model.lr={self.lr:g}, or set trainer.gradient_clip"
            )
        named = {f"{stage}_{name}": value.detach() for name, value in terms.items()}
        self.log_dict(named, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch[0]))
        return loss


def positive(name: str, value: Any) -> None:
    """TachaError unless `value` is a number above 0."""
    if not _number(value) or value <= 0:
        raise TachaError(f"model.{name}={value!r}: give a number above 0")


def at_least_zero(name: str, value: Any) -> None:
    """TachaError unless `value` is a number of 0 or more."""
    if not _number(value) or value < 0:
        raise TachaError(f"model.{name}={value!r}: give a number of 0 or more")


def share(name: str, value: Any) -> None:
    """TachaError unless `value` is a number from 0 to 1."""
    if not _number(value) or not 0 <= value <= 1:
        raise TachaError(f"model.{name}={value!r}: give a number from 0 to 1")


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """TachaError unless `value` is among `choices`."""
    if value not in choices:
        raise TachaError(f"model.{name}={value!r}: choose one of {', '.join(choices)}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
