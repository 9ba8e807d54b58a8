"""Which images are nearly the same: saved again, brought to another size, mirrored or turned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacha.data.sample import Sample
from tacha.data.thumbnails import Small

LEVEL = 3  # grey levels between thumbnails: what saving as JPEG changes, far less than a second photograph does
MEAN = 1  # ... and between their means
KINDS = ("leak", "labels", "repeat")

_PROBES = 64  # pixels that are compared before all are: nearly every pair falls here


@dataclass(frozen=True)
class Alike:
    """Two images that are nearly the same. `kind` is "leak" across splits, "labels" where one is good and the other
    flawed, else "repeat"; `difference` is the largest between their thumbnails, in grey levels."""

    kind: str
    first: Path
    second: Path
    category: str
    difference: int
    turned: bool

    @property
    def paths(self) -> tuple[Path, Path]:
        """Both, that of the training split or of the good image first."""
        return self.first, self.second


def nearly_alike(seen: Sequence[tuple[Sample, Small]]) -> list[Alike]:
    """What is nearly the same among one category's images, leaks first.

    Each image is named once a kind, with the one it is most like, so that there are never more lines than images: a
    test image beside a training one, a flawed beside a good one, a later beside an earlier one.
    """
    best: dict[tuple[str, int], tuple[int, bool, int]] = {}
    samples = [s for s, _ in seen]
    for i, j, difference, turned in _pairs([t for _, t in seen]):
        kind, first, second = _ordered(samples, min(i, j), max(i, j))
        found = (difference, turned, first)
        if found < best.get((kind, second), (LEVEL + 1, True, 0)):
            best[kind, second] = found
    made = [
        Alike(kind, samples[first].path, samples[second].path, samples[second].category, difference, turned)
        for (kind, second), (difference, turned, first) in best.items()
    ]
    return sorted(made, key=lambda a: (KINDS.index(a.kind), a.paths))


def _ordered(samples: Sequence[Sample], i: int, j: int) -> tuple[str, int, int]:
    a, b = samples[i], samples[j]
    if a.split != b.split:
        return "leak", *((i, j) if a.split == "train" else (j, i))
    if a.label != b.label:
        return "labels", *((i, j) if b.label else (j, i))
    return "repeat", i, j


def _pairs(thumbnails: Sequence[Small]) -> Iterator[tuple[int, int, int, bool]]:
    """Pairs no further apart than LEVEL anywhere, one of them upright or turned in any of eight ways."""
    if len(thumbnails) < 2:
        return
    stack = np.stack(thumbnails).astype(np.int16)  # [N, 32, 32]
    means = stack.mean(axis=(1, 2))
    order = np.argsort(means, kind="stable")
    means, stack = means[order], stack[order]
    flat = stack.reshape(len(stack), -1)
    probes = np.random.default_rng(0).permutation(flat.shape[1])[:_PROBES]
    probed = np.ascontiguousarray(flat[:, probes])
    ends = np.searchsorted(means, means + MEAN, side="right")
    for i, end in enumerate(ends.tolist()):
        if end <= i + 1:
            continue
        least: dict[int, tuple[int, bool]] = {}
        for turn, view in enumerate(_turns(stack[i])):
            own = view.ravel()
            near = np.flatnonzero((np.abs(probed[i + 1 : end] - own[probes]) <= LEVEL).all(axis=1)) + i + 1
            differences = np.abs(flat[near] - own).max(axis=1, initial=0)
            for k, difference in zip(near.tolist(), differences.tolist(), strict=True):
                if difference <= LEVEL:
                    found = (difference, turn > 0)
                    least[k] = min(found, least.get(k, found))
        for j, (difference, turned) in least.items():
            yield int(order[i]), int(order[j]), difference, turned


def _turns(image: npt.NDArray[np.int16]) -> Iterator[npt.NDArray[np.int16]]:
    for mirrored in (image, image[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(mirrored, quarters)
