"""tacha compress"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tacha.commands.refused import refused
from tacha.compression import KINDS, Compressed, Wanted, compress
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.reopening import reopen, sources
from tacha.runtime.quantise import available


def run(asked: argparse.Namespace) -> int:
    """Variants beside the artefacts, and a table of what each keeps."""
    kinds = [k for k in asked.kinds.split(",") if k]
    if unknown := [k for k in kinds if k not in KINDS]:
        raise TachaError(f"--kinds {unknown[0]}: choose from {', '.join(KINDS)}")
    for option, number in (("--bank", asked.bank), ("--dimensions", asked.dimensions)):
        if number is not None and number < 1:
            raise TachaError(f"{option} {number}: give a number of at least 1")
    if not kinds and asked.bank is None and asked.dimensions is None:
        raise TachaError(f"--kinds names none, and nothing else is asked for: choose from {', '.join(KINDS)}")
    if not 0 <= asked.budget < float("inf"):
        raise TachaError(f"--budget {asked.budget}: give AUROC points of 0 or more")
    quantiser = available(asked.quantiser)
    wanted = Wanted(kinds, asked.bank, asked.dimensions, asked.budget / 100, quantiser)
    paths, folder = sources(Path(asked.source), "compress")
    check_folder(Path(asked.out) if asked.out else folder)
    reopened = reopen(folder)
    found: list[Compressed] = []
    notes: list[str] = []
    failed: list[str] = []
    for path in paths:
        where = Path(asked.out) if asked.out else path.parent
        try:
            variants, said = compress(path, reopened.material(path), wanted, where)
        except TachaError as error:
            if len(paths) == 1:
                raise
            failed.append(str(error))
            continue
        found, notes = [*found, *variants], [*notes, *said]
    Console(width=None if Console().is_terminal else 140).print(table(found))
    for note in notes:
        print(f"note: {note}")
    for c in found:
        print(c.path)
    return refused(failed)


def table(found: list[Compressed]) -> Table:
    """A line a variant; what is compared is the original on the same images."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column("")
    for title in (
        "file MiB",
        "was",
        "scores moved by",
        "changed verdicts",
        "between engines",
        "AUROC of drawn flaws",
        "was",
        "calibration",
    ):
        out.add_column(title, justify="right")
    for c in found:
        out.add_row(
            c.path.stem,
            f"{c.mib:.1f}",
            f"{c.mib_before:.1f}",
            f"{100 * c.largest_difference:.2g} % of the largest",
            f"{c.changed_verdicts} of {c.images}",
            "–" if c.between_engines is None else f"{c.between_engines} of {c.images}",
            f"{c.drawn_auroc:.3f}",
            f"{c.drawn_auroc_before:.3f}",
            "redone" if c.recalibrated else "kept",
        )
    return out
