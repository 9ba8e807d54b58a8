"""Distance to the nearest good images."""

from __future__ import annotations

from tacha.scorers.checks import whole
from tacha.scorers.memory_bank import MemoryBank


class KNN(MemoryBank):
    """Mean distance to the `k` nearest good embeddings: a memory bank of images.

    Every good image is kept up to `size`, beyond which a coreset of them is.
    """

    def __init__(
        self,
        k: int = 5,
        size: int = 10_000,
        reads: str = "embedding",
        share: float = 0.0,
        sigma: float = 0.0,
        whiten: str = "none",
        seed: int = 0,
    ) -> None:
        super().__init__(size, whole("k", k, 1), share, sigma, whiten, seed=seed, reads=reads)
        self.k = k
