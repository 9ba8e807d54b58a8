"""tacha watch"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tacha.commands.inspect import line, picture
from tacha.data.image import NamedBytes
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.inspector import Inspector, load
from tacha.judging import judge
from tacha.watching.event import Event
from tacha.watching.folder import Arrived, Folder
from tacha.watching.rows import CsvRows, JsonRows, Rows
from tacha.watching.stream import Camera, Frame, frames_of_file, paced
from tacha.watching.webhook import Webhook, shown


class Sink(Protocol):
    """Where every event goes."""

    def take(self, event: Event) -> None: ...
    def close(self) -> None: ...


def run(asked: argparse.Namespace) -> int:
    """Judge what comes until a signal, --limit or --once ends it. Returns 0; 1 with --fail-on-flaw for a flaw."""
    for option in ("every", "settle", "give_up"):
        if getattr(asked, option) < 0 or (option == "every" and asked.every == 0):
            raise TachaError(f"--{option.replace('_', '-')} {getattr(asked, option):g}: give seconds above 0")
    if asked.limit is not None and asked.limit < 1:
        raise TachaError(f"--limit {asked.limit}: give a number above 0")
    inspector = load(asked.artefact, asked.engine, asked.precision, asked.threads)
    if inspector.note:
        _say(inspector.note)
    ending = threading.Event()
    before = {one: signal.signal(one, lambda *_: ending.set()) for one in (signal.SIGINT, signal.SIGTERM)}
    sinks: list[Sink] = []
    counts = {"flawed": 0, "good": 0, "not judged": 0}
    try:
        rows: list[Rows] = []
        if asked.csv:
            rows.append(CsvRows(Path(asked.csv)))
        if asked.jsonl:
            rows.append(JsonRows(Path(asked.jsonl)))
        sinks += rows
        if asked.overlays:
            check_folder(Path(asked.overlays))
            sinks.append(_Pictures(inspector, Path(asked.overlays), asked.language))
        if asked.webhook:
            sinks.append(Webhook(asked.webhook, _say))
        for event in _events(asked, inspector, rows, ending):
            for sink in sinks:
                sink.take(event)
            counts[event.found.verdict if event.found else "not judged"] += 1
            if event.found is None:
                _say(f"not judged: {event.error}")
            elif not asked.quiet:
                print(line(event.found, event.name), flush=True)
            if ending.is_set() or sum(counts.values()) == asked.limit:
                break
    finally:
        for sink in sinks:
            sink.close()
        for one, handler in before.items():
            signal.signal(one, handler)
    said = f"{counts['flawed']} flawed, {counts['good']} good, {counts['not judged']} not judged"
    print(f"{sum(counts.values())} images: {said}", flush=True)
    return int(asked.fail_on_flaw and counts["flawed"] > 0)


def _events(
    asked: argparse.Namespace, inspector: Inspector, rows: list[Rows], ending: threading.Event
) -> Iterator[Event]:
    source = Path(asked.source)
    if source.is_dir():
        folder = Folder(
            source,
            lambda key: bool(rows) and all(r.has(key) for r in rows),
            asked.settle,
            asked.give_up,
            asked.recursive,
        )
        yield from _of_folder(folder, inspector, asked, ending)
        return
    frames: Iterator[Frame]
    camera = None
    if source.is_file():
        frames = frames_of_file(source, asked.every)
    elif "://" in asked.source or asked.source.startswith("/dev/video"):
        camera = Camera(asked.source, _say)
        frames = paced(camera, asked.every, ending)
    else:
        raise TachaError(f"{shown(asked.source)}: no such folder or video; a camera is rtsp://… or /dev/video0")
    try:
        for frame in frames:
            began = time.perf_counter()
            found = inspector.inspect(frame.pixels)
            yield Event(frame.name, 1e3 * (time.perf_counter() - began), found, pixels=frame.pixels)
    finally:
        if camera is not None:
            camera.close()
            if camera.dropped:
                _say(f"{camera.name}: {camera.taken} of {camera.seen} frames judged, the newest each time")


def _of_folder(
    folder: Folder, inspector: Inspector, asked: argparse.Namespace, ending: threading.Event
) -> Iterator[Event]:
    away = None
    while not ending.is_set():
        for arrived in folder.arrived():
            event = _judged(arrived, inspector)
            if event.found is None and folder.retry(arrived):
                continue
            yield event
            if ending.is_set():
                return
        if folder.away != away:
            _say(
                f"{folder.root}: " + (f"cannot be read ({folder.away}); trying again" if folder.away else "there again")
            )
            away = folder.away
        if asked.once and not folder.unsettled:
            return
        ending.wait(min(asked.every, max(asked.settle, 0.05)))


def _judged(arrived: Arrived, inspector: Inspector) -> Event:
    began = time.perf_counter()
    source = NamedBytes(arrived.data, str(arrived.path))
    try:
        if not arrived.data:
            raise TachaError(f"{arrived.path}: the file is empty (0 bytes); replace or remove it")
        seen = inspector.view.read(source)
        ((score, anomaly_map),) = judge(inspector.engine, [seen], 8)
        found = inspector.judged(arrived.path, seen.size, score, anomaly_map)
    except TachaError as error:
        milliseconds = 1e3 * (time.perf_counter() - began)
        return Event(arrived.key.name, milliseconds, error=" ".join(str(error).split()), key=arrived.key)
    return Event(arrived.key.name, 1e3 * (time.perf_counter() - began), found, key=arrived.key)


class _Pictures:
    """Original and heat map of what is called flawed, a picture each."""

    def __init__(self, inspector: Inspector, folder: Path, language: str) -> None:
        self._inspector, self._folder, self._language = inspector, folder, language

    def take(self, event: Event) -> None:
        if event.found is not None and event.found.flawed:
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in event.name)
            picture(self._inspector, event.found, self._folder / f"{name}.png", self._language, event.pixels)

    def close(self) -> None:
        pass


def _say(text: str) -> None:
    print(f"tacha: {text}", file=sys.stderr, flush=True)
