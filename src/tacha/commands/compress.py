"""tacha compress"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tacha.compression import Compressed, compress
from tacha.errors import TachaError
from tacha.material import material, settings_in, sources

KINDS = ("f16", "int8")


def run(asked: argparse.Namespace) -> int:
    """Variants beside the artefacts, and a table of what each keeps."""
    kinds = [k for k in asked.kinds.split(",") if k]
    if unknown := [k for k in kinds if k not in KINDS]:
        raise TachaError(f"--kinds {unknown[0]}: choose from {', '.join(KINDS)}")
    if asked.bank is not None and asked.bank < 1:
        raise TachaError(f"--bank {asked.bank}: give a number of rows of at least 1")
    if asked.budget < 0:
        raise TachaError(f"--budget {asked.budget}: give AUROC points of 0 or more")
    paths, folder = sources(Path(asked.source), "compress")
    settings = settings_in(folder)
    found: list[Compressed] = []
    notes: list[str] = []
    for path in paths:
        where = Path(asked.out) if asked.out else path.parent
        variants, said = compress(path, material(path, settings, folder), kinds, asked.bank, asked.budget / 100, where)
        found, notes = [*found, *variants], [*notes, *said]
    Console(width=None if Console().is_terminal else 140).print(table(found))
    for note in notes:
        print(f"note: {note}")
    for c in found:
        print(c.path)
    return 0


def table(found: list[Compressed]) -> Table:
    """A line a variant; what is compared is the original on the same images."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column("")
    for title in (
        "file MiB",
        "was",
        "scores moved by",
        "changed verdicts",
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
            f"{100 * c.largest_difference:.2g} % of the threshold",
            f"{c.changed_verdicts} of {c.images}",
            f"{c.drawn_auroc:.3f}",
            f"{c.drawn_auroc_before:.3f}",
            "redone" if c.recalibrated else "kept",
        )
    return out
