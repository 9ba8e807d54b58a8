"""Seeded flaws drawn onto a picture of a good surface, each with the mask of the pixels it changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

UInt8Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Field = npt.NDArray[np.float64]
Drawn = tuple[UInt8Image, Mask]
Draw = Callable[[UInt8Image, np.random.Generator, UInt8Image | None], Drawn]

NOTICEABLE = 10  # grey levels; a smaller change is lost in the noise of a camera
SMALLEST = 16  # pixels of a mask at 128 x 128


def add_flaw(
    kind: str, image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None, tries: int = 20
) -> Drawn:
    """A copy of a uint8 image [H, W] or [H, W, C] with a flaw of `kind`, and its mask, bool [H, W].

    Draws again until the mask is large enough to be seen. Raises ValueError after `tries`.
    """
    smallest = SMALLEST * image.shape[0] * image.shape[1] / 128**2
    for _ in range(tries):
        flawed, mask = FLAWS[kind](image, rng, source)
        if mask.sum() >= smallest:
            return flawed, mask
    raise ValueError(f"no visible {kind} could be drawn on this image in {tries} tries")


def scratch(image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None) -> Drawn:
    """A long thin curve, bright or dark, its rim lit on one side."""
    side = _side(image)
    path = _arc(rng, image.shape[:2], length=rng.uniform(0.5, 0.9) * side, bend=rng.uniform(-0.25, 0.25))
    t = np.linspace(0, 1, len(path))
    width = (
        rng.uniform(1.0, 1.7) * _weight(image) * side / 128 * (0.7 + 0.3 * _wobble(rng, t)) * np.sin(np.pi * t) ** 0.3
    )
    strength = rng.uniform(45, 80) * _weight(image) ** 1.5 * (0.8 + 0.2 * _wobble(rng, t)) * rng.choice([-1, 1])
    distance, nearest, across = _distance(image.shape[:2], path)
    core = np.clip(width[nearest] - distance + 0.5, 0, 1)
    rim = np.clip(1 - np.abs(across - width[nearest] - 1), 0, 1) * (distance < 3 * side / 128)
    return _finish(image, _shift(image, (core - 0.4 * rim * (1 - core)) * strength[nearest]))


def crack(image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None) -> Drawn:
    """A dark, thin random walk with branches, thinning out towards its ends."""
    side = _side(image)
    depth = min(0.95, rng.uniform(0.6, 0.75) * _weight(image) ** 0.5)
    dark: Field = np.zeros(image.shape[:2])
    heading = rng.uniform(0, 2 * np.pi)
    start = _inside(rng, image.shape[:2]) - rng.uniform(0.15, 0.3) * side * _unit(heading)
    trunk = _walk(rng, start, heading, steps=int(rng.uniform(0.45, 0.8) * side / 2), step=2.0)
    strands = [(trunk, rng.uniform(0.95, 1.35))]
    for _ in range(rng.integers(1, 4)):
        fork = int(rng.integers(len(trunk) // 5, len(trunk) - 2))
        turned = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        steps = int(rng.uniform(0.3, 0.6) * len(trunk))
        strands.append((_walk(rng, trunk[fork], turned, steps, step=2.0), rng.uniform(0.55, 0.8)))
    for corners, thickness in strands:
        path = _dense(corners)
        t = np.linspace(0, 1, len(path))
        profile = (1 - 0.6 * t) * (0.75 + 0.25 * _wobble(rng, t, waves=9))
        width = thickness * _weight(image) ** 1.5 * side / 128 * profile
        distance, nearest, _ = _distance(image.shape[:2], path)
        dark = np.maximum(dark, np.clip(width[nearest] - distance + 0.5, 0, 1))
    return _finish(image, _scale(image, 1 - depth * dark))


def stain(image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None) -> Drawn:
    """A cloudy film that darkens or bleaches the surface and dulls its texture, soft at the edge."""
    side = _side(image)
    y, x = _grid(image.shape[:2])
    cy, cx = _inside(rng, image.shape[:2])
    radius = rng.uniform(0.14, 0.22) * _weight(image) * side
    squeeze = rng.uniform(0.7, 1.4)
    far = np.hypot((y - cy) * squeeze, (x - cx) / squeeze) / radius
    cloud = _smooth_noise(rng, image.shape[:2], sigma=side / 14)
    edge = 1 / (1 + np.exp((far - 1 + 0.25 * cloud) * 8))
    density = edge * (0.8 + 0.2 * np.tanh(_smooth_noise(rng, image.shape[:2], sigma=side / 25)))
    # What dries on a surface also fills it in: the texture under a stain is duller, not only darker.
    cover = _like(image, density * np.clip(rng.uniform(0.53, 0.6) * _weight(image), 0, 0.95))
    level = image.mean() * (rng.uniform(0.2, 0.4) if rng.random() < 0.7 else rng.uniform(1.6, 1.9))
    return _finish(image, image * (1 - cover) + level * cover, close=2)


def spot(image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None) -> Drawn:
    """A small dark or bright ellipse, shaded from one side like a pit or a drop."""
    side = _side(image)
    y, x = _grid(image.shape[:2])
    cy, cx = _inside(rng, image.shape[:2], margin=0.1)
    angle = rng.uniform(0, np.pi)
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    major = rng.uniform(4.5, 8) * _weight(image) ** 1.5 * side / 128
    minor = major * rng.uniform(0.6, 1)
    ragged = 0.12 * _smooth_noise(rng, image.shape[:2], sigma=side / 50)
    far = np.hypot(along / major, across / minor) + ragged
    cover = np.clip((1 - far) * minor / 1.6 + 0.5, 0, 1)
    light = 0.18 * (along / major) * (far < 1.2)
    level = rng.uniform(10, 35) if rng.random() < 0.5 else rng.uniform(220, 250)
    cover *= rng.uniform(0.85, 1)
    cover, light = _like(image, cover), _like(image, light)
    target = level * (1 + light)
    return _finish(image, image * (1 - cover) + target * cover, close=1)


def patch(image: UInt8Image, rng: np.random.Generator, source: UInt8Image | None = None) -> Drawn:
    """A piece of another surface (`source`, or this one turned by 90°), blended in with a soft edge."""
    from scipy import ndimage

    side = _side(image)
    other = (np.rot90(image) if source is None else source).astype(float)
    y, x = _grid(image.shape[:2])
    cy, cx = _inside(rng, image.shape[:2])
    dy, dx = y - cy, x - cx
    from_y, from_x = _inside(rng, other.shape[:2])
    angle = rng.uniform(0, 2 * np.pi) if source is not None else 0.0
    where = [
        from_y + dy * np.cos(angle) - dx * np.sin(angle),
        from_x + dy * np.sin(angle) + dx * np.cos(angle),
    ]
    channels = [other] if other.ndim == 2 else list(np.moveaxis(other, -1, 0))
    piece = np.stack([ndimage.map_coordinates(c, where, order=1, mode="reflect") for c in channels], axis=-1)
    radius = rng.uniform(0.15, 0.21) * _weight(image) * side
    far = np.hypot(dy, dx) / radius + 0.22 * _smooth_noise(rng, image.shape[:2], sigma=side / 16)
    cover = 1 / (1 + np.exp((far - 1) * radius * 0.9))
    if image.ndim == 2:
        return _finish(image, image * (1 - cover) + piece[..., 0] * cover, close=2)
    return _finish(image, image * (1 - cover[..., None]) + piece * cover[..., None], close=2)


FLAWS: dict[str, Draw] = {"scratch": scratch, "spot": spot, "stain": stain, "crack": crack, "patch": patch}


def _finish(image: UInt8Image, changed: npt.NDArray[np.floating], close: int = 0) -> Drawn:
    """Round to uint8 and mark what changed; `close` bridges holes where the flaw happens to match the surface."""
    from scipy import ndimage

    flawed = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    change = np.abs(flawed.astype(int) - image)
    mask: Mask = (change.max(axis=-1) if change.ndim == 3 else change) > NOTICEABLE
    if close:
        padded = np.pad(mask, close + 1)
        mask = ndimage.binary_fill_holes(ndimage.binary_closing(padded, iterations=close))
        mask = mask[close + 1 : -close - 1, close + 1 : -close - 1]
        lone = ndimage.binary_opening(mask)
        mask = lone if lone.any() else mask
    return flawed, mask


def _shift(image: UInt8Image, levels: Field) -> Field:
    shifted: Field = image + _like(image, levels)
    return shifted


def _scale(image: UInt8Image, factor: Field) -> Field:
    scaled: Field = image * _like(image, factor)
    return scaled


def _like(image: UInt8Image, values: Field) -> Field:
    return values[..., None] if image.ndim == 3 else values


def _side(image: UInt8Image) -> int:
    return int(min(image.shape[:2]))


def _weight(image: UInt8Image) -> float:
    """How much stronger than on a plain surface a flaw must be to show against this texture's own swing."""
    return float(np.clip(image.std() / 22, 1, 1.8))


def _grid(shape: tuple[int, ...]) -> tuple[Field, Field]:
    rows: Field = np.arange(shape[0], dtype=float)
    columns: Field = np.arange(shape[1], dtype=float)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    return y, x


def _inside(rng: np.random.Generator, shape: tuple[int, ...], margin: float = 0.25) -> Field:
    point: Field = rng.uniform(margin, 1 - margin, 2) * np.array(shape[:2])
    return point


def _unit(angle: float) -> Field:
    return np.array([np.sin(angle), np.cos(angle)])


def _wobble(rng: np.random.Generator, t: Field, waves: int = 4) -> Field:
    """A smooth random curve in -1..1 over t in 0..1."""
    knots = rng.uniform(-1, 1, waves + 2)
    curve: Field = np.interp(t, np.linspace(0, 1, waves + 2), knots)
    return curve


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Field:
    """Low-frequency noise [H, W] of mean 0 and standard deviation 1."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.standard_normal(shape[:2]), sigma, mode="reflect")
    standard: Field = (noise - noise.mean()) / noise.std()
    return standard


def _arc(rng: np.random.Generator, shape: tuple[int, ...], length: float, bend: float) -> Field:
    """Points (y, x), half a pixel apart, of a bent line through the middle part of the image."""
    middle, angle = _inside(rng, shape), rng.uniform(0, 2 * np.pi)
    along, normal = _unit(angle), _unit(angle + np.pi / 2)
    t = np.linspace(-0.5, 0.5, max(8, int(2 * length)))[:, None]
    points: Field = middle + length * (t * along + bend * (0.25 - t**2) * normal)
    return points


def _walk(rng: np.random.Generator, start: Field, heading: float, steps: int, step: float) -> Field:
    """Corners (y, x) of a random walk that keeps roughly to its heading."""
    angles = heading + rng.normal(0, 0.45, max(3, steps)) + np.cumsum(rng.normal(0, 0.08, max(3, steps)))
    moves = step * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    corners: Field = np.vstack([start, start + np.cumsum(moves, axis=0)])
    return corners


def _dense(corners: Field, factor: int = 4) -> Field:
    t = np.linspace(0, len(corners) - 1, factor * (len(corners) - 1) + 1)
    whole = np.arange(len(corners))
    return np.stack([np.interp(t, whole, corners[:, 0]), np.interp(t, whole, corners[:, 1])], axis=-1)


def _distance(shape: tuple[int, ...], path: Field) -> tuple[Field, npt.NDArray[np.intp], Field]:
    """For each pixel: distance to the path, its nearest point's index, and the signed distance across it."""
    from scipy.spatial import cKDTree

    y, x = _grid(shape)
    pixels = np.stack([y, x], axis=-1)
    distance, nearest = cKDTree(path).query(pixels)
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
    offset = pixels - path[nearest]
    across = offset[..., 1] * direction[nearest, 0] - offset[..., 0] * direction[nearest, 1]
    return distance, nearest, across
