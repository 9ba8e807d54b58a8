from __future__ import annotations

from pathlib import Path

import pytest
from data_sets import picture, save, write_mvtec

from tacha.data.sample import Sample


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A category folder in MVTec layout."""
    return write_mvtec(tmp_path / "part")


@pytest.fixture
def good_samples(tmp_path: Path) -> list[Sample]:
    """Thirty different good training samples."""
    paths = [save(tmp_path / "good" / f"{i:03d}.png", picture(i, 8)) for i in range(30)]
    return [Sample(path, "part", "train") for path in paths]
