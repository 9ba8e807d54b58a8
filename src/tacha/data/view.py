"""How a detector sees an image: whole, or in tiles, each brought to its frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from tacha.data.frame import Box, Frame, Size
from tacha.data.image import Prepared, Source, UInt8Image, load_prepared, prepare, read_image
from tacha.tiling import Tiling


@dataclass(frozen=True)
class Seen:
    """An image as a detector sees it: `pieces` [3, H, W] of it, the boxes they lie in, and its (width, height)."""

    pieces: Sequence[Prepared]
    boxes: tuple[Box, ...]
    size: Size


@dataclass(frozen=True)
class View:
    """Images are brought to a frame: whole, or each of their tiles."""

    frame: Frame
    tiling: Tiling | None = None

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> View:
        """That of an artefact's card."""
        return cls(Frame.of_card(card), Tiling.of(card["input"]))

    def to_dict(self) -> dict[str, Any]:
        """As a card has it."""
        tiles = {} if self.tiling is None else {"tile": self.tiling.side, "overlap": self.tiling.overlap}
        return {**self.frame.to_dict(), **tiles}

    def __str__(self) -> str:
        return f"{self.frame} px" + ("" if self.tiling is None else f" from tiles of {self.tiling.side} px")

    def read(self, source: Source) -> Seen:
        """An image file. Raises TachaError as `read_image` does."""
        if self.tiling is not None:
            return self.take(read_image(source))
        prepared, size = load_prepared(source, self.frame)
        return Seen([prepared], (_whole(size),), size)

    def take(self, pixels: UInt8Image) -> Seen:
        """An image [H, W, 3] or [H, W]. Its tiles are prepared as they are asked for, so they need not all be kept."""
        size = (pixels.shape[1], pixels.shape[0])
        boxes = (_whole(size),) if self.tiling is None else self.tiling.boxes(size)
        return Seen(_Pieces(pixels, boxes, self.frame), boxes, size)

    def part(self, pixels: UInt8Image, share: float) -> UInt8Image:
        """The tile that lies at a share (0 up to 1) of all of them, in the image's own pixels; or the whole image."""
        boxes = self.take(pixels).boxes
        if len(boxes) == 1:
            return pixels
        return _cut(pixels, boxes[int(share * len(boxes))]).copy()  # a view of it would keep the whole picture


class _Pieces(Sequence[Prepared]):
    """Boxes of an image, each cut out and prepared when it is asked for."""

    def __init__(self, pixels: UInt8Image, boxes: Sequence[Box], frame: Frame) -> None:
        self._pixels, self._boxes, self._frame = pixels, boxes, frame

    def __len__(self) -> int:
        return len(self._boxes)

    @overload
    def __getitem__(self, index: int) -> Prepared: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Prepared]: ...
    def __getitem__(self, index: int | slice) -> Prepared | Sequence[Prepared]:
        if isinstance(index, slice):
            return _Pieces(self._pixels, self._boxes[index], self._frame)
        return prepare(_cut(self._pixels, self._boxes[index]), self._frame)


def _whole(size: Size) -> Box:
    return Box(0, 0, *size)


def _cut(pixels: UInt8Image, box: Box) -> UInt8Image:
    return pixels[box.top : box.bottom, box.left : box.right]
