"""What does not depend on a category: starting up, and the memory of fitting ten times as many images."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from peers.comparison import TACHA, Plan, copied
from peers.contenders import Contender
from peers.worker import StoppedError, Worker, WorkerError, environment

TIMES = 10  # as many images, for the memory
IMPORTS = {
    "tacha": ("import tacha", "from tacha import fit"),
    "anomalib": ("from anomalib.engine import Engine",),
    "anomavision": ("from anomavision import Padim",),
}


def start_up(pythons: dict[str, Path], plan: Plan) -> list[dict[str, Any]]:
    """Seconds until Python has imported what fits a detector, and until the command has said how it is used."""
    rows: list[dict[str, Any]] = [{"peer": peer, "statement": said} for peer in pythons for said in IMPORTS[peer]]
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(plan.rounds):
        for row in rows:
            peer = row["peer"]
            if "failed" in row:
                continue
            python = pythons[peer]
            code = f"import time; began = time.perf_counter(); {row['statement']}; print(time.perf_counter() - began)"
            # By the interpreter's own folder where a command was installed there, else as a module (a source tree).
            command = python.parent / peer
            called = [str(command)] if command.exists() else [str(python), "-m", peer]
            try:
                said = _run([str(python), "-c", code], peer, plan)
                times[row["statement"], "import"].append(float(said.split()[-1]))
                began = time.perf_counter()
                _run([*called, "--help"], peer, plan)
                times[row["statement"], "help"].append(time.perf_counter() - began)
            except (OSError, subprocess.SubprocessError) as error:
                row["failed"] = " ".join(str(error).split())[:300]
    for row in rows:
        for what in ("import", "help"):
            if found := times[row["statement"], what]:
                row[f"{what}_seconds"] = [statistics.median(found), min(found), max(found)]
    return rows


def _run(command: list[str], peer: str, plan: Plan) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=plan.patience, env=environment(peer)
    )
    return done.stdout


def memory(contender: Contender, images: Sequence[Path], plan: Plan) -> dict[str, Any]:
    """Peak memory of fitting the images, and of fitting TIMES as many that are changed a little each."""
    home = plan.scratch / "memory"
    few = copied(images, home / "few")
    many = _changed(images, home / "many", plan.seed)
    found: dict[str, Any] = {"contender": contender.name}
    for name, folder in (("few", few), ("many", many)):
        out = home / f"{name}-out"
        out.mkdir()
        arguments = {"settings": contender.settings, "threads": plan.threads, "seed": plan.seed}
        arguments |= {"folder": str(folder), "out": str(out), "coreset": contender.coreset, "tacha": str(TACHA)}
        try:
            with Worker(contender.peer, plan.pythons[contender.peer], out, home / "log.txt") as worker:
                fit = worker.ask("fit", plan.patience, **arguments)
        except (StoppedError, WorkerError) as error:
            found["failed"] = f"{name}: {error}"
            break
        found[name] = {"images": len(list(folder.iterdir())), "peak_mib": fit["peak_mib"], "seconds": fit["seconds"]}
    return found


def _changed(images: Sequence[Path], folder: Path, seed: int) -> Path:
    """Each image as it is, and TIMES - 1 copies a few pixels over and a little brighter or darker; 8 bit."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number, path in enumerate(images):
        with Image.open(path) as image:
            pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        for copy in range(TIMES):
            shift = rng.integers(-4, 5, 2) if copy else (0, 0)
            moved = np.roll(pixels, shift, (0, 1)).astype(np.float32) * (rng.uniform(0.97, 1.03) if copy else 1.0)
            changed = np.clip(moved, 0, 255).astype(np.uint8)
            Image.fromarray(changed).save(folder / f"{number:05}-{copy}.png", compress_level=1)
    return folder
