"""Verdicts to another program's address, which may be away without holding up the line."""

from __future__ import annotations

import json
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from tacha.errors import TachaError
from tacha.watching.event import Event

WAITING = 1000  # verdicts
TIMEOUT = 5.0  # seconds
LONGEST = 30.0  # seconds between tries


class Webhook:
    """POSTs each row as JSON, in order, in a thread of its own.

    One that is not taken is sent again, later and later, until it is; meanwhile up to WAITING others wait, and those
    beyond are counted in `dropped`. A 4xx answer is final. What waits when `close` is called has `TIMEOUT` to get away.
    """

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TachaError(f"{shown(url)}: not an address to send to; give http://HOST/… or https://HOST/…")
        self.url, self.dropped, self._say = url, 0, say
        self._rows: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING)
        self._ending, self._until = threading.Event(), 0.0
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        try:
            self._rows.put_nowait(event.row())
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        self._until = time.monotonic() + TIMEOUT
        self._ending.set()
        try:
            self._rows.put_nowait(None)
        except queue.Full:
            self._rows.get_nowait()
            self.dropped += 1
            self._rows.put_nowait(None)
        self._thread.join(2 * TIMEOUT)
        self.dropped += sum(row is not None for row in list(self._rows.queue))
        if self.dropped:
            self._say(f"{shown(self.url)}: {self.dropped} verdicts did not get there; --csv and --jsonl have them all")

    def _run(self) -> None:
        away = False
        while (row := self._rows.get()) is not None:
            pause = 0.5
            while (reason := self._sent(row)) is not None:
                if not away:
                    self._say(f"{shown(self.url)}: not taken ({reason}); trying again")
                    away = True
                if self._ending.is_set() and time.monotonic() > self._until:
                    self.dropped += 1
                    break
                if self._ending.wait(pause):
                    time.sleep(0.2)  # the line has stopped: the last verdicts are tried until `_until`
                pause = min(2 * pause, LONGEST)
            else:
                if away:
                    self._say(f"{shown(self.url)}: there again")
                away = False

    def _sent(self, row: dict[str, Any]) -> str | None:
        """None, or why it should be tried again."""
        body = json.dumps(row).encode()
        request = urllib.request.Request(self.url, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return None
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                self.dropped += 1
                self._say(f"{shown(self.url)}: refused a verdict with status {error.code}")
                return None
            return f"status {error.code}"
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", None) or error)


def shown(address: str) -> str:
    """An address without its user and password."""
    parts = urllib.parse.urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
