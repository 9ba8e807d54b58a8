"""What a student is taught: varied pictures of good parts, and what its teacher says of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from tacha.data.image import UInt8Image, read_image
from tacha.data.sample import Sample
from tacha.data.variety import small, varied
from tacha.data.view import View
from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.features.student import Student
from tacha.progress import track
from tacha.runtime.engines import Engine

KEPT_MB = 1536


@dataclass(frozen=True)
class Lessons:
    """Pictures and a teacher's words on them, all in memory.

    `maps` [N, h, w] are the teacher's on the student's grid, `embedding` [N, E] is its embedding. `seen` is what the
    student's frozen trunk sees in the pictures, float16 [N, C, h, w] a level.
    """

    maps: Tensor
    embedding: Tensor
    seen: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.maps)

    def loader(self, student: Student, batch: int, seed: int | None = None) -> DataLoader[Any]:
        """Batches (standing [B, h, w], embedding [B, E], *seen) in the student's own units; shuffled by a seed."""
        data = TensorDataset(student.standing(self.maps), student.standard(self.embedding), *self.seen)
        shuffled = None if seed is None else torch.Generator().manual_seed(seed)
        order = SequentialSampler(data) if shuffled is None else RandomSampler(data, generator=shuffled)
        return DataLoader(data, sampler=BatchSampler(order, batch, drop_last=False), batch_size=None)


class Teacher:
    """A detector that is asked: its map by an engine, its embedding by its net.

    Pictures fill its frame; of a detector that sees tiles they are tiles.
    """

    def __init__(self, engine: Engine, net: FeatureNet, view: View) -> None:
        self.engine, self.net, self.view, self.frame = engine, net, view, view.frame

    @torch.inference_mode()
    def lessons(self, student: Student, samples: Sequence[Sample], draws: int, seed: int, label: str) -> Lessons:
        """`draws` varied pictures of each sample, fewer where they would not fit in memory.

        Raises TachaError where not one of the files can be read.
        """
        maps: list[Tensor] = []
        embeddings: list[Tensor] = []
        seen: list[tuple[Tensor, ...]] = []
        samples, draws = self._fitting(student, samples, draws)
        for picture in self._pictures(samples, draws, seed, label):
            image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255
            levels = student.levels(image)
            said = torch.from_numpy(self.engine(image.numpy())[1])
            maps.append(_brought_to(said, levels[0].shape[-2:]))
            embeddings.append(self.net(image).embedding)
            seen.append(tuple(level.half() for level in levels))
        if not maps:
            raise TachaError(f"{samples[0].path.parent}: not one good image could be read; check the files")
        return Lessons(
            torch.cat(maps), torch.cat(embeddings), tuple(torch.cat(part) for part in zip(*seen, strict=True))
        )

    def _fitting(self, student: Student, samples: Sequence[Sample], draws: int) -> tuple[Sequence[Sample], int]:
        levels = student.levels(torch.zeros(1, *self.frame.shape))
        each = 2 * sum(level.numel() for level in levels)
        most = max(1, KEPT_MB * 2**20 // each)
        if len(samples) > most:
            samples = [samples[i] for i in np.linspace(0, len(samples) - 1, most).round().astype(int)]
        return samples, max(1, min(draws, most // len(samples)))

    def _pictures(self, samples: Sequence[Sample], draws: int, seed: int, label: str) -> Iterator[UInt8Image]:
        rng = np.random.default_rng(seed)
        other: UInt8Image | None = None
        for sample in track(samples, len(samples), label):
            try:
                image = read_image(sample.path)
            except TachaError:  # listed when the detector was fitted
                continue
            for draw in range(draws):
                part = self.view.part(image, draw / draws)
                own = small(part, self.frame.whole.size)
                yield varied(part, own if other is None else other, self.frame.whole.size, rng)
            other = own


def _brought_to(maps: Tensor, grid: Sequence[int]) -> Tensor:
    """Maps [B, h, w] on another grid: the mean of what falls on a place, or what lies between places."""
    finer = maps.shape[-1] >= grid[1]
    options: dict[str, Any] = {"mode": "area"} if finer else {"mode": "bilinear", "align_corners": False}
    return F.interpolate(maps.unsqueeze(1), size=tuple(grid), **options).squeeze(1)
