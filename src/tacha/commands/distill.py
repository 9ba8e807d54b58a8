"""tacha distill"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tacha.commands.refused import refused
from tacha.distillation import Distilled, Teaching, distil
from tacha.errors import TachaError
from tacha.reopening import reopen, sources

LEAST = {"rows": 1, "draws": 1, "epochs": 1, "patience": 1, "seed": 0}


def run(asked: argparse.Namespace) -> int:
    """Students beside the artefacts, and a table of what each keeps."""
    teaching = _teaching(asked)
    paths, folder = sources(Path(asked.source), "distill")
    reopened = reopen(folder)
    found: list[Distilled] = []
    failed: list[str] = []
    for path in paths:
        where = Path(asked.out) if asked.out else path.parent
        try:
            found.append(distil(path, reopened.material(path), teaching, where, test=asked.test))
        except TachaError as error:
            if len(paths) == 1:
                raise
            failed.append(str(error))
    console = Console(width=None if Console().is_terminal else 140)
    for d in found:
        console.print(table(d))
        print(f"{d.pictures} pictures, {d.epochs} epochs, {d.seconds:.0f} s")
        print(d.path)
        print(d.path.with_suffix(".json"))
    return refused(failed)


def table(d: Distilled) -> Table:
    """Teacher beside student."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    for title in (d.path.stem, "teacher", "student"):
        out.add_column(title, justify="left" if title == d.path.stem else "right")
    ratio, low, high = d.latency
    out.add_row("AUROC of drawn flaws", *(f"{x:.3f}" for x in d.auroc))
    out.add_row("AUROC of faint ones", *(f"{x:.3f}" for x in d.auroc_faint))
    out.add_row("rank correlation of scores", "", f"{d.score_correlation:.3f}")
    out.add_row("rank correlation of maps", "", f"{d.map_correlation:.3f}")
    out.add_row("changed verdicts on good images", "", f"{d.changed_verdicts} of {d.images}")
    out.add_row("time in the engine", "1", f"{ratio:.2f} ({low:.2f}–{high:.2f})")
    out.add_row("engine", *d.engines)
    out.add_row("file MiB", *(f"{x:.1f}" for x in d.mib))
    for metric in ("image_auroc", "pixel_auroc") if d.test else ():
        rows = [next((r for r in d.test[who] if r["metric"] == metric), None) for who in ("teacher", "student")]
        cells = ("–" if r is None else f"{r['value']:.3f} ({r['low']:.3f}–{r['high']:.3f})" for r in rows)
        out.add_row(f"test {metric.replace('_auroc', ' AUROC')}", *cells)
    return out


def _teaching(asked: argparse.Namespace) -> Teaching:
    for name, least in LEAST.items():
        if getattr(asked, name) < least:
            raise TachaError(f"--{name} {getattr(asked, name)}: give a whole number of at least {least}")
    if asked.seed >= 2**32:
        raise TachaError(f"--seed {asked.seed}: give one below 2**32")
    if not 0 < asked.lr < float("inf"):
        raise TachaError(f"--lr {asked.lr}: give a number above 0")
    words = asked.layers.split(",")
    if not all(word.isdecimal() for word in words):
        raise TachaError(f"--layers {asked.layers}: give numbers such as 2,3")
    return Teaching(
        backbone=asked.backbone,
        weights=asked.weights,
        layers=[int(word) for word in words],
        rows=asked.rows,
        draws=asked.draws,
        epochs=asked.epochs,
        patience=asked.patience,
        lr=asked.lr,
        seed=asked.seed,
    )
