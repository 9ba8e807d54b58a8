"""tacha list"""

from __future__ import annotations

import argparse

from tacha.configuration import options
from tacha.features import NETS
from tacha.runtime.engines import ENGINES
from tacha.scorers import SCORERS
from tacha.training import LEARNERS


def run(asked: argparse.Namespace) -> int:
    """Names, a line a kind."""
    del asked
    for registry in (NETS, LEARNERS, SCORERS, ENGINES):
        print(f"{registry.kind + 's:':10} {', '.join(registry.names())}")
    print(f"{'presets:':10} {', '.join(options('preset'))}")
    return 0
