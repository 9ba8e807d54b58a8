"""The image files below a folder, in one fixed order, whatever links point where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tacha.data.image import IMAGE_SUFFIXES
from tacha.errors import TachaError


@dataclass
class Found:
    """Image files sorted by path, and the files that were passed over."""

    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    broken_links: list[Path] = field(default_factory=list)

    def notes(self, folder: Path) -> list[str]:
        """One line for each kind of file that was passed over."""
        notes = []
        if self.others:
            suffixes = sorted({p.suffix.lower() or "no suffix" for p in self.others})
            notes.append(f"{folder}: {len(self.others)} files that are no images ignored ({', '.join(suffixes)})")
        if self.broken_links:
            first = self.broken_links[0]
            notes.append(f"{folder}: {len(self.broken_links)} broken links ignored, the first {first}")
        return notes


def walk(folder: Path) -> Found:
    """Every image at any depth below `folder`. Hidden names are ignored; a folder is entered once, so that
    loops of links end. Raises TachaError for a folder that cannot be listed."""
    found = Found()
    _walk(folder, found, set())
    found.images.sort(key=lambda p: p.relative_to(folder).as_posix())
    return found


def subfolders(folder: Path) -> list[Path]:
    """The visible folders right inside `folder`, sorted. Raises TachaError."""
    return [p for p in _entries(folder) if p.is_dir()]


def child(folder: Path, *names: str) -> Path | None:
    """The first folder inside `folder` with one of `names`, upper and lower case alike."""
    wanted = [n.lower() for n in names]
    have = {p.name.lower(): p for p in reversed(subfolders(folder))}
    return next((have[n] for n in wanted if n in have), None)


def _walk(folder: Path, found: Found, seen: set[tuple[int, int]]) -> None:
    info = folder.stat()
    if (info.st_dev, info.st_ino) in seen:
        return
    seen.add((info.st_dev, info.st_ino))
    for path in _entries(folder):
        if path.is_dir():
            _walk(path, found, seen)
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            found.others.append(path)
        elif path.exists():
            found.images.append(path)
        else:
            found.broken_links.append(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TachaError(f"{folder}: cannot be listed ({reason}); check the path and its permissions") from None
