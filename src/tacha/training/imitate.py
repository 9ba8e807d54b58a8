"""Training a student to say what its teacher says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor

from tacha.features.student import Student
from tacha.scorers.pooling import MapPooling
from tacha.training.base import Learner, at_least_zero
from tacha.training.history import Row, best_row
from tacha.training.learn import process_kept
from tacha.training.lessons import Lessons

GRADIENT_CLIP = 1.0
BATCH = 16


class Imitate(Learner):
    """Mean squared error of the map, + `pooled` · that of its pooled value, + `embedding` · that of the embedding.

    Maps are compared as asinh of their standing, so that the strongest flaws do not drown what lies near the
    threshold; `share` and `sigma` pool them as the teacher's scorer does. No weight decay: it would draw rows to
    nothing. Terms: loss, map, pooled, embedding.
    """

    net: Student

    def __init__(
        self,
        net: Student,
        share: float = 0.0,
        sigma: float = 0.0,
        pooled: float = 0.3,
        embedding: float = 0.05,
        lr: float = 3e-2,
        weight_decay: float = 0.0,
        optimizer: str = "adamw",
        schedule: str = "cosine",
    ) -> None:
        super().__init__(net, lr, weight_decay, optimizer, schedule)
        at_least_zero("pooled", pooled)
        at_least_zero("embedding", embedding)
        self.pooling = MapPooling(share, sigma)
        self.pooled, self.embedding = pooled, embedding

    def train(self, mode: bool = True) -> Imitate:
        super().train(mode)
        self.net.trunk.eval()  # its batch statistics stay those of the pretraining
        return self

    def loss(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        standing, embedding, *seen = batch
        said = self.net.say([level.float() for level in seen])
        mine, theirs = torch.asinh(said.standing), torch.asinh(standing)
        terms = {
            "map": F.mse_loss(mine, theirs),
            "pooled": F.mse_loss(self.pooling(mine).image, self.pooling(theirs).image),
            "embedding": F.mse_loss(said.embedding, embedding),
        }
        return {
            "loss": terms["map"] + self.pooled * terms["pooled"] + self.embedding * terms["embedding"],
            **terms,
        }


def imitate(learner: Imitate, lessons: Lessons, held: Lessons, epochs: int, patience: int, seed: int) -> list[Row]:
    """Train in place, leaving the weights of the epoch that is best on `held`, frozen; a row an epoch.

    Raises NotFiniteError, a TachaError, when the loss is not a number.
    """
    kept = _Best()
    with process_kept():
        lightning.seed_everything(seed, verbose=False)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            gradient_clip_val=GRADIENT_CLIP,
            callbacks=[kept, EarlyStopping(monitor="val_loss", mode="min", patience=patience)],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        learner.train()
        trainer.fit(learner, lessons.loader(learner.net, BATCH, seed), held.loader(learner.net, BATCH))
    learner.net.load_state_dict(kept.state)
    learner.net.eval()
    learner.net.requires_grad_(False)
    return kept.rows


class _Best(Callback):
    """Keeps the rows of all epochs and the weights of the best."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.state: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self.rows.append({"epoch": trainer.current_epoch, **metrics})
        if best_row(self.rows) is self.rows[-1]:
            net: Any = pl_module.net
            self.state = copy.deepcopy(net.state_dict())
