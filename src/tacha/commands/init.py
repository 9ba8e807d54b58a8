"""tacha init"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import tacha
from tacha.errors import TachaError
from tacha.files import write_text

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MARK = ".tacha-init"  # in every folder written here, so that it is known again


def run(asked: argparse.Namespace) -> int:
    """Write the packaged configs to a folder; in one written before, add what it lacks and leave what is there."""
    folder = Path(asked.root)
    written, kept = write_tree(folder)
    print(f"{written} configs written, {kept} kept; edit them, then: tacha train --config-dir {folder}")
    print(folder)
    return 0


def write_tree(folder: Path) -> tuple[int, int]:
    """The packaged configs in `folder`, all or none: (files written, files that were there and stay).

    Raises TachaError for a folder that holds anything else, or one that cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise TachaError(f"{folder}: is a file; name a folder that is new or empty")
    made: list[Path] = []
    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
            raise TachaError(f"{folder}: is not empty, and not a folder that `tacha init` wrote; name another")
        return _write(folder, made)
    except BaseException as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise TachaError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
        raise


def _write(folder: Path, made: list[Path]) -> tuple[int, int]:
    """`made` gathers what was not there before. Files are whole before the first one is moved to its place."""
    texts = dict(_packaged(files("tacha.conf")))
    missing = [name for name in texts if not (folder / name).exists()]
    _make(folder, made)
    stage = Path(tempfile.mkdtemp(prefix=MARK, suffix=".part", dir=folder))
    try:
        for name in missing:
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_text(texts[name], encoding="utf-8")
        for name in missing:
            _make((folder / name).parent, made)
            (stage / name).replace(folder / name)
            made.append(folder / name)
        write_text(folder / MARK, f"tacha {tacha.__version__}\n")
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return len(missing), len(texts) - len(missing)


def _make(folder: Path, made: list[Path]) -> None:
    new = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    made += reversed(new)


def _packaged(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path inside the tree, text) of every config of the package."""
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _packaged(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield f"{prefix}{entry.name}", entry.read_text(encoding="utf-8")
