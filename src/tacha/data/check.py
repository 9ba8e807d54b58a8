"""What is in a data set, and what is wrong with it, before anything learns from it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tacha.data.alike import Alike
from tacha.data.explore import Exploration, Seen, explore
from tacha.data.image import open_image, read_mask, to_rgb
from tacha.data.layouts import read_catalogue
from tacha.data.layouts.mvtec import category_folders, mask_folder
from tacha.data.layouts.walk import walk
from tacha.data.sample import Catalogue, Sample
from tacha.data.separation import LABELS, Ranked, Separation, of_flaws
from tacha.data.thumbnails import Album, small, small_colours, small_edges, small_mask
from tacha.data.traits import laplacian, measure
from tacha.data.unusual import KNOWN, NEAREST, Unusual
from tacha.errors import TachaError
from tacha.progress import track

if TYPE_CHECKING:
    from rich.console import Console

SEVERITIES = ("error", "warning", "note")

LINES = 10  # of a kind that a terminal is given; the page and the JSON have them all


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
    empty_masks: list[Path] = field(default_factory=list)
    missing_masks: list[Path] = field(default_factory=list)
    mismatched_masks: list[tuple[Path, str]] = field(default_factory=list)
    orphan_masks: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exploration: Exploration = field(default_factory=Exploration)
    problems: list[Problem] = field(default_factory=list)

    @property
    def near_duplicates(self) -> list[tuple[Path, Path]]:
        """Pairs that are nearly the same image, those across training and test split first."""
        return [a.paths for a in self.exploration.alike]

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
            "exploration": self.exploration.to_dict(),
        }


def check(
    root: str | os.PathLike[str],
    layout: str = "auto",
    categories: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    album: Album | None = None,
) -> CheckResult:
    """Read every image and mask of a data set once, measure it, and list what is wrong with it.

    `progress(done, total)` is called after each image; an `album` is given a small picture of each. Raises TachaError
    only when there is nothing to check: no folder, no known layout, no images.
    """
    catalogue = read_catalogue(root, layout, categories, require_good=False)
    result = CheckResult(Path(root), catalogue.layout, _counts(catalogue), notes=list(catalogue.notes))
    hashes: dict[str, list[Sample]] = {}
    seen: list[Seen] = []
    masked = any(s.mask for s in catalogue)
    for done, sample in enumerate(track(catalogue, len(catalogue), "reading"), 1):
        found = _check_image(sample, result, hashes, album)
        mask = _check_mask(sample, found and found[1].size, masked, result)
        if found is not None:
            seen.append(_seen(sample, *found, mask))
        if progress is not None:
            progress(done, len(catalogue))
    for group in hashes.values():
        _sort_copies(group, result)
    result.exploration = explore(seen)
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
    sample: Sample, result: CheckResult, hashes: dict[str, list[Sample]], album: Album | None
) -> tuple[bool, Image.Image] | None:
    """Whether the image is the first of its pixels, and the image; None where it cannot be read."""
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
    shown = Image.fromarray(pixels)
    if album is not None:
        album.add(sample.path, shown)
    return len(hashes[digest]) == 1, shown


def _check_mask(
    sample: Sample, size: tuple[int, int] | None, masked: bool, result: CheckResult
) -> npt.NDArray[np.bool_] | None:
    """The mask, where there is one that can be read and has its image's size."""
    if sample.mask is None:
        if sample.label and masked:
            result.missing_masks.append(sample.path)
        return None
    try:
        mask = read_mask(sample.mask)
    except TachaError as error:
        result.unreadable.append((sample.mask, str(error).removeprefix(f"{sample.mask}: ")))
        return None
    if sample.label and not mask.any():
        result.empty_masks.append(sample.mask)
    if size is not None and mask.shape != size[::-1]:
        reason = f"mask {mask.shape[1]}x{mask.shape[0]}, image {size[0]}x{size[1]}"
        result.mismatched_masks.append((sample.mask, reason))
        return None
    return mask


def _seen(sample: Sample, first: bool, image: Image.Image, mask: npt.NDArray[np.bool_] | None) -> Seen:
    edges = laplacian(image)
    traits = measure(image, edges, sample.path.stat().st_size)
    grey = small(image)
    layers = {"brightness": grey, "contrast": grey, "sharpness": small_edges(edges), **small_colours(image)}
    seen = Seen(sample, traits, grey, layers, first=first)
    return seen if mask is None else replace(seen, share=float(mask.mean()), mask=small_mask(mask))


def _sort_copies(group: list[Sample], result: CheckResult) -> None:
    if len(group) < 2:
        return
    paths = tuple(s.path for s in group)
    # The same pixels in two splits, or judged good here and flawed there, make every later figure untrue.
    if len({(s.split, s.label) for s in group}) > 1:
        result.leaks.append(paths)
    else:
        result.duplicates.append(paths)


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
    alike = result.exploration.alike
    problems += _few("warning", [f"{_names(a.paths)}: {_alike(a)}" for a in alike if a.kind == "leak"])
    told = [("note" if of_flaws(g) else "warning", _told(g)) for g in grouped(result.exploration.told)]
    problems += [Problem(severity, line) for severity, line in told if severity == "warning"]
    problems += _few("note", [f"{_names(a.paths)}: {_alike(a)}" for a in alike if a.kind != "leak"])
    problems += [Problem(severity, line) for severity, line in told if severity == "note"]
    problems += _few("note", [_unusual(u) for u in result.exploration.unusual])
    problems += [Problem("note", note) for note in catalogue.notes]
    return problems


def _few(severity: str, lines: Sequence[str]) -> list[Problem]:
    more = [f"{len(lines) - LINES} more like the last; all are in --page FILE.html and --json FILE"]
    return [Problem(severity, line) for line in [*lines[:LINES], *(more if len(lines) > LINES else [])]]


def _alike(a: Alike) -> str:
    where = {"leak": "in train and test", "labels": "judged good and flawed", "repeat": "twice"}[a.kind]
    return f"nearly the same image {where}{', mirrored or turned' if a.turned else ''}"


def grouped(separations: Sequence[Separation]) -> list[list[Separation]]:
    """Those of one category and one comparison together, in the order they come."""
    groups: dict[tuple[str, str], list[Separation]] = {}
    for s in separations:
        groups.setdefault((s.category, s.between), []).append(s)
    return list(groups.values())


def _told(group: Sequence[Separation]) -> str:
    s = group[0]
    first, second = s.counts
    text = f"AUROC {_ranked(s.auroc)}, {first} against {second}"
    if s.outside is not None:
        text += f"; with the flaws' own pixels left out {_ranked(s.outside)}"
    title = KNOWN[s.trait].title
    more = f"; likewise {', '.join(KNOWN[s.trait].title for s in group[1:])}" if group[1:] else ""
    if s.between == LABELS:
        return f"{s.category}: {title} alone tells flawed from good ({text}){more}"
    return f"{s.category}: good training and good test images differ in {title} ({text}){more}"


def _ranked(r: Ranked) -> str:
    return f"{r.value:.2f} [{r.low:.2f}-{r.high:.2f}]"


def _unusual(u: Unusual) -> str:
    r = u.reasons[0]
    usual = f"up to {r.high:.4g}" if r.trait == NEAREST.name else f"{r.low:.4g} to {r.high:.4g}"
    return f"{u.path}: unusual among the good images: {KNOWN[r.trait].title} {r.value:.4g}, usual is {usual}"


def _names(paths: Sequence[Path]) -> str:
    return " = ".join(str(p) for p in paths)
