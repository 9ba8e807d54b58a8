"""Settings of nets are refused early, in one line that names the setting and what it may be."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tacha.errors import TachaError


def whole(name: str, value: Any, low: int) -> int:
    """`value` if it is a whole number of at least `low`; else TachaError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise TachaError(f"model.{name}={value!r}: give a whole number of at least {low}")
    return value


def share(name: str, value: Any) -> float:
    """`value` as a float if it is a number from 0 up to, but not including, 1; else TachaError."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise TachaError(f"model.{name}={value!r}: give a number from 0 up to 1")
    return float(value)


def check_classes(classes: Any) -> int:
    """The number of classes, at least two; else TachaError."""
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 2:
        raise TachaError(
            f"model.classes={classes!r}: a classifier tells at least two classes apart; give it more categories"
        )
    return classes


def check_side(size: Any, multiple: int, least: int, what: str) -> int:
    """`size` if it is a multiple of `multiple`, `least` at least, as `what` need; else TachaError with the nearest."""
    whole("size", size, 1)
    if size < least or size % multiple:
        below = size // multiple * multiple
        nearest = [s for s in (below, below + multiple) if s >= least] or [least]
        raise TachaError(
            f"model.size={size}: {what} need a multiple of {multiple}, {least} at least: "
            f"set data.size and model.size to {' or '.join(map(str, nearest))}"
        )
    return int(size)


def check_images(images: Tensor, size: int) -> None:
    """TachaError unless images [B, 3, H, W] have the side that the net was built for."""
    if images.shape[-2:] != (size, size):
        height, width = images.shape[-2:]
        raise TachaError(
            f"model.size={size}: the net was given images of {width}x{height}; set data.size and model.size alike"
        )
