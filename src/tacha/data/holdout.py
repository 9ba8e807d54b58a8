"""Which good training images are held out to calibrate on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tacha.data.content import rank
from tacha.data.sample import Sample
from tacha.errors import TachaError


def hold_out(
    samples: Sequence[Sample], share: float, minimum: int = 0, seed: int = 0, most: float = 1 / 3
) -> tuple[list[Sample], list[Sample]]:
    """Split good training samples into (train, validation), both in the order given.

    Validation has max(round(share·n), min(minimum, ⌊most·n⌋)) images and at least one on either side. An image's
    rank comes from its bytes and the seed alone: byte-identical files stay together, so the count may fall short
    by the copies, and adding images moves few of the others. Raises TachaError for fewer than two different
    images, ValueError for a test or flawed sample.
    """
    for sample in samples:
        if sample.split != "train" or sample.label != 0:
            raise ValueError(f"{sample.path}: {sample.split}/{sample.defect} can never be held out; only train/good")
    if not (0 <= share < 1 and 0 <= most <= 1):
        raise TachaError(f"holdout share={share}: not a share; give a number from 0 up to, not including, 1")
    n = len(samples)
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(rank(sample.path, seed), []).append(sample)
    if len(groups) < 2:
        where = samples[0].path.parent if samples else "the data set"
        raise TachaError(
            f"{where}: {n} good training images, {len(groups)} of them different, and at least 2 are needed to learn "
            "from one and calibrate on another; add images of good parts"
        )
    wanted = max(round(share * n), min(minimum, math.floor(most * n + 1e-9)))
    held = _take(groups, max(1, min(wanted, n - 1)))
    return [s for s in samples if s not in held], [s for s in samples if s in held]


def _take(groups: dict[str, list[Sample]], wanted: int) -> set[Sample]:
    held: set[Sample] = set()
    for place in sorted(groups):
        if len(held) + len(groups[place]) <= wanted:
            held.update(groups[place])
    if not held:
        held.update(groups[min(sorted(groups), key=lambda place: len(groups[place]))])
    return held
