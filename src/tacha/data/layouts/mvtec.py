"""MVTec AD's layout: train/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png, a folder a category.

An OK/KO pair (train/good, test/good, test/bad) is the same layout with one unnamed defect and no masks.
"""

from __future__ import annotations

from pathlib import Path

from tacha.data.layouts.names import GOOD_NAMES, is_bad, is_good
from tacha.data.layouts.walk import child, subfolders, walk
from tacha.data.sample import GOOD, Sample


def category_folders(root: Path) -> dict[str, Path]:
    """Category name to folder: `root` itself if it has train/ or test/, else each folder inside that has."""
    if _is_category(root):
        return {root.resolve().name: root}
    return {p.name: p for p in subfolders(root) if _is_category(p)}


def is_ok_ko(folder: Path) -> bool:
    """Whether a category folder has one flawed class, named as nothing but flawed, and no masks."""
    test = child(folder, "test")
    flawed = [p.name for p in subfolders(test) if not is_good(p.name)] if test else []
    return len(flawed) == 1 and is_bad(flawed[0]) and mask_folder(folder) is None


def mask_folder(folder: Path) -> Path | None:
    """The folder of a category's masks."""
    return child(folder, "ground_truth")


def read_category(folder: Path, category: str) -> tuple[list[Sample], list[str]]:
    """The samples of one category folder and the remarks on what was passed over."""
    samples: list[Sample] = []
    notes: list[str] = []
    truth = mask_folder(folder)
    for split in ("train", "test"):
        split_folder = child(folder, split)
        for group in subfolders(split_folder) if split_folder else []:
            found = walk(group)
            notes += found.notes(group)
            good = is_good(group.name)
            if split == "train" and not good:
                if found.images:
                    notes.append(f"{group}: {len(found.images)} images ignored, only good ones train")
                continue
            masks = {} if good or truth is None else _masks(truth, group.name)
            samples += [
                Sample(path, category, split, GOOD if good else group.name, _mask_of(path, group, masks))
                for path in found.images
            ]
    known = {"train", "test", "ground_truth"}
    notes += [f"{p}: folder ignored" for p in subfolders(folder) if p.name.lower() not in known]
    return samples, notes


def wanted() -> str:
    """What this layout looks for, for messages."""
    return f"train/{GOOD_NAMES[0]} and test/<defect> (mvtec, ok_ko)"


def _is_category(folder: Path) -> bool:
    train, test = child(folder, "train"), child(folder, "test")
    return any(p is not None and child(p, *GOOD_NAMES) is not None for p in (train, test))


def _masks(truth: Path, defect: str) -> dict[str, Path]:
    folder = child(truth, defect)
    if folder is None:
        return {}
    return {p.relative_to(folder).with_suffix("").as_posix().lower(): p for p in walk(folder).images}


def _mask_of(path: Path, group: Path, masks: dict[str, Path]) -> Path | None:
    stem = path.relative_to(group).with_suffix("").as_posix().lower()
    return masks.get(f"{stem}_mask") or masks.get(stem)
