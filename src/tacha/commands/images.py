"""Images named on a command line: files, folders, patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tacha.data.image import IMAGE_SUFFIXES
from tacha.errors import TachaError


def expand(names: Sequence[str]) -> list[Path]:
    """Every image meant, once, in the order named; folders are walked. Raises TachaError for a name that means none."""
    out: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            if not found:
                raise TachaError(f"{name}: no images in this folder; tacha reads {', '.join(sorted(IMAGE_SUFFIXES))}")
        elif path.exists():
            found = [path]
        else:
            base = Path(path.anchor or ".")
            pattern = str(path.relative_to(base)) if path.anchor else name
            found = sorted(p for p in base.glob(pattern) if p.is_file())
            if not found:
                raise TachaError(f"{name}: no such image, folder or pattern")
        out |= dict.fromkeys(found)
    return list(out)
