"""How little a classifier believes that an image is good."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.base import Scorer, Scores
from tacha.scorers.checks import whole


class Confidence(Scorer):
    """1 - softmax(logits)[normal], from 0 to 1: the maximum-softmax baseline of one class (Hendrycks & Gimpel 2017).

    `normal` is the number of the class that good images belong to; -1: the one that they are given most of.
    """

    normal_class: Tensor
    other_classes: Tensor

    def __init__(self, normal: int = -1) -> None:
        super().__init__()
        self.needs = frozenset({"logits"})
        self.normal = whole("normal", normal, -1)
        self.register_buffer("normal_class", torch.empty(0, dtype=torch.long))  # [1]
        self.register_buffer("other_classes", torch.empty(0, dtype=torch.long))  # [K - 1]

    @torch.no_grad()
    def fit(self, stream: Iterable[Features]) -> None:
        belief: Tensor | None = None
        for features in stream:
            logits = self.read(features, "logits").double()
            if not torch.isfinite(logits).all():
                raise TachaError(f"{self.name}: the net gave logits that are not finite: check its weights")
            given = logits.softmax(1).sum(0)
            belief = given if belief is None else belief + given
        if belief is None:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")
        K = belief.shape[0]
        if self.normal >= K:
            raise TachaError(
                f"{self.name}: normal={self.normal}, but the net tells {K} classes apart: give 0 to {K - 1}"
            )
        normal = int(belief.argmax()) if self.normal < 0 else self.normal
        classes = torch.arange(K)
        self.normal_class = classes[classes == normal].to(self.normal_class)
        self.other_classes = classes[classes != normal].to(self.other_classes)

    def forward(self, features: Features) -> Scores:
        self.require_fitted()
        logits = self.read(features, "logits").float()
        K = self.other_classes.shape[0] + 1
        if logits.shape[1] != K:
            raise TachaError(
                f"{self.name} was fitted on {K} classes and was given {logits.shape[1]}: use the net it was fitted with"
            )
        others = logits[:, self.other_classes].logsumexp(1)
        # The sum of the other classes' probabilities, without the cancellation of one minus a number near one.
        return Scores(torch.sigmoid(others - logits[:, self.normal_class].squeeze(1)))
