"""What is in a data set, and what is wrong with it, before anything learns from it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tacha.data.image import open_image, read_mask, to_rgb
from tacha.data.layouts import read_catalogue
from tacha.data.layouts.mvtec import category_folders, mask_folder
from tacha.data.layouts.walk import walk
from tacha.data.sample import Catalogue, Sample
from tacha.errors import TachaError

if TYPE_CHECKING:
    from rich.console import Console

SEVERITIES = ("error", "warning", "note")

_THUMBNAIL = 32
_ALIKE = 3  # grey levels between thumbnails: what saving as JPEG changes, far less than a second photograph does


@dataclass(frozen=True)
class Problem:
    """One finding on one line. An error spoils results, a warning is worth a look, a note is for the record."""

    severity: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"


@dataclass
class CheckResult:
    """What `check` found. `counts` is {category: {split: {defect: n}}}; sizes are (width, height)."""

    root: Path
    layout: str
    counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    leaks: list[tuple[Path, ...]] = field(default_factory=list)
    duplicates: list[tuple[Path, ...]] = field(default_factory=list)
    near_duplicates: list[tuple[Path, Path]] = field(default_factory=list)
    empty_masks: list[Path] = field(default_factory=list)
    missing_masks: list[Path] = field(default_factory=list)
    mismatched_masks: list[tuple[Path, str]] = field(default_factory=list)
    orphan_masks: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def images(self) -> int:
        """Images counted, readable or not."""
        return sum(n for splits in self.counts.values() for defects in splits.values() for n in defects.values())

    @property
    def smallest(self) -> tuple[int, int] | None:
        """The size of fewest pixels, (width, height)."""
        return min(self.sizes, key=lambda s: (s[0] * s[1], s), default=None)

    @property
    def largest(self) -> tuple[int, int] | None:
        """The size of most pixels, (width, height)."""
        return max(self.sizes, key=lambda s: (s[0] * s[1], s), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Everything in JSON's types."""
        return {
            "root": str(self.root),
            "layout": self.layout,
            "images": self.images,
            "counts": self.counts,
            "sizes": [{"width": w, "height": h, "count": n} for (w, h), n in self.sizes.most_common()],
            "smallest": self.smallest and list(self.smallest),
            "largest": self.largest and list(self.largest),
            "modes": dict(self.modes.most_common()),
            "unreadable": [{"path": str(p), "reason": reason} for p, reason in self.unreadable],
            "leaks": [[str(p) for p in group] for group in self.leaks],
            "duplicates": [[str(p) for p in group] for group in self.duplicates],
            "near_duplicates": [[str(p) for p in pair] for pair in self.near_duplicates],
            "empty_masks": [str(p) for p in self.empty_masks],
            "missing_masks": [str(p) for p in self.missing_masks],
            "mismatched_masks": [{"path": str(p), "reason": reason} for p, reason in self.mismatched_masks],
            "orphan_masks": [str(p) for p in self.orphan_masks],
            "problems": [{"severity": p.severity, "message": p.message} for p in self.problems],
        }


def check(
    root: str | os.PathLike[str],
    layout: str = "auto",
    categories: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckResult:
    """Read every image and mask of a data set and list what is wrong with it.

    `progress(done, total)` is called after each image. Raises TachaError only when there is nothing to check:
    no folder, no known layout, no images.
    """
    catalogue = read_catalogue(root, layout, categories, require_good=False)
    result = CheckResult(Path(root), catalogue.layout, _counts(catalogue))
    hashes: dict[str, list[Sample]] = {}
    thumbnails: dict[str, list[tuple[Path, npt.NDArray[np.float32]]]] = {}
    masked = any(s.mask for s in catalogue)
    for done, sample in enumerate(catalogue, 1):
        size = _check_image(sample, result, hashes, thumbnails)
        _check_mask(sample, size, masked, result)
        if progress is not None:
            progress(done, len(catalogue))
    for group in hashes.values():
        _sort_copies(group, result)
    for seen in thumbnails.values():
        result.near_duplicates += _near_duplicates(seen)
    result.orphan_masks = _orphans(catalogue)
    result.problems = _problems(result, catalogue)
    return result


def render(result: CheckResult, console: Console) -> None:
    """Print a result: a table of counts, sizes and modes, a line a problem."""
    from rich.markup import escape
    from rich.table import Table

    counts = Table("category", "split", "defect", title=f"{escape(str(result.root))} ({result.layout})")
    counts.add_column("images", justify="right")
    for category, splits in result.counts.items():
        for split, defects in splits.items():
            for defect, n in defects.items():
                counts.add_row(escape(category), split, escape(defect), str(n))
    console.print(counts)
    if result.smallest and result.largest:
        common = ", ".join(f"{w}x{h} ({n})" for (w, h), n in result.sizes.most_common(3))
        (w, h), (W, H) = result.smallest, result.largest
        console.print(f"sizes: {len(result.sizes)} distinct, {w}x{h} to {W}x{H}; most common {common}")
        console.print("modes: " + ", ".join(f"{mode} ({n})" for mode, n in result.modes.most_common()))
    if not result.problems:
        console.print("no problems found")
        return
    style = {"error": "red", "warning": "yellow", "note": "dim"}
    for problem in result.problems:  # one line each, never wrapped: paths are to be copied
        line = f"[{style[problem.severity]}]{problem.severity}[/]: {escape(problem.message)}"
        console.print(line, soft_wrap=True, highlight=False)


def _counts(catalogue: Catalogue) -> dict[str, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for sample in catalogue:
        defects = counts.setdefault(sample.category, {}).setdefault(sample.split, {})
        defects[sample.defect] = defects.get(sample.defect, 0) + 1
    return counts


def _check_image(
    sample: Sample,
    result: CheckResult,
    hashes: dict[str, list[Sample]],
    thumbnails: dict[str, list[tuple[Path, npt.NDArray[np.float32]]]],
) -> tuple[int, int] | None:
    try:
        image = open_image(sample.path)
        pixels = to_rgb(image, str(sample.path))
    except TachaError as error:
        result.unreadable.append((sample.path, str(error).removeprefix(f"{sample.path}: ")))
        return None
    result.sizes[image.size] += 1
    result.modes[image.mode] += 1
    digest = hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    hashes.setdefault(digest, []).append(sample)
    if sample.split == "train" and len(hashes[digest]) == 1:
        side = (_THUMBNAIL, _THUMBNAIL)
        small = Image.fromarray(pixels).convert("L").resize(side, Image.Resampling.BOX)
        thumbnails.setdefault(sample.category, []).append((sample.path, np.asarray(small, np.float32).ravel()))
    return image.size


def _check_mask(sample: Sample, size: tuple[int, int] | None, masked: bool, result: CheckResult) -> None:
    if sample.mask is None:
        if sample.label and masked:
            result.missing_masks.append(sample.path)
        return
    try:
        mask = read_mask(sample.mask)
    except TachaError as error:
        result.unreadable.append((sample.mask, str(error).removeprefix(f"{sample.mask}: ")))
        return
    if size is not None and mask.shape != size[::-1]:
        reason = f"mask {mask.shape[1]}x{mask.shape[0]}, image {size[0]}x{size[1]}"
        result.mismatched_masks.append((sample.mask, reason))
    if sample.label and not mask.any():
        result.empty_masks.append(sample.mask)


def _sort_copies(group: list[Sample], result: CheckResult) -> None:
    if len(group) < 2:
        return
    paths = tuple(s.path for s in group)
    # The same pixels in two splits, or judged good here and flawed there, make every later figure untrue.
    if len({(s.split, s.label) for s in group}) > 1:
        result.leaks.append(paths)
    else:
        result.duplicates.append(paths)


def _near_duplicates(seen: list[tuple[Path, npt.NDArray[np.float32]]]) -> list[tuple[Path, Path]]:
    """Pairs whose thumbnails differ nowhere by more than a few levels; only neighbours in mean level can."""
    if not seen:
        return []
    means = np.array([thumbnail.mean() for _, thumbnail in seen])
    order = np.argsort(means, kind="stable")
    means, stack = means[order], np.stack([seen[i][1] for i in order])
    pairs = []
    for i in range(len(order)):
        end = int(np.searchsorted(means, means[i] + 1, side="right"))
        near = np.abs(stack[i + 1 : end] - stack[i]).max(axis=1, initial=0) <= _ALIKE
        for j in np.flatnonzero(near):
            first, second = sorted((int(order[i]), int(order[i + 1 + j])))
            pairs.append((seen[first][0], seen[second][0]))
    return sorted(pairs)


def _orphans(catalogue: Catalogue) -> list[Path]:
    if catalogue.layout not in ("mvtec", "ok_ko"):
        return []
    used = {s.mask for s in catalogue}
    orphans: list[Path] = []
    for name, folder in category_folders(catalogue.root).items():
        truth = mask_folder(folder)
        if truth is not None and name in catalogue.categories:
            orphans += [p for p in walk(truth).images if p not in used]
    return orphans


def _problems(result: CheckResult, catalogue: Catalogue) -> list[Problem]:
    problems = [
        Problem("error", f"{c}: no good training images; put some into train/good")
        for c in catalogue.categories
        if not catalogue.select(split="train", category=c, label=0)
    ]
    problems += [Problem("error", f"{p}: {reason}") for p, reason in result.unreadable]
    problems += [
        Problem("error", f"{_names(g)}: the same image in two splits or under two labels; keep one")
        for g in result.leaks
    ]
    problems += [Problem("error", f"{p}: {r}; export the mask again") for p, r in result.mismatched_masks]
    problems += [Problem("warning", f"{p}: empty mask on a flawed image") for p in result.empty_masks]
    problems += [Problem("warning", f"{p}: flawed image without a mask") for p in result.missing_masks]
    problems += [Problem("warning", f"{p}: mask without an image") for p in result.orphan_masks]
    problems += [Problem("warning", f"{_names(g)}: the same image twice") for g in result.duplicates]
    problems += [Problem("note", f"{_names(pair)}: nearly the same training image") for pair in result.near_duplicates]
    problems += [Problem("note", note) for note in catalogue.notes]
    return problems


def _names(paths: Sequence[Path]) -> str:
    return " = ".join(str(p) for p in paths)
