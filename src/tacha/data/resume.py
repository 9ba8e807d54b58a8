"""A file fetched over HTTP in a way that can be taken up again: what pooch is given as its downloader."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha import __version__
from tacha.data.unpack import free_space
from tacha.errors import TachaError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT = (15, 60)  # seconds to connect, and without a byte
BLOCK = 1 << 18


class Resuming:
    """Writes `url` to a partial file that stays when the connection breaks, and goes on from its end the next time.

    It goes on only where the server says that the file is still the same (If-Range, by ETag or date) and gives the part
    asked for; otherwise it starts anew. `room` is what unpacking needs for each byte of the archive, checked before the
    first byte comes. Raises TachaError for whatever goes wrong, with the reason alone.
    """

    def __init__(self, partial: Path, room: float = 1.0) -> None:
        self.partial, self.room = partial, room
        self._notes = partial.with_name(f"{partial.name}.json")
        self._total: int | None = None
        self._began = False

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        """Fetch into `output_file`, pooch's way."""
        import requests
        import urllib3

        try:
            with self._asked(url) as response:
                self._fetch(response)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TachaError(self._broken(_host(url), error)) from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise TachaError("no space left; free some, then --resume") from None
            raise TachaError(f"cannot be written ({error.strerror}); choose another folder") from None
        self.partial.replace(output_file)
        self._notes.unlink(missing_ok=True)

    @property
    def have(self) -> int:
        """Bytes that are there already."""
        return self.partial.stat().st_size if self.partial.is_file() else 0

    def forget(self) -> None:
        """Remove what is there."""
        self.partial.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _asked(self, url: str) -> Response:
        import requests

        headers = {"User-Agent": f"tacha/{__version__}", "Accept-Encoding": "identity"}
        known = self._known()
        if self.have and known.get("url") == url and known.get("validator"):
            headers |= {"Range": f"bytes={self.have}-", "If-Range": known["validator"]}
        return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)

    def _known(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._notes.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}

    def _fetch(self, response: Response) -> None:
        if response.status_code == 416:  # nothing is left after what is there: it was whole
            return
        if response.status_code not in (200, 206):
            raise TachaError(_refused(response.status_code))
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise TachaError("a web page came instead of the archive; the link is no longer good")
        start = self.have if response.status_code == 206 and _starts_at(response) == self.have else 0
        if response.status_code == 206 and start == 0:
            raise TachaError("the server gave another part than the one asked for; try again without --resume")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        self._check_room(total, start)
        self._total, self._began = total, True
        validator = response.headers.get("ETag", "") or response.headers.get("Last-Modified", "")
        # A weak ETag may not be asked for with If-Range (RFC 9110, 13.1.5).
        note = {"url": response.request.url, "validator": "" if validator.startswith("W/") else validator}
        self._notes.write_text(json.dumps(note), encoding="utf-8")
        with self.partial.open("ab" if start else "wb") as file, _bar(total, start) as advance:
            # What has come is written at once: iter_content would lose up to a block of it when the connection breaks.
            while block := response.raw.read1(BLOCK):
                file.write(block)
                advance(len(block))
        if total is not None and self.have != total:
            raise TachaError(self._cut())

    def _check_room(self, total: int | None, start: int) -> None:
        if total is None:
            return
        free = free_space(self.partial.parent)
        needed = int(total - start + total * self.room)
        if needed > free:
            raise TachaError(
                f"needs {size(needed)} ({size(total)} to fetch, the rest to unpack), {size(free)} are free; "
                "free some space or choose another folder"
            )

    def _broken(self, host: str, error: Exception) -> str:
        from requests import exceptions

        if self._began:
            return self._cut()
        if isinstance(error, exceptions.Timeout):
            return f"{host} does not answer{self._kept()}"
        if isinstance(error, exceptions.SSLError):
            return f"{host} has no certificate that can be trusted"
        if isinstance(error, exceptions.ConnectionError):
            return f"{host} cannot be reached{self._kept()}"
        return f"{host}: {' '.join(str(error).split())}"

    def _cut(self) -> str:
        whole = "" if self._total is None else f" of {size(self._total)}"
        return f"the connection broke at {size(self.have)}{whole}{self._kept()}"

    def _kept(self) -> str:
        if not self.have:
            return ""
        if not self._known().get("validator"):
            return " (this server cannot go on where it stopped; the next try starts anew)"
        return f"; {size(self.have)} are kept: go on with --resume"


def size(count: float) -> str:
    """Bytes for people."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count:.0f} bytes"


def _refused(status: int) -> str:
    if status in (404, 410):
        return f"the file is no longer there (HTTP {status})"
    if status in (401, 403):
        return f"the server does not give it out (HTTP {status})"
    if status == 429 or status >= 500:
        return f"the server cannot give it now (HTTP {status}); try again later"
    return f"the server answered HTTP {status}"


def _starts_at(response: Response) -> int:
    said = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(said) if said.isdigit() else -1


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc or url


@contextlib.contextmanager
def _bar(total: int | None, start: int) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, completed=start)
        yield lambda count: progress.advance(task, count)
