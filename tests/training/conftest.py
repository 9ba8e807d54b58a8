"""A tiny data set of coloured squares, and the trainer's settings for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tacha.data.sample import Sample

SIZE = 32
COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 70), "red": (200, 50, 40)}


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Of each of three colours ten good training images, two good test images and two flawed ones."""
    root = tmp_path_factory.mktemp("squares")
    noise = np.random.default_rng(0)
    samples = []
    for category, colour in COLOURS.items():
        for split, defect, count in (("train", "good", 10), ("test", "good", 2), ("test", "hole", 2)):
            for number in range(count):
                pixels = np.array(colour) + noise.normal(0, 12, (SIZE, SIZE, 3))
                if defect == "hole":
                    pixels[10:18, 10:18] = 0
                path = root / category / split / defect / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
                samples.append(Sample(path, category, split, defect))
    return samples


@pytest.fixture(scope="session")
def train(squares: list[Sample]) -> list[Sample]:
    return [s for s in squares if s.split == "train" and int(s.path.stem) < 7]


@pytest.fixture(scope="session")
def validation(squares: list[Sample]) -> list[Sample]:
    return [s for s in squares if s.split == "train" and int(s.path.stem) >= 7]


@pytest.fixture
def trainer() -> dict[str, Any]:
    return {
        "accelerator": "cpu",
        "max_epochs": 3,
        "patience": 10,
        "precision": "auto",
        "gradient_clip": None,
        "deterministic": "warn",
        "pictures_every": 0,
        "profile": 0,
    }


@pytest.fixture
def broken(tmp_path: Path) -> Sample:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    return Sample(path, "red", "train")
