"""tacha serve"""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha.errors import TachaError

if TYPE_CHECKING:
    from tacha.server.limits import Limits

TOKEN = "TACHA_TOKEN"


def run(asked: argparse.Namespace) -> int:
    """Serve until a signal ends it; what was taken by then is answered. Returns 0."""
    token = os.environ.get(TOKEN) or None
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token):
        raise TachaError(f"{TOKEN}: has a space or a character that no header can carry; set another")
    if token is None and not loopback(asked.host):
        raise TachaError(
            f"--host {asked.host}: others could reach it, so a token is wanted: set {TOKEN} in the environment"
        )
    from tacha.inspector import Inspector

    try:
        import uvicorn

        from tacha.server import front, guard, log, service
        from tacha.server.keeping import Keeper
        from tacha.server.measures import Measures
        from tacha.server.shelf import Shelf
    except ImportError as error:
        raise TachaError(f"serve needs {error.name}: pip install 'tacha[serve]'") from None
    limits = limits_of(asked)
    keeper = Keeper(Path(asked.keep), asked.keep_mb * 2**20, asked.keep_all) if asked.keep else None
    bound = _bound(asked.host, asked.port)
    log.start()
    measures = Measures()

    def heard(what: str, model: str, details: dict[str, Any]) -> None:
        measures.reloads.labels(model, details["outcome"]).inc()
        log.event(what, model=model, **details)

    shelf = Shelf(
        asked.artefacts,
        lambda artefact: Inspector(artefact, asked.engine, asked.precision, asked.threads),
        limits,
        heard,
        lambda name, images: measures.batches.labels(name).observe(images),
    )
    pages = service.build(service.Service(shelf, limits, measures, keeper))
    shelf.watch(asked.reload_seconds)
    config = uvicorn.Config(
        front.Front(pages, measures, token, local=loopback(asked.host)),
        http=guard.protocol(limits.headers),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(limits.answer + limits.upload),
        lifespan="on",
    )
    # uvicorn raises the signal again once it has ended; that it ended well is then all there is to say.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: None)
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"tacha: serving {', '.join(shelf.names)} on http://{shown}:{port} (pages: /docs)", flush=True)
    log.event("started", models=shelf.names, host=host, port=port)
    uvicorn.Server(config).run(sockets=[bound])
    log.event("stopped")
    return 0


def loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def limits_of(asked: argparse.Namespace) -> Limits:
    """Raises TachaError for what could never be kept."""
    from tacha.server.limits import MIB, Limits

    for option in ("max_mb", "max_images", "max_megapixels", "queue", "timeout", "reload_seconds"):
        if getattr(asked, option) <= 0:
            raise TachaError(f"--{option.replace('_', '-')} {getattr(asked, option)}: give a number above 0")
    if asked.queue < asked.max_images:
        raise TachaError(
            f"--queue {asked.queue}: a request of --max-images {asked.max_images} would never fit; raise it"
        )
    return Limits(
        body=int(asked.max_mb * MIB),
        images=asked.max_images,
        pixels=int(asked.max_megapixels * 1e6),
        waiting=asked.queue,
        answer=asked.timeout,
        upload=asked.upload_timeout,
        window=asked.window_ms / 1e3,
        together=asked.together,
    )


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket's address taken before anything is loaded, so that a taken port is said at once."""
    if not 0 <= port < 2**16:  # the resolver would take it for another
        raise TachaError(f"--port {port}: give 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named, asyncio sends answers without waiting for more to send (40 ms of each, else).
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TachaError(f"{host}:{port}: cannot be listened on ({reason}); choose another --host or --port") from None
    bound.set_inheritable(True)
    return bound
