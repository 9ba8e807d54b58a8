"""Points of a plane as an SVG picture: told apart by shape as well as by colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from tacha.report.drawing import COLOURS, GREY

WIDTH, HEIGHT, MARGIN, RADIUS = 460, 380, 16, 4.5
SHAPES = ("circle", "triangle", "square", "diamond", "down", "plus")
_PATHS = {
    "triangle": "M0,-1.3 L1.2,.9 L-1.2,.9 Z",
    "down": "M0,1.3 L1.2,-.9 L-1.2,-.9 Z",
    "square": "M-1,-1 H1 V1 H-1 Z",
    "diamond": "M0,-1.4 L1.2,0 L0,1.4 L-1.2,0 Z",
    "plus": "M-.4,-1.3 H.4 V-.4 H1.3 V.4 H.4 V1.3 H-.4 V.4 H-1.3 V-.4 H-.4 Z",
    "cross": "M-1,-1 L1,1 M-1,1 L1,-1",
}


def style_of(groups: Sequence[str], outside: str | None = None) -> dict[str, tuple[str, str]]:
    """(shape, colour) of each group; the group called `outside` is a grey cross."""
    names = [g for g in dict.fromkeys(groups) if g != outside]
    found = {
        name: (SHAPES[(i // len(COLOURS) + i) % len(SHAPES)], COLOURS[i % len(COLOURS)]) for i, name in enumerate(names)
    }
    return found if outside is None else {**found, outside: ("cross", GREY)}


def scatter(
    points: npt.NDArray[np.float64],
    groups: Sequence[str],
    styles: dict[str, tuple[str, str]],
    titles: Sequence[str],
    label: str,
    numbers: Sequence[int] = (),
) -> str:
    """An <svg> of points [N, 2]; each has its title, and with `numbers` can be focused and says its number."""
    low, high = points.min(0), points.max(0)
    span = np.where(high > low, high - low, 1.0)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    placed = MARGIN + (points - low) / span * room
    placed[:, 1] = HEIGHT - placed[:, 1]
    marks = []
    for i, ((x, y), group) in enumerate(zip(placed, groups, strict=True)):
        kind, colour = styles[group]
        interactive = f' class="point" data-n="{numbers[i]}"' if len(numbers) else ""
        marks.append(f"<g{interactive}>{_mark(kind, colour, x, y)}<title>{escape(titles[i])}</title></g>")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff" stroke="#dadce0"/>'
        f"{''.join(marks)}</svg>"
    )


def key(style: tuple[str, str]) -> str:
    """A mark by itself, for a legend."""
    return f'<svg viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true">{_mark(*style, 0, 0)}</svg>'


def _mark(kind: str, colour: str, x: float, y: float) -> str:
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colour}" fill-opacity=".8"/>'
    how = f'fill="{colour}" fill-opacity=".8"'
    if kind == "cross":
        how = f'fill="none" stroke="{colour}" stroke-width=".5"'
    return f'<path transform="translate({x:.1f} {y:.1f}) scale({RADIUS})" d="{_PATHS[kind]}" {how}/>'
