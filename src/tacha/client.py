"""A client of `tacha serve`, of the standard library alone."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tacha.errors import TachaError

Image = str | os.PathLike[str] | bytes


class ServiceError(TachaError):
    """The service refused: `status` of HTTP, the `code` and `request_id` it gave."""

    def __init__(self, message: str, status: int, code: str, request_id: str) -> None:
        super().__init__(message)
        self.status, self.code, self.request_id = status, code, request_id


class Client:
    """`Client("http://127.0.0.1:8000").inspect("part.png")["verdict"]`.

    `token`: the service's, by default that of TACHA_TOKEN. `timeout`: seconds for an answer. `patience`: seconds in all
    that a busy service (503) is asked again, each time after as long as it said.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 90.0, patience: float = 30.0) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise TachaError(f"{url}: not a service's address; give http://HOST:PORT")
        self.url, self.timeout, self.patience = url.rstrip("/"), timeout, patience
        self.token = token if token is not None else os.environ.get("TACHA_TOKEN")

    def inspect(self, image: Image, model: str | None = None, with_map: bool = False) -> dict[str, Any]:
        """The verdict on one image: a path, or the bytes of an image file. As `Inspection.to_dict`, without the path.

        Raises TachaError where the file cannot be read or the service cannot be reached, ServiceError where it refused.
        """
        answer = self.inspect_many([image], model, with_map)
        found: dict[str, Any] = answer["images"][0]
        return found

    def inspect_many(self, images: Sequence[Image], model: str | None = None, with_map: bool = False) -> dict[str, Any]:
        """Several in one request: the whole answer, `images` and `not_judged`, each with its `index`."""
        asked = {**({"model": model} if model else {}), **({"map": "png"} if with_map else {})}
        query = f"?{urllib.parse.urlencode(asked)}" if asked else ""
        body, kind = _multipart([_named(image, i) for i, image in enumerate(images)])
        found: dict[str, Any] = self._ask(f"/v1/inspect{query}", body, {"Content-Type": kind})
        return found

    def models(self) -> list[dict[str, Any]]:
        """What is served."""
        found: list[dict[str, Any]] = self._ask("/v1/models")["models"]
        return found

    def _ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        wanted = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        until = time.monotonic() + self.patience
        while True:
            request = urllib.request.Request(self.url + path, data=body, headers={**wanted, **(headers or {})})
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                wait = float(refused.headers.get("Retry-After") or 1)
                if refused.code == 503 and time.monotonic() + wait < until:
                    time.sleep(wait)
                    continue
                raise _told(refused) from None
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                raise TachaError(f"{self.url}: no answer ({reason}); is `tacha serve` running there?") from None


def _told(refused: urllib.error.HTTPError) -> ServiceError:
    try:
        said = json.load(refused)["error"]
        return ServiceError(said["message"], refused.code, said["code"], said["request_id"])
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"refused with status {refused.code}", refused.code, "unknown", "")


def _named(image: Image, index: int) -> tuple[str, bytes]:
    if isinstance(image, bytes):
        return f"image {index + 1}", image
    path = Path(image)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _multipart(files: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = []
    for name, data in files:
        quoted = name.replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{quoted}"\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
