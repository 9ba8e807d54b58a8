"""What a net makes of its validation images, as pictures: reconstructions, embeddings, errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
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
from tacha.files import written
from tacha.report.plots import BLUE, COLOURS, ORANGE
from tacha.training.data import LearningData
from tacha.training.loggers import send_picture

SHOWN = 16  # validation images in a grid
EMBEDDED = 1000  # validation images in a t-SNE, whose time grows fast
FEWEST_EMBEDDED = 5
PERPLEXITY = 30.0


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


def reconstruction_grid(net: FeatureNet, images: Tensor, path: Path, captions: Sequence[str] | None = None) -> Path:
    """Images [N, 3, S, S] in 0..1, each beside what `net.reconstruct` makes of it, as a PNG."""
    net_of_images: Any = net
    with _judging(net) as device:
        made = torch.cat([net_of_images.reconstruct(part.to(device)).float().cpu() for part in images.split(SHOWN)])
    pairs = np.concatenate([_pixels(images), _pixels(made)], axis=2)  # [N, S, 2 S, 3]
    columns = min(4, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = _figure(3.2 * columns, (1.6 if captions is None else 1.85) * rows)
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if number < len(pairs):
            axes.imshow(pairs[number])
            if captions is not None:
                axes.set_title(captions[number], fontsize=8).set_parse_math(False)
    return _save(figure, path)


def embedding_map(embeddings: npt.ArrayLike, names: Sequence[str], path: Path, seed: int = 0) -> Path:
    """t-SNE of embeddings [N, D], a colour a name, as a PNG; perplexity 30, less for fewer than 91 points."""
    from sklearn.manifold import TSNE

    points = np.asarray(embeddings, dtype=np.float32)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="random", random_state=seed).fit_transform(points)
    figure = _figure(6.4, 5.2)
    axes = figure.add_subplot()
    kinds = np.asarray(names, dtype=object)
    for number, name in enumerate(dict.fromkeys(sorted(names))):
        chosen = places[kinds == name]
        axes.scatter(*chosen.T, s=14, color=COLOURS[number % len(COLOURS)], label=name, linewidths=0)
    axes.set(xticks=[], yticks=[])
    axes.set_title(
        f"t-SNE of {len(points)} validation embeddings (perplexity {perplexity:.3g})", loc="left", fontsize=10
    )
    for text in axes.legend(frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
    return _save(figure, path)


def error_histograms(good: Sequence[float], by_defect: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Reconstruction errors of good images against those of each defect, a row a defect on one axis, as a PNG."""
    every = np.asarray([*good, *(e for errors in by_defect.values() for e in errors)], dtype=np.float64)
    low, high = (every.min(), every.max()) if every.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    rows = sorted(by_defect) or [""]
    figure = _figure(7.2, 0.8 + 0.85 * len(rows))
    for name, axes in zip(rows, figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0], strict=True):
        flawed = by_defect.get(name, ())
        for errors, colour, label in ((good, BLUE, "good"), (flawed, ORANGE, "flawed")):
            shares = np.full(len(errors), 1 / max(1, len(errors)))
            axes.hist(errors, bins=edges, weights=shares, color=colour, alpha=0.6, label=label)
        axes.set_yticks([])
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.set_ylabel(
            f"{name}\n{len(flawed)} images", rotation=0, ha="right", va="center", fontsize=9
        ).set_parse_math(False)
    axes.set_xlabel("reconstruction error")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.axes[0].set_title(
        f"Share of images by their error; {len(good)} good ones in every row", loc="left", fontsize=10
    )
    return _save(figure, path)


def _seen(net: FeatureNet, data: LearningData) -> tuple[Tensor, npt.NDArray[np.float32], list[str]]:
    """Up to 16 validation images, and embeddings and classes of up to 1000, spread evenly over the split."""
    split = data.validation_set
    embedded = _spread(range(len(split)), EMBEDDED)
    shown = set(_spread(embedded, SHOWN))
    pictures: list[Tensor] = []
    embeddings: list[Tensor] = []
    classes: list[str] = []
    with _judging(net) as device:
        for start in range(0, len(embedded), data.batch_size):
            images, indices, _ = collate(split.__getitems__(embedded[start : start + data.batch_size]))
            if not len(images):
                continue
            embeddings.append(net(images.to(device)).embedding.float().cpu())
            classes += [data.class_of(split.samples[i]) for i in indices.tolist()]
            pictures += [image for image, i in zip(images, indices.tolist(), strict=True) if i in shown]
    # Validation has read these very images, so that some could be read.
    return torch.stack(pictures), torch.cat(embeddings).numpy(), classes


def _spread(items: Sequence[int], most: int) -> list[int]:
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]


@contextlib.contextmanager
def _judging(net: FeatureNet) -> Iterator[torch.device]:
    """The net in eval mode without gradients, its parts' modes put back afterwards; gives its device."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield next(net.parameters()).device
    finally:
        for module, mode in modes:
            module.training = mode


def _pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _save(figure: Any, path: Path) -> Path:
    with written(path) as part:
        figure.savefig(part, format="png")
    return path
