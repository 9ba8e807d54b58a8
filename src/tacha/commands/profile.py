"""tacha profile"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tacha.commands.images import expand
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.inspector import Inspector
from tacha.profiling.measure import Profile, profile
from tacha.profiling.record import write_profile
from tacha.profiling.stages import Stages, check_device
from tacha.reopening import reopen, sources
from tacha.report.profile import write_page
from tacha.runtime import artefact as artefacts
from tacha.runtime.machine import available_cores, cpu
from tacha.versions import versions


def run(asked: argparse.Namespace) -> int:
    """A table of stages, operators.csv, layers.csv, profile.json, a trace a stage and the page of bars."""
    if min(asked.rounds, asked.count) < 1:
        raise TachaError("--rounds and --count: give 1 or more")
    check_device(asked.device)
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_profile"
    check_folder(folder)
    path = _artefact(Path(asked.source))
    images = expand(asked.images) if asked.images else _test_images(path)
    chosen = [images[i] for i in np.linspace(0, len(images) - 1, min(asked.count, len(images))).round().astype(int)]
    inspector = Inspector(artefacts.read(path), asked.engine, asked.precision, asked.threads)
    if inspector.note:
        print(f"tacha: note: {inspector.note}", file=sys.stderr)
    if asked.threads is not None:
        import torch

        torch.set_num_threads(asked.threads)
    stages = Stages(inspector, asked.device)
    found = profile(stages, chosen, asked.rounds, asked.threads, folder)
    about = {
        "artefact": path.name,
        "name": inspector.name,
        "net": inspector.card["net"]["name"],
        "scorer": inspector.card["scorer"]["name"],
        "view": str(inspector.view),
        "engine": inspector.engine.name,
        "precision": inspector.engine.precision,
        "device": asked.device,
        "device_name": _device_name(asked.device),
        "int8": not stages.net,
        "images": len(chosen),
        "of_images": len(images),
        "rounds": asked.rounds,
        "threads": asked.threads,
        "cores": available_cores(),
        "versions": versions(),
    }
    written = write_profile(folder, found, about)
    page = write_page(folder / "profile.html", found, about, asked.language)
    Console(width=None if Console().is_terminal else 120).print(_table(found))
    if not stages.net:
        print("note: torch has no int8 for this artefact: its features and scorer are seen as one, in the engine")
    for each in (*written, *found.traces, page):
        print(each)
    return 0


def _artefact(source: Path) -> Path:
    """The artefact meant; a variant too, for what it saves is what one wants to see."""
    if not source.is_dir():
        return source
    paths, _ = sources(source, "profile")
    if len(paths) > 1:
        raise TachaError(f"{source}: has {len(paths)} artefacts ({', '.join(p.name for p in paths)}); name one of them")
    return paths[0]


def _test_images(path: Path) -> list[Path]:
    """Those of the run that the artefact lies in."""
    artefacts.read(path)
    if not (path.parent / "config.yaml").is_file():
        raise TachaError(f"{path}: does not lie in a run folder, whose test images would be taken: name some images")
    images = [s.path for s in reopen(path.parent).test_samples(path)]
    if not images:
        raise TachaError(f"{path.parent}: the run's data have no test images: name some images")
    return images


def _device_name(device: str) -> str:
    if device == "cpu":
        return cpu()
    import torch

    return str(torch.cuda.get_device_name())


def _table(found: Profile) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for title in ("ms an image", "rounds", "profiled"):
        table.add_column(title, justify="right")
    for s in found.stages:
        profiled = "–" if s.profiled is None else f"{s.profiled:.2f}"
        table.add_row(s.stage, f"{s.median:.2f}", f"{s.low:.2f}–{s.high:.2f}", profiled)
    return table
