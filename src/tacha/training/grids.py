"""Images beside what a net makes of them: its reconstruction, its attention, the class that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacha.features.base import FeatureNet
from tacha.regions import upsample
from tacha.report.drawing import GREEN, ORANGE, new_figure, save

Item = TypeVar("Item")

SHOWN = 16  # images in a grid


def reconstruction_grid(net: FeatureNet, images: Tensor, path: Path, captions: Sequence[str] | None = None) -> Path:
    """Images [N, 3, S, S] in 0..1, each beside what `net.reconstruct` makes of it, as a PNG."""
    net_of_images: Any = net
    with judging(net) as device:
        made = torch.cat([net_of_images.reconstruct(part.to(device)).float().cpu() for part in images.split(SHOWN)])
    pairs = np.concatenate([_pixels(images), _pixels(made)], axis=2)  # [N, S, 2 S, 3]
    figure, cells = _grid(len(pairs), 3.2, 1.6 if captions is None else 1.85)
    for number, axes in enumerate(cells):
        axes.imshow(pairs[number])
        if captions is not None:
            axes.set_title(captions[number], fontsize=8).set_parse_math(False)
    return save(figure, path)


def attention_grid(net: FeatureNet, images: Tensor, path: Path, captions: Sequence[str]) -> Path:
    """Images [N, 3, S, S] in 0..1, each beside itself under the net's attention rollout, as a PNG."""
    net_of_attention: Any = net
    with judging(net) as device:
        maps = net_of_attention.rollout(images.to(device)).float().cpu().numpy()
    size = images.shape[-1]
    figure, cells = _grid(len(images), 3.2, 1.85)
    for picture, heat, caption, axes in zip(_pixels(images), maps, captions, cells, strict=True):
        axes.imshow(np.concatenate([picture, picture], 1))
        axes.imshow(upsample(heat, (size, size)), extent=(size, 2 * size, size, 0), alpha=0.6, cmap="inferno")
        axes.set(xlim=(0, 2 * size), ylim=(size, 0))
        axes.set_title(caption, fontsize=8).set_parse_math(False)
    return save(figure, path)


def class_grid(net: FeatureNet, images: Tensor, truths: Sequence[str], classes: Sequence[str], path: Path) -> Path:
    """Images [N, 3, S, S] in 0..1 under the class that the net names and how sure it is, as a PNG.

    Framed green where the name is right, red with the true class beneath where it is wrong.
    """
    with judging(net) as device:
        logits = net(images.to(device)).logits
    assert logits is not None
    shares = logits.float().softmax(1).cpu()
    figure, cells = _grid(len(images), 1.9, 2.3)
    for picture, share, truth, axes in zip(_pixels(images), shares, truths, cells, strict=True):
        said = classes[int(share.argmax())]
        right = said == truth
        axes.imshow(picture)
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set(color=GREEN if right else ORANGE, linewidth=4, linestyle="-" if right else "--")
        axes.set_title(f"{said} {100 * float(share.max()):.0f} %", fontsize=8).set_parse_math(False)
        if not right:
            axes.set_xlabel(f"is {truth}", fontsize=8).set_parse_math(False)
    return save(figure, path)


@contextlib.contextmanager
def judging(net: FeatureNet) -> Iterator[torch.device]:
    """The net in eval mode without gradients, its parts' modes put back afterwards; gives its device."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield next(net.parameters()).device
    finally:
        for module, mode in modes:
            module.training = mode


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most that many of them, evenly from the first to the last: what is alike stands together in a data set."""
    return [items[i] for i in np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)]


def _grid(count: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of up to four cells a row, and the axes of the first `count`; the others are hidden."""
    columns = min(4, count)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    cells = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in cells:
        axes.set_axis_off()
    return figure, cells[:count]


def _pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels
