"""Many pictures out of one good one: moved, relit, spoilt. A student learns what its teacher says of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from tacha.data.flaws import FLAWS, UInt8Image, add_flaw
from tacha.data.frame import Size

Spoil = Callable[[UInt8Image, UInt8Image, np.random.Generator], UInt8Image]

SPOILT = (0.3, 0.4, 0.2, 0.1)  # chances of 0, 1, 2 and 3 things done to a picture
FAINTEST = 0.1  # of a thing done to a picture; the strongest is done whole
OUT_OF_PLACE = 0.08  # chance that a picture is turned or shifted as a whole
FAR = {"shift": 0.25, "turn": 90.0, "stretch": 0.2}
RELIT = 0.3  # chance of another light, and of a camera's noise


def varied(image: UInt8Image, other: UInt8Image, size: Size, rng: np.random.Generator) -> UInt8Image:
    """A picture of (width, height) made of a good one, never the very one: its teacher knows that by heart.

    `other`, of that size too, is another good picture, to take pieces of. Orientation is kept but for a few degrees.
    """
    # Moved before it is made small, as prepare would: resampled afterwards, it would be softer than any real picture.
    picture = small(moved(image, rng, **(FAR if rng.random() < OUT_OF_PLACE else {})), size)
    for _ in range(rng.choice(len(SPOILT), p=SPOILT)):
        name = list(SPOILS)[rng.integers(len(SPOILS))]
        strength = rng.uniform(FAINTEST, 1)
        spoilt = SPOILS[name](picture, other, rng).astype(float)
        picture = np.rint(picture + strength * (spoilt - picture)).astype(np.uint8)
    return relit(picture, rng)


def small(image: UInt8Image, size: Size) -> UInt8Image:
    """As tacha.data.image.prepare makes it, in bytes [H, W, 3] of that (width, height)."""
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def moved(
    image: UInt8Image, rng: np.random.Generator, shift: float = 0.03, turn: float = 4.0, stretch: float = 0.03
) -> UInt8Image:
    """Shifted by a share of its side, turned by degrees and stretched, up to as much as is said; edges mirrored."""
    height, width = image.shape[:2]
    angle, scale = np.deg2rad(rng.uniform(-turn, turn)), 1 + rng.uniform(-stretch, stretch)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    dx, dy = rng.uniform(-shift, shift, 2) * (width, height)
    wide, high = width // 2, height // 2
    padded = np.pad(image, ((high, high), (wide, wide), (0, 0)), mode="symmetric")
    x, y = (width - 1) / 2, (height - 1) / 2
    coefficients = (a, -b, x + wide + dx - a * x + b * y, b, a, y + high + dy - b * x - a * y)
    turned = Image.fromarray(padded).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def relit(picture: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """Now and then a little brighter or darker, now and then with a camera's noise."""
    values = picture.astype(float)
    if rng.random() < RELIT:
        values = values * rng.uniform(0.93, 1.07) + rng.uniform(-5, 5)
    if rng.random() < RELIT:
        values += rng.uniform(0, 2.5) * rng.standard_normal(picture.shape)
    out: UInt8Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return out


def _drawn(kind: str) -> Spoil:
    def spoil(image: UInt8Image, other: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        try:
            return add_flaw(kind, image, rng, other if rng.random() < 0.5 else None, tries=3)[0]
        except ValueError:  # it cannot be seen on this one, which is then as it was
            return image

    return spoil


def _pasted(image: UInt8Image, other: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """A rectangle of this picture or another where it does not belong (CutPaste, Li et al. 2021)."""
    (top, left), (height, width) = _box(image, rng)
    source = image if rng.random() < 0.5 else other
    y, x = (int(rng.integers(0, n - k + 1)) for n, k in zip(image.shape[:2], (height, width), strict=True))
    out = image.copy()
    piece = source[y : y + height, x : x + width]
    out[top : top + height, left : left + width] = piece[::-1, ::-1] if rng.random() < 0.5 else piece
    return out


def _wiped(image: UInt8Image, other: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """A rectangle in one colour of the picture: something is missing, or covered."""
    (top, left), (height, width) = _box(image, rng)
    out = image.copy()
    colour = image[rng.integers(image.shape[0]), rng.integers(image.shape[1])]
    out[top : top + height, left : left + width] = colour
    return out


def _bent(image: UInt8Image, other: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """What lies around a place, pushed aside."""
    side = min(image.shape[:2])
    centre = _place(image, rng)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
    reach = np.exp(rng.uniform(np.log(0.015), np.log(0.15))) * side
    near = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * reach**2))
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0) * reach
    return _taken(image, y + far * np.sin(angle) * near, x + far * np.cos(angle) * near)


def _blurred(image: UInt8Image, other: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """A rectangle out of focus, or the whole picture."""
    from scipy import ndimage

    sigma = rng.uniform(0.005, 0.02) * min(image.shape[:2])
    soft = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < 0.2:
        return np.asarray(soft)
    (top, left), (height, width) = _box(image, rng)
    out = image.copy()
    out[top : top + height, left : left + width] = soft[top : top + height, left : left + width]
    return out


SPOILS: dict[str, Spoil] = {
    **{kind: _drawn(kind) for kind in FLAWS},
    "pasted": _pasted,
    "wiped": _wiped,
    "bent": _bent,
    "blurred": _blurred,
}


def _box(image: UInt8Image, rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top left corner and size of a rectangle of 2 % to 30 % of the side, small ones as often as large ones."""
    shape = np.array(image.shape[:2])
    size = np.maximum(2, np.exp(rng.uniform(np.log(0.02), np.log(0.3), 2)) * shape).astype(int)
    corner = np.clip(_place(image, rng) - size / 2, 0, shape - size).astype(int)
    return (int(corner[0]), int(corner[1])), (int(size[0]), int(size[1]))


def _place(image: UInt8Image, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A place (y, x): anywhere, or as often where there is something to see, as flaws of a part lie on the part."""
    if rng.random() < 0.5:
        return rng.uniform(0, 1, 2) * image.shape[:2]
    grey = image.mean(-1)
    edges = np.hypot(*np.gradient(grey)).ravel().cumsum()
    found = np.searchsorted(edges, rng.uniform(0, 1) * edges[-1])
    return np.array(np.unravel_index(min(int(found), grey.size - 1), grey.shape), dtype=float)


def _taken(image: UInt8Image, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> UInt8Image:
    """The picture seen at places y, x [H, W]; beyond its edges it is mirrored."""
    import torch

    height, width = image.shape[:2]
    places = np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], axis=-1).astype(np.float32)
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)
    seen = torch.nn.functional.grid_sample(
        pixels[None], torch.from_numpy(places)[None], padding_mode="reflection", align_corners=True
    )
    return seen[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
