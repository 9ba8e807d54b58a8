"""The runner's end of the line to a worker: ask, wait as long as patience lasts, stop."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

WORKERS = Path(__file__).parents[1] / "workers"
SHOWN = 300  # characters of a dead worker's last words


class WorkerError(Exception):
    """What a worker said went wrong, or that it ended."""


class StoppedError(Exception):
    """A worker was stopped after `seconds`, having done `share` of its work (None: it does not say).

    `estimate`: the seconds that the whole would have taken, had it gone on as it went between its first report of
    progress and its last; None where there was no progress to go by.
    """

    def __init__(self, seconds: float, share: float | None = None, estimate: float | None = None) -> None:
        super().__init__(f"stopped after {seconds:.0f} s" + ("" if share is None else f" at {share:.1%}"))
        self.seconds, self.share, self.estimate = seconds, share, estimate


def environment(peer: str) -> dict[str, str]:
    """The variables that a peer runs under.

    It finds nothing on the network, for what it would fetch is not what is compared, and no other's modules.
    """
    mine = {key: value for key, value in os.environ.items() if peer == "tacha" or key != "PYTHONPATH"}
    return {**mine, "HF_HUB_OFFLINE": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}


class Worker:
    """One process of a peer's, in its own environment, with `folder` as its place to write. Closed by `with`."""

    def __init__(self, peer: str, python: Path, folder: Path, log: Path, script: Path | None = None) -> None:
        self._log = log
        self._errors = log.open("ab")
        self._process = subprocess.Popen(
            [str(python), str(script or WORKERS / f"of_{peer}.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=environment(peer),
            text=True,
            encoding="utf-8",
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def ask(self, what: str, patience: float, **arguments: Any) -> Any:
        """The answer. Raises WorkerError, or StoppedError after `patience` seconds, when the process has been ended."""
        assert self._process.stdin is not None
        began = time.monotonic()
        with suppress(OSError):  # it ended: its last words are on the way
            self._process.stdin.write(json.dumps({"ask": what, **arguments}) + "\n")
            self._process.stdin.flush()
        reports: list[tuple[float, float]] = []  # seconds, share
        while True:
            try:
                text = self._answers.get(timeout=max(0.0, patience - (time.monotonic() - began)))
            except queue.Empty:
                self._process.kill()
                share = reports[-1][1] if reports else None
                raise StoppedError(time.monotonic() - began, share, _estimate(reports)) from None
            if text is None:
                self._answers.put(None)  # for whoever asks again
                raise WorkerError(f"its process ended ({self._process.wait()}): {self._last_words()}")
            answer = json.loads(text)
            if "progress" in answer:
                reports.append((time.monotonic() - began, answer["progress"]))
            elif "error" in answer:
                raise WorkerError(answer["error"])
            else:
                return answer["done"]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._answers.put(text)
        self._answers.put(None)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")[:SHOWN]


def _estimate(reports: list[tuple[float, float]]) -> float | None:
    """Seconds for the whole, at the pace between the first report and the last."""
    if not reports or reports[-1][1] <= reports[0][1]:
        return None
    (start, at_first), (last, at_last) = reports[0], reports[-1]
    return last + (1 - at_last) * (last - start) / (at_last - at_first)
