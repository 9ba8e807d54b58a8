"""How nets are trained: one file a Learner, listed here by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tacha.registry import Registry

if TYPE_CHECKING:
    from tacha.training.base import Learner

LEARNERS: Registry[Learner] = Registry(
    "learner",
    "tacha.learners",
    {
        "classify": "tacha.training.classify:Classify",
        "distil": "tacha.training.distil:Distil",
        "reconstruct": "tacha.training.reconstruct:Reconstruct",
        "reconstruct_features": "tacha.training.reconstruct_features:ReconstructFeatures",
    },
)
