"""Files of rows that only grow, and are themselves the memory of what has been judged."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.files import check_file
from tacha.watching.event import COLUMNS, Event, Key, plain


class Rows(ABC):
    """Appends whole rows, each on the disk before the next image is judged.

    What a kill left of a row is cut off when the file is opened again. Raises TachaError for a file that cannot be
    written, or is of something else.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self.known: set[Key] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._whole = self._resumed()
        except OSError as error:
            raise TachaError(f"{path}: cannot be written ({error.strerror}); choose another file") from None

    def take(self, event: Event) -> None:
        if event.key is not None and self._known(event.key):
            return
        try:
            if not self._whole and (head := self.head()):
                self._file.write(head.encode())
            self._file.write(self.line(event.row()).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._whole)  # no half a row
            raise TachaError(
                f"{self.path}: could not be written ({error.strerror}); free some space and start again: it goes on "
                "where it stopped"
            ) from None
        self._whole = self._file.tell()
        if event.key is not None:
            self.known.add(self._named(event.key))

    def has(self, key: Key) -> bool:
        return self._known(key)

    def close(self) -> None:
        self._file.close()

    @abstractmethod
    def head(self) -> str: ...
    @abstractmethod
    def line(self, row: dict[str, Any]) -> str: ...
    @abstractmethod
    def read(self, text: str) -> list[dict[str, Any]]:
        """Rows of a whole file. Raises ValueError or KeyError for a file of something else."""

    def _known(self, key: Key) -> bool:
        return self._named(key) in self.known

    @staticmethod
    def _named(key: Key) -> Key:
        return key._replace(name=plain(key.name))

    def _resumed(self) -> int:
        """Bytes of whole rows; what comes after them is cut off."""
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        try:
            rows = self.read(data[:whole].decode()) if whole else []
            keys = [
                Key(r["name"], int(r["bytes"]), int(r["modified_ns"])) for r in rows if r["bytes"] not in ("", None)
            ]
        except (ValueError, KeyError, TypeError):
            self._file.close()
            raise TachaError(f"{self.path}: holds something else than verdicts; name another file") from None
        self.known.update(keys)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
        return whole


class CsvRows(Rows):
    """A header, then a row an image."""

    def head(self) -> str:
        return self._written(list(COLUMNS))

    def line(self, row: dict[str, Any]) -> str:
        return self._written([row[c] for c in COLUMNS])

    def read(self, text: str) -> list[dict[str, Any]]:
        rows = csv.DictReader(io.StringIO(text))
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError
        return list(rows)

    @staticmethod
    def _written(cells: list[Any]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(cells)
        return buffer.getvalue()


class JsonRows(Rows):
    """A JSON object a line."""

    def head(self) -> str:
        return ""

    def line(self, row: dict[str, Any]) -> str:
        return json.dumps(row) + "\n"

    def read(self, text: str) -> list[dict[str, Any]]:
        return [dict(json.loads(line)) for line in text.splitlines()]
