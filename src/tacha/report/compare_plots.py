"""The comparison's figure: every entry's value with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tacha.report.compare import Judged
from tacha.report.drawing import BLUE, GREY, ORANGE, new_figure, quiet, save, short

PER_ROW = 4  # panels of interval_plot


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
    figure = new_figure(2.4 + 2.3 * across, down * (0.75 + 0.24 * len(labels)) + 0.35)
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
        for text in axes.set_yticklabels([short(label, 44) for label in labels]):
            text.set_parse_math(False)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(axis="x", color="#E4E6E8", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_title(name, loc="left", fontsize=10).set_parse_math(False)
        quiet(axes, ("top", "right", "left"))
        axes.tick_params(axis="y", length=0, labelsize=8.5)
    for axes in grid[-1]:
        axes.set_xlabel(axis, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)
