"""A request that is refused: a status, a short code for programs and one sentence for people."""

from __future__ import annotations


class RefusedError(Exception):
    """An answer of 4xx or 5xx. `retry_after`, in seconds, tells when to come back."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


def crowded(seconds: int) -> RefusedError:
    return RefusedError(503, "busy", f"too many images are waiting; come back in {seconds} s", seconds)
