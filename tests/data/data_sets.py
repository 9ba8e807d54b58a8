"""A tiny data set written in every layout, always the same pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Writer = Callable[[Path], Path]

TRAIN, TEST_GOOD, TEST_BAD = 6, 2, 3


def picture(seed: int, size: int = 24) -> npt.NDArray[np.uint8]:
    """A picture [size, size, 3] unlike that of any other seed."""
    return np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)


def save(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def square_mask(size: int = 24, filled: bool = True) -> npt.NDArray[np.uint8]:
    mask = np.zeros((size, size), np.uint8)
    mask[4:9, 4:9] = 255 * filled
    return mask


def write_mvtec(folder: Path, bad: str = "bad", good: str = "good", masks: bool = True) -> Path:
    """A category folder: 6 train, 2 good and 3 flawed test images."""
    for i in range(TRAIN):
        save(folder / "train" / good / f"{i:03d}.png", picture(i))
    for i in range(TEST_GOOD):
        save(folder / "test" / good / f"{i:03d}.png", picture(100 + i))
    for i in range(TEST_BAD):
        save(folder / "test" / bad / f"{i:03d}.png", picture(200 + i))
        if masks:
            save(folder / "ground_truth" / bad / f"{i:03d}_mask.png", square_mask())
    return folder


def write_mvtec_root(folder: Path) -> Path:
    write_mvtec(folder / "part")
    return folder


def write_unsuffixed_masks(folder: Path) -> Path:
    write_mvtec(folder / "part")
    for mask in sorted((folder / "part" / "ground_truth" / "bad").iterdir()):
        mask.rename(mask.with_name(mask.name.replace("_mask", "")))
    return folder / "part"


def write_ok_ko(folder: Path) -> Path:
    return write_mvtec(folder / "part", masks=False)


def write_upper_case(folder: Path) -> Path:
    return write_mvtec(folder / "part", bad="KO", good="OK", masks=False)


def write_classes(folder: Path) -> Path:
    for i in range(TRAIN + TEST_GOOD):
        save(folder / "part" / "OK" / f"{i:03d}.png", picture(i))
    for i in range(TEST_BAD):
        save(folder / "part" / "bad" / f"{i:03d}.png", picture(200 + i))
    return folder / "part"


def write_folder(folder: Path) -> Path:
    for i in range(TRAIN):
        save(folder / "part" / f"batch{i % 2}" / f"{i:03d}.png", picture(i))
    return folder / "part"


def write_csv(folder: Path) -> Path:
    root = write_mvtec(folder / "images")
    rows = [("path", "split", "label", "category", "mask")]
    for path in sorted(root.glob("t*/*/*.png")):
        bad = path.parent.name == "bad"
        mask = f"images/ground_truth/bad/{path.stem}_mask.png" if bad else ""
        rows.append(
            (
                path.relative_to(folder).as_posix(),
                path.parents[1].name,
                "bad" if bad else "0",
                "part",
                mask,
            )
        )
    table = folder / "parts.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return table


WRITERS: dict[str, Writer] = {
    "mvtec": lambda folder: write_mvtec(folder / "part"),
    "mvtec_root": write_mvtec_root,
    "unsuffixed_masks": write_unsuffixed_masks,
    "ok_ko": write_ok_ko,
    "upper_case": write_upper_case,
    "classes": write_classes,
    "folder": write_folder,
    "csv": write_csv,
}
