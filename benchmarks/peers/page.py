"""What was measured, as Markdown and a picture."""

from __future__ import annotations

from pathlib import Path

COSTS = "costs.json"


def write(folder: Path, check: bool) -> list[Path]:
    return []
