"""The frame that images are brought to: its height and width, where an image lies in it, and what counts of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError

ASPECTS = ("keep", "squash")
MULTIPLE = 32  # px; the coarsest grid of most nets
STEP = 8  # px; their finest: an image ends where cells do
LEAST = 32  # px of a frame that an image is given, however thin it is: less would hold no place of a coarse grid
LONGEST = 8.0  # longest side over shortest of a frame
STRETCH = 1 / 16  # of a side; an image that lacks less is stretched
MARK = 2.0  # taken from the pixels of padding: they lie in -2..-1, and one array holds both pixels and mask

Floats = npt.NDArray[np.float32]
Size = tuple[int, int]


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Width, height."""
        return self.right - self.left, self.bottom - self.top


@dataclass(frozen=True)
class Frame:
    """Height and width in pixels, and what is done with an image of another aspect ratio.

    `aspect` "squash" stretches every image to the frame. "keep" scales it to fit inside, lays it in the middle and
    pads with marked pixels (`MARK`); only what lacks less than a sixteenth of a side is stretched.
    """

    height: int
    width: int
    aspect: str = "keep"

    def __post_init__(self) -> None:
        if self.aspect not in ASPECTS:
            raise TachaError(f"data.aspect={self.aspect!r}: choose one of {', '.join(ASPECTS)}")

    @classmethod
    def squashed(cls, size: int) -> Frame:
        """A square that every image is stretched to."""
        return cls(size, size, "squash")

    @classmethod
    def fitting(cls, sizes: Iterable[Size], size: int) -> Frame:
        """The frame for images of such (width, height): their median aspect ratio, at most 8:1, on about size² pixels.

        Sides are multiples of 32; where these come out alike, or there is no image, it is exactly (size, size).
        """
        ratio = statistics.median([width / height for width, height in sizes] or [1.0])
        root = math.sqrt(min(max(ratio, 1 / LONGEST), LONGEST))
        width, height = (MULTIPLE * max(1, round(side / MULTIPLE)) for side in (size * root, size / root))
        return cls(size, size) if width == height else cls(height, width)

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Frame:
        """That of an artefact's card; older ones have one `size`, to which images were stretched."""
        given = card["input"]
        if "size" in given:
            return cls.squashed(int(given["size"]))
        return cls(int(given["height"]), int(given["width"]), str(given["aspect"]))

    def to_dict(self) -> dict[str, Any]:
        """As a card has it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a prepared image."""
        return 3, self.height, self.width

    @property
    def pads(self) -> bool:
        """Whether an image may be padded: the detector must then tell padding from pixels."""
        return self.aspect == "keep"

    @property
    def whole(self) -> Box:
        return Box(0, 0, self.width, self.height)

    def place(self, size: Size) -> Box:
        """Where an image of (width, height) lies in the frame."""
        if not self.pads:
            return self.whole
        scale = min(self.width / size[0], self.height / size[1])
        (left, right), (top, bottom) = (
            _span(side * scale, own) for side, own in zip(size, (self.width, self.height), strict=True)
        )
        return Box(left, top, right, bottom)

    def filled_by(self, size: Size) -> bool:
        """Whether an image of (width, height) leaves nothing to pad."""
        return self.place(size) == self.whole

    def lay(self, image: Floats, box: Box) -> Floats:
        """An image [3, h, w] of the box's size in its frame [3, H, W]; around it, mirrored and marked, itself."""
        if box == self.whole:
            return image
        sides = (box.top, self.height - box.bottom), (box.left, self.width - box.right)
        framed = np.pad(image, ((0, 0), *sides), mode="reflect") - np.float32(MARK)
        framed[:, box.top : box.bottom, box.left : box.right] = image
        return framed


def centres(cells: int, side: int) -> list[int]:
    """The pixel in the middle of each of so many cells along a side of so many pixels."""
    return [(2 * i + 1) * side // (2 * cells) for i in range(cells)]


def over_image(anomaly_map: Floats, pixels: Floats) -> Floats:
    """The part of a map [h, w] over the image in a prepared array [3, H, W]: its cells whose centre is no padding."""
    (height, width), (rows, columns) = pixels.shape[-2:], anomaly_map.shape
    inside = pixels[0][np.ix_(centres(rows, height), centres(columns, width))] > -MARK / 4
    if inside.all() or not inside.any():
        return anomaly_map
    down, across = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return anomaly_map[down[0] : down[-1] + 1, across[0] : across[-1] + 1]


def _span(wanted: float, own: int) -> tuple[int, int]:
    """First and last of so many pixels in the middle of a frame's side: of all of them where few would be lacking."""
    length = STEP * round(wanted / STEP)
    if own - wanted < STRETCH * own or length >= own:
        return 0, own
    length = min(own, max(LEAST, length))
    start = (own - length) // 2 // STEP * STEP
    return start, start + length
