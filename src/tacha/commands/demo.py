"""tacha demo"""

from __future__ import annotations

import argparse

from tacha.commands import train
from tacha.configuration import quoted
from tacha.words import SOURCE


def run(asked: argparse.Namespace) -> int:
    overrides = ["experiment=demo"]
    if asked.out:
        overrides.append(f"hydra.run.dir={quoted(asked.out)}")
    if asked.language != SOURCE:
        overrides.append(f"report.language={asked.language}")
    asked.rest = overrides
    return train.run(asked)
