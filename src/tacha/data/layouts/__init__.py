"""From a folder or a CSV file to a Catalogue, whichever way the images are laid out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tacha.data.layouts import mvtec
from tacha.data.layouts.classes import good_folder, read_classes
from tacha.data.layouts.folder import read_folder
from tacha.data.layouts.names import is_bad
from tacha.data.layouts.table import COLUMNS, read_table, table_in
from tacha.data.layouts.walk import child, subfolders, walk
from tacha.data.sample import Catalogue, Sample
from tacha.errors import TachaError

__all__ = ["LAYOUTS", "detect_layout", "read_catalogue"]

LAYOUTS = ("mvtec", "ok_ko", "classes", "folder", "csv")


def read_catalogue(
    root: str | os.PathLike[str],
    layout: str = "auto",
    categories: Sequence[str] | None = None,
    *,
    good_class: str | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    require_good: bool = True,
) -> Catalogue:
    """Every image under `root` as a Catalogue: same samples, same order, whichever layout holds them.

    `layout` is one of LAYOUTS or "auto"; `categories` keeps only those. `good_class`, `test_share` and `seed`
    are for class folders: which one is good, and how much of it is kept for testing. Raises TachaError, also
    for a category without good training images unless `require_good` is False.
    """
    root = Path(root)
    if layout not in ("auto", *LAYOUTS):
        raise TachaError(f"layout={layout}: no such layout; choose auto, {', '.join(LAYOUTS)}")
    if not 0 <= test_share < 1:
        raise TachaError(f"test_share={test_share}: not a share; give a number from 0 up to, not including, 1")
    if not root.exists():
        raise TachaError(f"{root}: no such folder; check the path (data.root)")
    if layout == "auto":
        layout = detect_layout(root, good_class)
    samples, notes, base = _read(root, layout, categories, good_class, test_share, seed)
    if categories is not None:
        _check_categories(root, categories, sorted({s.category for s in samples}))
        samples = [s for s in samples if s.category in set(categories)]
    if not samples:
        raise TachaError(f"{root}: no images found; give a folder of PNG, JPEG, BMP, TIFF or WebP files")
    if require_good:
        _check_good(root, samples)
    return Catalogue(tuple(samples), base, layout, tuple(notes))


def detect_layout(root: Path, good_class: str | None = None) -> str:
    """Which layout `root` has. Raises TachaError saying what was looked for when none fits."""
    if root.is_file():
        if root.suffix.lower() == ".csv":
            return "csv"
        raise TachaError(f"{root}: a file where a data set is wanted; give its folder or a .csv file")
    folders = mvtec.category_folders(root)
    if folders:
        return "ok_ko" if all(mvtec.is_ok_ko(f) for f in folders.values()) else "mvtec"
    good = good_folder(root, good_class)
    inside = subfolders(root)
    if good is not None and len(inside) > 1:
        return "classes"
    if table_in(root) is not None:
        return "csv"
    # Flawed parts learnt as good ones would spoil a detector without a sign, so a doubtful folder is asked about.
    doubtful = [p.name for p in inside if is_bad(p.name) or p.name.lower() in ("train", "test", "ground_truth")]
    if not doubtful and walk(root).images:
        return "folder"
    why = f"has a folder {doubtful[0]!r} but no good one" if doubtful else "no images"
    raise TachaError(
        f"{root}: {why}; looked for {mvtec.wanted()}, good/ beside other class folders (classes), a .csv "
        f"with {','.join(COLUMNS[:3])} (csv) and a plain folder of good images (folder); say layout=NAME to choose"
    )


def _read(
    root: Path,
    layout: str,
    categories: Sequence[str] | None,
    good_class: str | None,
    test_share: float,
    seed: int,
) -> tuple[list[Sample], list[str], Path]:
    category = root.resolve().name
    if layout == "csv":
        table = root if root.is_file() else table_in(root)
        if table is None:
            raise TachaError(f"{root}: not one .csv file with {', '.join(COLUMNS[:3])}; give the file's own path")
        return *read_table(table, table.resolve().parent.name), table.parent
    if not root.is_dir():
        raise TachaError(f"{root}: a file where layout={layout} wants a folder; give the folder")
    if layout == "classes":
        return *read_classes(root, category, good_class, test_share, seed), root
    if layout == "folder":
        return *read_folder(root, category), root
    folders = mvtec.category_folders(root)
    if not folders:
        raise TachaError(f"{root}: not layout={layout}; looked for {mvtec.wanted()}, here or one folder down")
    if categories is not None:
        _check_categories(root, categories, sorted(folders))
    samples: list[Sample] = []
    notes: list[str] = []
    for name in sorted(folders):
        if categories is None or name in categories:
            more_samples, more_notes = mvtec.read_category(folders[name], name)
            samples += more_samples
            notes += more_notes
    if root not in folders.values():
        strangers = [p for p in subfolders(root) if p.name not in folders]
        notes += [f"{p}: folder ignored, it has no {_missing(p)}" for p in strangers]
    return samples, notes, root


def _missing(folder: Path) -> str:
    return "train/ or test/" if child(folder, "train", "test") is None else "good/ in train/ or test/"


def _check_categories(root: Path, wanted: Sequence[str], have: list[str]) -> None:
    if not wanted:
        raise TachaError(f"{root}: an empty list of categories; choose from {', '.join(have)}")
    for name in wanted:
        if name not in have:
            raise TachaError(f"{root}: no category {name!r}; there are {', '.join(have) or 'none'}")


def _check_good(root: Path, samples: list[Sample]) -> None:
    for category in sorted({s.category for s in samples}):
        if not any(s.category == category and s.split == "train" and s.label == 0 for s in samples):
            raise TachaError(
                f"{root}: no good training images for {category}; put some into train/good (or the layout's like)"
            )
