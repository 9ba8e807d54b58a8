"""tacha bench"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tacha.commands.images import expand
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.files import check_folder, write_text
from tacha.report.frontier import Point, frontier_plot
from tacha.runtime import artefact as artefacts
from tacha.runtime.bench import Measured, Variant, bench
from tacha.runtime.engines import ENGINES, PRECISIONS
from tacha.runtime.machine import available_cores
from tacha.versions import versions


def run(asked: argparse.Namespace) -> int:
    """A table side by side, bench.json, and a picture of accuracy against latency where images are labelled."""
    if asked.rounds < 1 or asked.count < 1:
        raise TachaError("--rounds and --count: give 1 or more")
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_bench"
    check_folder(folder)
    variants = _variants(asked)
    samples = _samples(asked, variants[0])
    images = expand(asked.images) if asked.images else [s.path for s in samples]
    images = [images[i] for i in np.linspace(0, len(images) - 1, min(asked.count, len(images))).round().astype(int)]
    found = bench(
        variants, images, samples, rounds=asked.rounds, threads=asked.threads, batch=asked.batch, seed=asked.seed
    )
    reference = next((m for m in found if (m.variant.engine, m.variant.precision) == ("torch", "f32")), found[0])
    console = Console(width=None if Console().is_terminal else 160)
    console.print(
        f"{len(images)} images, {asked.rounds} rounds, {asked.threads or available_cores()} threads; "
        f"ratios and changed verdicts are against {reference.variant.label}",
        highlight=False,
        markup=False,
    )
    console.print(table(found, reference))
    print(_write(folder, found, reference, asked, len(images)))
    points = [_point(m) for m in found if _figure(m, "image_auroc")]
    if points:
        print(frontier_plot(points, "image AUROC", folder / "frontier.png"))
    return 0


def table(found: list[Measured], reference: Measured) -> Table:
    """A line a variant."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column("")
    titles = ["image AUROC", "p50 ms", "p95", "p99", "engine p50", "of the time", "images/s", "start s", "file MiB"]
    for title in (*titles, "peak MiB", "changed verdicts"):
        out.add_column(title, justify="right")
    for m in found:
        auroc = _figure(m, "image_auroc")
        accuracy = "–" if auroc is None else f"{auroc['value']:.3f} ({auroc['low']:.3f}–{auroc['high']:.3f})"
        ratio, low, high = m.ratio(reference)
        out.add_row(
            escape(m.variant.label),
            accuracy,
            *(f"{m.quantile(q):.1f}" for q in (0.5, 0.95, 0.99)),
            f"{m.quantile(0.5, inside=True):.1f}",
            f"{ratio:.2f} ({low:.2f}–{high:.2f})",
            f"{m.images_per_second:.1f}",
            f"{m.start_seconds:.1f}",
            f"{m.size_mb:.1f}",
            "–" if m.peak_mb is None else f"{m.peak_mb:.0f}",
            f"{m.changed(reference)} of {len(m.verdicts)}",
        )
    return out


def _variants(asked: argparse.Namespace) -> list[Variant]:
    engines = asked.engines.split(",") if asked.engines else ENGINES.names()
    precisions = asked.precisions.split(",")
    for engine in engines:
        ENGINES.get(engine)
    if unknown := [p for p in precisions if p not in PRECISIONS]:
        raise TachaError(f"--precisions {unknown[0]}: choose from {', '.join(PRECISIONS)}")
    out = []
    for path in asked.artefacts:
        artefacts.read(path)
        # ONNX Runtime has nothing but f32 on a CPU.
        out += [Variant(Path(path), e, p) for e in engines for p in precisions if e != "onnxruntime" or p == "f32"]
    if not out:
        raise TachaError("engine onnxruntime has no bf16 on a CPU: add f32 to --precisions, or another engine")
    return out


def _samples(asked: argparse.Namespace, first: Variant) -> tuple[Sample, ...]:
    """The test images of the artefact's category; without --data none."""
    if asked.data is None:
        if not asked.images:
            raise TachaError("give what to measure on: --data DIR with test images, or --images")
        return ()
    names = {artefacts.read(path).card["name"] for path in asked.artefacts}
    if len(names) > 1:
        raise TachaError(
            f"the artefacts are of {', '.join(sorted(names))}, and one table has the images of one: measure each alone"
        )
    catalogue = read_catalogue(Path(asked.data), "auto", require_good=False)
    name = asked.category or next(iter(names))
    if name not in catalogue.categories and len(catalogue.categories) == 1:
        name = catalogue.categories[0]
    if name not in catalogue.categories:
        raise TachaError(f"{catalogue.root}: no category {name!r}; add --category, one of {catalogue.categories}")
    samples = catalogue.select(split="test", category=name)
    if not samples:
        raise TachaError(f"{catalogue.root}: has no test images; accuracy needs test/good and test/<defect>")
    return tuple(replace(s, category=name) for s in samples)


def _write(folder: Path, found: list[Measured], reference: Measured, asked: argparse.Namespace, images: int) -> Path:
    rows = []
    for m in found:
        ratio, low, high = m.ratio(reference)
        rows.append(
            {
                "artefact": str(m.variant.artefact),
                "engine": m.variant.engine,
                "precision": m.variant.precision,
                **m.about,
                **{f"p{round(100 * q)}_ms": m.quantile(q) for q in (0.5, 0.95, 0.99)},
                **{f"engine_p{round(100 * q)}_ms": m.quantile(q, inside=True) for q in (0.5, 0.95, 0.99)},
                "time_ratio": {"to": reference.variant.label, "median": ratio, "lowest": low, "highest": high},
                "images_per_second": m.images_per_second,
                "start_seconds": m.start_seconds,
                "file_mib": m.size_mb,
                "peak_mib": m.peak_mb,
                "changed_verdicts": m.changed(reference),
                "figures": m.figures,
            }
        )
    about = {"images": images, "rounds": asked.rounds, "batch": asked.batch, "machine": platform.machine()}
    about |= {"cores": available_cores(), "seed": asked.seed, "versions": versions()}
    text = json.dumps({"rows": rows, "run": about}, indent=1, allow_nan=False)
    return write_text(folder / "bench.json", text + "\n")


def _figure(m: Measured, metric: str) -> dict[str, Any] | None:
    return next((row for row in m.figures if row["metric"] == metric), None)


def _point(m: Measured) -> Point:
    row = _figure(m, "image_auroc")
    assert row is not None
    return Point(m.variant.label, m.quantile(0.5), row["value"], row["low"], row["high"])
