"""What a run leaves behind: metrics.json in tidy rows, predictions.csv, config.yaml, figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tacha.evaluation import Evaluation, Prediction
from tacha.files import write_text, written
from tacha.inspector import Inspector
from tacha.metrics import Figure

COLUMNS = ("path", "category", "label", "defect", "score", "p_value", "verdict")


def rows(figures: Iterable[Figure], inspector: Inspector, seed: int) -> list[dict[str, Any]]:
    """Tidy rows, one a figure."""
    about = {
        "category": inspector.name,
        "net": inspector.card["net"]["name"],
        "scorer": inspector.card["scorer"]["name"],
        "engine": inspector.engine.name,
        "precision": inspector.engine.precision,
        "seed": seed,
    }
    return [{**about, **asdict(figure)} for figure in figures]


def write_metrics(folder: Path, table: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> Path:
    """metrics.json, strictly JSON: no NaN."""
    text = json.dumps({"rows": list(table), "run": dict(run)}, indent=1, allow_nan=False, default=str)
    return write_text(folder / "metrics.json", text)


def write_predictions(folder: Path, predictions: Iterable[Prediction], label: str = "") -> Path:
    """predictions.csv, or predictions.LABEL.csv of a further scorer: a row an image; scores with all their digits."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for p in predictions:
        writer.writerow(
            [p.path, p.category, p.label, p.defect, repr(p.score), "" if p.p_value is None else p.p_value, p.verdict]
        )
    return write_text(folder / f"predictions{label and f'.{label}'}.csv", buffer.getvalue())


def write_gallery(
    folder: Path, inspector: Inspector, evaluation: Evaluation, masks: Mapping[Path, Path | None], count: int
) -> list[dict[str, Any]]:
    """Pictures of the worst misses, the worst false alarms and the clearest finds: image, overlay and mask.

    Returns what the report says beside each.
    """
    from PIL import Image

    from tacha.data.image import read_image, read_mask
    from tacha.errors import TachaError
    from tacha.report.overlay import colour_bar, heat_overlay, side_by_side

    ordered = sorted(evaluation.predictions, key=lambda p: p.score)
    kinds = {
        "miss": [p for p in ordered if p.label and p.verdict == "good"],
        "false alarm": [p for p in reversed(ordered) if not p.label and p.verdict == "flawed"],
        "find": [p for p in reversed(ordered) if p.label and p.verdict == "flawed"],
    }
    entries = []
    for kind, chosen in kinds.items():
        for number, p in enumerate(chosen[:count]):
            found = inspector.inspect(p.path)
            image = read_image(p.path)
            panel, bar = image, None
            if found.map is not None and found.map_threshold is not None:
                scale = tuple(inspector.card["map_scale"])
                panel = heat_overlay(image, found.map, found.map_threshold, scale)
                bar = colour_bar(image.shape[0], found.map_threshold, scale)
            mask_path = masks.get(p.path)
            try:
                mask = read_mask(mask_path, found.size) if mask_path else None
            except TachaError:  # already listed with the evaluation's skipped files
                mask = None
            name = f"gallery_{inspector.name}_{kind.replace(' ', '_')}_{number}.png"
            with written(folder / "figures" / name) as part:
                Image.fromarray(side_by_side(image, panel, mask, bar)).save(part, format="PNG")
            about = {**asdict(p), "size": list(found.size), "regions": [r.to_dict() for r in found.regions]}
            entries.append({**about, "kind": kind, "image": f"figures/{name}", "path": str(p.path)})
    return entries
