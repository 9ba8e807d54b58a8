"""Where the flaw is: the places of an anomaly map above its threshold, in pixels of the original image."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tacha.inspection import Region

LARGEST = 4096  # px; on larger images regions are found on this longer side and scaled, to bound memory


def upsample(anomaly_map: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The map [h, w] brought bilinearly to `size` (width, height), pixel centres aligned: [H, W] float32."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(anomaly_map, dtype=np.float32))
    if image.size == size:
        return np.array(anomaly_map, dtype=np.float32)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)


def regions(
    anomaly_map: npt.NDArray[np.float32], threshold: float, size: tuple[int, int], min_area: int = 0
) -> tuple[Region, ...]:
    """The 8-connected regions of the upsampled map above `threshold`, highest peak first.

    anomaly_map [h, w]; size (width, height) of the original image; regions below `min_area` pixels are dropped.
    """
    from scipy.ndimage import find_objects, label

    width, height = size
    shrink = max(1.0, max(size) / LARGEST)
    work = max(1, round(width / shrink)), max(1, round(height / shrink))
    full = upsample(anomaly_map, work)
    labels, _ = label(full > threshold, structure=np.ones((3, 3)))
    sx, sy = width / work[0], height / work[1]
    found = []
    for number, place in enumerate(find_objects(labels), start=1):
        inside = labels[place] == number
        rows, columns = place
        box = (
            math.floor(columns.start * sx),
            math.floor(rows.start * sy),
            min(width, math.ceil(columns.stop * sx)),
            min(height, math.ceil(rows.stop * sy)),
        )
        area = round(int(inside.sum()) * sx * sy)
        if area >= min_area:
            found.append(Region(box, area, float(full[place][inside].max())))
    return tuple(sorted(found, key=lambda r: (-r.peak, r.box)))
