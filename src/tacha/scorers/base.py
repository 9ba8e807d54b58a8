"""Scorer: how unusual the features of an image are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from tacha.features.base import Features


class Scores(NamedTuple):
    """Higher is more abnormal. `map` is None for scorers that judge an image as a whole."""

    image: Tensor  # [B]
    map: Tensor | None = None  # [B, h, w]


class Scorer(nn.Module):
    """Fit on good images only, then `forward(Features) -> Scores`.

    `fit` may walk `stream` once or a bounded number of times (each `iter(stream)` is a new pass over the
    same images) and keeps a bounded amount in memory. All fitted state is registered buffers whose shapes
    `load_state_dict` can restore, so that net and scorer export as one graph.
    `needs` names the fields of Features it reads, of which a net must provide all.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})

    def fit(self, stream: Iterable[Features]) -> None:
        raise NotImplementedError

    def forward(self, features: Features) -> Scores:
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):  # type: ignore[no-untyped-def]
        # A fresh scorer's buffers are empty; a fitted one's are not. Take the shapes of what is loaded.
        for name, buffer in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
