"""What can be measured of one image without any training: light, contrast, colour, sharpness, size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacha.words import _

if TYPE_CHECKING:
    from PIL.Image import Image

LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Trait:
    """A measured quantity: how it is called and compared.

    `floor` is the least spread that is taken seriously: below it two images look alike to anyone. What is
    `relative` is compared on a logarithmic scale, where a floor of 0.05 is 5 %, and never below `least`. No image
    has less than `lowest`.
    """

    name: str
    title: str
    unit: str
    about: str
    floor: float
    relative: bool = False
    least: float = 0.1
    colour: bool = False
    lowest: float = 0

    def scale(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values on the scale they are compared on."""
        v = np.asarray(values, dtype=np.float64)
        return np.log(np.maximum(v, self.least)) if self.relative else v

    def back(self, value: float) -> float:
        """From that scale to the trait's own unit."""
        return math.exp(value) if self.relative else value


TRAITS = (
    Trait("brightness", _("brightness"), _("grey levels"), _("mean grey level, 0 black to 255 white"), 2),
    Trait("contrast", _("contrast"), _("grey levels"), _("standard deviation of the grey levels"), 0.05, True),
    Trait(
        "saturation",
        _("saturation"),
        _("grey levels"),
        _("mean difference between the strongest and the weakest colour channel"),
        2,
        colour=True,
    ),
    Trait("warmth", _("warmth"), _("grey levels"), _("mean of red less mean of blue"), 2, colour=True, lowest=-255),
    Trait(
        "sharpness",
        _("sharpness"),
        _("grey levels"),
        _("standard deviation of the Laplacian of the grey levels"),
        0.05,
        True,
    ),
    Trait("clipped", _("clipped pixels"), "%", _("share of pixels that are fully black or fully white"), 1),
    Trait("aspect", _("aspect ratio"), "", _("width over height"), 0.02, True, 1e-3),
    Trait("pixels", _("image size"), _("megapixels"), _("width times height"), 0.02, True, 1e-6),
    Trait("bits", _("file size"), _("bits a pixel"), _("size of the file over its pixels"), 0.05, True, 1e-3),
)


def measure(image: Image, edges: Image | None, file_bytes: int) -> dict[str, float]:
    """Every trait of an image in mode L or RGB; `edges` are what `laplacian` makes of it.

    Pixels are counted in histograms, so no copy is wider than a byte.
    """
    grey = image.convert("L")
    counts = np.asarray(grey.histogram(), dtype=np.float64)
    n = counts.sum()
    brightness, contrast = _moments(counts)
    saturation, warmth = _colour(image) if image.mode == "RGB" else (0.0, 0.0)
    sharpness = 0.0 if edges is None else _moments(np.asarray(edges.histogram(), dtype=np.float64))[1]
    width, height = image.size
    return {
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "warmth": warmth,
        "sharpness": sharpness,
        "clipped": float(100 * (counts[0] + counts[255]) / n),
        "aspect": width / height,
        "pixels": width * height / 1e6,
        "bits": 8 * file_bytes / (width * height),
    }


def laplacian(image: Image) -> Image | None:
    """The Laplacian of the grey levels plus 128, without the outermost pixels; None where there are no others."""
    from PIL import ImageFilter

    width, height = image.size
    if min(width, height) < 3:
        return None
    kernel = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=1, offset=128)
    return image.convert("L").filter(kernel).crop((1, 1, width - 1, height - 1))


def _colour(image: Image) -> tuple[float, float]:
    from PIL import ImageChops

    red, green, blue = image.split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    weakest = ImageChops.darker(ImageChops.darker(red, green), blue)
    spread = ImageChops.subtract(strongest, weakest)
    mean = [_moments(np.asarray(c.histogram(), dtype=np.float64))[0] for c in (spread, red, blue)]
    return mean[0], mean[1] - mean[2]


def _moments(counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    mean = float((counts * LEVELS).sum() / counts.sum())
    return mean, math.sqrt(max(0.0, float((counts * (LEVELS - mean) ** 2).sum() / counts.sum())))
