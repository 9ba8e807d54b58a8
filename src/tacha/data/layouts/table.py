"""A CSV file with the columns path, split, label and, where wanted, category and mask."""

from __future__ import annotations

import csv
from pathlib import Path

from tacha.data.layouts.names import is_good
from tacha.data.sample import GOOD, Sample
from tacha.errors import TachaError

REQUIRED = ("path", "split", "label")
COLUMNS = (*REQUIRED, "category", "mask")


def table_in(folder: Path) -> Path | None:
    """The one CSV file right inside `folder` whose heading has the required columns."""
    tables = [p for p in sorted(folder.iterdir()) if p.suffix.lower() == ".csv" and not p.name.startswith(".")]
    fitting = [p for p in tables if p.is_file() and set(REQUIRED) <= set(_heading(p))]
    return fitting[0] if len(fitting) == 1 else None


def read_table(table: Path, category: str) -> tuple[list[Sample], list[str]]:
    """The samples of a CSV file; paths are relative to it, `category` is for rows that name none.

    A label of good, ok, normal or 0 is good, 1 is a defect without a name, any other is the defect's name.
    Raises TachaError with the line number for a bad column, split, label or path.
    """
    samples: list[Sample] = []
    lines: dict[Path, int] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=_delimiter(table), restkey="", strict=True)
            _check_heading(table, [_key(c) for c in reader.fieldnames or []])
            for raw in reader:
                where = f"{table} line {reader.line_num}"
                if "" in raw:
                    raise TachaError(f"{where}: more fields than columns; quote fields that hold a comma")
                row = {_key(k): (v or "").strip() for k, v in raw.items()}
                sample = _sample(row, where, table.parent, category)
                if sample.path in lines:
                    raise TachaError(
                        f"{where}: {row['path']} is on line {lines[sample.path]} too; remove one of the rows"
                    )
                lines[sample.path] = reader.line_num
                samples.append(sample)
    except (UnicodeDecodeError, csv.Error) as error:
        raise TachaError(f"{table}: not a readable CSV file ({error}); save it as UTF-8 CSV") from None
    except OSError as error:
        raise TachaError(f"{table}: cannot be read ({error.strerror}); check its permissions") from None
    samples.sort(key=lambda s: (s.category, s.split != "train", s.path.as_posix()))
    return samples, []


def _sample(row: dict[str, str], where: str, base: Path, category: str) -> Sample:
    split, label = row["split"].lower(), row["label"]
    if split not in ("train", "test"):
        raise TachaError(f"{where}: split {row['split']!r} is neither train nor test; write one of them")
    if not label:
        raise TachaError(f"{where}: no label; write good or the defect's name")
    good = is_good(label) or label == "0"
    if split == "train" and not good:
        raise TachaError(f"{where}: a flawed image ({label}) in the train split; only good ones train, move it to test")
    path = _file(row["path"], "image", where, base)
    mask = _file(row["mask"], "mask", where, base) if row.get("mask") else None
    defect = GOOD if good else "bad" if label == "1" else label
    return Sample(path, row.get("category") or category, split, defect, mask)


def _file(name: str, what: str, where: str, base: Path) -> Path:
    if not name:
        raise TachaError(f"{where}: no {what} path; fill the column in or remove the row")
    path = base / name
    if not path.is_file():
        raise TachaError(f"{where}: no such {what} file {path}; paths are relative to the CSV file")
    return path


def _check_heading(table: Path, columns: list[str]) -> None:
    missing = [c for c in REQUIRED if c not in columns]
    unknown = [c for c in columns if c not in COLUMNS]
    if missing or unknown or len(set(columns)) < len(columns):
        said = f"missing column {missing[0]}" if missing else f"unknown column {unknown[0]!r}" if unknown else None
        raise TachaError(f"{table} line 1: {said or 'a column twice'}; the columns are {', '.join(COLUMNS)}")


def _heading(table: Path) -> list[str]:
    try:
        with table.open(encoding="utf-8-sig") as file:
            return [_key(c) for c in file.readline(10_000).split(_delimiter(table))]
    except (OSError, UnicodeDecodeError):
        return []


def _delimiter(table: Path) -> str:
    # Spreadsheets in half of Europe save "CSV" with semicolons.
    with table.open(encoding="utf-8-sig") as file:
        heading = file.readline(10_000)
    return ";" if ";" in heading and "," not in heading else ","


def _key(column: str) -> str:
    return column.strip().strip('"').lower()
