"""What happened to one image of a line: a verdict, or why there is none; and the row that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from tacha.data.image import UInt8Image
from tacha.inspection import Inspection

COLUMNS = (
    "time", "name", "bytes", "modified_ns", "verdict", "score", "threshold", "p_value", "regions", "largest_box",
    "flawed_area", "ms", "error",
)  # fmt: skip


class Key(NamedTuple):
    """What tells one state of a file from the next: its name below the folder, bytes, time of change in ns."""

    name: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Event:
    """`found` is None where the image could not be judged, and `error` then says why. A frame has no `key`."""

    name: str
    milliseconds: float
    found: Inspection | None = None
    error: str = ""
    key: Key | None = None
    pixels: UInt8Image | None = None  # of a frame, which is nowhere else

    def row(self) -> dict[str, Any]:
        """Tidy: `COLUMNS`."""
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "name": plain(self.name)}
        row |= {"ms": round(self.milliseconds, 2), "error": plain(self.error), "verdict": "not judged"}
        if self.key is not None:
            row |= {"bytes": self.key.bytes, "modified_ns": self.key.modified_ns}
        if self.found is not None:
            said = self.found.to_dict()
            row |= {key: said[key] for key in ("verdict", "score", "threshold", "p_value")}
            largest = max(said["regions"], key=lambda r: r["area"], default=None)
            row["regions"] = len(said["regions"])
            row["largest_box"] = " ".join(map(str, largest["box"])) if largest else ""
            row["flawed_area"] = sum(r["area"] for r in said["regions"])
        return row


def plain(text: str) -> str:
    """On one line, whatever a file is called."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
