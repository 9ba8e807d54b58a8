"""tacha demo"""

from __future__ import annotations

import argparse

from tacha.commands import train
from tacha.configuration import quoted


def run(asked: argparse.Namespace) -> int:
    overrides = ["experiment=demo"]
    if asked.out:
        overrides.append(f"hydra.run.dir={quoted(asked.out)}")
    asked.rest = overrides
    return train.run(asked)
