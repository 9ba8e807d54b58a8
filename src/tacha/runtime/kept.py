"""What was measured on this machine before: engines.json in the user's cache folder, which may be lost at any time."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

from tacha.cache import cache_folder
from tacha.errors import TachaError
from tacha.files import write_text

MOST = 200  # entries; the oldest make room


def recall(key: str) -> dict[str, Any]:
    """What was kept under that key; empty where nothing was, or the file cannot be used, which is said once."""
    try:
        entry = _entries(_path()).get(key)
    except TachaError:  # `keep` will say so
        return {}
    return entry if isinstance(entry, dict) else {}


def keep(key: str, entry: dict[str, Any]) -> None:
    """Keep an entry beside the others, oldest first. Where that cannot be done it is said once, and no error.

    The file is whole at any time; of two processes that write at once, one's entry may be lost and is measured again.
    """
    try:
        path = _path()
        entries = [(k, v) for k, v in _entries(path).items() if k != key][-MOST + 1 :]
        write_text(path, json.dumps({**dict(entries), key: entry}, indent=1) + "\n")
    except TachaError as error:
        _say(f"the fastest engine is measured each time, until TACHA_CACHE names a folder that can be written: {error}")


def _path() -> Path:
    return cache_folder() / "engines.json"


def _entries(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); delete it") from error
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        _say(f"{path}: damaged, so what it held is measured anew and the file replaced")
        return {}
    return entries


@functools.cache
def _say(note: str) -> None:
    print(f"tacha: {note}", file=sys.stderr)
