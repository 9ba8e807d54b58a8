"""The sample set: three textures out of scikit-image with drawn flaws, written in MVTec AD's layout."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tacha.cache import cache_folder
from tacha.data.flaws import FLAWS, add_flaw
from tacha.errors import TachaError

CATEGORIES = ("brick", "gravel", "grass")
TILE = 64  # pixels of the photograph; tiles never overlap, so that no image shows a part of another
SCALE = 2
TRAIN = 44
FLAWED = 5  # of each kind

_MARKER = "sample_set.json"
_VERSION = 1

UInt8Image = npt.NDArray[np.uint8]


def write_sample_set(folder: str | os.PathLike[str], seed: int = 0) -> Path:
    """Write the sample set into `folder` and return it: per category 44 images train/good, 20 test/good and 25
    flawed ones with masks, 128 x 128 grey PNG.

    The same seed gives the same bytes. A sample set that is already there is used again if it is whole and of this
    seed, else replaced. It appears whole or not at all. Raises TachaError for a folder that holds anything else.
    """
    folder = Path(folder)
    if _is_whole(folder, seed):
        return folder
    _refuse_strangers(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            _write(new, seed)
            if folder.is_dir():
                folder.rename(Path(temporary) / "old")
            new.rename(folder)
    except OSError as error:
        raise TachaError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
    return folder


def default_root() -> Path:
    """Where the sample set goes when nobody says: the user's cache folder."""
    return cache_folder() / "sample"


def _write(folder: Path, seed: int) -> None:
    tiles = {name: _tiles(name) for name in CATEGORIES}
    for number, category in enumerate(CATEGORIES):
        _write_category(folder / category, category, tiles, np.random.default_rng([seed, number]))
    marker = {"version": _VERSION, "seed": seed, "files": _digests(folder)}
    (folder / _MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


def _write_category(folder: Path, category: str, tiles: dict[str, list[UInt8Image]], rng: np.random.Generator) -> None:
    own = tiles[category]
    order = [int(i) for i in rng.permutation(len(own))]
    test = order[TRAIN:]
    for split, chosen in (("train", order[:TRAIN]), ("test", test)):
        for number, i in enumerate(sorted(chosen)):
            _save(own[i], folder / split / "good" / f"{number:03d}.png")
    others = [name for name in CATEGORIES if name != category]
    bases = [int(i) for i in np.concatenate([rng.permutation(test) for _ in range(2)])]
    for kind, draw in zip(FLAWS, np.split(np.array(bases[: FLAWED * len(FLAWS)]), len(FLAWS)), strict=True):
        for number, i in enumerate(draw):
            elsewhere = tiles[others[number % len(others)]]
            source = elsewhere[int(rng.integers(len(elsewhere)))]
            flawed, mask = add_flaw(kind, own[i], rng, source)
            _save(flawed, folder / "test" / kind / f"{number:03d}.png")
            _save(mask.astype(np.uint8) * 255, folder / "ground_truth" / kind / f"{number:03d}_mask.png")


def _tiles(name: str) -> list[UInt8Image]:
    """A photograph of 512 x 512 as 64 tiles of 128 x 128."""
    import skimage.data

    photograph: UInt8Image = getattr(skimage.data, name)()
    rows, columns = (n // TILE for n in photograph.shape)
    cut = photograph.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)
    size = (TILE * SCALE, TILE * SCALE)
    return [np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.LANCZOS)) for tile in cut]


def _save(pixels: UInt8Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _is_whole(folder: Path, seed: int) -> bool:
    marker = _read_marker(folder)
    return (
        marker is not None
        and marker.get("version") == _VERSION
        and marker.get("seed") == seed
        and marker.get("files") == _digests(folder)
    )


def _refuse_strangers(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise TachaError(f"{folder}: a file is in the way; choose another folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    marker = _read_marker(folder)
    if marker is None:
        raise TachaError(f"{folder}: not empty and not a sample set; choose another folder")
    strangers = sorted(set(_digests(folder)) - set(marker.get("files", {})))
    if strangers:
        raise TachaError(f"{folder}: holds {strangers[0]}, which is not of the sample set; choose another folder")


def _read_marker(folder: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and isinstance(marker.get("files"), dict) else None


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / _MARKER)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
