"""Accuracy against latency: what is nowhere beaten on both is the frontier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tacha.report.drawing import COLOURS, GREY, new_figure, quiet, save, short
from tacha.words import words

MARKS = "osD^vP*X"


class Point(NamedTuple):
    """A thing measured: milliseconds an image, and a figure with its 95 % interval."""

    label: str
    milliseconds: float
    value: float
    low: float | None = None
    high: float | None = None


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other equals or beats both in time and in value; the fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.milliseconds, -p.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    return best


def frontier_plot(points: Sequence[Point], what: str, path: Path, language: str = "en") -> Path:
    """Every point with its interval over a logarithmic axis of time, the frontier drawn as steps, as a PNG."""
    said = words(language)
    figure = new_figure(8.2, 4.6)
    axes = figure.add_subplot()
    edge = frontier(points)
    last = max(p.milliseconds for p in points)
    axes.step(
        [*(p.milliseconds for p in edge), last], [*(p.value for p in edge), edge[-1].value], where="post", color=GREY
    )
    for number, p in enumerate(points):
        colour = COLOURS[number % len(COLOURS)]
        if p.low is not None and p.high is not None:
            axes.plot([p.milliseconds] * 2, [p.low, p.high], color=colour, linewidth=1, alpha=0.5)
        axes.plot(
            p.milliseconds,
            p.value,
            MARKS[number % len(MARKS)],
            color=colour,
            markerfacecolor=colour if p in edge else "white",
            markersize=8,
            label=short(p.label, 44),
        )
    axes.set_xscale("log")
    axes.set(xlabel=said.gettext("milliseconds from file to verdict, median (logarithmic)"), ylabel=what)
    axes.grid(color="#E4E6E8", linewidth=0.7)
    axes.set_axisbelow(True)
    quiet(axes)
    axes.set_title(said.gettext("Accuracy against latency; filled: on the frontier"), loc="left", fontsize=11)
    for text in figure.legend(loc="outside right upper", frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
    return save(figure, path)
