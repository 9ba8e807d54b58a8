"""Everything that a report tells of its runs, read from their folders once. Each error names the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.report.compare import MEAN, Comparison, Entry, RunFolder, Value, compare
from tacha.report.reading import read_predictions, read_text

Row = dict[str, Any]
PLANES = ("pca", "tsne")


@dataclass(frozen=True)
class Line:
    """What one entry found in one category; `name` tells it from the report's other lines."""

    name: str
    entry: Entry
    category: str

    def value(self, metric: str) -> Value | None:
        return self.entry.figures.get(metric, {}).get(self.category)

    @property
    def own(self) -> bool:
        """Whether the run's verdicts, gallery and calibration are this line's: its run's first scorer."""
        return self.entry.rows["scorer"] == next(
            (str(r["scorer"]) for r in self.entry.run.rows if r.get("scorer") and r["category"] == self.category), ""
        )

    @property
    def calibration(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.entry.run.about.get("calibration") or {}) if self.own else {}
        return found.get(self.category) or {}


@dataclass
class Material:
    """`alone`: every category was judged by one entry only, so its name says it all."""

    comparison: Comparison
    lines: list[Line]
    alone: bool
    predictions: dict[Path, list[Row]]
    bench: dict[Path, list[Row]] = field(default_factory=dict)
    clusters: dict[Path, list[Row]] = field(default_factory=dict)
    cluster_pictures: dict[Path, list[Path]] = field(default_factory=dict)
    points: dict[Path, list[dict[str, str]]] = field(default_factory=dict)
    variants: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def runs(self) -> list[RunFolder]:
        return self.comparison.runs

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(line.category for line in self.lines))

    def judged(self, line: Line) -> list[Row]:
        """The images that a line's run judged in its category."""
        rows = self.predictions.get(line.entry.run.folder, [])
        own = [r for r in rows if r["category"] == line.category]
        return own or (rows if len(line.entry.run.about.get("calibration") or {}) == 1 else [])


def read_material(paths: Sequence[str | Path]) -> Material:
    """Read run folders; a sweep's folder stands for its runs. Raises TachaError naming what is missing or damaged."""
    comparison = compare(paths)
    found: dict[tuple[int, str], None] = {}
    for i, entry in enumerate(comparison.entries):
        categories = [c for m in entry.figures if "/" not in m for c in entry.figures[m] if c not in (MEAN, "all")]
        calibrated = list(entry.run.about.get("calibration") or {})
        found |= dict.fromkeys((i, c) for c in [*calibrated, *categories])
    categories = [c for _, c in found]
    alone = len(set(categories)) == len(categories)
    lines = []
    for i, category in found:
        entry = comparison.entries[i]
        lines.append(Line(category if alone else f"{category} · {entry.label}", entry, category))
    material = Material(comparison, lines, alone, {})
    for run in comparison.runs:
        read_text(run.folder / "config.yaml")
        material.predictions[run.folder] = read_predictions(run.folder / "predictions.csv")
        for path in sorted({*run.folder.glob("bench.json"), *run.folder.glob("bench/**/bench.json")}):
            material.bench.setdefault(run.folder, []).extend(_rows(path, {"label", "figures"}))
        _clusters(run.folder, material)
        material.variants += _variants(run.folder)
    return material


def _clusters(folder: Path, material: Material) -> None:
    path = next((p for p in (folder / "clusters.json", folder / "clusters" / "clusters.json") if p.is_file()), None)
    if path is None:
        return
    material.clusters[folder] = _rows(path, {"category", "plane", "metric", "value"})
    material.cluster_pictures[folder] = sorted(path.parent.glob("figures/*_k_distances.png"))
    points = path.parent / "points.csv"
    if points.is_file():
        material.points[folder] = _points(points)


def _points(path: Path) -> list[dict[str, str]]:
    """points.csv of `tacha cluster`: a row an image."""
    rows = []
    try:
        for row in csv.DictReader(read_text(path).splitlines()):
            for plane in PLANES:
                if f"{plane}_x" in row:
                    float(row[f"{plane}_x"]), float(row[f"{plane}_y"]), int(row[f"{plane}_cluster"])
            rows.append({"category": row["category"], "defect": row["defect"], **row})
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise TachaError(f"{path}: is damaged ({error}); make it again, or remove it to report without it") from error
    return rows


def _rows(path: Path, needed: set[str]) -> list[Row]:
    try:
        data = json.loads(read_text(path))
        rows = [dict(r) for r in (data["rows"] if isinstance(data, dict) else data)]
        for row in rows:
            if lacking := needed - set(row):
                raise KeyError(", ".join(sorted(lacking)))
    except (ValueError, KeyError, TypeError) as error:
        raise TachaError(f"{path}: is damaged ({error}); make it again, or remove it to report without it") from error
    return rows


def _variants(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """(file name, card) of the compressed artefacts beside a run's own."""
    from tacha.runtime import artefact as artefacts

    found: list[tuple[str, Mapping[str, Any]]] = []
    for path in sorted(folder.glob(f"*.*{artefacts.SUFFIX}")):
        card = artefacts.read(path).card
        if "variant" in card:
            found.append((path.name, card))
    return found
