"""Training a small classifier on what a large one says."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.training.base import Batch, Learner, at_least_zero, positive, share
from tacha.training.classify import Classify
from tacha.training.teacher import Teacher


class Distil(Classify):
    """alpha · T² · KL(teacher ‖ net) at temperature T + (1 - alpha) · cross-entropy (Hinton et al. 2015, sec. 2),
    + hint · the mean squared difference at conv3_x (FitNets, Romero et al. 2015, without a regressor).

    The teacher, a whole ResNet, is first fine-tuned on the same data for `teacher_epochs` (None: the trainer's) at
    `teacher_lr`; then it is frozen, in eval mode. Runs that name one `teacher_folder` share a teacher of the same
    settings, data and seed: the first trains it. Terms: loss, hard, soft, hint where it is asked for, accuracy.
    """

    def __init__(
        self,
        net: FeatureNet,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: str = "adam",
        schedule: str = "none",
        label_smoothing: float = 0.0,
        teacher: str = "resnet18",
        teacher_weights: str = "hub",
        teacher_epochs: int | None = None,
        teacher_lr: float = 1e-4,
        teacher_folder: str | None = None,
        temperature: float = 4.0,
        alpha: float = 0.5,
        hint: float = 0.0,
    ) -> None:
        super().__init__(net, lr, weight_decay, optimizer, schedule, label_smoothing)
        positive("temperature", temperature)
        share("alpha", alpha)
        at_least_zero("hint", hint)
        positive("teacher_lr", teacher_lr)
        if teacher_epochs is not None and (not isinstance(teacher_epochs, int) or teacher_epochs < 1):
            raise TachaError(f"model.teacher_epochs={teacher_epochs!r}: give a whole number of 1 or more, or null")
        self.temperature, self.alpha, self.hint = temperature, alpha, hint
        self.teacher_name, self.teacher_weights = teacher, teacher_weights
        self.teacher_epochs, self.teacher_lr, self.teacher_folder = teacher_epochs, teacher_lr, teacher_folder
        self.teacher = Teacher(teacher, teacher_weights, int(net.classes))  # type: ignore[arg-type]
        if hint and self.teacher.hint != getattr(net, "hint", None):
            raise TachaError(
                f"model.hint={hint}: conv3_x of {teacher} has {self.teacher.hint} channels and "
                f"{type(net).__name__}'s features another number; set model.hint=0, or teach by resnet18"
            )

    def teacher_learner(self) -> Learner:
        tuned = Classify(
            self.teacher, self.teacher_lr, self.weight_decay, self.optimizer, self.schedule, self.label_smoothing
        )
        tuned.epochs = self.teacher_epochs
        return tuned

    def notes(self) -> list[str]:
        source = {
            "none": "trained from scratch: no pretrained weights",
            "hub": "pretrained weights of timm's hub, fine-tuned",
        }.get(self.teacher_weights, f"weights of {self.teacher_weights}, fine-tuned")
        return [f"teacher {self.teacher_name}: {source}"]

    def train(self, mode: bool = True) -> Distil:
        super().train(mode)
        self.teacher.eval()
        return self

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        images, targets = batch
        said = self.net(images)
        with torch.no_grad():
            taught = self.teacher(images)
        terms = self.judged(said, targets)
        hard = terms["loss"]
        # KL of a mean over the batch; T² keeps its gradients' size whatever T is.
        soft = self.temperature**2 * F.kl_div(
            F.log_softmax(said.logits.float() / self.temperature, 1),
            F.log_softmax(taught.logits.float() / self.temperature, 1),
            reduction="batchmean",
            log_target=True,
        )
        terms |= {"hard": hard, "soft": soft, "loss": self.alpha * soft + (1 - self.alpha) * hard}
        if self.hint:
            terms["hint"] = F.mse_loss(said.patches, taught.patches)
            terms["loss"] = terms["loss"] + self.hint * terms["hint"]
        return terms

    # The frozen teacher has a checkpoint of its own; it need not be written again every epoch.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {k: v for k, v in state.items() if not k.startswith("teacher.")}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] |= {f"teacher.{k}": v for k, v in self.teacher.state_dict().items()}
