"""A run folder turned into one self-contained HTML file."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.files import write_text
from tacha.metrics.ranking import auroc
from tacha.report.plots import roc_plot, score_plot
from tacha.report.tables import headline, tables, thresholds

GALLERY_SIDE = 1400  # px, the longer side of an embedded gallery picture
KINDS = {
    "miss": "Missed flaws, worst first",
    "false alarm": "False alarms, worst first",
    "find": "Clearest finds",
}


@dataclass(frozen=True)
class Picture:
    """An embedded picture, its alternative text and the lines beneath it."""

    source: str
    alt: str
    title: str = ""
    caption: str = ""


def write_report(run_dir: str | Path) -> Path:
    """Write `report.html` into a run folder from what lies there; figures are also saved under `figures/`.

    The folder holds metrics.json, predictions.csv, config.yaml and the gallery's pictures. Raises TachaError,
    naming the file, where one is missing or cannot be read.
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(run_dir)
    rows, run = _metrics(folder / "metrics.json")
    predictions = _predictions(folder / "predictions.csv")
    calibration: Mapping[str, Any] = run.get("calibration") or {}
    scores = _by_detector(predictions, calibration)
    template = files("tacha.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(
        run=run,
        about=_about(run),
        headline=headline(rows, predictions, calibration),
        tables=tables(rows),
        thresholds=thresholds(rows, calibration),
        roc=_roc(folder, scores, rows),
        histograms=_histograms(folder, scores, calibration),
        gallery=_gallery(folder, run.get("gallery") or {}),
        versions=run.get("versions") or {},
        notes=run.get("notes") or [],
        skipped=run.get("skipped") or [],
        config=_read(folder / "config.yaml"),
    )
    return write_text(folder / "report.html", text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); a report needs a finished run folder") from error
    except UnicodeDecodeError as error:
        raise TachaError(f"{path}: is not UTF-8 text; run again to write it anew") from error


def _metrics(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        data = json.loads(_read(path))
        rows = list(data["rows"])
        for row in rows:
            if not {"category", "metric", "value"} <= set(row):
                raise KeyError("category, metric, value")
            float(row["value"])
        return rows, dict(data["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise TachaError(f"{path}: is damaged ({error}); run again to write it anew") from error


def _predictions(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    try:
        for row in csv.DictReader(io.StringIO(_read(path), newline="")):
            rows.append({**row, "label": int(row["label"]), "score": float(row["score"])})
            if row["verdict"] is None or row["category"] is None or row["defect"] is None:
                raise KeyError("a row is cut short")
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise TachaError(f"{path}: row {len(rows) + 1} is damaged ({error}); run again to write it anew") from error
    return rows


def _by_detector(
    predictions: Sequence[dict[str, Any]], calibration: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Predictions by the detector that made them: their category's own, or the only one there is."""
    only = next(iter(calibration)) if len(calibration) == 1 else None
    found: dict[str, list[dict[str, Any]]] = {}
    for p in predictions:
        name = p["category"] if p["category"] in calibration or only is None else only
        found.setdefault(name, []).append(p)
    return found


def _roc(folder: Path, scores: Mapping[str, list[dict[str, Any]]], rows: Sequence[Mapping[str, Any]]) -> Picture | None:
    curves, captions = {}, {}
    for category, chosen in scores.items():
        values, labels = [p["score"] for p in chosen], [p["label"] for p in chosen]
        if len(set(labels)) < 2:
            continue
        row = next((r for r in rows if (r["category"], r["metric"]) == (category, "image_auroc")), None)
        area = float(row["value"]) if row else float(auroc(values, labels)[0])
        caption = f"{category}: AUROC {100 * area:.1f} %"
        if row and row.get("low") is not None and row.get("high") is not None:
            caption += f" ({100 * row['low']:.1f}–{100 * row['high']:.1f})"
        curves[category], captions[category] = (values, labels), caption
    if not curves:
        return None
    path = roc_plot(curves, captions, folder / "figures" / "roc.png")
    return Picture(_png(path), f"ROC curves. {'; '.join(captions.values())}")


def _histograms(
    folder: Path, scores: Mapping[str, list[dict[str, Any]]], calibration: Mapping[str, Any]
) -> list[Picture]:
    pictures = []
    for number, (category, chosen) in enumerate(scores.items()):
        threshold = calibration[category]["threshold"] if category in calibration else None
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", category)[:60]
        path = score_plot(
            category,
            [p["score"] for p in chosen],
            [p["defect"] for p in chosen],
            threshold,
            folder / "figures" / f"scores_{number}_{plain}.png",
        )
        defects = ", ".join(sorted({p["defect"] for p in chosen}))
        pictures.append(Picture(_png(path), f"Scores of {category} by defect type ({defects}) and the threshold"))
    return pictures


def _gallery(folder: Path, gallery: Mapping[str, Any]) -> list[tuple[str, list[Picture]]]:
    """Pictures by kind: misses and false alarms first, whatever else after them."""
    found: dict[str, list[Picture]] = {kind: [] for kind in KINDS}
    for category, entries in gallery.items():
        for e in entries:
            p = e.get("p_value")
            caption = f"score {float(e['score']):.4g}" + ("" if p in (None, "") else f", p-value {float(p):.2g}")
            picture = Picture(
                _small(folder, str(e["image"])),
                f"{e['kind']}: {category}, {e['defect']}, called {e['verdict']}; the image, then its heat map",
                f"{category} · {e['defect']} · called {e['verdict']}",
                f"{caption} · {Path(str(e['path'])).name}",
            )
            found.setdefault(str(e["kind"]), []).append(picture)
    return [(KINDS.get(kind, kind), pictures) for kind, pictures in found.items() if pictures]


def _about(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = run.get("data") or {}
    seconds = run.get("seconds")
    lines = [
        ("Run", run.get("name")),
        ("Started", run.get("started")),
        ("Took", None if seconds is None else f"{float(seconds):.1f} s"),
        ("tacha", run.get("tacha")),
        ("Data", data.get("root")),
        ("Layout", data.get("layout")),
        ("Digest of the file list", data.get("digest")),
    ]
    return [(name, str(value)) for name, value in lines if value is not None]


def _png(path: Path) -> str:
    return _embedded("image/png", path.read_bytes())


def _small(folder: Path, name: str) -> str:
    """A gallery picture, shrunk and as JPEG: a report stays small enough to send."""
    from PIL import Image

    path = next((p for p in (folder / name, folder / "figures" / name) if p.is_file()), None)
    if path is None:
        raise TachaError(f"{folder / name}: cannot be read; a report needs the gallery's pictures")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TachaError(f"{path}: lies outside the run folder; metrics.json may only name pictures inside it")
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except OSError as error:
        raise TachaError(f"{path}: is not a whole picture ({error}); run again to write it anew") from error
    picture.thumbnail((GALLERY_SIDE, GALLERY_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return _embedded("image/jpeg", buffer.getvalue())


def _embedded(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
