"""Embeddings brought to few dimensions: principal components, and t-SNE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BEFORE = 50  # principal components that t-SNE starts from (van der Maaten and Hinton 2008, sec. 4.2: 30)


@dataclass(frozen=True)
class Plane:
    """Points [N, d], d at least 2: what is clustered; the first two are what is drawn.

    `explained`: the share of the variance in each dimension, where that has a meaning.
    """

    name: str
    points: Floats
    explained: tuple[float, ...] = ()


def standardised(vectors: Floats) -> Floats:
    """Every dimension at mean 0 and deviation 1 [N, D']; those that do not vary are left out.

    Where none varies, one of zeros.
    """
    spread = vectors.std(0)
    kept = spread > 1e-12 * max(1.0, float(np.abs(vectors).max()))
    if not kept.any():
        return np.zeros((len(vectors), 1))
    return np.asarray((vectors[:, kept] - vectors[:, kept].mean(0)) / spread[kept])


def principal(vectors: Floats, components: int = 2, seed: int = 0) -> Plane:
    """The first principal components of standardised vectors [N, D]; dimensions that are lacking are 0."""
    from sklearn.decomposition import PCA

    most = min(components, *vectors.shape)
    analysis = PCA(most, random_state=seed)
    points = analysis.fit_transform(vectors)
    missing = max(2, components) - most
    shares = (float(share) if np.isfinite(share) else 0.0 for share in analysis.explained_variance_ratio_)
    return Plane("pca", np.pad(points, ((0, 0), (0, missing))), (*shares, *[0.0] * missing))


def neighbours(vectors: Floats, perplexity: float = 30.0, seed: int = 0) -> Plane:
    """t-SNE (van der Maaten and Hinton 2008) of standardised vectors [N, D] in two dimensions, N at least 3.

    A perplexity that so few points do not allow is lowered to a third of them.
    """
    from sklearn.manifold import TSNE

    first = principal(vectors, BEFORE, seed).points
    allowed = max(1.0, min(perplexity, (len(vectors) - 1) / 3))
    start = "pca" if np.ptp(first) > 0 else "random"
    points = TSNE(2, perplexity=allowed, init=start, random_state=seed).fit_transform(first.astype(np.float32))
    return Plane("tsne", points.astype(np.float64))
