"""tacha data"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from tacha.files import check_file, write_text


def run(asked: argparse.Namespace) -> int:
    """check: 0 when nothing is wrong, 1 for an error or a warning. sample: 0."""
    if asked.what == "sample":
        from tacha.data.sample_set import write_sample_set

        print(write_sample_set(Path(asked.root), seed=asked.seed))
        return 0
    from tacha.data.check import check, render

    if asked.json:
        check_file(Path(asked.json))
    result = check(Path(asked.root), asked.layout)
    render(result, Console())
    if asked.json:
        write_text(Path(asked.json), json.dumps(result.to_dict(), indent=1) + "\n")
    return int(any(p.severity != "note" for p in result.problems))
