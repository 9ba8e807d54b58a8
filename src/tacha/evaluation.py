"""An inspector against labelled images it never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tacha.data.image import read_mask
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.inspector import Inspector
from tacha.metrics import Figure, PixelFigures, image_figures
from tacha.progress import track
from tacha.regions import upsample


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of predictions.csv."""

    path: Path
    category: str
    label: int
    defect: str
    score: float
    p_value: float | None
    verdict: str


@dataclass
class Evaluation:
    """Figures with intervals, a prediction an image, and what could not be used."""

    predictions: list[Prediction] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def evaluate(inspector: Inspector, samples: Sequence[Sample], seed: int = 0, pixels: bool = True) -> Evaluation:
    """Judge every sample once. Ranking is on raw scores; the threshold is the inspector's own.

    Pixel figures are taken at each mask's own resolution. A flawed image without a usable mask counts for the image
    figures only, and is noted. Raises TachaError when there is nothing to judge.
    """
    out = Evaluation()
    accumulator = PixelFigures()
    seconds: list[float] = []
    unmasked = 0
    for sample in track(samples, len(samples), f"{inspector.name}: judging"):
        began = time.perf_counter()
        try:
            found = inspector.inspect(sample.path)
        except TachaError as error:
            out.skipped.append((sample.path, str(error)))
            continue
        seconds.append(time.perf_counter() - began)
        out.predictions.append(
            Prediction(
                sample.path,
                sample.category,
                sample.label,
                sample.defect,
                found.score,
                found.p_value,
                found.verdict,
            )
        )
        if found.map is None or not pixels:
            continue
        if not sample.label:
            mask = np.zeros((found.size[1], found.size[0]), dtype=bool)
        elif sample.mask is None:
            unmasked += 1
            continue
        else:
            try:
                mask = read_mask(sample.mask, found.size)
            except TachaError as error:
                out.skipped.append((sample.mask, str(error)))
                continue
            if not mask.any():
                unmasked += 1
                continue
        accumulator.add(upsample(found.map, found.size), mask)
    if not out.predictions:
        raise TachaError(f"{inspector.name}: no test image could be judged; `tacha data check DIR` says why")
    scores = np.array([p.score for p in out.predictions])
    labels = np.array([p.label for p in out.predictions])
    out.figures += image_figures(scores, labels, inspector.threshold, seed=seed)
    if pixels:
        out.figures += accumulator.figures(seed=seed)
    milliseconds = 1e3 * np.array(seconds)
    low, high = np.quantile(milliseconds, [0.05, 0.95])
    out.figures.append(
        Figure("inspect_ms_p50", float(np.median(milliseconds)), float(low), float(high), len(milliseconds))
    )
    if unmasked:
        out.notes.append(
            f"{inspector.name}: {unmasked} flawed images have no mask or an empty one; they count for the image "
            "figures only"
        )
    return out
