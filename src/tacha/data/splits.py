"""Flawed images parted for a classifier of kinds of flaw, which must learn from some and be tested on others."""

from __future__ import annotations

from dataclasses import replace

from tacha.data.content import rank
from tacha.data.sample import Catalogue, Sample
from tacha.errors import TachaError

TRAIN, VALIDATION = 0.6, 0.2  # of each class of flaw; the rest is tested on
FEWEST = 5  # flawed images a class, so that each part has one


def part_classes(catalogue: Catalogue, seed: int = 0) -> tuple[Catalogue, tuple[Sample, ...]]:
    """The catalogue without the flawed images to learn from, and those, their split "train" or "validation".

    Within each category and class the order comes from the files' bytes and the seed alone; byte-identical files stay
    together. Raises TachaError for a class of fewer than 5 images.
    """
    learning: list[Sample] = []
    gone: set[Sample] = set()
    for category in catalogue.categories:
        flawed = [s for s in catalogue.select(category=category) if s.label]
        for defect in sorted({s.defect for s in flawed}):
            ranks = {s: rank(s.path, seed) for s in flawed if s.defect == defect}
            group = sorted(ranks, key=ranks.__getitem__)
            order = sorted(ranks.values())
            if len(group) < FEWEST:
                raise TachaError(
                    f"{group[0].path.parent}: {len(group)} images of {defect!r}, and a class needs {FEWEST} to be "
                    "learned, validated and tested: add images, or leave the class out"
                )
            for sample in group:
                share = order.index(ranks[sample]) / len(group)  # the first copy's place: copies go where it goes
                if share < TRAIN + VALIDATION:
                    learning.append(replace(sample, split="train" if share < TRAIN else "validation"))
                    gone.add(sample)
    rest = [replace(s, split="test") if s.label else s for s in catalogue if s not in gone]
    return replace(catalogue, samples=tuple(rest)), tuple(learning)
