"""Pictures inside a page: as PNG where every line counts, as small JPEG where there are many."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tacha.errors import TachaError

if TYPE_CHECKING:
    from PIL.Image import Image

    from tacha.data.image import UInt8Image


@dataclass(frozen=True)
class Picture:
    """An embedded picture, its alternative text and the lines beneath it."""

    source: str
    alt: str
    title: str = ""
    caption: str = ""


def png(path: Path) -> str:
    """A PNG file as the source of an <img>, byte for byte."""
    return embedded("image/png", path.read_bytes())


def thumbnail(path: Path, side: int) -> str:
    """A picture file as the source of an <img>: JPEG, its longer side at most `side` px. TachaError names a bad one."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return _small(image.convert("RGB"), side)
    except OSError as error:
        raise TachaError(f"{path}: is not a whole picture ({error}); remove it or run again") from error


def thumbnail_of(pixels: UInt8Image, side: int) -> str:
    """The same of an image [H, W, 3]."""
    from PIL import Image

    return _small(Image.fromarray(pixels), side)


def _small(picture: Image, side: int) -> str:
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return embedded("image/jpeg", buffer.getvalue())


def embedded(kind: str, data: bytes) -> str:
    """A picture's bytes as the source of an <img>."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
