"""Logs for programs: one JSON object a line. Images are never in them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any, TextIO

logger = logging.getLogger("tacha.server")


class JsonLines(logging.Formatter):
    """time, level, event, and what the event brought; an unexpected error's trace stays here, for the log alone."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "details", {}),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True, default=str)


def start(stream: TextIO = sys.stderr) -> None:
    """Ours and uvicorn's messages as JSON lines on standard error."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, level in (("tacha.server", logging.INFO), ("uvicorn", logging.WARNING)):
        one = logging.getLogger(name)
        one.handlers, one.propagate = [handler], False
        one.setLevel(level)


def event(name: str, level: int = logging.INFO, **details: Any) -> None:
    logger.log(level, name, extra={"details": details})
