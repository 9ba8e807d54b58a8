"""A run folder's files read back; each error names the file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from tacha.errors import TachaError


def read_text(path: Path) -> str:
    """A text file of a run folder. TachaError where it is missing or no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); a report needs a finished run folder") from error
    except UnicodeDecodeError as error:
        raise TachaError(f"{path}: is not UTF-8 text; run again to write it anew") from error


def read_metrics(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """metrics.json: its rows, and what it says of the run."""
    try:
        data = json.loads(read_text(path))
        rows = list(data["rows"])
        for row in rows:
            if not {"category", "metric", "value"} <= set(row):
                raise KeyError("category, metric, value")
            float(row["value"])
        return rows, dict(data["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise TachaError(f"{path}: is damaged ({error}); run again to write it anew") from error


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """predictions.csv: a row an image."""
    rows: list[dict[str, Any]] = []
    try:
        for row in csv.DictReader(io.StringIO(read_text(path), newline="")):
            rows.append({**row, "label": int(row["label"]), "score": float(row["score"])})
            if row["verdict"] is None or row["category"] is None or row["defect"] is None:
                raise KeyError("a row is cut short")
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise TachaError(f"{path}: row {len(rows) + 1} is damaged ({error}); run again to write it anew") from error
    return rows
