"""tacha data"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tacha.errors import TachaError
from tacha.files import check_file, write_text


def run(asked: argparse.Namespace) -> int:
    """check: 0 when nothing is wrong, 1 for an error or a warning. sample, download: 0."""
    if asked.what == "download":
        return _download(asked)
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


def _download(asked: argparse.Namespace) -> int:
    from tacha.data.download import download, listing
    from tacha.data.sets import data_set

    if asked.list:
        _print_sets(listing())
        return 0
    if asked.name is None or asked.to is None:
        raise TachaError("data download: give NAME and --to DIR, or --list for the sets there are")
    wanted = data_set(asked.name)
    if asked.accept_licence:
        print(f"{wanted.title}\nlicence: {wanted.licence} ({wanted.page})\ncite: {wanted.cite}", flush=True)
    try:
        folder = download(
            asked.name,
            asked.to,
            accept_licence=asked.accept_licence,
            mirror=asked.mirror,
            sha256=asked.sha256,
            resume=asked.resume,
        )
    except KeyboardInterrupt:
        print("tacha: interrupted; what has come is kept: go on with --resume", file=sys.stderr)
        return 130
    print(f"train with: {wanted.use} data.root={folder}")
    print(folder)
    return 0


def _print_sets(rows: Sequence[tuple[str, str, str, str]]) -> None:
    from rich.table import Table

    table = Table("name", "what", box=None, pad_edge=False, header_style="bold")
    table.add_column("archive", justify="right", no_wrap=True)
    table.add_column("licence")
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 160).print(table)
