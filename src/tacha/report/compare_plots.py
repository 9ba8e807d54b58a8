"""The comparison's figures: every entry's figure with its interval, and the losses of every training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tacha.files import written
from tacha.report.compare import Curve, Judged
from tacha.report.plots import BLUE, INK, ORANGE, _figure, _quiet, _short

PER_ROW = 4  # panels of interval_plot
CURVES_PER_ROW, CURVES_PER_FIGURE = 3, 24
GREY = "#9AA0A6"


def interval_plot(
    labels: Sequence[str],
    columns: Mapping[str, Sequence[Judged | None]],
    title: str,
    axis: str,
    path: Path,
    factor: float = 1,
) -> Path:
    """A panel a category: a dot and its 95 % interval for each entry, the first on top.

    Orange: the best. Blue: an interval that overlaps the best one's. Grey and hollow: separated from it.
    """
    names = list(columns)
    across = min(PER_ROW, len(names))
    down = math.ceil(len(names) / across)
    figure = _figure(2.4 + 2.3 * across, down * (0.75 + 0.24 * len(labels)) + 0.35)
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.ravel(), names, strict=False):
        for y, judged in enumerate(columns[name]):
            if judged is None:
                continue
            v = judged.value
            colour = ORANGE if judged.best else GREY if judged.apart else BLUE
            if v.low is not None and v.high is not None:
                axes.plot([factor * v.low, factor * v.high], [y, y], color=colour, linewidth=1.6, zorder=1)
            face = "white" if judged.apart else colour
            marker = "D" if judged.best else "o"
            axes.plot(factor * v.value, y, marker, color=colour, markerfacecolor=face, markersize=5.5, zorder=2)
        axes.set_yticks(range(len(labels)))
        for text in axes.set_yticklabels([_short(label, 44) for label in labels]):
            text.set_parse_math(False)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(axis="x", color="#E4E6E8", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_title(name, loc="left", fontsize=10).set_parse_math(False)
        _quiet(axes, ("top", "right", "left"))
        axes.tick_params(axis="y", length=0, labelsize=8.5)
    for axes in grid[-1]:
        axes.set_xlabel(axis, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    with written(path) as part:
        figure.savefig(part, format="png")
    return path


def curve_plots(curves: Sequence[tuple[str, Curve]], path: Path) -> list[Path]:
    """Training and validation loss on one axis, a panel a training, in as many figures as it takes.

    The band between them is the gap; the line stands at the epoch whose weights were kept. A loss that spans more
    than a factor of twenty is drawn on a logarithmic axis.
    """
    paths = []
    for start in range(0, len(curves), CURVES_PER_FIGURE):
        chosen = curves[start : start + CURVES_PER_FIGURE]
        number = start // CURVES_PER_FIGURE
        paths.append(_curves(chosen, path if not number else path.with_stem(f"{path.stem}_{number + 1}")))
    return paths


def _curves(curves: Sequence[tuple[str, Curve]], path: Path) -> Path:
    across = min(CURVES_PER_ROW, len(curves))
    down = math.ceil(len(curves) / across)
    figure = _figure(3.3 * across + 0.4, 2.25 * down + 0.5)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.ravel()[len(curves) :]:
        axes.set_visible(False)
    for axes, (title, curve) in zip(grid.ravel(), curves, strict=False):
        axes.fill_between(curve.epochs, curve.train, curve.validation, color="#E8EAED", linewidth=0)
        marker = "o" if len(curve.epochs) == 1 else None
        axes.plot(curve.epochs, curve.train, color=BLUE, linewidth=1.6, marker=marker, label="training")
        axes.plot(
            curve.epochs,
            curve.validation,
            color=ORANGE,
            linewidth=1.6,
            marker=marker,
            linestyle="--",
            label="validation",
        )
        if curve.best is not None:
            axes.axvline(curve.epochs[curve.best], color=INK, linewidth=0.9, linestyle=":", label="weights kept")
        finite = [x for x in (*curve.train, *curve.validation) if math.isfinite(x)]
        if finite and min(finite) > 0 and max(finite) > 20 * min(finite):
            axes.set_yscale("log")
        axes.set_title(_short(title, 42), loc="left", fontsize=9).set_parse_math(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _quiet(axes)
        axes.tick_params(labelsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("epoch", fontsize=9)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    with written(path) as part:
        figure.savefig(part, format="png")
    return path
