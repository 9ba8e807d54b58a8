"""One score and one map an image, however its pieces are parted into batches."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from tacha.data.frame import Frame
from tacha.data.view import View
from tacha.judging import batches, judge
from tacha.tiling import Tiling, blend

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((60, 130), (20, 20), (90, 70), (33, 64))]
FRAME = Frame.squashed(32)
Array = npt.NDArray[np.float32]


class Counting:
    """Scores are means and maps the red channel; it notes how much it was given at once."""

    name, precision = "counting", "f32"

    def __init__(self, maps: bool = True) -> None:
        self.maps, self.given = maps, list[int]()

    def __call__(self, images: Array) -> list[Array]:
        self.given.append(len(images))
        return [images.mean((1, 2, 3)), *([images[:, 0]] if self.maps else [])]


@pytest.mark.parametrize("tiling", [None, Tiling(32, 0.5), Tiling(64)])
@pytest.mark.parametrize("together", [1, 3, 100])
def test_an_image_is_as_abnormal_as_its_worst_piece(tiling: Tiling | None, together: int) -> None:
    view, engine = View(FRAME, tiling), Counting()
    seen = [view.take(image) for image in IMAGES]
    found = list(judge(engine, seen, together))
    assert len(found) == len(IMAGES)
    for image, (score, anomaly_map) in zip(seen, found, strict=True):
        assert score == pytest.approx(max(float(piece.mean()) for piece in image.pieces), rel=1e-6)
        np.testing.assert_array_equal(anomaly_map, blend([p[0] for p in image.pieces], image.boxes, image.size))
    count = sum(len(image.pieces) for image in seen)
    assert engine.given == [together] * (count // together) + [count % together] * (count % together > 0)


def test_padding_is_no_part_of_a_map() -> None:
    """Two tiles of 64 x 40 side by side in square frames: the map is of the image alone, and seamless."""
    view, pixels = View(Frame(64, 64), Tiling(64, 0.5)), np.full((40, 96, 3), 51, np.uint8)
    ((_, found),) = judge(Counting(), [view.take(pixels)], 8)
    assert found is not None
    assert found.shape == (40, 96)
    np.testing.assert_allclose(found, 0.2, atol=1e-6)


def test_without_maps() -> None:
    seen = [View(FRAME, Tiling(32)).take(image) for image in IMAGES]
    assert [m for _, m in judge(Counting(maps=False), seen, 4)] == [None] * len(IMAGES)


def test_a_score_that_is_no_number_is_not_lost_among_tiles() -> None:
    def engine(images: Array) -> list[Array]:
        return [np.array([math.nan] + [1.0] * (len(images) - 1), np.float32)]

    ((score, _),) = judge(engine, [View(FRAME, Tiling(32)).take(IMAGES[0])], 100)  # type: ignore[arg-type]
    assert math.isnan(score)


def test_pieces_are_prepared_a_batch_at_a_time() -> None:
    made = 0

    def pieces() -> object:
        nonlocal made
        for _ in range(10):
            made += 1
            yield np.zeros((3, 2, 2), np.float32)

    sizes = []
    for batch in batches(pieces(), 4):  # type: ignore[arg-type]
        sizes.append(len(batch))
        assert made == sum(sizes)
    assert sizes == [4, 4, 2]
