"""tacha cluster"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tacha.commands.tested import test_samples
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.inspector import Inspector, load

if TYPE_CHECKING:
    from tacha.analysis.study import Settings, Study


def run(asked: argparse.Namespace) -> int:
    """Planes and clusters of a detector's embeddings: a table, a page, clusters.json and points.csv."""
    settings = _settings(asked)
    source = Path(asked.source)
    folder = _folder(asked, source)
    check_folder(folder)
    from tacha.analysis.embedding import embed
    from tacha.analysis.record import write_record
    from tacha.analysis.study import study
    from tacha.report.clusters_html import write_clusters

    notes: list[str] = []
    studies: list[Study] = []
    for inspector, samples in _given(asked, source):
        embedded = embed(inspector, samples)
        notes += [f"{path}: {reason}" for path, reason in embedded.skipped]
        studies.append(study(embedded, settings, labelled=not asked.images))
    files = write_record(folder, studies, settings, notes)
    page = write_clusters(folder, studies, settings, notes, asked.language)
    console = Console(width=None if Console().is_terminal else 120)
    for found in studies:
        console.print(table(found))
        if not found.labelled:
            print(f"{found.embedded.name}: images of one class, or without labels: no figures against truth")
    for note in notes:
        print(f"note: {note}")
    for path in (*files, page):
        print(path)
    return 0


def table(found: Study) -> Table:
    """A line a figure, a column the detector and each plane."""
    columns = [("detector", found.detector), *((s.plane.name, s.figures) for s in found.sides)]
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column(found.embedded.name)
    for name, _ in columns:
        out.add_column(name, justify="right")
    for metric in dict.fromkeys(f.metric for _, figures in columns for f in figures):
        cells = []
        for _, figures in columns:
            figure = next((f for f in figures if f.metric == metric), None)
            text = "" if figure is None else f"{figure.value:.4g}" if figure.low is None else f"{figure.value:.3f}"
            if figure is not None and figure.low is not None:
                text += f" ({figure.low:.3f}–{figure.high:.3f})"
            cells.append(text)
        out.add_row(metric, *cells)
    return out


def _given(asked: argparse.Namespace, source: Path) -> list[tuple[Inspector, tuple[Sample, ...]]]:
    """Each detector and the images to embed; whatever is not there is found out before anything is read."""
    from tacha.reopening import reopen, sources

    if asked.images and asked.data:
        raise TachaError("--images and --data name the same thing twice: leave out one")
    paths, home = sources(source, "cluster")
    inspectors = [load(path) for path in paths]
    if asked.images:
        from tacha.commands.images import expand

        samples = tuple(Sample(p, inspectors[0].name, "test") for p in expand(asked.images))
        return [(inspector, samples) for inspector in inspectors]
    if asked.data:
        catalogue = read_catalogue(Path(asked.data), asked.layout, require_good=False)
        return [(i, test_samples(catalogue, asked.category, i.name)) for i in inspectors]
    if not (home / "config.yaml").is_file():
        raise TachaError(
            f"{home}: has no config.yaml, which says where a run's images are: name them with --data DIR or --images"
        )
    reopened = reopen(home)
    out = []
    for path, inspector in zip(paths, inspectors, strict=True):
        samples = reopened.test_samples(path)
        if not samples:
            raise TachaError(f"{source}: its data have no test images; name some with --data DIR or --images")
        out.append((inspector, samples))
    return out


def _folder(asked: argparse.Namespace, source: Path) -> Path:
    if asked.out:
        return Path(asked.out)
    home = source if source.is_dir() else source.parent
    if (home / "config.yaml").is_file():
        return home / "clusters"
    return Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_clusters"


def _settings(asked: argparse.Namespace) -> Settings:
    from tacha.analysis.study import Settings

    for name, least in (("min_samples", 2), ("components", 2), ("seed", 0)):
        if getattr(asked, name) < least:
            option = name.replace("_", "-")
            raise TachaError(f"--{option} {getattr(asked, name)}: give a whole number of at least {least}")
    if asked.seed >= 2**32:
        raise TachaError(f"--seed {asked.seed}: give one below 2**32")
    for name in ("eps", "perplexity"):
        value = getattr(asked, name)
        if value is not None and not 0 < value < float("inf"):
            raise TachaError(f"--{name} {value}: give a number above 0")
    return Settings(asked.min_samples, asked.eps, asked.components, asked.perplexity, asked.seed)
