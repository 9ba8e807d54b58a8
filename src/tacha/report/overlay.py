"""An anomaly map over its image, on one fixed scale a product."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.regions import upsample

UInt8 = npt.NDArray[np.uint8]

# share of the way, red, green, blue, opacity; a faint blue below the threshold, amber to red above it: told apart by
# readers with any kind of colour vision
BELOW = ((0.0, 40, 90, 160, 0.0), (0.5, 40, 90, 160, 0.04), (1.0, 70, 150, 220, 0.28))
ABOVE = ((0.0, 255, 210, 60, 0.45), (0.5, 245, 130, 30, 0.58), (1.0, 200, 20, 30, 0.68))
GAP = 6  # px between panels
BEHIND = 200  # grey behind the colour bar's tints


def heat_overlay(
    image: UInt8, anomaly_map: npt.NDArray[np.float32], map_threshold: float, scale: tuple[float, float]
) -> UInt8:
    """The image [H, W, 3] tinted by its map [h, w] (upsampled), and a line around what exceeds `map_threshold`.

    `scale` is (low, high) in map units, fixed for a product: nothing is drawn at low, full red is reached at high,
    and amber starts at the threshold, so that a good part never looks alarming.
    """
    height, width = image.shape[:2]
    full = upsample(anomaly_map, (width, height))
    above = full > map_threshold
    out = _tinted(image, full, map_threshold, scale)
    if above.any():
        _outline(out, above)
    return out


def colour_bar(height: int, map_threshold: float, scale: tuple[float, float]) -> UInt8:
    """What the colours of `heat_overlay` stand for, over grey, high on top: [height, width, 3].

    The values at low, high and the threshold stand beside it, the threshold's with a line across the bar.
    """
    from PIL import Image, ImageDraw

    size = max(9, height // 26)
    inside = max(2, height - 2 * size)
    low, high = min(scale[0], map_threshold), max(scale[1], map_threshold)
    values = np.repeat(np.linspace(high, low, inside, dtype=np.float32)[:, None], max(8, height // 22), axis=1)
    bar = _tinted(np.full((*values.shape, 3), BEHIND, np.uint8), values, map_threshold, scale)
    font = _font(size)
    texts = [f"{value:.3g}" for value in (low, high, map_threshold)]
    wide = max(round(font.getlength(text)) for text in texts)
    picture = Image.new("RGB", (bar.shape[1] + size // 2 + wide + 4, height), "white")
    picture.paste(Image.fromarray(bar), (0, (height - inside) // 2))
    draw = ImageDraw.Draw(picture)
    edge = (height - inside) // 2
    at = edge + round((high - map_threshold) / max(high - low, 1e-12) * (inside - 1))
    draw.rectangle((0, at - 2, bar.shape[1] + size // 3, at + 2), fill="white")
    draw.rectangle((0, at - 1, bar.shape[1] + size // 3, at + 1), fill="black")
    for text, y in zip(texts, (edge + inside - 1, edge, at), strict=True):
        if y == at or abs(y - at) > size:  # the threshold's is never covered
            draw.text((bar.shape[1] + size // 2, y), text, fill="black", font=font, anchor="lm")
    return np.asarray(picture, dtype=np.uint8)[:height]


def captioned(panels: UInt8, text: str) -> UInt8:
    """The panels [H, W, 3] over a white strip with the text, broken into as many lines as it takes."""
    from PIL import Image, ImageDraw

    size = max(10, panels.shape[1] // 60)
    font = _font(size)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > panels.shape[1] - size:
            lines.append(word)
        else:
            lines[-1] = longer
    strip = Image.new("RGB", (panels.shape[1], round(size * (0.6 + 1.35 * len(lines)))), "white")
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((size // 2, round(size * (0.3 + 1.35 * i))), line, fill="black", font=font)
    return np.concatenate([panels, np.asarray(strip, dtype=np.uint8)])


def side_by_side(
    image: UInt8, overlay: UInt8, mask: npt.NDArray[np.bool_] | None = None, bar: UInt8 | None = None
) -> UInt8:
    """Image, overlay, its colour bar and the mask [H, W] in black and white, those there are, of one height."""
    panels = [image, overlay]
    if bar is not None:
        panels.append(bar)
    if mask is not None:
        panels.append(np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2))
    gap = np.full((image.shape[0], GAP, 3), 255, np.uint8)
    row = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(row, axis=1)


def _tinted(image: UInt8, full: npt.NDArray[np.float32], map_threshold: float, scale: tuple[float, float]) -> UInt8:
    """The image [H, W, 3] in the colours of map values [H, W]: the overlay's and the bar's alike."""
    low, high = scale
    level = np.where(
        full > map_threshold,
        128 + 127 * _share(full, map_threshold, max(high, map_threshold)),
        127 * _share(full, min(low, map_threshold), map_threshold),
    ).astype(np.uint8)
    table = np.concatenate([_table(BELOW), _table(ABOVE)])  # [256, 4]: colour times opacity, opacity; of 255
    keep = (255 - table[:, 3]).astype(np.uint16)
    out = np.empty_like(image)
    for channel in range(3):
        tint = table[:, channel].astype(np.uint16)
        out[..., channel] = (image[..., channel] * keep[level] + 255 * tint[level] + 127) // 255
    return out


@functools.cache
def _font(size: int) -> Any:
    """The font of the figures: Pillow's own has no accents."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _share(values: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.float32]:
    """How far values are from low (0) to high (1), cut off at both."""
    share = (values - np.float32(low)) / np.float32(max(high - low, 1e-12))
    return np.asarray(np.clip(share, 0, 1))


def _table(stops: tuple[tuple[float, ...], ...]) -> npt.NDArray[np.float64]:
    """128 steps between the stops: red, green, blue already times opacity, and opacity of 255."""
    at, red, green, blue, opacity = np.array(stops).T
    steps = np.linspace(0, 1, 128)
    alpha = np.interp(steps, at, opacity)
    colours = [np.interp(steps, at, c) * alpha for c in (red, green, blue)]
    return np.asarray(np.rint(np.stack([*colours, 255 * alpha], axis=1)))


def _outline(out: UInt8, above: npt.NDArray[np.bool_]) -> None:
    """White outside the region's edge, black outside the white: seen on any part."""
    from scipy.ndimage import maximum_filter

    thick = max(1, round(max(above.shape) / 500))
    region = above.view(np.uint8)
    white = maximum_filter(region, 2 * thick + 1).astype(bool)
    black = maximum_filter(region, 4 * thick + 1).astype(bool)
    out[black & ~white] = 0
    out[white & ~above] = 255
