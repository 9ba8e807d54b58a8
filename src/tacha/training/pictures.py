"""What a net makes of its validation images, as pictures drawn while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from tacha.data.module import collate
from tacha.features.base import FeatureNet
from tacha.report.plots import embedding_map
from tacha.training.data import LearningData
from tacha.training.grids import SHOWN, judging, reconstruction_grid, spread
from tacha.training.loggers import send_picture

EMBEDDED = 1000  # validation images in a t-SNE, whose time grows fast
FEWEST_EMBEDDED = 5


class Pictures(lightning.Callback):
    """Draws the validation pictures every `every` epochs into `folder`, named after the epoch; 0 for never."""

    def __init__(self, data: LearningData, folder: Path, every: int) -> None:
        self.data, self.folder, self.every = data, folder, every

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self.every and epoch % self.every == 0:
            net: Any = pl_module.net
            validation_pictures(net, self.data, self.folder, trainer.loggers, trainer.global_step, f"_{epoch:03d}")


def validation_pictures(
    net: FeatureNet, data: LearningData, folder: Path, loggers: Sequence[Logger] = (), step: int = 0, suffix: str = ""
) -> list[Path]:
    """Draw reconstructions.png (nets with `reconstruct`) and tsne.png (t-SNE) and give them to the loggers."""
    images, embeddings, names = _seen(net, data)
    made = []
    if hasattr(net, "reconstruct"):
        made.append(reconstruction_grid(net, images, folder / f"reconstructions{suffix}.png"))
    if len(embeddings) >= FEWEST_EMBEDDED:
        made.append(embedding_map(embeddings, names, folder / f"tsne{suffix}.png", data.seed))
    for path in made:
        send_picture(loggers, path.stem.removesuffix(suffix), path, step)
    return made


def _seen(net: FeatureNet, data: LearningData) -> tuple[Tensor, npt.NDArray[np.float32], list[str]]:
    """Up to 16 validation images, and embeddings and classes of up to 1000, spread evenly over the split."""
    split = data.validation_set
    embedded = spread(range(len(split)), EMBEDDED)
    shown = set(spread(embedded, SHOWN))
    pictures: list[Tensor] = []
    embeddings: list[Tensor] = []
    classes: list[str] = []
    with judging(net) as device:
        for start in range(0, len(embedded), data.batch_size):
            images, indices, _ = collate(split.__getitems__(embedded[start : start + data.batch_size]))
            if not len(images):
                continue
            embeddings.append(net(images.to(device)).embedding.float().cpu())
            classes += [data.class_of(split.samples[i]) for i in indices.tolist()]
            pictures += [image for image, i in zip(images, indices.tolist(), strict=True) if i in shown]
    # Validation has read these very images, so that some could be read.
    return torch.stack(pictures), torch.cat(embeddings).numpy(), classes
