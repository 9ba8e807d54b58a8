"""Connections that dawdle over their headers are closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class PromptProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a time limit, `seconds`, on a request's headers; uvicorn itself waits for ever."""

    seconds = 10.0
    _headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._rest()
        elif self._headers_due is None and (before is None or before.response_complete):
            self._wait()  # the next request of a connection that stays open has begun

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._headers_due = asyncio.get_running_loop().call_later(self.seconds, self._late)

    def _rest(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _late(self) -> None:
        self._headers_due = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def protocol(seconds: float) -> type[Any]:
    return type("Prompt", (PromptProtocol,), {"seconds": seconds})
