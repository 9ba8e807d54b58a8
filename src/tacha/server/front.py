"""What every request meets first: an id, the token, the clock, the log."""

from __future__ import annotations

import hmac
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tacha.server.log import event, logger
from tacha.server.measures import Measures
from tacha.server.service import refusal

OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json")  # they tell nothing of what is judged
KNOWN = ("/v1/inspect", "/v1/models", "/metrics", *OPEN)
_HERE = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Front:
    """Wraps an application; `token` None lets everyone in.

    A `local` service without a token takes no request that a web page of elsewhere made a browser on this machine
    send: such a one names another host, or another origin.
    """

    def __init__(self, app: ASGIApp, measures: Measures, token: str | None = None, local: bool = False) -> None:
        self.app, self.measures, self.token, self.local = app, measures, token, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        request_id = scope["request_id"] = _request_id(scope)

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        try:
            if self.local and self.token is None and _foreign(scope):
                scope["told"] = {"code": "foreign"}
                message = "this service is for this machine; give it a token (TACHA_TOKEN) to be asked from elsewhere"
                await refusal(403, "foreign", message, request_id)(scope, receive, tagged)
            elif self._let_in(scope):
                await self.app(scope, receive, tagged)
            else:
                scope["told"] = {"code": "no_token"}
                answer = refusal(
                    401,
                    "no_token",
                    "send the service's token: Authorization: Bearer …",
                    request_id,
                    {"WWW-Authenticate": "Bearer"},
                )
                await answer(scope, receive, tagged)
        except Exception:
            # The answer was sent by the application's own handler; the trace goes to the log and nowhere else.
            logger.exception("error", extra={"details": {"request_id": request_id}})
        finally:
            self._told(scope, status, time.perf_counter() - began)

    def _let_in(self, scope: Scope) -> bool:
        path = scope["path"]
        if self.token is None or path in OPEN or path.startswith("/docs/static/"):
            return True
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        kind, _, value = given.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(value.strip(), self.token.encode())

    def _told(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in KNOWN else "other"
        self.measures.requests.labels(path, str(status)).inc()
        self.measures.seconds.labels(path).observe(seconds)
        told: dict[str, Any] = scope.get("told", {})
        if "code" in told:
            self.measures.refused.labels(told["code"]).inc()
        if path == "/v1/inspect" or status >= 400:
            level = logging.ERROR if status >= 500 and status not in (503, 504) else logging.INFO
            client = scope.get("client")
            event(
                "request",
                level,
                request_id=scope["request_id"],
                path=path,
                status=status,
                client=client[0] if client else None,
                milliseconds=round(1e3 * seconds, 2),
                **told,
            )


def _foreign(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"origin" and not _HERE.fullmatch(value.rpartition(b"://")[2]):
            return True
        if name == b"host" and not _HERE.fullmatch(value):
            return True
    return False


def _request_id(scope: Scope) -> str:
    """The caller's own, where it is harmless; else a new one."""
    given = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex[:16]
