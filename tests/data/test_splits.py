"""Flawed images for a classifier: what it learns from is never calibrated or tested on."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tacha import TachaError
from tacha.data.layouts import read_catalogue
from tacha.data.splits import part_classes


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(20):
        picture(tmp_path / "good" / f"{i}.png", i)
    for i in range(10):
        picture(tmp_path / "cut" / f"{i}.png", 100 + i)
        picture(tmp_path / "hole" / f"{i}.png", 150 + i)
    return tmp_path


def test_every_image_has_one_place(root: Path) -> None:
    whole = read_catalogue(root, "classes")
    rest, learning = part_classes(whole)
    assert sorted(s.path for s in (*rest, *learning)) == sorted(s.path for s in whole)
    for defect in ("cut", "hole"):
        splits = [s.split for s in (*learning, *rest) if s.defect == defect]
        assert [splits.count(s) for s in ("train", "validation", "test")] == [6, 2, 2]
    assert all(s.label for s in learning)
    assert [s for s in rest if not s.label] == [s for s in whole if not s.label]


def test_the_seed_decides_and_the_order_of_files_does_not(root: Path) -> None:
    whole = read_catalogue(root, "classes")
    backwards = type(whole)(tuple(reversed(whole.samples)), whole.root, whole.layout)
    assert set(part_classes(whole)[1]) == set(part_classes(backwards)[1])
    assert set(part_classes(whole)[1]) != set(part_classes(whole, seed=1)[1])


def test_copies_stay_together(root: Path) -> None:
    for i in range(10, 14):
        picture(root / "cut" / f"{i}.png", 100)  # the bytes of cut/0.png
    rest, learning = part_classes(read_catalogue(root, "classes"))
    copies = {s.split for s in (*rest, *learning) if s.path.read_bytes() == (root / "cut" / "0.png").read_bytes()}
    assert len(copies) == 1


def test_a_class_too_small_to_part_is_named(root: Path) -> None:
    picture(root / "dent" / "0.png", 200)
    with pytest.raises(TachaError, match="dent: 1 images of 'dent', and a class needs 5"):
        part_classes(read_catalogue(root, "classes"))
