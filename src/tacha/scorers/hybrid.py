"""Distance from the good and disbelief of the classifier, weighed against each other."""

from __future__ import annotations

from collections.abc import Iterable

from tacha.features.base import Features
from tacha.scorers.base import Scorer, Scores
from tacha.scorers.checks import between
from tacha.scorers.confidence import Confidence
from tacha.scorers.cosine import Cosine


class Hybrid(Scorer):
    """weight * cosine / 2 + (1 - weight) * confidence, each from 0 to 1 (the cosine distance reaches 2, so half of it).

    cosine reads the embedding; `normal` is confidence's.
    """

    def __init__(self, weight: float = 0.5, normal: int = -1) -> None:
        super().__init__()
        self.needs = frozenset({"embedding", "logits"})
        self.weight = between("weight", weight, 0, 1)
        self.cosine, self.confidence = Cosine(), Confidence(normal)
        self.normal = self.confidence.normal

    def fit(self, stream: Iterable[Features]) -> None:
        self.cosine.fit(stream)
        self.confidence.fit(stream)

    def forward(self, features: Features) -> Scores:
        far, doubted = self.cosine(features).image / 2, self.confidence(features).image
        return Scores(self.weight * far + (1 - self.weight) * doubted)
