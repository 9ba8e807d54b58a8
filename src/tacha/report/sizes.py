"""How large the places are that stand out, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import NullTranslations
from typing import Any

from tacha.calibration import percent

NAMED = 3  # regions whose size is told; of more, how many there are


def sized(regions: Sequence[Mapping[str, Any]], size: tuple[int, int], said: NullTranslations) -> str:
    """Each region's area in pixels and as a share of an image of that width and height, the highest peak first."""
    if not regions:
        return said.gettext("no region stands out")
    whole = max(1, size[0] * size[1])
    areas = [f"{r['area']} px ({percent(r['area'] / whole)})" for r in regions[:NAMED]]
    more = len(regions) - len(areas)
    if more:
        areas.append(said.ngettext("%(n)s fainter one", "%(n)s fainter ones", more) % {"n": more})
    n = len(regions)
    return said.ngettext("%(n)s region: %(areas)s", "%(n)s regions: %(areas)s", n) % {"n": n, "areas": ", ".join(areas)}
