"""Files told apart by what is in them: copies are one image, wherever they lie and whatever they are called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tacha.errors import TachaError


def digest(path: Path, salt: str = "") -> str:
    """SHA-256 of a salt and a file's bytes. TachaError where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    return hashlib.sha256(salt.encode() + data).hexdigest()


def rank(path: Path, seed: int) -> str:
    """A file's place in an order that depends on its bytes and the seed alone; copies share one."""
    return digest(path, f"{seed}:")
