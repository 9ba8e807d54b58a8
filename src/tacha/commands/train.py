"""tacha train"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tacha.configuration import run_hydra
from tacha.errors import TachaError


def run(asked: argparse.Namespace) -> int:
    """Every job prints its table and, last, the path of its folder."""
    from tacha.commands import legacy

    if legacy.is_asked(asked):
        return legacy.run(asked)
    if "-cd" in asked.rest:  # Hydra's own, under which the packaged configs would win
        raise TachaError("-cd: write --config-dir DIR")
    run_hydra(_job, asked.rest, getattr(asked, "config_dir", None))
    return 0


def _job(settings: dict[str, Any], folder: Path) -> None:
    from tacha.commands.tables import print_run
    from tacha.run import train

    print_run(train(settings, folder))
