"""A detector's embeddings of images, and what it says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tacha.data.sample import Sample
from tacha.detector import unmarked
from tacha.errors import TachaError
from tacha.inspector import Inspector
from tacha.progress import track
from tacha.runtime.engines.torch import detector_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Embedded:
    """Images as points: `vectors` [N, D]; `scores` [N] and `threshold` are the detector's own."""

    name: str
    samples: tuple[Sample, ...]
    vectors: Floats
    scores: Floats
    threshold: float
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """0 good, 1 flawed [N]."""
        return np.array([s.label for s in self.samples], dtype=np.int64)

    @property
    def kinds(self) -> list[str]:
        """ "good" or the flaw's name, one an image."""
        return [s.defect for s in self.samples]


def embed(inspector: Inspector, samples: Sequence[Sample]) -> Embedded:
    """Each image's embedding, the mean over its tiles where it is seen in tiles, and its score.

    The embedding is the net's, by torch; the score comes of the engine that judges. Images that cannot be read are
    listed in `skipped`. Raises TachaError where the artefact has no embedding here (int8) or no image could be read.
    """
    detector = detector_of(inspector.artefact)
    vectors: list[Floats] = []
    scores: list[float] = []
    read: list[Sample] = []
    skipped: list[tuple[Path, str]] = []
    for sample in track(samples, len(samples), f"{inspector.name}: embedding"):
        try:
            seen = inspector.view.read(sample.path)
            scores.append(inspector.inspect(sample.path).score)
        except TachaError as error:
            skipped.append((sample.path, str(error)))
            continue
        pieces = []
        with torch.inference_mode():
            for piece in seen.pieces:
                images, valid = unmarked(torch.from_numpy(piece)[None])
                features = detector.net(images, valid) if detector.padded else detector.net(images)
                pieces.append(features.embedding[0].double().numpy())
        vectors.append(np.mean(pieces, axis=0))
        read.append(sample)
    if not read:
        raise TachaError(f"{inspector.name}: none of {len(samples)} images could be read; `tacha data check` says why")
    return Embedded(inspector.name, tuple(read), np.stack(vectors), np.array(scores), inspector.threshold, skipped)
