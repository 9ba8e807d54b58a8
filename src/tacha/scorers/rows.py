"""What a scorer judges: one row an image (its embedding) or one row a place (its patches)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.base import Scorer, Scores
from tacha.scorers.checks import one_of
from tacha.scorers.pooling import MapPooling


class RowScorer(Scorer):
    """A scorer that gives every row of features a distance; a subclass says which, in `distance`.

    `reads="embedding"`: one row an image, no map. `reads="patches"`: one row a place; the distances are the map,
    and `share` and `sigma` say how MapPooling turns it into the image score.
    """

    def __init__(self, reads: str, share: float, sigma: float) -> None:
        super().__init__()
        self.reads = one_of("reads", reads, ("embedding", "patches"))
        self.needs = frozenset({self.reads})
        self.pooling = MapPooling(share, sigma)
        self.share, self.sigma = self.pooling.share, self.pooling.sigma

    def distance(self, rows: Tensor) -> Tensor:
        """[B, P, D] -> [B, P]."""
        raise NotImplementedError

    def places(self, features: Features) -> Tensor:
        """The features to judge as float32 [B, D, h, w]; an embedding is a map of one place."""
        values = self.read(features, self.reads).float()
        return values if self.reads == "patches" else values[:, :, None, None]

    def forward(self, features: Features) -> Scores:
        self.require_fitted()
        places = self.places(features)
        distances = self.distance(places.flatten(2).transpose(1, 2))  # [B, h * w]
        if self.reads == "embedding":
            return Scores(distances.squeeze(1))
        pooled: Scores = self.pooling(distances.unflatten(1, places.shape[2:]))
        return pooled

    def batches(self, stream: Iterable[Features]) -> Iterator[Tensor]:
        """One pass over the stream as rows [B, P, D]. TachaError if it is empty or a feature is not finite."""
        empty = True
        for features in stream:
            rows = self.places(features).detach().flatten(2).transpose(1, 2)
            if not torch.isfinite(rows).all():
                raise TachaError(f"{self.name}: the net gave {self.reads} that are not finite: check its weights")
            empty = empty and rows.shape[0] == 0
            if rows.shape[0]:
                yield rows
        if empty:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")

    def check_width(self, rows: Tensor, fitted: int) -> None:
        """TachaError if rows [..., D] have another number of features than the scorer was fitted on."""
        if rows.shape[-1] != fitted:
            raise TachaError(
                f"{self.name} was fitted on {fitted} features a row and was given {rows.shape[-1]}: "
                "use the net it was fitted with"
            )
