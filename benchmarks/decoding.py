"""From file to the net's pixels, the whole way and the short one in turns: `python benchmarks/decoding.py [FOLDER...]`.

Prints a Markdown table: photographs of scikit-image, tiled to each size with a little noise and written as PNG and JPEG
(quality 90), and of each FOLDER its first images. Times are the processor time of one thread, of files that the system
holds in memory, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from tacha.data.frame import Frame
from tacha.data.image import IMAGE_SUFFIXES, load_prepared, prepare, read_image
from tacha.versions import versions

SIDES = (512, 1024, 2048, 4000)
OF_A_FOLDER = 30


def written(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """(title, files) of each size, colour and format."""
    rng = np.random.default_rng(0)
    for side in SIDES:
        for colour, photograph in (("grey", skimage.data.brick()), ("RGB", skimage.data.astronaut())):
            tiles = np.pad(photograph, [(0, side - 512)] * 2 + [(0, 0)] * (photograph.ndim - 2), mode="symmetric")
            noisy = np.clip(tiles + rng.normal(0, 3, tiles.shape), 0, 255).astype(np.uint8)
            for suffix in ("png", "jpg"):
                path = folder / f"{colour}{side}.{suffix}"
                Image.fromarray(noisy).save(path, **({"quality": 90} if suffix == "jpg" else {}))
                yield f"{side} × {side} {colour} {'JPEG' if suffix == 'jpg' else 'PNG'}", [path]


def found(folder: Path) -> tuple[str, list[Path]]:
    """(title, files) of a folder's first images."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)[:OF_A_FOLDER]
    return f"{len(paths)} of {folder.parent.parent.name}/{folder.parent.name}/{folder.name}", paths


def line(title: str, paths: list[Path], size: int, rounds: int) -> str:
    frame = Frame.squashed(size)
    ways: tuple[Callable[[Path], object], ...] = (
        lambda path: prepare(read_image(path), frame),
        lambda path: load_prepared(path, frame),
    )
    off = max(float(np.abs(prepare(read_image(p), frame) - load_prepared(p, frame)[0]).max()) for p in paths)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for way in (0, 1) if number % 2 else (1, 0):
            began = time.thread_time()
            for path in paths:
                ways[way](path)
            times[way].append(1e3 * (time.thread_time() - began) / len(paths))
    ratios = [new / old for old, new in zip(*times, strict=True)]
    ratio = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}–{max(ratios):.2f}]"
    before, after = (f"{statistics.median(t):.1f}" for t in times)
    return f"| {title} | {before} | {after} | {ratio} | {255 * off:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    print("| image | whole, ms | load_prepared, ms | ratio [lowest–highest] | largest difference of 255 |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for title, paths in [*map(found, asked.folders), *written(Path(scratch))]:
            print(line(title, paths, asked.size, asked.rounds), flush=True)
    about = versions()
    print(
        f"\nTo {asked.size} px, {asked.rounds} rounds in turns; pillow {about['pillow']}, numpy {about['numpy']}, "
        f"python {about['python']}."
    )


if __name__ == "__main__":
    main()
