"""Scorers by name. A name is data; its class is imported when it is built.

Packages add their own under the entry point group `tacha.scorers` (name = "module:Class").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tacha.registry import Registry

if TYPE_CHECKING:
    from tacha.scorers.base import Scorer

SCORERS: Registry[Scorer] = Registry(
    "scorer",
    "tacha.scorers",
    {
        "confidence": "tacha.scorers.confidence:Confidence",
        "cosine": "tacha.scorers.cosine:Cosine",
        "depth_banks": "tacha.scorers.depth_banks:DepthBanks",
        "euclidean": "tacha.scorers.euclidean:Euclidean",
        "hybrid": "tacha.scorers.hybrid:Hybrid",
        "knn": "tacha.scorers.knn:KNN",
        "mahalanobis": "tacha.scorers.mahalanobis:Mahalanobis",
        "memory_bank": "tacha.scorers.memory_bank:MemoryBank",
        "padim": "tacha.scorers.padim:PaDiM",
        "reconstruction": "tacha.scorers.reconstruction:Reconstruction",
        "subspace": "tacha.scorers.subspace:Subspace",
    },
)
build, names = SCORERS.build, SCORERS.names


def needs(name: str, **settings: Any) -> frozenset[str]:
    """The fields of Features that the scorer reads under these settings. TachaError as `build` raises it."""
    return build(name, **settings).needs
