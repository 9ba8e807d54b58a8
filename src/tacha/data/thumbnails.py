"""Images made small: as numbers to compare, and as pictures to show, kept out of memory until they are."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32  # of what is compared
SHOWN = 192  # px, the longer side of what is shown

Small = npt.NDArray[np.uint8]


def small(image: Image.Image) -> Small:
    """An image as grey levels [32, 32], each the mean of what it covers."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def small_edges(edges: Image.Image | None) -> Small:
    """How sharp each cell [32, 32] is: four times the mean absolute Laplacian, up to 255; `edges` holds it plus 128."""
    if edges is None:
        return np.zeros((SIDE, SIDE), np.uint8)
    return small(edges.point([min(255, 4 * abs(v - 128)) for v in range(256)]))


def small_colours(image: Image.Image) -> dict[str, Small]:
    """Saturation of each cell [32, 32], and warmth as half of it plus 128; nothing for an image without colour."""
    if image.mode != "RGB":
        return {}
    r, g, b = (small(c).astype(np.int16) for c in image.split())
    if np.array_equal(r, g) and np.array_equal(g, b):
        return {}
    rgb = np.stack([r, g, b])
    saturation = (rgb.max(axis=0) - rgb.min(axis=0)).astype(np.uint8)
    return {"saturation": saturation, "warmth": ((r - b) // 2 + 128).astype(np.uint8)}


def small_mask(mask: npt.NDArray[np.bool_]) -> Small:
    """A mask [H, W] as [32, 32]: how much of each cell it covers, of 255."""
    return small(Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))))


class Album:
    """Pictures by the path of the image they show, as JPEG in one temporary file that goes when the block ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, it is closed with the album
        self._places: dict[Path, tuple[int, int]] = {}

    def __enter__(self) -> Album:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, path: Path, image: Image.Image) -> None:
        """Keep a picture of an image."""
        picture = image.copy() if max(image.size) <= SHOWN else _shrunk(image)
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=82)
        self._places[path] = (self._file.seek(0, io.SEEK_END), buffer.tell())
        self._file.write(buffer.getvalue())

    def get(self, path: Path) -> bytes | None:
        """The picture as JPEG, where there is one."""
        if path not in self._places:
            return None
        start, length = self._places[path]
        self._file.seek(start)
        return self._file.read(length)


def _shrunk(image: Image.Image) -> Image.Image:
    scale = SHOWN / max(image.size)
    size = tuple(max(1, round(n * scale)) for n in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
