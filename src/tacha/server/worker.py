"""One engine, one thread: images that arrive together are judged together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from tacha.data.view import Seen
from tacha.inspection import Inspection
from tacha.inspector import Inspector
from tacha.judging import judge


class Judged(NamedTuple):
    """A verdict, and the seconds it waited and took."""

    found: Inspection
    waited: float
    took: float


class _Asked(NamedTuple):
    seen: Seen
    future: Future[Judged]
    since: float


class Worker:
    """Judges what `submit` gives it, in the order it came, until `stop`.

    Once an image is there it waits up to `window` seconds for others, at most `together` in all; `heard` is told how
    many there were. An engine that is busy gathers them by itself.
    """

    def __init__(
        self, inspector: Inspector, together: int, window: float, heard: Callable[[int], None] = lambda n: None
    ) -> None:
        self.inspector, self.together, self.window, self._heard = inspector, together, window, heard
        self._asked: queue.Queue[_Asked | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name=f"judge-{inspector.name}", daemon=True)
        self._thread.start()

    def submit(self, seen: Seen) -> Future[Judged]:
        """The verdict on an image, later. A future that is cancelled before its turn is passed over."""
        future: Future[Judged] = Future()
        self._asked.put(_Asked(seen, future, time.perf_counter()))
        return future

    def depth(self) -> int:
        return self._asked.qsize()

    def stop(self) -> None:
        """What was submitted is judged, then the thread ends."""
        self._asked.put(None)

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._gathered()
            batch = [asked for asked in batch if asked.future.set_running_or_notify_cancel()]
            if batch:
                self._heard(len(batch))
                self._judge(batch)

    def _gathered(self) -> tuple[list[_Asked], bool]:
        """The next images, and whether they are the last."""
        first = self._asked.get()
        if first is None:
            return [], True
        batch, until = [first], time.perf_counter() + self.window
        while len(batch) < self.together:
            left = until - time.perf_counter()
            try:
                following = self._asked.get(timeout=left) if left > 0 else self._asked.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _judge(self, batch: list[_Asked]) -> None:
        began = time.perf_counter()
        rest = list(batch)
        try:
            for score, anomaly_map in judge(self.inspector.engine, [a.seen for a in batch], self.together):
                asked = rest.pop(0)
                try:
                    found = self.inspector.judged(None, asked.seen.size, score, anomaly_map)
                except Exception as error:  # this image's alone; the others of its batch are judged
                    asked.future.set_exception(error)
                    continue
                asked.future.set_result(Judged(found, began - asked.since, time.perf_counter() - began))
        except Exception as error:  # the engine's: whoever asked is told, and the next batch is tried
            for asked in rest:
                asked.future.set_exception(error)
