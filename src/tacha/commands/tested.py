"""The labelled images that an artefact is judged on: of its category, and none that it learned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tacha.data.content import digest
from tacha.data.sample import Catalogue, Sample
from tacha.errors import TachaError


def test_samples(catalogue: Catalogue, category: str | None, name: str) -> tuple[Sample, ...]:
    """The test images for an artefact called `name`, as its own; the category is told by the name where none is given.

    Raises TachaError naming the categories there are, and for a set without test images.
    """
    if category is None and name in catalogue.categories:
        category = name
    if category is None and len(catalogue.categories) > 1 and name != "pooled":
        raise TachaError(
            f"{catalogue.root}: has the categories {', '.join(catalogue.categories)}, none named {name}: add --category"
        )
    if category is not None and category not in catalogue.categories:
        raise TachaError(f"{catalogue.root}: no category {category!r}; there are {', '.join(catalogue.categories)}")
    samples = catalogue.select(split="test", category=category)
    if not samples:
        raise TachaError(f"{catalogue.root}: has no test images; accuracy needs test/good and test/<defect>")
    return tuple(replace(s, category=name) for s in samples)


def unlearned(samples: tuple[Sample, ...], name: str, learned: Iterable[str]) -> tuple[tuple[Sample, ...], list[str]]:
    """Without the flawed images, given by digest, that a classifier learned from, wherever they lie now; and notes."""
    learned = set(learned)
    if not learned:
        return samples, []
    rest = tuple(s for s in samples if not s.path.is_file() or digest(s.path) not in learned)
    if not rest:
        raise TachaError(f"{name}: its classifier learned from every image here; evaluate on others")
    if len(rest) == len(samples):
        return samples, []
    return rest, [f"{name}: {len(samples) - len(rest)} images were learned from and are left out"]
