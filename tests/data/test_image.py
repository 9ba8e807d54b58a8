from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tacha.data.frame import Frame
from tacha.data.image import load_prepared, prepare, read_image, read_mask
from tacha.errors import TachaError

GREY = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
GREY_RGB = np.repeat(GREY[..., None], 3, axis=-1)


def wide_png(path: Path, side: int) -> Path:
    """A PNG that claims side x side pixels and holds next to none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [(".png", 0), (".bmp", 0), (".tif", 0), (".TIFF", 0), (".webp", 0), (".jpg", 60), (".jpeg", 60)],
)
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_formats(tmp_path: Path, suffix: str, tolerance: int, pixels: np.ndarray) -> None:
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(path, **options)
    expected = pixels if pixels.ndim == 3 else GREY_RGB
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() <= tolerance / 3


def _alpha(mode: str) -> Image.Image:
    image = Image.fromarray(RGB if mode == "RGBA" else GREY)
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:, :5] = 0
    image.putalpha(Image.fromarray(alpha))
    return image


def _palette() -> Image.Image:
    palette = Image.fromarray((GREY % 3).astype(np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return palette


COLOURS = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
WHITE_LEFT_RGB = RGB.copy()
WHITE_LEFT_RGB[:, :5] = 255
WHITE_LEFT_GREY = GREY_RGB.copy()
WHITE_LEFT_GREY[:, :5] = 255


@pytest.mark.parametrize(
    ("image", "suffix", "expected"),
    [
        (_alpha("RGBA"), ".png", WHITE_LEFT_RGB),
        (_alpha("LA"), ".png", WHITE_LEFT_GREY),
        (_palette(), ".png", COLOURS[GREY % 3]),
        (Image.fromarray(GREY > 100), ".png", np.repeat(((GREY > 100) * 255)[..., None], 3, -1)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), ".png", GREY_RGB),
        (Image.fromarray(GREY.astype(np.uint16) * 257), ".tif", GREY_RGB),
        (Image.fromarray(GREY.astype(np.int32) * 257), ".tif", GREY_RGB),
        (Image.fromarray(GREY.astype(np.float32) / 255), ".tif", GREY_RGB),
    ],
    ids=["rgba", "la", "palette", "bilevel", "png16", "tiff16", "tiff32", "float"],
)
def test_modes(tmp_path: Path, image: Image.Image, suffix: str, expected: np.ndarray) -> None:
    image.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), expected)


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    _palette().save(tmp_path / "a.png", transparency=1)
    colours = COLOURS.copy()
    colours[1] = 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colours[GREY % 3])


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red = read_image(tmp_path / "a.jpg")[4, 4].astype(int)
    assert red[0] > 240
    assert red[1:].max() < 15


def test_16_bit_scale_is_fixed(tmp_path: Path) -> None:
    """Two exposures stay two exposures: nothing is stretched to an image's own range."""
    for name, level in (("dim", 2570), ("bright", 25700)):
        Image.fromarray(np.full((4, 4), level, np.uint16)).save(tmp_path / f"{name}.png")
    assert read_image(tmp_path / "dim.png").max() == 10
    assert read_image(tmp_path / "bright.png").max() == 100


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.zeros((40, 64, 3), np.uint8)
    upright[:16, :24] = 200  # one bright corner tells all eight apart with the shape
    upright[:8, 56:] = 90
    undo = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    stored = Image.fromarray(upright)
    if orientation > 1:
        turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Image.Transpose values
        stored = stored.transpose(Image.Transpose(turns[undo[orientation]]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a{suffix}", exif=exif)
    image = read_image(tmp_path / f"a{suffix}")
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 6


def test_file_object() -> None:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    buffer.seek(0)
    np.testing.assert_array_equal(read_image(buffer), RGB)
    with pytest.raises(TachaError, match="the image: not an image"):
        read_image(io.BytesIO(b"nonsense"))


def _truncated(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _text(path: Path) -> Path:
    path.write_text("no image")
    return path


def _empty(path: Path) -> Path:
    path.touch()
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _out_of_range(path: Path) -> Path:
    Image.fromarray(np.full((4, 4), 7.5, np.float32)).save(path, "TIFF")
    return path


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.png", lambda p: p, "no such file"),
        ("a.png", _empty, "0 bytes"),
        ("a.png", _folder, "a folder"),
        ("a.png", _pipe, "not a regular file"),
        ("a.png", _text, "not an image"),
        ("a.png", _truncated, "damaged"),
        ("a.jpg", _truncated, "damaged"),
        ("a.bmp", _truncated, "damaged"),
        ("a.tif", _truncated, "damaged"),
        ("a.webp", _truncated, "damaged|not an image"),
        ("a.tif", _out_of_range, "outside 0..1"),
        ("a.png", lambda p: wide_png(p, 30_000), "more than the"),
        ("a.png", lambda p: wide_png(p, 11_000), "11000x11000 pixels, more than the 100,000,000"),
    ],
)
@pytest.mark.parametrize("read", [read_image, lambda p: load_prepared(p, Frame.squashed(4))], ids=["whole", "prepared"])
def test_hostile_files(tmp_path: Path, name: str, make: object, message: str, read: Callable[[Path], object]) -> None:
    path = make(tmp_path / name)  # type: ignore[operator]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(TachaError, match=message) as caught:
            read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_max_pixels(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png", max_pixels=240)
    with pytest.raises(TachaError, match="20x12 pixels, more than the 239"):
        read_image(tmp_path / "a.png", max_pixels=239)


def test_prepare_is_antialiased_and_scaled() -> None:
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = 255
    small = prepare(stripes, Frame.squashed(16))
    assert small.shape == (3, 16, 16)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, 0.5, atol=0.03)  # without antialiasing the stripes would alias
    full = prepare(np.full((5, 5, 3), 255, np.uint8), Frame.squashed(5))
    assert full.max() == full.min() == 1


def test_prepare_keeps_an_image_that_fits() -> None:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.rint(prepare(image, Frame.squashed(8)) * 255), image.transpose(2, 0, 1))


MASK = np.zeros((12, 20), np.uint8)
MASK[3:6, 4:9] = 1


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (Image.fromarray(MASK), "a.png"),
        (Image.fromarray(MASK * 255), "a.bmp"),
        (Image.fromarray(MASK > 0), "a.png"),
        (Image.fromarray(MASK.astype(np.uint16)), "a.png"),
        (Image.fromarray(np.stack([MASK * 0, MASK * 200, MASK * 0], -1)), "a.png"),
        (Image.fromarray(np.stack([MASK * 255] * 4, -1)), "a.png"),
    ],
    ids=["0/1", "0/255", "bilevel", "16 bit", "colour", "alpha"],
)
def test_masks(tmp_path: Path, image: Image.Image, name: str) -> None:
    image.save(tmp_path / name)
    mask = read_mask(tmp_path / name, size=(20, 12))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK > 0)


def test_jpeg_mask_noise_is_no_flaw(tmp_path: Path) -> None:
    Image.fromarray(np.kron(MASK, np.ones((8, 8), np.uint8)) * 255).save(tmp_path / "a.jpg", quality=50)
    assert read_mask(tmp_path / "a.jpg").mean() == pytest.approx((MASK > 0).mean(), abs=0.01)


def test_mask_of_another_size(tmp_path: Path) -> None:
    Image.fromarray(MASK).save(tmp_path / "a.png")
    with pytest.raises(TachaError, match=r"a\.png: the mask is 20x12 but its image is 12x20"):
        read_mask(tmp_path / "a.png", size=(12, 20))
