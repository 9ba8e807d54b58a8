"""Scorer: how unusual the features of an image are."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from tacha.errors import TachaError
from tacha.features.base import Features

Setting = int | float | str


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
    Constructor arguments are plain numbers and strings, each kept as an attribute of the same name.
    """

    needs: frozenset[str] = frozenset({"embedding"})

    def fit(self, stream: Iterable[Features]) -> None:
        raise NotImplementedError

    def forward(self, features: Features) -> Scores:
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What errors call it: the name of its file, which is the name it is registered under."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def settings(self) -> dict[str, Setting]:
        """The constructor's arguments: `type(self)(**self.settings)` is the same scorer, not yet fitted."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def read(self, features: Features, field: str) -> Tensor:
        """One field of the features. TachaError if the net left it out."""
        value: Tensor | None = getattr(features, field)
        if value is None:
            raise TachaError(f"{self.name} needs {field}, which this net does not provide: choose another net")
        return value

    def require_fitted(self) -> None:
        """TachaError if any fitted buffer is still empty."""
        if any(buffer.numel() == 0 for buffer in self.buffers(recurse=False)):
            raise TachaError(f"{self.name} is not fitted: call fit on good images or load a fitted state")

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):  # type: ignore[no-untyped-def]
        # A fresh scorer's buffers are empty; a fitted one's are not. Take the shapes of what is loaded.
        for name, buffer in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
