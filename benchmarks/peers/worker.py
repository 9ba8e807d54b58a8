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


class Failed(Exception):
    """What a worker said went wrong, or that it ended."""


class Stopped(Exception):
    """A worker was stopped after `seconds`, having done `share` of its work (None: it does not say)."""

    def __init__(self, seconds: float, share: float | None) -> None:
        super().__init__(seconds, share)
        self.seconds, self.share = seconds, share


class Worker:
    """One process of a peer's, in its own environment, with `folder` as its place to write. Closed by `with`."""

    def __init__(self, peer: str, python: Path, folder: Path, log: Path) -> None:
        self.log = log
        self._errors = log.open("ab")
        self._process = subprocess.Popen(
            [str(python), str(WORKERS / f"of_{peer}.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            # A peer finds nothing on the network: what it would fetch is not what is compared.
            env={**os.environ, "HF_HUB_OFFLINE": "1", "NO_ALBUMENTATIONS_UPDATE": "1"},
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

    def ask(self, what: str, patience: float | None = None, **arguments: Any) -> Any:
        """The answer. Raises Failed, or Stopped after `patience` seconds, when the process has been ended."""
        assert self._process.stdin is not None
        began = time.monotonic()
        with suppress(OSError):  # it ended: its last words are on the way
            self._process.stdin.write(json.dumps({"ask": what, **arguments}) + "\n")
            self._process.stdin.flush()
        share = None
        while True:
            left = None if patience is None else patience - (time.monotonic() - began)
            try:
                if left is not None and left <= 0:
                    raise queue.Empty
                text = self._answers.get(timeout=left)
            except queue.Empty:
                self._process.kill()
                raise Stopped(time.monotonic() - began, share) from None
            if text is None:
                raise Failed(f"its process ended; {self.log} has what it said")
            answer = json.loads(text)
            if "progress" in answer:
                share = answer["progress"]
            elif "error" in answer:
                raise Failed(answer["error"])
            else:
                return answer["done"]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._answers.put(text)
        self._answers.put(None)
