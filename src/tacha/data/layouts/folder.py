"""A plain folder of good images, at any depth: all of them train."""

from __future__ import annotations

from pathlib import Path

from tacha.data.layouts.walk import walk
from tacha.data.sample import Sample


def read_folder(root: Path, category: str) -> tuple[list[Sample], list[str]]:
    """The samples of a folder of good images and the remarks on what was passed over."""
    found = walk(root)
    return [Sample(p, category, "train") for p in found.images], found.notes(root)
