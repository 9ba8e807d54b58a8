"""Class folders, root/<class>/*.png: one class is good, every other is a defect."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tacha.data.content import rank
from tacha.data.layouts.names import GOOD_NAMES
from tacha.data.layouts.walk import child, subfolders, walk
from tacha.data.sample import GOOD, Sample
from tacha.errors import TachaError


def good_folder(root: Path, good_class: str | None = None) -> Path | None:
    """The folder of good images: `good_class`, or the first of good, ok, normal that exists."""
    return child(root, *((good_class,) if good_class else GOOD_NAMES))


def read_classes(
    root: Path, category: str, good_class: str | None = None, test_share: float = 0.2, seed: int = 0
) -> tuple[list[Sample], list[str]]:
    """The samples of class folders. A seeded `test_share` of the good images is kept for testing.

    Which ones depends on each file's bytes and the seed alone, so that copies of one image never part.
    Raises TachaError when no folder is the good class.
    """
    folders = subfolders(root)
    good = good_folder(root, good_class)
    if good is None:
        names = ", ".join(p.name for p in folders) or "none"
        wanted = good_class or " or ".join(GOOD_NAMES)
        raise TachaError(f"{root}: no class folder {wanted} among {names}; name the good one with good_class=NAME")
    samples: list[Sample] = []
    notes: list[str] = []
    for folder in folders:
        found = walk(folder)
        notes += found.notes(folder)
        kept = _test_part(found.images, test_share, seed) if folder == good else set(found.images)
        defect = GOOD if folder == good else folder.name
        samples += [Sample(p, category, "test" if p in kept else "train", defect) for p in found.images]
    return samples, notes


def _test_part(images: list[Path], share: float, seed: int) -> set[Path]:
    groups: dict[str, list[Path]] = {}
    for path in images:
        groups.setdefault(_rank(path, seed), []).append(path)
    wanted = round(share * len(images))
    kept: set[Path] = set()
    for place in sorted(groups):
        if len(kept) + len(groups[place]) <= wanted:
            kept.update(groups[place])
    return kept


def _rank(path: Path, seed: int) -> str:
    try:
        return rank(path, seed)
    except TachaError:  # it has a place all the same, and is listed as skipped where it is used
        return hashlib.sha256(f"{seed}:{path.name}".encode()).hexdigest()
