"""A FeatureNet under a Scorer: one module from pixels to scores, which is what is exported."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tacha.data.frame import MARK
from tacha.errors import TachaError
from tacha.features import NETS
from tacha.features.base import FeatureNet, Features
from tacha.scorers import SCORERS
from tacha.scorers.base import Scorer


class Detector(nn.Module):
    """`forward(images [B, 3, H, W] in 0..1) -> (score [B],)` or `(score [B], map [B, h, w])`.

    With `padded`, pixels may be marked as padding (see `tacha.data.frame`), which does not count.
    """

    def __init__(self, net: FeatureNet, scorer: Scorer, padded: bool = False) -> None:
        super().__init__()
        self.net, self.scorer, self.padded = net, scorer, padded
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features: Features = self.net(*unmarked(images)) if self.padded else self.net(images)
        scores = self.scorer(features)
        return (scores.image,) if scores.map is None else (scores.image, scores.map)


def unmarked(images: Tensor) -> tuple[Tensor, Tensor]:
    """Prepared images [B, 3, H, W] in 0..1, their padding restored, and which pixels are none [B, H, W]."""
    valid = images[:, 0] > -MARK / 4
    return torch.where(valid.unsqueeze(1), images, images + MARK), valid


def check_pair(net: str, scorer: str, scorer_settings: dict[str, Any] | None = None) -> None:
    """Refuse, by name and before any work, a scorer that reads features the net does not have."""
    needs = SCORERS.build(scorer, **(scorer_settings or {})).needs
    provides = NETS.get(net).provides
    if missing := needs - provides:
        raise TachaError(
            f"scorer={scorer} reads {', '.join(sorted(missing))}, which model={net} does not have "
            f"(it has {', '.join(sorted(provides))}): scorers that fit it are {', '.join(scorers_for(net))}"
        )


def scorers_for(net: str) -> list[str]:
    """Names of the scorers that a net's features allow."""
    provides = NETS.get(net).provides
    return [name for name in SCORERS.names() if SCORERS.build(name).needs <= provides]
