"""`load_prepared` against `prepare(read_image(...))`: the same pixels, or within the tolerance that it states."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tacha.data import image as images
from tacha.data.frame import Frame
from tacha.data.image import DETAIL, load_prepared, prepare, read_image
from tacha.errors import TachaError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (75, 130, 3), dtype=np.uint8)
GREY = NOISE[..., 0]
TURNED = 1.01 / 255  # a level, for rows and columns are resized in the other order
REDUCED = 10 / 255  # stripes of full contrast; photographs keep within 4
SIDE = 64
SQUARE = Frame.squashed(SIDE)


def _alpha(mode: str) -> Image.Image:
    image = Image.fromarray(NOISE if mode == "RGBA" else GREY)
    image.putalpha(Image.fromarray(GREY[::-1]))
    return image


def _reference(path: Path, size: int) -> np.ndarray:
    return prepare(read_image(path), Frame.squashed(size))


@pytest.mark.parametrize("size", [32, 75, 200])
@pytest.mark.parametrize(
    ("image", "suffix"),
    [
        *((Image.fromarray(x), s) for x in (NOISE, GREY) for s in (".png", ".bmp", ".tif", ".webp", ".jpg")),
        (_alpha("RGBA"), ".png"),
        (_alpha("LA"), ".png"),
        (_alpha("RGBA"), ".webp"),
        (Image.fromarray(NOISE).quantize(16), ".png"),
        (Image.fromarray(GREY > 99), ".png"),
        (Image.fromarray(NOISE).convert("CMYK"), ".jpg"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), ".png"),
        (Image.fromarray(GREY.astype(np.int32) * 257), ".tif"),
        (Image.fromarray(GREY.astype(np.float32) / 255), ".tif"),
    ],
)
def test_what_is_decoded_whole_is_exact(tmp_path: Path, image: Image.Image, suffix: str, size: int) -> None:
    path = tmp_path / f"a{suffix}"
    image.save(path, **({"lossless": True} if suffix == ".webp" else {}))
    pixels, original = load_prepared(path, Frame.squashed(size))
    assert original == (130, 75)
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, _reference(path, size))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_by_exif(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(NOISE).save(tmp_path / f"a{suffix}", exif=exif)
    pixels, size = load_prepared(tmp_path / f"a{suffix}", Frame.squashed(32))
    assert size == ((75, 130) if orientation > 4 else (130, 75))
    np.testing.assert_allclose(pixels, _reference(tmp_path / f"a{suffix}", 32), rtol=0, atol=TURNED)


def _drawn(kind: str, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    if kind == "ramps":
        return np.stack([255 * x // (width - 1), 255 * y // (height - 1), 255 - 255 * x // (width - 1)], -1)
    if kind == "noise":
        return np.random.default_rng(1).integers(0, 256, (height, width, 3))
    if kind == "photograph":
        photograph = skimage.data.astronaut()
        return photograph[np.arange(height) % 512][:, np.arange(width) % 512]
    grey = {"disc": (x - width / 2) ** 2 + (y - height / 2) ** 2 < 150**2, "stripes": x // 5 % 2}[kind]
    return np.repeat((grey * 255)[..., None], 3, -1)


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (516, 1022), (1024, 700)])
@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("ramps", 2 / 255), ("noise", 5 / 255), ("disc", 3 / 255), ("stripes", REDUCED), ("photograph", 4 / 255)],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_small_and_keeps_its_pixels(
    tmp_path: Path,
    kind: str,
    tolerance: float,
    height: int,
    width: int,
    quality: int,
    orientation: int,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(_drawn(kind, height, width).astype(np.uint8)).save(path, quality=quality, exif=exif)
    with mock.patch.object(images, "_resized", wraps=images._resized) as resized:
        pixels, size = load_prepared(path, SQUARE)
    assert size == ((width, height) if orientation == 1 else (height, width))
    assert DETAIL * SIDE <= min(resized.call_args.args[0].size) < min(height, width)
    # Half a level is float32's.
    np.testing.assert_allclose(pixels, _reference(path, SIDE), rtol=0, atol=tolerance + 0.002)


@pytest.mark.parametrize("side", [512, 1024, 4000])
@pytest.mark.parametrize("turned", [False, True])
def test_a_scratch_one_pixel_wide_does_not_vanish(tmp_path: Path, side: int, turned: bool) -> None:
    pixels = np.full((side, side), 128, np.uint8)
    pixels[:, side // 3] = 255
    Image.fromarray(pixels.T if turned else pixels).save(tmp_path / "a.jpg", quality=95)
    found, wanted = (
        np.ptp(x[0].mean(1 if turned else 0))
        for x in (load_prepared(tmp_path / "a.jpg", SQUARE)[0], _reference(tmp_path / "a.jpg", SIDE))
    )
    assert wanted > 1 / 255
    assert found == pytest.approx(wanted, abs=1.01 / 255)


@pytest.mark.parametrize("side", [2 * DETAIL * SIDE - 2, 2 * DETAIL * SIDE + 1])
def test_a_jpeg_too_small_or_odd_is_not_reduced(tmp_path: Path, side: int) -> None:
    Image.fromarray(_drawn("noise", side, side).astype(np.uint8)).save(tmp_path / "a.jpg")
    np.testing.assert_array_equal(load_prepared(tmp_path / "a.jpg", SQUARE)[0], _reference(tmp_path / "a.jpg", SIDE))


def test_size_is_checked_as_it_is_stored(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "a.jpg")
    load_prepared(tmp_path / "a.jpg", Frame.squashed(8), max_pixels=75 * 130)
    with pytest.raises(TachaError, match="130x75 pixels, more than the 9,749"):
        load_prepared(tmp_path / "a.jpg", Frame.squashed(8), max_pixels=75 * 130 - 1)


def test_grey_arrays_are_prepared_as_their_rgb() -> None:
    np.testing.assert_array_equal(
        prepare(GREY, Frame.squashed(32)), prepare(np.repeat(GREY[..., None], 3, -1), Frame.squashed(32))
    )


@pytest.mark.real
@pytest.mark.parametrize("category", ["screw", "transistor", "magnetic_tile"])
def test_real_parts_are_exact(category: str) -> None:
    folder = os.environ.get("TACHA_DATA")
    if not folder:
        pytest.skip("TACHA_DATA is not set")
    paths = sorted(p for p in (Path(folder) / category / "train").rglob("*.*") if p.is_file())
    assert len(paths) >= 30
    for path in paths[:30]:
        np.testing.assert_array_equal(load_prepared(path, Frame.squashed(256))[0], _reference(path, 256))
