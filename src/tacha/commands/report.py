"""tacha report"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from tacha.errors import TachaError
from tacha.report.paper.as_typst import HOW, can_typeset
from tacha.report.paper.write import FORMATS, write_paper


def run(asked: argparse.Namespace) -> int:
    """The paths of what was written; a PDF that cannot be is said in one line, and the rest is written."""
    formats = [f for f in asked.format.split(",") if f]
    if unknown := [f for f in formats if f not in FORMATS]:
        raise TachaError(f"--format {unknown[0]}: choose from {', '.join(FORMATS)}")
    if not formats:
        raise TachaError(f"--format names none: choose from {', '.join(FORMATS)}")
    if formats == ["pdf"] and not can_typeset():
        raise TachaError(f"--format pdf: a PDF needs Typst: {HOW}")
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_report"
    for path in write_paper(asked.runs, folder, formats, asked.language, asked.title, asked.authors):
        print(path)
    if "pdf" in formats and not can_typeset():
        print(f"note: no PDF was written, for Typst is not installed: {HOW}")
    return 0
