"""Settings are refused early, in one line that names the setting and what it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tacha.errors import TachaError


def whole(name: str, value: int, low: int) -> int:
    """`value` if it is a whole number of at least `low`; else TachaError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise TachaError(f"scorer setting {name}={value!r}: give a whole number of at least {low}")
    return value


def between(name: str, value: float, low: float, high: float = math.inf) -> float:
    """`value` as a float if it is a finite number in [low, high]; else TachaError."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:
        span = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise TachaError(f"scorer setting {name}={value!r}: give a number {span}")
    return float(value)


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """`value` if it is one of `allowed`; else TachaError."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise TachaError(f"scorer setting {name}={value!r}: choose one of {', '.join(allowed)}")
    return value
