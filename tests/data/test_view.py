"""How a detector sees an image: whole as before, or in tiles cut from the image's own pixels."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tacha.data.frame import Frame, over_image
from tacha.data.image import load_prepared, prepare
from tacha.data.view import View
from tacha.errors import TachaError
from tacha.tiling import Tiling

PIXELS = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
SQUARE = Frame.squashed(32)
TILED = View(SQUARE, Tiling(64, 0.25))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_whole_images_are_those_of_load_prepared(path: Path) -> None:
    seen = View(SQUARE).read(path)
    prepared, size = load_prepared(path, SQUARE)
    assert seen.size == size == (130, 90)
    assert seen.boxes == ((0, 0, 130, 90),)
    np.testing.assert_array_equal(np.stack(list(seen.pieces)), prepared[None])


@pytest.mark.parametrize("grey", [False, True])
def test_tiles_are_cut_and_prepared(path: Path, grey: bool) -> None:
    pixels = PIXELS[..., 0] if grey else PIXELS
    seen = TILED.take(pixels) if grey else TILED.read(path)
    assert seen.size == (130, 90)
    assert len(seen.pieces) == len(seen.boxes) == 6
    for piece, (left, top, right, bottom) in zip(seen.pieces, seen.boxes, strict=True):
        np.testing.assert_array_equal(piece, prepare(np.ascontiguousarray(pixels[top:bottom, left:right]), SQUARE))
    np.testing.assert_array_equal(seen.pieces[1:3][1], seen.pieces[2])
    with pytest.raises(IndexError):
        seen.pieces[6]


@pytest.mark.parametrize("size", [(130, 90), (64, 64), (1, 200)])
def test_an_image_within_one_tile_is_seen_whole(size: tuple[int, int], tmp_path: Path) -> None:
    Image.fromarray(PIXELS).resize(size).save(tmp_path / "a.png")
    whole, tiled = (View(SQUARE, tiling).read(tmp_path / "a.png") for tiling in (None, Tiling(200)))
    assert tiled.boxes == whole.boxes
    np.testing.assert_array_equal(tiled.pieces[0], whole.pieces[0])


@pytest.mark.parametrize("frame", [SQUARE, Frame(32, 96)])
def test_a_view_survives_its_card_and_a_process(frame: Frame, path: Path) -> None:
    for view in (View(frame), View(frame, TILED.tiling)):
        assert View.of_card({"input": {**view.to_dict(), "colour": "RGB"}}) == view
    assert View(frame).to_dict() == frame.to_dict()
    seen = pickle.loads(pickle.dumps(TILED.read(path)))  # as data.num_workers sends it
    np.testing.assert_array_equal(seen.pieces[5], TILED.read(path).pieces[5])


def test_cards_older_than_tiles_are_of_whole_images() -> None:
    assert View.of_card({"input": {"size": 64}}) == View(Frame.squashed(64))
    with pytest.raises(TachaError, match=r"data\.tile=8"):
        View.of_card({"input": {"size": 64, "tile": 8, "overlap": 0.25}})


def test_tiles_that_do_not_fill_the_frame_are_padded() -> None:
    """A strip lower than a tile: its tiles are as low, and lie in the frame as any image would."""
    seen = View(Frame(64, 64), Tiling(64, 0)).take(PIXELS[:40])
    assert {box.size for box in seen.boxes} == {(64, 40)}
    assert all(piece.min() < -1 for piece in seen.pieces)
    assert over_image(np.zeros((8, 8), np.float32), seen.pieces[0]).shape == (5, 8)


def test_parts() -> None:
    assert View(SQUARE).part(PIXELS, 0.9) is PIXELS
    left, top, right, bottom = TILED.take(PIXELS).boxes[5]
    part = TILED.part(PIXELS, 0.99)
    np.testing.assert_array_equal(part, PIXELS[top:bottom, left:right])
    assert part.base is None  # the rest of the picture can be freed
