"""What a publisher's archive holds, made into a layout that tacha reads. Pixels are never changed."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

from tacha.errors import TachaError

TEST_SHARE = 0.2  # of the good magnetic tiles, drawn once with seed 0: the usual 80/20


def only_folder(root: Path) -> None:
    """Lift what lies in the one folder of an archive, as often as there is one only; files beside it stay."""
    while True:
        inside = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name != "__MACOSX"]
        if len(inside) != 1 or inside[0].name in ("train", "test", "good"):
            return
        top = inside[0].rename(root / ".top")
        for path in sorted(top.iterdir()):
            target = root / path.name
            path.rename(target if not target.exists() else root / f"{path.stem} (2){path.suffix}")
        top.rmdir()


def magnetic_tile(root: Path) -> None:
    """MT_Free and MT_<defect>/Imgs with images (jpg) and masks (png) side by side, to MVTec AD's layout."""
    only_folder(root)
    kinds = sorted(p for p in root.glob("MT_*") if (p / "Imgs").is_dir())
    good = [p for p in kinds if p.name == "MT_Free"]
    if not good or len(kinds) < 2:
        raise TachaError(
            f"{root.name}: no MT_Free/Imgs and MT_<defect>/Imgs in the archive; it is not the one expected"
        )
    images = sorted((good[0] / "Imgs").glob("*.jpg"))
    test = set(random.Random(0).sample(range(len(images)), round(TEST_SHARE * len(images))))
    for number, path in enumerate(images):
        _move(path, root / ("test" if number in test else "train") / "good" / path.name)
    for kind in kinds:
        defect = kind.name.removeprefix("MT_").lower()
        for path in sorted((kind / "Imgs").glob("*.jpg")):  # of MT_Free there are none left
            mask = path.with_suffix(".png")
            if mask.is_file():
                _move(mask, root / "ground_truth" / defect / f"{path.stem}_mask.png")
            _move(path, root / "test" / defect / path.name)


def mvtec_loco(root: Path) -> None:
    """The masks of one image, ground_truth/<defect>/<stem>/*.png, united as <stem>_mask.png; the parts are kept in
    ground_truth_parts."""
    import numpy as np
    from PIL import Image

    from tacha.data.image import read_mask

    only_folder(root)
    for truth in sorted(root.glob("*/ground_truth")):
        parts = truth.rename(truth.with_name("ground_truth_parts"))
        for folder in sorted(p for p in parts.glob("*/*") if p.is_dir()):
            masks = [read_mask(p) for p in sorted(folder.glob("*.png"))]
            if not masks:
                continue
            target = truth / folder.parent.name / f"{folder.name}_mask.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.where(np.any(masks, axis=0), np.uint8(255), np.uint8(0))).save(target)


def visa(root: Path) -> None:
    """A table beside the images, visa.csv, from the publisher's own split for one class (split_csv/1cls.csv)."""
    only_folder(root)
    split = root / "split_csv" / "1cls.csv"
    if not split.is_file():
        raise TachaError(f"{root.name}: no split_csv/1cls.csv in the archive; it is not the one expected")
    with split.open(newline="", encoding="utf-8") as file, (root / "visa.csv").open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(("path", "split", "label", "category", "mask"))
        for row in csv.DictReader(file):
            label = "good" if row["label"] == "normal" else "bad"
            table.writerow((row["image"], row["split"], label, row["object"], row["mask"] or ""))


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)


ARRANGEMENTS: dict[str, Callable[[Path], None]] = {
    "only_folder": only_folder,
    "magnetic_tile": magnetic_tile,
    "mvtec_loco": mvtec_loco,
    "visa": visa,
}
