"""The report's figures, drawn without pyplot's global state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.files import written

BLUE, ORANGE, INK = "#0072B2", "#D55E00", "#222222"  # Okabe and Ito 2008, told apart without red-green vision
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
DASHES = ("-", "--", ":", "-.")

Scores = npt.NDArray[np.float64]


def roc_plot(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], captions: Mapping[str, str], path: Path
) -> Path:
    """One ROC curve a category, from (scores [N], labels [N]); `captions` gives each its words in the legend.

    Categories with one class only have no curve and are left out.
    """
    figure = _figure(6.4, 5.2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
    lines, names = [], []
    styles = cycle((colour, dash) for dash, colour in product(DASHES, COLOURS))
    for (category, (scores, labels)), (colour, dash) in zip(curves.items(), islice(styles, len(curves)), strict=True):
        points = _roc_points(np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool))
        if points is None:
            continue
        lines += axes.plot(*points, color=colour, linestyle=dash, linewidth=1.8, clip_on=False)
        names.append(captions.get(category, category))
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="good parts called flawed", ylabel="flawed parts found")
    axes.set_title("ROC: every threshold there could be", loc="left", fontsize=11)
    _quiet(axes)
    if lines:
        legend = axes.legend(lines, names, loc="lower right", frameon=False, fontsize=9, handlelength=2.4)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return _save(figure, path)


def score_plot(
    title: str, scores: Sequence[float], defects: Sequence[str], threshold: float | None, path: Path
) -> Path:
    """One row of scores a defect type, good first, on one axis, with the calibrated threshold across all rows."""
    values, kinds = np.asarray(scores, dtype=np.float64), np.asarray(defects, dtype=object)
    rows = sorted(set(defects), key=lambda d: (d != "good", d))
    ends = [*values, *([] if threshold is None else [threshold])]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    margin = 0.03 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, 51)
    figure = _figure(7.2, 0.95 + 0.62 * max(1, len(rows)))
    grid = figure.subplots(max(1, len(rows)), 1, sharex=True, squeeze=False)[:, 0]
    for axes, kind in zip(grid, rows, strict=False):
        chosen = values[kinds == kind]
        axes.hist(chosen, bins=edges, color=BLUE if kind == "good" else ORANGE)
        _quiet(axes)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        label = axes.set_ylabel(
            f"{_short(kind)}\n{_judged(chosen, threshold)}",
            rotation=0,
            ha="right",
            va="center",
            fontsize=9,
        )
        label.set_parse_math(False)
        axes.margins(y=0.15)
    for axes in grid:
        axes.set_xlim(edges[0], edges[-1])
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
    for axes in grid[:-1]:
        axes.tick_params(bottom=False)
    if threshold is not None:
        grid[0].set_title(f"- - threshold {threshold:.4g}", loc="right", fontsize=9, color=INK)
    grid[-1].set_xlabel("anomaly score (raw; higher is more abnormal)")
    grid[0].set_title(title, loc="left", fontsize=11).set_parse_math(False)
    return _save(figure, path)


def _judged(scores: Scores, threshold: float | None) -> str:
    if threshold is None:
        return f"{scores.size} images"
    return f"{int((scores > threshold).sum())} of {scores.size} called flawed"


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _roc_points(scores: Scores, flawed: npt.NDArray[np.bool_]) -> tuple[Scores, Scores] | None:
    if flawed.all() or not flawed.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    tp, fp = np.cumsum(flawed[order])[ends], np.cumsum(~flawed[order])[ends]
    return np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1])


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _quiet(axes: Any, sides: Iterable[str] = ("top", "right")) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)


def _save(figure: Any, path: Path) -> Path:
    with written(path) as part:
        figure.savefig(part, format="png")
    return path
