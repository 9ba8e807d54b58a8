"""New files of a folder, each once it is whole.

Polled, since a network share tells nobody of its changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tacha.data.image import IMAGE_SUFFIXES
from tacha.errors import TachaError
from tacha.watching.event import Key


class Arrived(NamedTuple):
    """A file at rest: its bytes are those of its key."""

    path: Path
    key: Key
    data: bytes


@dataclass
class _Waiting:
    key: Key
    since: float  # when it was first seen so
    failing: float | None = None  # since when it cannot be read


class Folder:
    """Files of a folder that `known` does not know, when size and time of change have rested for `settle` seconds.

    `retry(arrived)` puts back one that is not whole yet; it says False once `give_up` seconds have gone into it.
    """

    def __init__(
        self, root: Path, known: Callable[[Key], bool], settle: float, give_up: float, recursive: bool = False
    ) -> None:
        if not root.is_dir():
            raise TachaError(f"{root}: no such folder; make it, or name another")
        self.root, self.known, self.settle, self.give_up, self.recursive = root, known, settle, give_up, recursive
        self._waiting: dict[str, _Waiting] = {}
        self._done: set[Key] = set()
        self.away: str | None = None  # why the folder cannot be read at present

    def arrived(self) -> Iterator[Arrived]:
        """Those that have come to rest by now, oldest first."""
        there = self._there()
        if there is None:
            return
        self._waiting = {name: w for name, w in self._waiting.items() if name in there}
        self._done = {key for key in self._done if there.get(key.name) == key}
        now, ripe = time.monotonic(), []
        for name, key in there.items():
            if key in self._done or self.known(key):
                continue
            waiting = self._waiting.get(name)
            if waiting is None or waiting.key != key:
                failing = waiting.failing if waiting else None
                self._waiting[name] = _Waiting(key, now, failing)
            elif now - waiting.since >= self.settle:
                ripe.append(key)
        for key in sorted(ripe, key=lambda k: (k.modified_ns, k.name)):
            path = self.root / key.name
            try:
                data = path.read_bytes()
                if _key(key.name, path.stat()) != key:
                    continue  # it went on growing: the next look sees it anew
            except OSError:
                continue  # gone again, or not ours to read yet
            self._done.add(key)
            yield Arrived(path, key, data)

    def retry(self, arrived: Arrived) -> bool:
        """Look at it again later, unless it has been given time enough."""
        now = time.monotonic()
        waiting = self._waiting.setdefault(arrived.key.name, _Waiting(arrived.key, now))
        waiting.failing = now if waiting.failing is None else waiting.failing
        if now - waiting.failing >= self.give_up:
            return False
        waiting.since = now
        self._done.discard(arrived.key)
        return True

    @property
    def unsettled(self) -> bool:
        """Whether some file waits to come to rest."""
        return any(w.key not in self._done and not self.known(w.key) for w in self._waiting.values())

    def _there(self) -> dict[str, Key] | None:
        found: dict[str, Key] = {}
        folders = [self.root]
        try:
            while folders:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if self.recursive and entry.is_dir(follow_symlinks=False):
                            folders.append(Path(entry.path))
                        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
                            name = Path(entry.path).relative_to(self.root).as_posix()
                            found[name] = _key(name, entry.stat())
        except OSError as error:
            self.away = error.strerror or str(error)
            return None
        self.away = None
        return found


def _key(name: str, info: os.stat_result) -> Key:
    return Key(name, info.st_size, info.st_mtime_ns)
