"""The detector at work: images in, Inspections out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tacha.calibration import Calibration
from tacha.data.view import Seen, View
from tacha.errors import TachaError
from tacha.inspection import Inspection, Region
from tacha.judging import judge
from tacha.regions import regions, upsample
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.choice import Choice, to_judge
from tacha.runtime.engines import AUTO, Engine

TOGETHER = 8  # tiles that go through the engine at once

Image = npt.NDArray[np.uint8]


class _Read(NamedTuple):
    """An image ready for the engine, and where it came from."""

    path: Path | None
    seen: Seen


class Inspector:
    """An artefact on an engine. `inspect` judges one image, `inspect_many` a stream of them.

    `engine` "auto" is the fastest on this machine, `precision` "auto" that of the calibration. `note` says where this
    machine cannot do what the artefact was calibrated at; else it is empty.
    """

    def __init__(
        self,
        artefact: Artefact,
        engine: str | Engine = AUTO,
        precision: str = AUTO,
        threads: int | None = None,
    ) -> None:
        self.artefact = artefact
        # An engine that has the artefact loaded already is taken as it is.
        chosen = to_judge(artefact, engine, precision, threads) if isinstance(engine, str) else Choice(engine)
        self.engine = chosen.engine
        self.note = chosen.note
        self.card = artefact.card
        self.view = View.of_card(self.card)
        self.calibration = Calibration.from_dict(self.card["calibration"])
        self.map_calibration = (
            Calibration.from_dict(self.card["map_calibration"]) if self.card.get("map_calibration") else None
        )

    @property
    def name(self) -> str:
        """The product's name."""
        return str(self.card["name"])

    @property
    def threshold(self) -> float:
        return self.calibration.threshold

    def __repr__(self) -> str:
        return f"Inspector({self.name!r}, engine={self.engine.name!r}, precision={self.engine.precision!r})"

    def save(self, path: str | Path) -> Path:
        """Write the artefact, whole or not at all."""
        path = Path(path)
        return artefacts.write(self.artefact, path if path.suffix else path.with_suffix(artefacts.SUFFIX))

    def inspect(self, image: str | os.PathLike[str] | Image) -> Inspection:
        """Judge one image: a path, or an array [H, W, 3] uint8 RGB (or [H, W] grey).

        Raises TachaError for a file that cannot be read.
        """
        return next(self._judge_all([self._read(image)]))

    def inspect_many(
        self,
        images: Iterable[str | os.PathLike[str] | Image],
        skipped: list[tuple[Path, str]] | None = None,
        batch: int = 1,
    ) -> Iterator[Inspection]:
        """Judge a stream of images in order, reading the next while the last are judged, in flat memory.

        `batch` images go through the engine together: more a second, each of them later. An unreadable image raises
        TachaError, or is noted in `skipped` as (path, reason) where a list is given.
        """
        source = iter(images)
        with ThreadPoolExecutor(max_workers=1 if batch == 1 else 2) as reader:
            waiting = [(x, reader.submit(self._read, x)) for x in islice(source, 2 * batch)]
            ready: list[_Read] = []
            while waiting:
                image, future = waiting.pop(0)
                for following in islice(source, 1):
                    waiting.append((following, reader.submit(self._read, following)))
                try:
                    ready.append(future.result())
                except TachaError as error:
                    if skipped is None:
                        if ready:
                            yield from self._judge_all(ready)
                        raise
                    skipped.append((Path(str(image)), str(error)))
                if len(ready) == batch or (ready and not waiting):
                    yield from self._judge_all(ready)
                    ready = []

    def _read(self, image: str | os.PathLike[str] | Image) -> _Read:
        if isinstance(image, str | os.PathLike):
            path = Path(image)
            return _Read(path, self.view.read(path))
        return _Read(None, self.view.take(_checked(image)))

    def _judge_all(self, ready: Sequence[_Read]) -> Iterator[Inspection]:
        judged = judge(self.engine, [image.seen for image in ready], max(len(ready), TOGETHER))
        for image, (score, anomaly_map) in zip(ready, judged, strict=True):
            yield self.judged(image.path, image.seen.size, score, anomaly_map)

    def judged(
        self, path: Path | None, size: tuple[int, int], score: float, anomaly_map: npt.NDArray[np.float32] | None
    ) -> Inspection:
        """The verdict on an image of `size` (width, height) whose score and map [h, w] are known."""
        if not np.isfinite(score):
            raise TachaError(f"{path or 'image'}: the detector gave no finite score; run `tacha check` on the artefact")
        limit = self.map_calibration.threshold if self.map_calibration else None
        found: tuple[Region, ...] = ()
        if anomaly_map is not None and limit is not None and score > self.threshold:
            # A flawed image always says where to look, even where its score is a mean that no single place reaches.
            found = regions(anomaly_map, limit, size)
            if not found:
                found = regions(anomaly_map, 0.9 * float(upsample(anomaly_map, size).max()), size)
        return Inspection(
            path=path,
            score=score,
            threshold=self.threshold,
            p_value=self.calibration.p_value(score),
            map=anomaly_map,
            map_threshold=limit,
            regions=found,
            size=size,
        )


def load(path: str | Path, engine: str = AUTO, precision: str = AUTO, threads: int | None = None) -> Inspector:
    """Open an artefact, ready to judge: `load("screw.tacha").inspect("part.png")`.

    Raises TachaError for a missing, damaged or newer file, and for one that the engine cannot run. Nothing stored in it
    is executed.
    """
    return Inspector(artefacts.read(path), engine, precision, threads)


def _checked(image: Any) -> Image:
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise TachaError(
            f"an image array must be uint8 [H, W, 3] RGB or [H, W] grey, not {pixels.dtype} {list(pixels.shape)}"
        )
    if pixels.size == 0:
        raise TachaError("an image array must hold at least one pixel")
    return pixels
