"""What every figure shares: its canvas, colours and quiet axes. Drawn without pyplot's global state."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tacha.files import written

BLUE, ORANGE, INK = "#0072B2", "#D55E00", "#222222"  # Okabe and Ito 2008, told apart without red-green vision
GREEN, GREY = "#009E73", "#9AA0A6"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK)
DASHES = ("-", "--", ":", "-.")


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure; inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def quiet(axes: Any, sides: Iterable[str] = ("top", "right")) -> None:
    """Axes without the lines on those sides and with small ticks."""
    for side in sides:
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)


def short(text: str, most: int = 28) -> str:
    """The text, cut with an ellipsis where it is longer than that."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def save(figure: Any, path: Path) -> Path:
    """The figure as a PNG, whole or not at all; its folder is made."""
    with written(path) as part:
        figure.savefig(part, format="png")
    return path
