"""What a result was measured on: the machine and the sources, as far as figures depend on them."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from tacha.runtime.machine import available_cores

TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")  # of a CPU's flags


def machine(threads: int) -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:  # not Linux
        lines = []
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    found = {key.strip(): value.strip() for key, value in pairs}
    flags = found.get("flags", "").split()
    return {
        "cpu": found.get("model name", platform.processor() or platform.machine()),
        "flags": [flag for flag in TELLING if flag in flags],
        "cores": available_cores(),
        "threads": threads,
        "load": load(),
    }


def load() -> float | None:
    """How many processes the machine was busy with over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def revision() -> str | None:
    """The commit of the sources, with "-dirty" where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:  # no git
        return None
    return done.stdout.strip() or None
