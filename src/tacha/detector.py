"""A FeatureNet under a Scorer: one module from pixels to scores, which is what is exported."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tacha.errors import TachaError
from tacha.features import NETS
from tacha.features.base import FeatureNet
from tacha.scorers import SCORERS
from tacha.scorers.base import Scorer


class Detector(nn.Module):
    """`forward(images [B, 3, H, W] in 0..1) -> (score [B],)` or `(score [B], map [B, h, w])`."""

    def __init__(self, net: FeatureNet, scorer: Scorer) -> None:
        super().__init__()
        self.net, self.scorer = net, scorer
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        scores = self.scorer(self.net(images))
        return (scores.image,) if scores.map is None else (scores.image, scores.map)


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
