"""An anomaly map over its image, on one fixed scale a product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tacha.regions import upsample

UInt8 = npt.NDArray[np.uint8]

# share of the way, red, green, blue, opacity; a faint blue below the threshold, amber to red above it: told apart by
# readers with any kind of colour vision
BELOW = ((0.0, 40, 90, 160, 0.0), (0.5, 40, 90, 160, 0.04), (1.0, 70, 150, 220, 0.28))
ABOVE = ((0.0, 255, 210, 60, 0.45), (0.5, 245, 130, 30, 0.58), (1.0, 200, 20, 30, 0.68))
GAP = 6  # px between panels


def heat_overlay(
    image: UInt8, anomaly_map: npt.NDArray[np.float32], map_threshold: float, scale: tuple[float, float]
) -> UInt8:
    """The image [H, W, 3] tinted by its map [h, w] (upsampled), and a line around what exceeds `map_threshold`.

    `scale` is (low, high) in map units, fixed for a product: nothing is drawn at low, full red is reached at high,
    and amber starts at the threshold, so that a good part never looks alarming.
    """
    low, high = scale
    height, width = image.shape[:2]
    full = upsample(anomaly_map, (width, height))
    above = full > map_threshold
    level = np.where(
        above,
        128 + 127 * _share(full, map_threshold, max(high, map_threshold)),
        127 * _share(full, min(low, map_threshold), map_threshold),
    ).astype(np.uint8)
    table = np.concatenate([_table(BELOW), _table(ABOVE)])  # [256, 4]: colour times opacity, opacity; of 255
    keep = (255 - table[:, 3]).astype(np.uint16)
    out = np.empty_like(image)
    for channel in range(3):
        tint = table[:, channel].astype(np.uint16)
        out[..., channel] = (image[..., channel] * keep[level] + 255 * tint[level] + 127) // 255
    if above.any():
        _outline(out, above)
    return out


def side_by_side(image: UInt8, overlay: UInt8, mask: npt.NDArray[np.bool_] | None = None) -> UInt8:
    """Image, overlay and, where there is one, the mask [H, W] in black and white, left to right, of one height."""
    panels = [image, overlay]
    if mask is not None:
        panels.append(np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2))
    gap = np.full((image.shape[0], GAP, 3), 255, np.uint8)
    row = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(row, axis=1)


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
