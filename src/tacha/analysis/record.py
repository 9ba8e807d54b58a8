"""A study written down: clusters.json in tidy rows, points.csv with a row an image."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tacha.analysis.study import Settings, Study
from tacha.files import write_text
from tacha.versions import versions


def rows_of(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """A row a figure: category, plane ("pca", "tsne", or "detector" for its own), metric, value, low, high, n."""
    return [
        {"category": study.embedded.name, "plane": plane, **figure.to_dict()}
        for study in studies
        for plane, figures in (*((s.plane.name, s.figures) for s in study.sides), ("detector", study.detector))
        for figure in figures
    ]


def write_record(folder: Path, studies: Sequence[Study], settings: Settings, notes: Sequence[str]) -> list[Path]:
    """clusters.json and points.csv, each whole or not there; coordinates with all their digits."""
    explained: Mapping[str, Any] = {s.embedded.name: list(s.sides[0].plane.explained) for s in studies}
    run = {"settings": asdict(settings), "explained": explained, "notes": list(notes), "versions": versions()}
    text = json.dumps({"rows": rows_of(studies), "run": run}, indent=1, allow_nan=False)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    planes = [side.plane.name for side in studies[0].sides]
    columns = [f"{plane}_{what}" for plane in planes for what in ("x", "y", "cluster", "distance")]
    writer.writerow(["path", "category", "defect", "score", *columns])
    for study in studies:
        for i, sample in enumerate(study.embedded.samples):
            cells: list[object] = []
            for side in study.sides:
                x, y = (float(v) for v in side.plane.points[i, :2])
                cells += [x, y, int(side.clusters.labels[i]), float(side.clusters.distances[i])]
            defect = sample.defect if study.labelled else ""
            writer.writerow([sample.path, study.embedded.name, defect, float(study.embedded.scores[i]), *cells])
    return [
        write_text(folder / "clusters.json", text + "\n"),
        write_text(folder / "points.csv", buffer.getvalue()),
    ]
