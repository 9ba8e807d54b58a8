"""Frames: which is chosen, where an image lies in one, and what is padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tacha.data import frame as frames
from tacha.data.frame import LEAST, Box, Frame, centres, over_image
from tacha.data.image import load_prepared, prepare, read_image, upright_size
from tacha.data.module import frame_for
from tacha.data.sample import Sample
from tacha.errors import TachaError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("sizes", "size", "expected"),
    [
        ([(512, 512)] * 3, 256, (256, 256)),
        ([(640, 600), (512, 512)], 256, (256, 256)),
        ([(512, 512)], 100, (100, 100)),  # whatever the size: as it was asked for
        ([], 224, (224, 224)),
        ([(1200, 150)], 256, (96, 736)),
        ([(150, 1200)], 256, (736, 96)),
        ([(640, 480)], 256, (224, 288)),
        ([(10_000, 1)], 256, (96, 736)),  # at most 8:1
        ([(1, 10_000)], 64, (192, 32)),
        ([(800, 600)] * 3 + [(600, 800)] * 2, 256, (224, 288)),
        ([(800, 600), (600, 800)], 256, (256, 256)),
    ],
)
def test_the_frame_of_images(sizes: list[tuple[int, int]], size: int, expected: tuple[int, int]) -> None:
    found = Frame.fitting(sizes, size)
    assert (found.height, found.width, found.aspect) == (*expected, "keep")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((128, 128), (0, 0, 256, 256)),
        ((100, 97), (0, 0, 256, 256)),  # less than a sixteenth would be lacking: stretched
        ((97, 100), (0, 0, 256, 256)),
        ((200, 100), (0, 64, 256, 192)),
        ((100, 200), (64, 0, 192, 256)),
        ((1000, 150), (0, 104, 256, 144)),
        ((10_000, 20), (0, 112, 256, 144)),
        ((1, 5000), (112, 0, 144, 256)),
    ],
)
def test_where_an_image_lies(size: tuple[int, int], expected: tuple[int, int, int, int]) -> None:
    assert Frame(256, 256).place(size) == Box(*expected)
    assert Frame(256, 256).filled_by(size) == (expected == (0, 0, 256, 256))
    assert Frame.squashed(256).place(size) == Box(0, 0, 256, 256)


def test_any_image_lies_inside_on_whole_cells_and_keeps_its_shape() -> None:
    for _ in range(500):
        height, width = (32 * int(n) for n in RNG.integers(1, 12, 2))
        size = tuple(int(n) for n in np.exp(RNG.uniform(0, 9, 2)).astype(int) + 1)
        box = Frame(height, width).place((size[0], size[1]))
        assert 0 <= box.left <= box.right - LEAST
        assert box.right <= width
        assert 0 <= box.top <= box.bottom - LEAST
        assert box.bottom <= height
        assert box.left % 8 == box.right % 8 == box.top % 8 == box.bottom % 8 == 0
        assert abs((box.left + box.right - width) / 2) <= 8  # in the middle
        assert abs((box.top + box.bottom - height) / 2) <= 8
        wide, high = box.size
        scale = min(width / size[0], height / size[1])
        for found, wanted, own in ((wide, size[0] * scale, width), (high, size[1] * scale, height)):
            assert abs(found - wanted) <= max(4, own / 16) + 1e-6 or found == LEAST


def test_padding_is_mirrored_and_marked() -> None:
    image = RNG.integers(0, 256, (100, 200, 3), dtype=np.uint8)
    found, plain = prepare(image, Frame(256, 256)), prepare(image, Frame(128, 256, "squash"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 64:192], plain)
    for above, at in ((63, 1), (0, 64), (10, 54)):
        np.testing.assert_allclose(found[:, above] + 2, plain[:, at], atol=1e-6)
    for below, at in ((192, 126), (255, 63)):
        np.testing.assert_allclose(found[:, below] + 2, plain[:, at], atol=1e-6)
    assert found[:, :64].max() <= -1
    assert found[:, :64].min() >= -2


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (1, 1), (20, 10_000), (10_000, 20), (2, 3)])
@pytest.mark.parametrize("frame", [Frame(256, 256), Frame(96, 736), Frame(192, 32), Frame.squashed(64)])
def test_any_shape_is_prepared(tmp_path: Path, shape: tuple[int, int], frame: Frame) -> None:
    pixels = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found, size = load_prepared(tmp_path / "a.png", frame)
    assert size == shape[::-1]
    assert found.shape == frame.shape
    box = frame.place(size)
    inside = np.zeros(frame.shape[1:], bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    np.testing.assert_array_equal(found[0] >= 0, inside)
    np.testing.assert_array_equal(found, prepare(pixels, frame))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_turned_by_exif_lies_as_it_is_seen(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RNG.integers(0, 256, (75, 300, 3), dtype=np.uint8)).save(path, exif=exif)
    frame = Frame(128, 64)
    found, size = load_prepared(path, frame)
    assert size == upright_size(path) == ((75, 300) if orientation > 4 else (300, 75))
    np.testing.assert_allclose(found, prepare(read_image(path), frame), rtol=0, atol=1.01 / 255)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_long_jpeg_is_decoded_small_along_the_side_that_it_has(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stripes = np.repeat((np.mgrid[:256, :4096][1] // 64 % 2 * 255).astype(np.uint8)[..., None], 3, -1)
    Image.fromarray(stripes).save(tmp_path / "a.jpg", exif=exif, quality=95)
    frame = Frame(32, 256) if orientation == 1 else Frame(256, 32)
    np.testing.assert_allclose(
        load_prepared(tmp_path / "a.jpg", frame)[0], prepare(read_image(tmp_path / "a.jpg"), frame), atol=5 / 255
    )


def test_headers_alone_choose_a_frame(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, width in zip(paths, (300, 300, 300, 100, 100), strict=True):
        Image.fromarray(np.zeros((100, width), np.uint8)).save(path)
    paths[0].write_bytes(b"no image")
    paths[1].write_bytes(paths[1].read_bytes()[:60])  # a header without its pixels
    samples = [Sample(path, "a", "train") for path in paths]
    assert frame_for(samples, 64, "keep") == Frame.fitting([(300, 100)] * 2 + [(100, 100)] * 2, 64)
    assert frame_for(samples, 64, "squash") == Frame.squashed(64)
    assert frame_for(samples[:1], 64, "keep") == Frame(64, 64)


def test_a_cell_has_its_middle_pixel() -> None:
    assert centres(4, 32) == [4, 12, 20, 28]
    assert centres(3, 8) == [1, 4, 6]
    assert centres(8, 8) == list(range(8))


@pytest.mark.parametrize("grid", [(32, 32), (16, 16), (8, 8), (28, 28), (256, 256)])
def test_the_map_over_an_image(grid: tuple[int, int]) -> None:
    pixels = prepare(RNG.integers(0, 256, (100, 200, 3), dtype=np.uint8), Frame(256, 256))
    rows = np.array(centres(grid[0], 256))
    anomaly_map = np.repeat(rows[:, None], grid[1], 1).astype(np.float32)
    found = over_image(anomaly_map, pixels)
    np.testing.assert_array_equal(found[:, 0], rows[(rows >= 64) & (rows < 192)])
    assert found.shape[1] == grid[1]


def test_a_map_over_all_or_too_coarse_is_whole() -> None:
    anomaly_map = RNG.random((2, 2), dtype=np.float32)
    for shape in ((200, 200), (10, 400)):
        pixels = prepare(np.zeros((*shape, 3), np.uint8), Frame(256, 256))
        assert over_image(anomaly_map, pixels) is anomaly_map


def test_cards_old_and_new() -> None:
    assert Frame.of_card({"input": {"size": 224}}) == Frame.squashed(224)
    for frame in (Frame(96, 736), Frame.squashed(64)):
        assert Frame.of_card({"input": {**frame.to_dict(), "colour": "RGB"}}) == frame
    assert str(Frame(96, 736)) == "736x96"
    with pytest.raises(TachaError, match=r"data\.aspect='crop': choose one of keep, squash"):
        Frame(64, 64, "crop")
    assert frames.MARK == 2  # artefacts' graphs hold it
