"""Images through an engine: one score and one map each, however many pieces the engine sees of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from tacha.data.frame import over_image
from tacha.data.image import Prepared
from tacha.data.view import Seen
from tacha.runtime.engines import Engine
from tacha.tiling import Map, blend


def judge(engine: Engine, images: Iterable[Seen], together: int) -> Iterator[tuple[float, Map | None]]:
    """(score, map or None) of each image: the highest score of its pieces, and their maps put together.

    `together` pieces at most, of one image or several, go through the engine at once.
    """
    begun: deque[Seen] = deque()  # those of which pieces are in the engine, and no more: pictures are big

    def pieces() -> Iterator[Prepared]:
        for image in images:
            begun.append(image)
            yield from image.pieces

    said = _said(engine, pieces(), together)
    for first in said:
        image = begun.popleft()
        yield joined(image, [first, *islice(said, len(image.boxes) - 1)])


def joined(image: Seen, said: Sequence[tuple[np.float32, Map | None]]) -> tuple[float, Map | None]:
    """What was said of an image's pieces as one: the highest score, the maps put together."""
    scores, maps = zip(*said, strict=True)
    # np.max, for which NaN is the highest of all: it must not be lost among tiles.
    return float(np.max(scores)), None if maps[0] is None else blend(maps, image.boxes, image.size)


def batches(pieces: Iterable[Prepared], together: int) -> Iterator[Prepared]:
    """Pieces [3, H, W] as arrays [B, 3, H, W], B at most `together`."""
    rest = iter(pieces)
    while batch := list(islice(rest, together)):
        yield np.stack(batch)


def _said(engine: Engine, pieces: Iterable[Prepared], together: int) -> Iterator[tuple[np.float32, Map | None]]:
    for batch in batches(pieces, together):
        scores, *maps = engine(batch)
        for i, score in enumerate(scores):
            yield score, over_image(maps[0][i], batch[i]) if maps else None
