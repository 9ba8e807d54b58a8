"""tacha train"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tacha.configuration import run_hydra


def run(asked: argparse.Namespace) -> int:
    """Every job prints its table and, last, the path of its folder."""
    run_hydra(_job, asked.rest)
    return 0


def _job(settings: dict[str, Any], folder: Path) -> None:
    from tacha.commands.tables import print_run
    from tacha.run import train

    print_run(train(settings, folder))
