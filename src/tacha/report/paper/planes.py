"""A plane of embeddings drawn twice, coloured by truth and by cluster, with its legends: readable in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from tacha.report.drawing import BLUE, COLOURS, GREY, new_figure, quiet, save, short

MARKS = "os^Dv<>Pp*"  # a group differs from the next in its mark, too
SHOWN = 10  # groups in a legend


def plane_plot(rows: Sequence[Mapping[str, str]], plane: str, path: Path, said: NullTranslations) -> Path:
    """Points of `PLANE_x`, `PLANE_y`, `PLANE_cluster` (-1: noise) and `defect` (empty where not known)."""
    clusters = [_cluster(row[f"{plane}_cluster"], said) for row in rows]
    panels = [(said.gettext("by cluster"), clusters, _cluster("-1", said))]
    if all(row["defect"] for row in rows):
        good = said.gettext("good")
        truth = [good if row["defect"] == "good" else row["defect"] for row in rows]
        panels.insert(0, (said.gettext("by truth"), truth, ""))
    figure = new_figure(3.9 * len(panels), 4.1)
    for axes, (title, names, noise) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, rows, plane, names, noise)
        axes.set_title(title, loc="left", fontsize=10)
    return save(figure, path)


def _panel(axes: Any, rows: Sequence[Mapping[str, str]], plane: str, names: Sequence[str], noise: str) -> None:
    largest_first = sorted(set(names), key=lambda name: (-names.count(name), name))
    for number, name in enumerate(largest_first):
        of = [(float(r[f"{plane}_x"]), float(r[f"{plane}_y"])) for r, n in zip(rows, names, strict=True) if n == name]
        lone = name == noise
        axes.scatter(
            *zip(*of, strict=True),
            s=20,
            marker="x" if lone else MARKS[number % len(MARKS)],
            color=GREY if lone else BLUE if number == 0 else COLOURS[number % len(COLOURS)],
            label=f"{short(name, 22)} ({len(of)})" if number < SHOWN else None,
            linewidths=1 if lone else 0,
            alpha=0.85,
        )
    axes.set(xticks=[], yticks=[])
    quiet(axes)
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False, fontsize=7.5)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _cluster(label: str, said: NullTranslations) -> str:
    return said.gettext("noise points") if int(label) < 0 else said.gettext("cluster %(n)s") % {"n": int(label) + 1}
