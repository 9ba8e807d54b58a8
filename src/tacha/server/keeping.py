"""Images kept when asked: in one folder, never above its size."""

from __future__ import annotations

import re
import threading
from collections import deque
from datetime import datetime, timezone
from pathlib import Path

from tacha.files import check_folder, written

_OURS = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}-\d+-(good|flawed)\.(png|jpg|bmp|tif|webp|bin)")
_SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8": "jpg", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif", b"RIFF": "webp"}


class Keeper:
    """Writes images below a folder under names of its own, and removes its oldest beyond `cap` bytes.

    What else lies in the folder is left alone. Raises TachaError for a folder that cannot be written.
    """

    def __init__(self, folder: Path, cap: int, everything: bool = False) -> None:
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.cap, self.everything = folder, cap, everything
        self._lock = threading.Lock()
        there = sorted(p for p in folder.iterdir() if _OURS.fullmatch(p.name))
        self._kept: deque[tuple[Path, int]] = deque((p, p.stat().st_size) for p in there)
        self._bytes = sum(size for _, size in self._kept)
        self._make_room(0)

    def keep(self, data: bytes, verdict: str, request: str, index: int) -> None:
        """Keep one image's bytes as they came, if it is of those wanted and fits at all."""
        if (verdict != "flawed" and not self.everything) or len(data) > self.cap:
            return
        suffix = next((s for head, s in _SUFFIXES.items() if data.startswith(head)), "bin")
        with self._lock:
            now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
            tag = format(hash(request) & 0xFFFFFFFF, "08x")
            path = self.folder / f"{now}-{tag}-{index}-{verdict}.{suffix}"
            self._make_room(len(data))
            with written(path) as part:
                part.write_bytes(data)
            self._kept.append((path, len(data)))
            self._bytes += len(data)

    def _make_room(self, size: int) -> None:
        while self._kept and self._bytes + size > self.cap:
            path, freed = self._kept.popleft()
            path.unlink(missing_ok=True)
            self._bytes -= freed
