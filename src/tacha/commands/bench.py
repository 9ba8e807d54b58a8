"""tacha bench"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tacha.commands.images import expand
from tacha.commands.tested import test_samples, unlearned
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.report.bench import TITLES, cells, reference_of, write_bench
from tacha.runtime import artefact as artefacts
from tacha.runtime.bench import Measured, Variant, bench
from tacha.runtime.engines import ENGINES, PRECISIONS
from tacha.runtime.machine import available_cores


def run(asked: argparse.Namespace) -> int:
    """A table side by side, bench.json, and a picture of accuracy against latency where images are labelled."""
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_bench"
    check_folder(folder)
    variants = chosen_variants([("", Path(path)) for path in asked.artefacts], asked)
    samples = _samples(asked)
    images = expand(asked.images) if asked.images else [s.path for s in samples]
    _, written = side_by_side(variants, images, samples, asked, folder)
    for path in written:
        print(path)
    return 0


def chosen_variants(named: Sequence[tuple[str, Path]], asked: argparse.Namespace) -> list[Variant]:
    """Every artefact, under its name or else its file's, on every engine and precision asked for that runs it."""
    if min(asked.rounds, asked.count, asked.batch) < 1:
        raise TachaError("--rounds, --count and --batch: give 1 or more")
    if asked.threads is not None and asked.threads < 1:
        raise TachaError(f"--threads {asked.threads}: give 1 or more, or leave it out for all cores")
    engines = asked.engines.split(",") if asked.engines else ENGINES.names()
    wanted = asked.precisions.split(",") if asked.precisions else []
    for engine in engines:
        ENGINES.get(engine)
    if unknown := [p for p in wanted if p not in PRECISIONS]:
        raise TachaError(f"--precisions {unknown[0]}: choose from {', '.join(PRECISIONS)}")
    out = []
    for name, path in named:
        card = artefacts.read(path).card
        integers = "arithmetic" in card
        precisions = wanted or [card["calibrated_on"]["precision"]]
        for engine in engines:
            if engine == "torch" and integers:
                continue
            # ONNX Runtime has nothing but f32 on a CPU.
            out += [Variant(path, engine, p, name) for p in precisions if engine != "onnxruntime" or p == "f32"]
    if not out:
        raise TachaError(
            "no engine asked for runs any of these: onnxruntime has no bf16 on a CPU, and torch no int8; add f32 to "
            "--precisions, or openvino to --engines"
        )
    return out


def side_by_side(
    variants: Sequence[Variant],
    images: Sequence[Path],
    samples: Sequence[Sample],
    asked: argparse.Namespace,
    folder: Path,
) -> tuple[list[Measured], list[Path]]:
    """Measure on at most --count of the images and on all samples, print the table and write into `folder`.

    Returns what was measured, and the files.
    """
    images = [images[i] for i in np.linspace(0, len(images) - 1, min(asked.count, len(images))).round().astype(int)]
    found = bench(
        variants, images, samples, rounds=asked.rounds, threads=asked.threads, batch=asked.batch, seed=asked.seed
    )
    console = Console(width=None if Console().is_terminal else 160)
    console.print(
        f"{len(images)} images, {asked.rounds} rounds, {asked.threads or available_cores()} threads; "
        f"ratios and changed verdicts are against {reference_of(found).variant.label}",
        highlight=False,
        markup=False,
    )
    console.print(table(found))
    about = {"images": len(images), "rounds": asked.rounds, "batch": asked.batch, "seed": asked.seed}
    return found, write_bench(folder, found, about, asked.language)


def table(found: Sequence[Measured]) -> Table:
    """A line a variant."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column("")
    for title in TITLES:
        out.add_column(title, justify="right")
    reference = reference_of(found)
    for m in found:
        out.add_row(escape(m.variant.label), *cells(m, reference))
    return out


def _samples(asked: argparse.Namespace) -> tuple[Sample, ...]:
    """The test images of the artefact's category; without --data none."""
    if asked.data is None:
        if not asked.images:
            raise TachaError("give what to measure on: --data DIR with test images, or --images")
        return ()
    cards = [artefacts.read(path).card for path in asked.artefacts]
    names = {card["name"] for card in cards}
    if len(names) > 1:
        raise TachaError(
            f"the artefacts are of {', '.join(sorted(names))}, and one table has the images of one: measure each alone"
        )
    catalogue = read_catalogue(Path(asked.data), "auto", require_good=False)
    name = next(iter(names))
    learned = {found for card in cards for found in card.get("learned_flaws", ())}
    samples, notes = unlearned(test_samples(catalogue, asked.category, name), name, learned)
    for note in notes:
        print(f"note: {note}")
    return samples
