"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tacha.errors import TachaError


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises TachaError when the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise TachaError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    part = Path(name)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)  # mkstemp gives 0600; a result is as readable as any other file
        part.replace(path)
    except OSError as error:
        raise TachaError(f"{path}: could not be written ({error.strerror}); free some space and run again") from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write text atomically."""
    with written(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def check_folder(folder: Path) -> None:
    """Raise TachaError where nothing can be written, before the work whose result is to go there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TachaError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
