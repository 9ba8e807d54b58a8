"""What a client may ask for, all of it checked before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bytes, counts and seconds of one request, and how much may wait."""

    body: int = 64 * MIB  # bytes of a request
    images: int = 32  # of a request
    pixels: int = 50_000_000  # of an image
    waiting: int = 64  # images taken and not yet answered
    upload: float = 30.0  # seconds for a request's body to come in
    answer: float = 60.0  # seconds from a request's last byte to its answer
    headers: float = 10.0  # seconds for a request's headers to come in
    window: float = 0.003  # seconds that the engine waits for company
    together: int = 8  # images that go through the engine at once
