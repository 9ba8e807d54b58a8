"""One row an image, and the table of them: what every layout turns into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GOOD = "good"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set.

    `split` is "train" or "test" (what the folder says); `defect` is "good" or the flaw's name;
    `mask` is the image of the flaw's pixels, where there is one.
    """

    path: Path
    category: str
    split: str
    defect: str = GOOD
    mask: Path | None = None

    @property
    def label(self) -> int:
        """0 good, 1 flawed."""
        return int(self.defect != GOOD)


@dataclass(frozen=True)
class Catalogue:
    """Every image of a data set; `notes` are one-line remarks on what was passed over while reading it."""

    samples: tuple[Sample, ...]
    root: Path
    layout: str
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @property
    def categories(self) -> tuple[str, ...]:
        """Category names, sorted."""
        return tuple(sorted({s.category for s in self.samples}))

    def select(
        self, *, split: str | None = None, category: str | None = None, label: int | None = None
    ) -> tuple[Sample, ...]:
        """The samples that agree with every argument that is not None, in catalogue order."""
        return tuple(
            s
            for s in self.samples
            if (split is None or s.split == split)
            and (category is None or s.category == category)
            and (label is None or s.label == label)
        )

    def digest(self) -> str:
        """SHA-256 of the file list (relative path, split, defect, size in bytes): names the split in results."""
        lines = sorted(
            f"{s.path.relative_to(self.root) if s.path.is_relative_to(self.root) else s.path.name}"
            f"|{s.category}|{s.split}|{s.defect}|{s.path.stat().st_size}"
            for s in self.samples
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
