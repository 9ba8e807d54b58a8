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

    def places(self, features: Features) -> tuple[Tensor, Tensor | None]:
        """The features to judge as float32 [B, D, h, w], and which places count [B, h, w] (None: all).

        An embedding is a map of one place, which counts.
        """
        values = self.read(features, self.reads).float()
        if self.reads == "embedding":
            return values[:, :, None, None], None
        return values, features.counting(values.shape[2:])

    def forward(self, features: Features) -> Scores:
        self.require_fitted()
        places, counts = self.places(features)
        distances = self.distance(places.flatten(2).transpose(1, 2))  # [B, h * w]
        if self.reads == "embedding":
            return Scores(distances.squeeze(1))
        pooled: Scores = self.pooling(distances.unflatten(1, places.shape[2:]), counts)
        return pooled

    def batches(self, stream: Iterable[Features]) -> Iterator[Tensor]:
        """One pass over the stream as rows [B, P, D], or where some are padding as [1, N, D] of those that count.

        TachaError if it is empty or a feature is not finite.
        """
        for rows, counts in self.placed(stream):
            yield rows if counts is None else rows[counts].unsqueeze(0)

    def placed(self, stream: Iterable[Features]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """As `batches`, but each row stays at its place: rows [B, P, D] and which count [B, P] (None: all)."""
        empty = True
        for features in stream:
            places, counts = self.places(features)
            rows = places.detach().flatten(2).transpose(1, 2)
            counts = None if counts is None else counts.flatten(1)
            if not torch.isfinite(rows if counts is None else rows[counts]).all():
                raise TachaError(f"{self.name}: the net gave {self.reads} that are not finite: check its weights")
            empty = empty and rows.shape[0] == 0
            if rows.shape[0]:
                yield rows, counts
        if empty:
            raise TachaError(f"{self.name} was given no good images to fit on: check the train split")

    def check_width(self, rows: Tensor, fitted: int) -> None:
        """TachaError if rows [..., D] have another number of features than the scorer was fitted on."""
        if rows.shape[-1] != fitted:
            raise TachaError(
                f"{self.name} was fitted on {fitted} features a row and was given {rows.shape[-1]}: "
                "use the net it was fitted with"
            )
