"""Requests to images: the body read within its limits, and each image's header looked at before it is decoded."""

from __future__ import annotations

import asyncio
import contextlib
import re
import unicodedata
from collections.abc import AsyncGenerator
from typing import NamedTuple

import anyio
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from tacha.data.image import NamedBytes, upright_size
from tacha.data.view import Seen, View
from tacha.errors import TachaError
from tacha.server.limits import MIB, Limits
from tacha.server.refusals import RefusedError

RAW = ("application/octet-stream", "image/")
FIELDS = 8  # that are no files: they are let through and not used
NAME = 100  # characters


class Upload(NamedTuple):
    """An image's bytes, under the name that its sender gave it, cleaned; nothing is ever opened by that name."""

    name: str
    data: bytes


class _InMemory(MultiPartParser):
    """Starlette's, with nothing put on the disk: the limit of the whole body bounds the memory."""

    spool_max_size = 2**62
    whole = False

    def on_end(self) -> None:
        self.whole = True


async def uploads(request: Request, limits: Limits) -> list[Upload]:
    """The images of a request's body, multipart or raw. Raises RefusedError."""
    kind = request.headers.get("content-type", "").lower()
    multipart = parse_options_header(kind)[0] == b"multipart/form-data"
    if not multipart and not kind.startswith(RAW):
        raise RefusedError(
            415, "unsupported_type", "send images as multipart/form-data, or one as application/octet-stream or image/…"
        )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.body:
        raise _too_long(limits)
    try:
        with anyio.fail_after(limits.upload):
            found = await (_parts(request, limits) if multipart else _raw(request, limits))
    except TimeoutError:
        raise RefusedError(
            408, "too_slow", f"the request did not come in within {limits.upload:g} s; send it again, or fewer images"
        ) from None
    except ClientDisconnect:
        raise RefusedError(400, "gone", "the client went away before its request was whole") from None
    if not found:
        raise RefusedError(400, "no_image", "the request holds no image; send at least one file")
    return found


async def drained(request: Request, limits: Limits, seconds: float = 2.0) -> None:
    """What is left of a refused request's body, read and dropped for a while: many clients hear no answer before they
    have said all."""
    size = 0
    with contextlib.suppress(Exception), anyio.move_on_after(seconds):
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.body:
                return


def seen(upload: Upload, view: View, limits: Limits) -> Seen:
    """An image as the detector sees it. Raises RefusedError for what is no image, damaged, or too large."""
    if not upload.data:
        raise RefusedError(422, "empty", f"{upload.name}: the file is empty (0 bytes)")
    source = NamedBytes(upload.data, upload.name)
    try:
        upright_size(source, limits.pixels)
        source.seek(0)
        return view.read(source)
    except TachaError as error:
        message = " ".join(str(error).split())
        if "not an image" in message:
            raise RefusedError(415, "not_an_image", message) from None
        if " allowed; " in message:
            raise RefusedError(413, "too_many_pixels", message) from None
        raise RefusedError(422, "damaged_image", message) from None


async def _parts(request: Request, limits: Limits) -> list[Upload]:
    parser = _InMemory(
        request.headers, _bounded(request, limits), max_files=limits.images, max_fields=FIELDS, max_part_size=65536
    )
    try:
        form = await parser.parse()
        if not parser.whole:  # starlette would drop the part that broke off, and say nothing
            await form.close()
            raise MultiPartException("cut off")
    except MultiPartException as error:
        if "Too many" in error.message:
            raise RefusedError(
                413, "too_many_images", f"more than {limits.images} images (or {FIELDS} other fields) in one request"
            ) from None
        raise RefusedError(400, "bad_multipart", "the body is not whole multipart/form-data; send it again") from None
    except (RefusedError, ClientDisconnect, TimeoutError, asyncio.CancelledError):
        raise
    except Exception:  # the parser raises what it likes on hostile bytes
        raise RefusedError(400, "bad_multipart", "the body is not whole multipart/form-data; send it again") from None
    try:
        found: list[Upload] = []
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                found.append(Upload(cleaned(part.filename, len(found)), await part.read()))
        return found
    finally:
        await form.close()


async def _raw(request: Request, limits: Limits) -> list[Upload]:
    data = b"".join([chunk async for chunk in _bounded(request, limits)])
    return [Upload(cleaned(None, 0), data)] if data else []


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body's chunks; one that says no length, or a wrong one, is stopped where it grows too long."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body:
            raise _too_long(limits)
        yield chunk


def _too_long(limits: Limits) -> RefusedError:
    return RefusedError(
        413, "too_large", f"the request is larger than {limits.body / MIB:g} MiB; send fewer or smaller images"
    )


def cleaned(name: str | None, index: int) -> str:
    """A client's file name as it may stand in an answer or a log: its last part, printable, short."""
    last = re.split(r"[\\/]", name or "")[-1]
    safe = "".join(c if unicodedata.category(c)[0] in "LNPSZ" and c not in "<>\"'&`" else "_" for c in last)
    safe = safe.encode("utf-8", "replace").decode("utf-8").strip(" .")[:NAME]
    return safe or f"image {index + 1}"
