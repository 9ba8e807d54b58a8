"""A real `tacha serve` of its own process, and requests as bare as bytes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx

MULTIPART = "multipart/form-data; boundary=x"


class Serving:
    def __init__(self, *arguments: object, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tacha", "serve", "--port", "0", "--engine", "openvino", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        first = self.process.stdout.readline()
        found = re.search(r"on (http://\S+)", first)
        if not found:
            raise AssertionError(f"did not start: {first}{self.process.stderr.read()}")
        self.url = found[1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def rss(self) -> int:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024

    def raw(self, data: bytes, wait: float = 20.0) -> tuple[int, str]:
        """Bytes as they are, and the status and body of what comes back (0 where the connection was just closed)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            said = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    said += part
        head, _, body = said.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body.decode()

    def events(self) -> list[dict]:
        return [json.loads(line) for line in list(self.lines)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.reader.join(10)
        return code


def multipart(*files: tuple[str, bytes]) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="images"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join([*parts, b"--x--\r\n"])


def inspect(data: bytes, *headers: str, kind: str = "application/octet-stream") -> bytes:
    """A whole request as bytes."""
    head = [
        "POST /v1/inspect HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {kind}",
        *(headers or [f"Content-Length: {len(data)}"]),
        "Connection: close",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data
