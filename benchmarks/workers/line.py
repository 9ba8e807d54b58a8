"""A worker's end of the line: a JSON object a line on standard input, answers a line on standard output.

`{"ask": NAME, ...}` is answered by any number of `{"progress": SHARE}` and then `{"done": ...}` or `{"error": ...}`.
Uses nothing but the standard library, for a worker runs in a peer's own environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

EVERY = 1.0  # seconds between two reports of progress
MIB = 2**20
LIBRARIES = ("torch", "torchvision", "timm", "openvino", "onnxruntime", "numpy", "pillow")

_out: TextIO
_last = 0.0


def serve(functions: dict[str, Callable[..., Any]]) -> None:
    """Answers until the line is closed."""
    global _out
    # Libraries print: what they say goes to standard error, the line stays clean.
    _out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for text in sys.stdin:
        asked = json.loads(text)
        try:
            _say({"done": functions[asked.pop("ask")](**asked)})
        except Exception as error:  # whatever a peer raises is its answer
            traceback.print_exc()
            _say({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"})


def progress(share: float) -> None:
    """How much of a long answer is done, 0..1."""
    global _last
    if time.monotonic() - _last > EVERY:
        _last = time.monotonic()
        _say({"progress": share})


def limit(threads: int) -> None:
    """Hold this process, and every library's threads in it, to that many cores; before a library starts its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))


def peak_mib() -> float | None:
    """The most memory this process has held, in MiB; None where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def size_mib(*files: Path) -> float:
    return sum(f.stat().st_size for f in files) / MIB


def versions(*names: str) -> dict[str, str]:
    found = {}
    for name in (*names, *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _say(answer: dict[str, Any]) -> None:
    _out.write(json.dumps(answer) + "\n")
    _out.flush()
