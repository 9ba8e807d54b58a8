"""What a person said of judged images, kept beside the artefact for a later refit."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.files import written

LABELS = ("good", "flawed")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
JOURNAL = "feedback.jsonl"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One image and what a person called it; `file` is below the feedback folder, `name` what it was sent as."""

    time: str  # ISO 8601, UTC
    label: str  # good or flawed
    sha256: str  # of the image's bytes
    file: str
    name: str
    score: float
    verdict: str  # the detector's, at `threshold`
    threshold: float
    artefact: str  # SHA-256 of the artefact's file


def feedback_folder(artefact: Path) -> Path:
    """`part.tacha` keeps its feedback in `part.feedback`, beside it."""
    return artefact.with_name(f"{artefact.stem}.feedback")


def keep_feedback(
    artefact: Path, image: bytes, name: str, label: str, *, score: float, verdict: str, threshold: float
) -> Feedback:
    """Keep an image's bytes under their SHA-256, and a line of the journal that says what it is.

    Nothing of `name` but its suffix, where that is an image's, reaches the file system. An image that was kept with
    the other label moves. Raises TachaError on another label, or where nothing can be written.
    """
    if label not in LABELS:
        raise TachaError(f"feedback {label!r}: there are {', '.join(LABELS)}")
    digest = hashlib.sha256(image).hexdigest()
    suffix = Path(name).suffix.lower()
    file = f"{label}/{digest}{suffix if suffix in SUFFIXES else '.img'}"
    folder = feedback_folder(artefact)
    try:
        of = hashlib.sha256(artefact.read_bytes()).hexdigest()
    except OSError as error:
        raise TachaError(f"{artefact}: cannot be read ({error.strerror}); open the artefact again") from error
    said = Feedback(
        datetime.now(UTC).isoformat(timespec="seconds"), label, digest, file, name, score, verdict, threshold, of
    )
    with written(folder / file) as part:
        part.write_bytes(image)
    _append(folder / JOURNAL, json.dumps(asdict(said), ensure_ascii=True))
    # Only now, that the journal says so, may what it said before go.
    for kept in (path for name in LABELS for path in (folder / name).glob(f"{digest}.*")):
        if kept != folder / file:
            with contextlib.suppress(OSError):
                kept.unlink()
    return said


def read_feedback(artefact: Path) -> list[Feedback]:
    """What was last said of each image, in the order that it was said; empty where nothing was.

    A last line that a power cut left half written is passed over. Raises TachaError where another line is damaged.
    """
    journal = feedback_folder(artefact) / JOURNAL
    latest: dict[str, Feedback] = {}
    for said in _lines(journal):
        latest.pop(said.sha256, None)
        latest[said.sha256] = said
    return list(latest.values())


def _lines(journal: Path) -> Iterator[Feedback]:
    try:
        lines = journal.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise TachaError(f"{journal}: cannot be read; repair it or move it away") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield _of(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):  # no newline after it: it was never finished
                return
            raise TachaError(f"{journal}: line {number} is damaged; remove it") from error


def _of(row: Any) -> Feedback:
    said = Feedback(**row)
    if said.label not in LABELS or Path(said.file).parent != Path(said.label) or not isinstance(said.sha256, str):
        raise ValueError("not a line of feedback")
    return said


def _append(journal: Path, line: str) -> None:
    """One write of a whole line; a line that was left half written before it is ended first."""
    try:
        with journal.open("a+b") as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    _drop_last(stream)
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise TachaError(f"{journal}: cannot be written ({error.strerror}); free some space and try again") from error


def _drop_last(stream: Any) -> None:
    """Cut a journal back to its last whole line."""
    stream.seek(0)
    stream.truncate(stream.read().rfind(b"\n") + 1)
