"""The artefacts being served, by name: a changed file takes its predecessor's place without a lost request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tacha.errors import TachaError
from tacha.inspector import Inspector
from tacha.runtime import artefact as artefacts
from tacha.server.limits import Limits
from tacha.server.refusals import RefusedError
from tacha.server.worker import Worker

Open = Callable[[artefacts.Artefact], Inspector]
Heard = Callable[[str, str, dict[str, Any]], None]  # event, model, details
_GONE = (0, 0, 0)


@dataclass
class Model:
    """An artefact being served. `leases`: requests that hold it, which a successor waits for before it ends."""

    name: str
    inspector: Inspector
    worker: Worker
    sha256: str
    since: str
    leases: int = 0
    retired: bool = False

    def about(self) -> dict[str, Any]:
        card = self.inspector.card
        return {
            "name": self.name,
            "product": self.inspector.name,
            "sha256": self.sha256,
            "loaded": self.since,
            "engine": self.inspector.engine.name,
            "precision": self.inspector.engine.precision,
            "net": card["net"]["name"],
            "scorer": card["scorer"]["name"],
            "input": self.inspector.view.to_dict(),
            "threshold": self.inspector.threshold,
            "promise": self.inspector.calibration.guarantee(),
            "maps": self.inspector.map_calibration is not None,
        }


@dataclass
class _Place:
    """A file and what is served of it. `seen`: the file's state that was last loaded or refused."""

    path: Path
    model: Model
    seen: tuple[int, int, int]
    changing: tuple[int, int, int] | None = None
    trouble: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """Named artefacts, each with its worker. `asked` are PATH or NAME=PATH; a name otherwise is the product's.

    Raises TachaError for a file that cannot be loaded, and for two of one name.
    """

    def __init__(
        self,
        asked: Sequence[str],
        open_: Open,
        limits: Limits,
        heard: Heard = lambda *_: None,
        batched: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self._open, self._limits, self._heard, self._batched = open_, limits, heard, batched
        self._places: dict[str, _Place] = {}
        self._leases = threading.Lock()
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None
        try:
            for one in asked:
                name, path = _named(one)
                seen = _state(path)
                model = self._load(path, name)
                if model.name in self._places:
                    model.worker.stop()
                    raise TachaError(
                        f"{path}: a second artefact of the name {model.name}; name them apart: "
                        f"`tacha serve {model.name}={self._places[model.name].path} OTHER={path}`"
                    )
                self._places[model.name] = _Place(path, model, seen)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> list[str]:
        return list(self._places)

    @contextmanager
    def lease(self, name: str | None) -> Iterator[Model]:
        """The model of that name, or the only one there is, kept until the block ends. Raises RefusedError."""
        if name is None and len(self._places) > 1:
            raise RefusedError(400, "model_missing", f"name a model with ?model=: {', '.join(self._places)}")
        place = self._places.get(name) if name is not None else next(iter(self._places.values()))
        if place is None:
            raise RefusedError(404, "no_such_model", f"no such model; there are: {', '.join(self._places)}")
        with self._leases:
            model = place.model
            model.leases += 1
        try:
            yield model
        finally:
            with self._leases:
                model.leases -= 1
                last = model.retired and model.leases == 0
            if last:
                model.worker.stop()

    def about(self) -> list[dict[str, Any]]:
        return [{**p.model.about(), "reload_error": p.trouble} for p in self._places.values()]

    def depths(self) -> dict[str, int]:
        return {name: place.model.worker.depth() for name, place in self._places.items()}

    def watch(self, every: float) -> None:
        """Look at the files every so many seconds, in a thread of its own."""

        def run() -> None:
            while not self._ending.wait(every):
                self.look()

        self._watcher = threading.Thread(target=run, name="reload", daemon=True)
        self._watcher.start()

    def look(self) -> None:
        """Load what changed and has come to rest since the last look; what cannot be loaded leaves all as it was."""
        for name, place in self._places.items():
            with place.lock:
                try:
                    now = _state(place.path)
                except TachaError as error:
                    if place.seen != _GONE:  # said once; what comes in its place is loaded, even if it is the same
                        place.seen, place.trouble = _GONE, _brief(error, place.path)
                        self._heard("reload", name, {"outcome": "gone", "message": place.trouble})
                    continue
                if now == place.seen:
                    place.changing = None
                    continue
                if now != place.changing:  # perhaps half written: wait until two looks see the same
                    place.changing = now
                    continue
                place.changing, place.seen = None, now
                self._replace(name, place)

    def _replace(self, name: str, place: _Place) -> None:
        try:
            successor = self._load(place.path, name)
        except Exception as error:  # an engine may raise anything on what it is not made for
            place.trouble = _brief(error, place.path)
            self._heard("reload", name, {"outcome": "refused", "message": place.trouble})
            return
        with self._leases:
            former, place.model = place.model, successor
            former.retired = True
            idle = former.leases == 0
        if idle:
            former.worker.stop()
        place.trouble = None
        self._heard("reload", name, {"outcome": "loaded", "sha256": successor.sha256})

    def _load(self, path: Path, name: str | None) -> Model:
        """Loaded, and tried on one image, so that what cannot judge never takes a place."""
        artefact = artefacts.read(path)
        inspector = self._open(artefact)
        frame = inspector.view.frame
        inspector.inspect(np.full((frame.height, frame.width, 3), 127, dtype=np.uint8))
        name = name or inspector.name
        heard = partial(self._batched, name)
        worker = Worker(inspector, self._limits.together, self._limits.window, heard)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Model(name, inspector, worker, digest, datetime.now(timezone.utc).isoformat(timespec="seconds"))

    def close(self) -> None:
        """What was submitted is judged, then all threads end."""
        self._ending.set()
        for place in self._places.values():
            place.model.worker.stop()
        until = time.monotonic() + self._limits.answer
        for place in self._places.values():
            place.model.worker.join(max(0.0, until - time.monotonic()))
        if self._watcher is not None:
            self._watcher.join(5)


def _named(asked: str) -> tuple[str | None, Path]:
    """NAME=PATH or PATH; a path that exists wins."""
    name, sign, path = asked.partition("=")
    if sign and name and "/" not in name and not Path(asked).exists():
        return name, Path(path)
    return None, Path(asked)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise TachaError(f"{path}: no such artefact ({error.strerror}); `tacha train` writes one") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _brief(error: Exception, path: Path) -> str:
    """The error's line with the file's name in place of its path, which is nobody's business outside."""
    return " ".join(str(error).split()).replace(str(path), path.name) or type(error).__name__
