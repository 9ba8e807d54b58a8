"""tacha at work: fit, then what it wrote loaded again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import line

_inspector: Any = None


def fit(
    folder: str, out: str, settings: dict[str, Any], threads: int, seed: int, coreset: str, tacha: str
) -> dict[str, Any]:
    """Learn from a folder of good images, calibrate, check the engines' parity, write the artefact: all in `seconds`.

    `coreset` and `tacha` are another's.
    """
    line.limit(threads)
    began = time.perf_counter()
    import torch

    import tacha as ours
    from tacha.versions import versions

    imported = time.perf_counter() - began
    torch.set_num_threads(threads)
    overrides = [*settings["overrides"], f"seed={seed}"]
    began = time.perf_counter()
    inspector = ours.fit(folder, overrides=overrides, name="part", run_dir=Path(out) / "run")
    file = inspector.save(Path(out) / "part.tacha")
    seconds = time.perf_counter() - began
    banks = [list(tensor.shape) for name, tensor in inspector.artefact.tensors().items() if "bank" in name]
    return {
        "seconds": seconds,
        "imported": imported,
        "exported": None,  # it is part of the fit
        "peak_mib": line.peak_mib(),
        "bank": banks,
        "files": {"auto": str(file)},
        "mib": {"auto": line.size_mib(file)},
        "settings": {k: inspector.card[k] for k in ("input", "net", "scorer")},
        "versions": versions(),
    }


def open_model(file: str, engine: str, threads: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Make ready to judge."""
    global _inspector
    line.limit(threads)
    from tacha import load

    _inspector = load(file, engine=engine, threads=threads)
    return {"engine": _inspector.engine.name, "precision": _inspector.engine.precision}


def judge(path: str, map_file: str | None = None) -> dict[str, Any]:
    """From the file to the verdict."""
    began = time.perf_counter()
    found = _inspector.inspect(path)
    seconds = time.perf_counter() - began
    if map_file is not None:
        import numpy as np

        np.save(map_file, found.map)
    return {"seconds": seconds, "score": found.score}


if __name__ == "__main__":
    line.serve({"fit": fit, "open": open_model, "judge": judge, "peak": line.peak_mib})
