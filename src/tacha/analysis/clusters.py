"""DBSCAN with eps from the knee of the k-distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError

Floats = npt.NDArray[np.float64]
NOISE = -1


@dataclass(frozen=True)
class Clusters:
    """`labels` [N], -1 for noise; `distances` [N]: each point's to its `min_samples`-th nearest, itself the first.

    A point is a core point where that is at most `eps`, so it is how alone a point is, as DBSCAN sees it.
    """

    labels: npt.NDArray[np.int64]
    distances: Floats
    eps: float
    min_samples: int

    @property
    def noise(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.labels == NOISE)

    @property
    def count(self) -> int:
        """Clusters, noise not among them."""
        return len(set(self.labels.tolist()) - {NOISE})


def clustered(points: Floats, min_samples: int = 5, eps: float | None = None) -> Clusters:
    """DBSCAN (Ester et al. 1996) of points [N, d]; without `eps` it is the knee of the sorted k-distances (sec. 4.2).

    Labels are never looked at. Raises TachaError where there are fewer points than `min_samples`.
    """
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import NearestNeighbors

    if min_samples < 2:
        raise TachaError(f"--min-samples {min_samples}: give a whole number of at least 2")
    if len(points) < min_samples:
        raise TachaError(
            f"{len(points)} images are fewer than --min-samples {min_samples}: give more images, or a smaller number"
        )
    found, _ = NearestNeighbors(n_neighbors=min_samples).fit(points).kneighbors(points)
    distances = np.asarray(found[:, -1], dtype=np.float64)
    if eps is None:
        rising = np.sort(distances)
        eps = float(rising[knee(rising)])
        if eps <= 0:  # many copies: the smallest distance that parts any two
            eps = float(min(rising[rising > 0], default=1e-9))
    scan = DBSCAN(eps=eps, min_samples=min_samples).fit(points)
    return Clusters(scan.labels_.astype(np.int64), distances, eps, min_samples)


def knee(rising: Floats) -> int:
    """Index of the point of a rising curve that lies farthest below its chord (Satopää et al. 2011, Kneedle)."""
    span = float(rising[-1] - rising[0])
    if span <= 0:
        return len(rising) - 1
    along = np.linspace(0, 1, len(rising))
    return int(np.argmax(along - (rising - rising[0]) / span))
