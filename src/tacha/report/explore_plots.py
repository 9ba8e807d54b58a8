"""The pictures of a data set's page: strips of values a class, sizes, where flaws lie. As PNG in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, new_figure, quiet, short

MOST = 1500  # points of a row; of more, an even share is drawn
WIDTH = 4.7  # inches: about what a phone shows without making the type too small to read

Array = npt.NDArray[np.float64]


def colour_of(split: str, good: bool) -> str:
    """Training images blue, good test images green, flawed ones orange."""
    return (BLUE if split == "train" else GREEN) if good else ORANGE


def strips(rows: Sequence[tuple[str, str, Sequence[float]]], label: str, logarithmic: bool = False) -> bytes:
    """A row a class, (name, colour, values), a point an image and a bar at the median, on one axis."""
    figure = new_figure(WIDTH, 0.75 + 0.36 * len(rows))
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for place, (_, colour, values) in enumerate(rows):
        v = np.asarray(values, dtype=np.float64)
        drawn = v[np.unique(np.linspace(0, len(v) - 1, min(len(v), MOST)).round().astype(int))]
        alpha = 0.65 if len(drawn) < 80 else 0.3
        axes.scatter(drawn, place + rng.uniform(-0.28, 0.28, len(drawn)), s=9, color=colour, alpha=alpha, linewidths=0)
        axes.plot([np.median(v)] * 2, [place - 0.38, place + 0.38], color=INK, linewidth=1.6)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_plain())
    _rows(axes, [name for name, _, _ in rows])
    axes.set_xlabel(label, fontsize=9)
    return _png(figure)


def sizes_plot(counts: Mapping[tuple[int, int], int], width: str, height: str) -> bytes:
    """A spot a size, its area by how many images have it; `width` and `height` name the axes."""
    figure = new_figure(WIDTH, 3.4)
    axes = figure.add_subplot()
    xs, ys = np.array(list(counts), dtype=np.float64).T
    areas = 14 + 180 * np.asarray(list(counts.values()), dtype=np.float64) / max(counts.values())
    axes.scatter(xs, ys, s=areas, color=BLUE, alpha=0.45, linewidths=0)
    axes.set(xlim=(0, 1.08 * xs.max()), ylim=(0, 1.08 * ys.max()))
    axes.set_xlabel(width, fontsize=9)
    axes.set_ylabel(height, fontsize=9)
    quiet(axes)
    return _png(figure)


def where_plot(maps: Sequence[tuple[str, Array]], aspect: float, label: str) -> bytes:
    """Mean masks [32, 32] in %, a panel a defect, each panel of the images' width over height; one colour scale,
    by the root, so that small flaws are seen beside large ones."""
    from matplotlib.colors import PowerNorm

    columns = min(3, len(maps))
    lines = -(-len(maps) // columns)
    panel = (WIDTH - 0.8) / columns
    figure = new_figure(WIDTH, lines * (panel / max(0.4, min(2.5, aspect)) + 0.3) + 0.15)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    top = max(float(values.max()) for _, values in maps) or 1.0
    for axes in grid:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid, maps, strict=False):
        shown = axes.imshow(values, cmap="cividis", norm=PowerNorm(0.5, 0, top), extent=(0, aspect, 0, 1))
        axes.set_title(short(name, 18), fontsize=8.5).set_parse_math(False)
    bar = figure.colorbar(shown, ax=list(grid), shrink=0.8)
    bar.ax.tick_params(labelsize=8)
    bar.set_label(label, fontsize=8.5)
    return _png(figure)


def _rows(axes: Any, names: Sequence[str]) -> None:
    quiet(axes, ("top", "right", "left"))
    axes.set_yticks(range(len(names)), [short(name, 24) for name in names], fontsize=9)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _plain() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:g}")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
