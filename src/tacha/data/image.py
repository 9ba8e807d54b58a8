"""Files to arrays: the one way an image or a mask is read, and the one way it is brought to size."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tacha.data.frame import Frame, Size
from tacha.errors import TachaError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 100_000_000
# A JPEG is decoded at no less than this many times the side that is wanted. At twice, edges lose up to 11 of 255
# levels and scores drift; at four times, next to nothing (docs/results.md).
DETAIL = 4

# Any other format stays shut, EPS with its interpreter above all. JPEG covers the MPO that some cameras write.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP")
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTERS = tuple(_UPRIGHT[i] for i in (5, 6, 7, 8))

UInt8Image = npt.NDArray[np.uint8]
Prepared = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Source = str | os.PathLike[str] | BinaryIO


class NamedBytes(io.BytesIO):
    """A file's bytes under the name that messages call them by; nothing is opened by it."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def read_image(source: Source, max_pixels: int = MAX_PIXELS) -> UInt8Image:
    """An image file as RGB, uint8 [H, W, 3], upright by its EXIF orientation.

    16-bit grey is scaled by the fixed factor 1/257, 'F' must lie in 0..1 and 'I' in 0..65535, so that one grey
    level means the same in every image. Transparent pixels are laid over white. The size is checked before any
    pixel is decoded. Raises TachaError.
    """
    return to_rgb(open_image(source, max_pixels), _name(source))


def read_mask(source: Source, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS) -> Mask:
    """A mask file as bool [H, W]: True where it is not black (and not transparent).

    JPEG masks count from mid-grey up, since compression leaves noise in the black. `size` is the image's
    (width, height). Raises TachaError when the mask has another one.
    """
    mask = open_image(source, max_pixels)
    if size is not None and mask.size != size:
        raise TachaError(
            f"{_name(source)}: the mask is {mask.width}x{mask.height} but its image is {size[0]}x{size[1]}; "
            "export the mask at the image's size"
        )
    lossy = mask.format in ("JPEG", "MPO")
    if mask.mode == "P" or (mask.mode not in ("1", "L", "I", "F") and not mask.mode.startswith("I;16")):
        rgba = np.asarray(mask.convert("RGBA"))
        values, visible = rgba[..., :3].max(axis=-1), rgba[..., 3] > 0
    else:
        values, visible = np.asarray(mask), np.ones((mask.height, mask.width), dtype=bool)
    flaw: Mask = (values >= 128 if lossy else values != 0) & visible
    return flaw


def prepare(image: UInt8Image, frame: Frame) -> Prepared:
    """uint8 [H, W, 3] RGB or [H, W] grey to float32 [3, height, width] of the frame, in 0..1 (padding in -2..-1), by
    an antialiased bilinear resize."""
    box = frame.place((image.shape[1], image.shape[0]))
    return frame.lay(_unit(_resized(Image.fromarray(image), box.size)), box)


def load_prepared(source: Source, frame: Frame, max_pixels: int = MAX_PIXELS) -> tuple[Prepared, Size]:
    """An image file as float32 [3, height, width] of the frame, and the (width, height) of the upright original.

    What `prepare(read_image(source), frame)` gives, for less: grey stays in one channel until it is small, and a JPEG
    whose sides allow it is decoded at a half, a quarter or an eighth, but at DETAIL times the pixels wanted or more.
    The two are equal but for one level of 255 in images that EXIF turns, and in a reduced JPEG at most 10 (stripes of
    full contrast; photographs 4). Training, calibration and inspection all read files by this function, so that they
    see the same pixels. Raises TachaError as `read_image` does.
    """
    with _opened(source, max_pixels) as image:
        stored = image.size
        lies = _lies(image)
        _reduce(image, _swapped(frame.place(_swapped(stored, lies)).size, lies))
        image.load()
        turn = _turn(image)
    lies = turn in _QUARTERS
    size = _swapped(stored, lies)
    box = frame.place(size)
    small = _resized(_plain(image, _name(source)), _swapped(box.size, lies))
    if turn is not None:
        small = small.transpose(turn)
    return frame.lay(_unit(small), box), size


def upright_size(source: Source, max_pixels: int = MAX_PIXELS) -> Size:
    """(width, height) of an image file as its header and EXIF orientation have it; no pixel is decoded.

    Raises TachaError for what is no image.
    """
    with _opened(source, max_pixels) as image:
        return _swapped(image.size, _lies(image))


def open_image(source: Source, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A decoded Pillow image, upright, in the mode its file has. Raises TachaError."""
    with _opened(source, max_pixels) as image:
        image.load()
        turn = _turn(image)
        if turn is None:
            return image
        turned = image.transpose(turn)
        turned.format = image.format
        return turned


def to_rgb(image: Image.Image, name: str = "image") -> UInt8Image:
    """A decoded Pillow image of any mode as RGB uint8 [H, W, 3]; the rules are those of `read_image`."""
    return np.array(_plain(image, name).convert("RGB"), dtype=np.uint8)


@contextmanager
def _opened(source: Source, max_pixels: int) -> Iterator[Image.Image]:
    """The file opened and its size checked, nothing decoded; whatever the block meets becomes a TachaError."""
    name = _name(source)
    if isinstance(source, (str, os.PathLike)):
        _check_file(Path(source))
    try:
        with Image.open(source, formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise TachaError(_too_large(name, f"{image.width}x{image.height} pixels", max_pixels))
            yield image
    except TachaError:
        raise
    except Image.DecompressionBombError:
        limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
        raise TachaError(_too_large(name, "too many pixels", limit)) from None
    except UnidentifiedImageError:
        raise TachaError(f"{name}: not an image that can be read; give a PNG, JPEG, BMP, TIFF or WebP file") from None
    # Pillow's decoders raise nearly anything on broken bytes: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TachaError(f"{name}: damaged image ({reason}); replace or remove the file") from None


def _plain(image: Image.Image, name: str) -> Image.Image:
    """The image as 8-bit grey or RGB without transparency."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_deep_grey(image, name))
    try:
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return image if image.mode in ("L", "RGB") else image.convert("RGB")
    except (ValueError, OSError):
        raise TachaError(f"{name}: colour mode {image.mode} cannot be read; save the image as RGB") from None


def _reduce(image: Image.Image, wanted: Size) -> None:
    """Have a JPEG decoded smaller, at DETAIL times the (width, height) wanted or more; other formats stay."""
    for scale in (8, 4, 2):
        width, height = (n // scale for n in image.size)
        enough = width >= DETAIL * wanted[0] and height >= DETAIL * wanted[1]
        # Where a side is no multiple, the last row of the reduced image would stand for fewer rows than the others.
        if (width * scale, height * scale) == image.size and enough:
            image.draft(None, (width, height))
            return


def _resized(image: Image.Image, size: Size) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)


def _unit(image: Image.Image) -> Prepared:
    chw = np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(chw) / np.float32(255)


def _deep_grey(image: Image.Image, name: str) -> UInt8Image:
    values = np.asarray(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise TachaError(f"{name}: floating-point pixels outside 0..1; save the image as 8 or 16 bit")
        unit: UInt8Image = np.rint(values * 255).astype(np.uint8)
        return unit
    if values.min() < 0 or values.max() > 65535:
        raise TachaError(f"{name}: 32-bit pixels outside 0..65535; save the image as 8 or 16 bit")
    scaled: UInt8Image = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return scaled


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes a decoded image upright, by its EXIF orientation."""
    # Pillow's exif_transpose also rewrites the EXIF block, which fails on blocks that are merely odd.
    return _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))


def _lies(image: Image.Image) -> bool:
    """Whether an image's stored rows are columns of the upright one, as far as is known before it is decoded."""
    # Pillow says a TIFF's upright size from the start, and its PNG class would decode the file to look for EXIF.
    return image.format != "TIFF" and _UPRIGHT.get(Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)) in _QUARTERS


def _swapped(size: Size, lies: bool) -> Size:
    return (size[1], size[0]) if lies else size


def _check_file(path: Path) -> None:
    try:
        info = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise TachaError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise TachaError(f"{path}: cannot be opened ({error}); check the path and its permissions") from None
    if stat.S_ISDIR(info.st_mode):
        raise TachaError(f"{path}: a folder where one image is wanted; give an image file")
    if not stat.S_ISREG(info.st_mode):
        raise TachaError(f"{path}: not a regular file; give an image file")
    if info.st_size == 0:
        raise TachaError(f"{path}: the file is empty (0 bytes); replace or remove it")


def _too_large(name: str, size: str, limit: int) -> str:
    return f"{name}: {size}, more than the {limit:,} allowed; make the image smaller or cut it into several files"


def _name(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the image"
