"""What the images of a set are like before anything learns from them: collected one by one, then compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from tacha.data.alike import Alike, nearly_alike
from tacha.data.sample import GOOD, Sample
from tacha.data.separation import (
    ENOUGH,
    FOLLOWING,
    LABELS,
    OUTSIDE,
    SPLITS,
    Ranked,
    Separation,
    separate,
    surely,
    without_flaws,
)
from tacha.data.thumbnails import Small
from tacha.data.traits import TRAITS
from tacha.data.unusual import Unusual, unusual

QUARTILES = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Seen:
    """One readable image, its traits and thumbnails; `layers` are thumbnails of traits, where it has them; `share` is
    its mask's; `first` says that it copies none before it."""

    sample: Sample
    traits: dict[str, float]
    thumbnail: Small
    layers: dict[str, Small]
    share: float | None = None
    mask: Small | None = None
    first: bool = True


@dataclass(frozen=True)
class Spread:
    """How a quantity is spread over one class of images; `quartiles` are minimum, lower, median, upper, maximum."""

    category: str
    split: str
    defect: str
    trait: str
    n: int
    quartiles: tuple[float, ...]


@dataclass
class Exploration:
    """What was measured, and what stands out. `shares` are the masks' parts of their images, in %."""

    seen: list[Seen] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    shares: list[Spread] = field(default_factory=list)
    separations: list[Separation] = field(default_factory=list)
    unusual: list[Unusual] = field(default_factory=list)
    alike: list[Alike] = field(default_factory=list)

    @property
    def told(self) -> list[Separation]:
        """Where a simple trait alone tells images apart; what is not of the flaws first, then the surest."""
        known = {s: (s.of_flaws, s.trait in FOLLOWING) for s in self.separations if s.told}
        return sorted(known, key=lambda s: (s.between, *known[s], -s.auroc.apart, s.category))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the thumbnails in JSON's types."""
        return {
            "traits": {t.name: t.about for t in TRAITS},
            "spreads": [_spread(s) for s in self.spreads],
            "mask_shares": [_spread(s) for s in self.shares],
            "separations": [_separation(s) for s in self.separations],
            "alike": [{**asdict(a), "first": str(a.first), "second": str(a.second)} for a in self.alike],
            "unusual": [
                {"path": str(u.path), "category": u.category, "reasons": [_rounded(asdict(r)) for r in u.reasons]}
                for u in self.unusual
            ],
            "images": [
                {
                    "path": str(s.sample.path),
                    "category": s.sample.category,
                    "split": s.sample.split,
                    "defect": s.sample.defect,
                    **_rounded(s.traits),
                    **({} if s.share is None else {"mask_share": round(s.share, 4)}),
                }
                for s in self.seen
            ],
        }


def explore(seen: Sequence[Seen], seed: int = 0) -> Exploration:
    """Compare what was collected: spreads a class, what tells classes apart, near-duplicates, unusual good images."""
    found = Exploration(list(seen))
    for category in sorted({s.sample.category for s in seen}):
        own = [s for s in seen if s.sample.category == category]
        found.spreads += _spreads(own, [t.name for t in TRAITS])
        found.shares += _shares(own)
        found.separations += _separations(category, own, seed)
        good = usual_images(own)
        if good:
            traits = {t.name: [s.traits[t.name] for s in good] for t in TRAITS}
            thumbnails = np.stack([s.thumbnail for s in good])
            found.unusual += unusual(category, [s.sample.path for s in good], traits, thumbnails)
        found.alike += nearly_alike([(s.sample, s.thumbnail) for s in own if s.first])
    found.separations = _judged(found.separations)
    return found


def usual_images(own: Sequence[Seen]) -> list[Seen]:
    """The good images that say what is usual in a category: the training ones, or any where none train."""
    good = [s for s in own if not s.sample.label]
    return [s for s in good if s.sample.split == "train"] or good


def classes(samples: Iterable[Sample]) -> list[tuple[str, str, str]]:
    """(category, split, defect) of every class: a category's training images first, then good, then each defect."""
    keys = {(s.category, s.split, s.defect) for s in samples}
    return sorted(keys, key=lambda k: (k[0], k[1] != "train", k[2] != GOOD, k[2]))


def _of_class(own: Sequence[Seen], key: tuple[str, str, str]) -> list[Seen]:
    return [s for s in own if (s.sample.category, s.sample.split, s.sample.defect) == key]


def _spreads(own: Sequence[Seen], names: Sequence[str]) -> list[Spread]:
    return [
        _spread_of(key, name, [s.traits[name] for s in members])
        for key in classes(s.sample for s in own)
        for members in [_of_class(own, key)]
        for name in names
    ]


def _shares(own: Sequence[Seen]) -> list[Spread]:
    out = []
    for key in classes(s.sample for s in own if s.share is not None):
        values = [100 * s.share for s in _of_class(own, key) if s.share is not None]
        out.append(_spread_of(key, "mask_share", values))
    return out


def _spread_of(key: tuple[str, str, str], name: str, values: Sequence[float]) -> Spread:
    quartiles = np.percentile(np.asarray(values, dtype=np.float64), QUARTILES)
    return Spread(*key, name, len(values), tuple(float(q) for q in quartiles))


def _separations(category: str, own: Sequence[Seen], seed: int) -> list[Separation]:
    """Good against flawed test images, each defect by itself too, and good training against good test images."""
    train = [s for s in own if not s.sample.label and s.sample.split == "train"]
    test = [s for s in own if not s.sample.label and s.sample.split == "test"]
    flawed = [s for s in own if s.sample.label]
    good = test or train
    groups = [(LABELS, "", good, flawed), (SPLITS, "", train, test)]
    defects = sorted({s.sample.defect for s in flawed})
    if len(defects) > 1:
        groups += [(LABELS, d, good, [s for s in flawed if s.sample.defect == d]) for d in defects]
    out = []
    for between, defect, first, second in groups:
        for t in TRAITS:
            one, other = ([s.traits[t.name] for s in group] for group in (first, second))
            found = separate(category, t, between, defect, one, other, seed)
            if found is None:
                continue
            if between == LABELS and not defect and t.name in OUTSIDE:
                found = replace(found, outside=_outside(good, flawed, t.name, seed))
            out.append(found)
    return out


def _outside(good: Sequence[Seen], flawed: Sequence[Seen], name: str, seed: int) -> Ranked | None:
    masked = [s for s in flawed if s.mask is not None and s.mask.any()]
    if not masked or not good:
        return None
    masks = np.stack([s.mask for s in masked if s.mask is not None])
    grey = np.zeros_like(masks[0])  # the saturation of an image without colour
    one, other = (np.stack([s.layers.get(name, grey) for s in g]) for g in (good, masked))
    return without_flaws(one, other, masks, name, seed)


def _judged(separations: Sequence[Separation]) -> list[Separation]:
    whole = [s for s in separations if not s.defect]
    return [
        replace(s, told=not s.defect and s.auroc.apart >= ENOUGH[s.between] and surely(s.p, len(whole)))
        for s in separations
    ]


def _spread(s: Spread) -> dict[str, Any]:
    names = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum")
    figures = _rounded(dict(zip(names, s.quartiles, strict=True)))
    return {"category": s.category, "split": s.split, "defect": s.defect, "trait": s.trait, "n": s.n, **figures}


def _separation(s: Separation) -> dict[str, Any]:
    return {
        "category": s.category,
        "trait": s.trait,
        "between": s.between,
        "defect": s.defect or None,
        "n": list(s.counts),
        "auroc": _ranked(s.auroc),
        "p": float(f"{s.p:.3g}"),
        "outside_masks": s.outside and _ranked(s.outside),
        "told": s.told,
    }


def _ranked(r: Ranked) -> dict[str, float]:
    return _rounded({"value": r.value, "low": r.low, "high": r.high})


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
