"""A peer's own environment: made once, with every version pinned, outside the project."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tacha.cache import cache_folder
from tacha.errors import TachaError

PEERS = ("anomalib", "anomavision")
MARK = "installed.sha256"


def requirements(peer: str) -> Path:
    return Path(__file__).parent / f"{peer}.txt"


def python_of(peer: str, folder: Path | None) -> Path:
    """The interpreter that runs a peer's worker; tacha's own is this one.

    The environment is made where it is missing or its pins have changed, by `pip` as the user has it set up.
    """
    if peer == "tacha":
        return Path(sys.executable)
    pins = requirements(peer)
    if not pins.is_file():
        raise TachaError(f"--against {peer}: there is no such peer; there are {', '.join(PEERS)}")
    home = (folder or cache_folder() / "peers") / peer
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    mark = home / MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") == digest:
        return python
    print(f"{peer}: installing into {home}; it takes some minutes and 7 GB", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", "-r", str(pins)],
    ):
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise TachaError(f"{peer}: `{' '.join(command)}` failed; what it said stands above")
    mark.write_text(digest, encoding="utf-8")
    return python
