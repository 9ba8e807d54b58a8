"""Frames of a camera, always the newest; or of a video file, all along."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tacha.data.image import UInt8Image
from tacha.errors import TachaError
from tacha.watching.webhook import shown

OPEN_MS, READ_MS = 5000, 5000
LONGEST = 30.0  # seconds between two tries to reach a camera


class Frame(NamedTuple):
    name: str
    pixels: UInt8Image  # RGB


def video() -> Any:
    """OpenCV, quiet: its messages would show a camera's password."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError:
        raise TachaError("watching a camera or a video needs OpenCV: pip install 'tacha[watch]'") from None
    return cv2


def frames_of_file(path: Path, every: float) -> Iterator[Frame]:
    """A frame each so many seconds of a video, to its end. Raises TachaError for what is no video."""
    cv2 = video()
    capture = cv2.VideoCapture(str(path))
    try:
        rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        if not capture.isOpened():
            raise TachaError(f"{path}: not a video that can be read; give a folder, a video or a camera")
        step, number = max(1, round(every * rate)), 0
        while capture.grab():
            if number % step == 0:
                ok, pixels = capture.retrieve()
                if ok:
                    yield Frame(f"{path.name}#{number}", _rgb(pixels))
            number += 1
    finally:
        capture.release()


class Camera:
    """Reads a stream in a thread and keeps the newest frame; one that goes away is tried again, later and later.

    `say` is told once when it is lost and once when it is back. `dropped`: frames that a newer one took the place of.
    """

    def __init__(self, source: str, say: Callable[[str], None]) -> None:
        self._cv2 = video()
        self.source, self.name, self._say = source, shown(source), say
        self.seen = self.taken = 0
        self._newest: Any = None
        self._there, self._ending = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self.seen - self.taken

    def frame(self, wait: float) -> Frame | None:
        """The newest frame not yet taken; None where none comes within so many seconds."""
        with self._there:
            if self._newest is None:
                self._there.wait(wait)
            pixels, self._newest = self._newest, None
        if pixels is None:
            return None
        self.taken += 1
        return Frame(f"{self.name}#{self.seen}", _rgb(pixels))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(2)

    def _run(self) -> None:
        pause, lost = 0.5, False
        while not self._ending.is_set():
            capture = self._opened()
            while capture is not None and not self._ending.is_set():
                ok, pixels = capture.read()
                if not ok:
                    break
                if lost:
                    self._say(f"{self.name}: there again")
                pause, lost = 0.5, False
                with self._there:
                    self.seen += 1
                    self._newest = pixels
                    self._there.notify()
            if capture is not None:
                capture.release()
            if self._ending.is_set():
                return
            if not lost:
                self._say(f"{self.name}: no picture; trying again until there is one")
                lost = True
            self._ending.wait(pause)
            pause = min(2 * pause, LONGEST)

    def _opened(self) -> Any:
        cv2 = self._cv2
        device = self.source.removeprefix("/dev/video")
        try:
            if device.isdigit():
                capture = cv2.VideoCapture(int(device))
            else:
                limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
                capture = cv2.VideoCapture(self.source, cv2.CAP_FFMPEG, limits)
        except cv2.error:
            return None
        if capture.isOpened():
            return capture
        capture.release()
        return None


def paced(camera: Camera, every: float, ending: threading.Event) -> Iterator[Frame]:
    """The newest frame each so many seconds, until `ending`."""
    due = time.monotonic()
    while not ending.wait(max(0.0, due - time.monotonic())):
        frame = camera.frame(0.5)
        if frame is not None:
            due = max(due + every, time.monotonic())
            yield frame


def _rgb(pixels: Any) -> UInt8Image:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    rgb: UInt8Image = np.ascontiguousarray(pixels[..., 2::-1])
    return rgb
