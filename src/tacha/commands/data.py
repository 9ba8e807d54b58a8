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
    return _check(asked)


def _check(asked: argparse.Namespace) -> int:
    from tacha.data.check import check, render
    from tacha.data.thumbnails import Album

    for name in (asked.json, asked.page):
        if name:
            check_file(Path(name))
    with Album() as album:
        result = check(Path(asked.root), asked.layout, album=album if asked.page else None)
        render(result, Console())
        if asked.json:
            write_text(Path(asked.json), json.dumps(result.to_dict(), indent=1) + "\n")
        if asked.page:
            from tacha.report.explore import write_exploration

            print(write_exploration(result, album, Path(asked.page), asked.language))
    return int(any(p.severity != "note" for p in result.problems))
