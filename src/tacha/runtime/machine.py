"""Which machine this is, as far as speed depends on it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

# Of /proc/cpuinfo: what names a CPU and its instructions, not its clock at the moment.
_LASTING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu() -> str:
    """The CPU's name; on Linux with a digest of its instructions, in which machines of one name may differ."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    found = {key.strip(): value.strip() for key, value in pairs}
    digest = hashlib.sha256("|".join(found.get(key, "") for key in _LASTING).encode()).hexdigest()
    return f"{found.get('model name', platform.machine())} {digest[:12]}"
