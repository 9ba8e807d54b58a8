"""tacha evaluate"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from tacha import rundir
from tacha.calibration import calibrate
from tacha.commands.tables import metric_table
from tacha.commands.tested import test_samples, unlearned
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Catalogue, Sample
from tacha.errors import TachaError
from tacha.evaluation import Evaluation, evaluate
from tacha.files import check_folder, write_text
from tacha.inspector import Inspector, load
from tacha.versions import versions


def run(asked: argparse.Namespace) -> int:
    """Figures of one artefact on one test set; the artefact is not changed."""
    if asked.out:
        check_folder(Path(asked.out))
    inspector = load(asked.artefact, asked.engine, asked.precision, asked.threads)
    catalogue = read_catalogue(Path(asked.data), asked.layout, require_good=False)
    samples, notes = unlearned(
        test_samples(catalogue, asked.category, inspector.name), inspector.name, inspector.card.get("learned_flaws", ())
    )
    result = evaluate(inspector, samples, asked.seed)
    result.notes += [*notes, *([inspector.note] if inspector.note else [])]
    lines = rundir.rows(result.figures, inspector, asked.seed)
    Console(width=None if Console().is_terminal else 120).print(metric_table(lines))
    print(f"{inspector.name}: {inspector.calibration.guarantee()}")
    for note in [*result.notes, *(reason for _, reason in result.skipped)]:
        print(f"note: {note}")
    if asked.oracle:
        _print_oracle(result)
    if asked.out:
        _write(Path(asked.out), inspector, catalogue, result, lines, samples, asked)
        print(asked.out)
    return 0


def _print_oracle(result: Evaluation) -> None:
    good = [p.score for p in result.predictions if not p.label]
    flawed = [p.score for p in result.predictions if p.label]
    if not good or not flawed:
        raise TachaError("--oracle needs good and flawed test images; this set has only one of them")
    oracle = calibrate("best_f1", good, flawed)
    print(f"oracle: best F1 would put the threshold at {oracle.threshold:.6g}. {oracle.guarantee()}")


def _write(
    folder: Path,
    inspector: Inspector,
    catalogue: Catalogue,
    result: Evaluation,
    lines: list[dict[str, Any]],
    samples: tuple[Sample, ...],
    asked: argparse.Namespace,
) -> None:
    from tacha.report.html import write_report

    masks = {s.path: s.mask for s in samples}
    about = {
        "name": f"{inspector.name} on {catalogue.root.name}",
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": None,
        "tacha": versions()["tacha"],
        "versions": versions(),
        "data": {"root": str(catalogue.root), "layout": catalogue.layout, "digest": catalogue.digest()},
        "notes": [*catalogue.notes, *result.notes],
        "calibration": {
            inspector.name: {**inspector.calibration.to_dict(), "sentence": inspector.calibration.guarantee()}
        },
        "skipped": [[str(path), reason] for path, reason in result.skipped],
        "gallery": {inspector.name: rundir.write_gallery(folder, inspector, result, masks, 4)},
    }
    rundir.write_metrics(folder, lines, about)
    rundir.write_predictions(folder, result.predictions)
    settings = {k: v for k, v in vars(asked).items() if k not in ("rest", "verb", "language") and v is not None}
    settings |= {"engine": inspector.engine.name, "precision": inspector.engine.precision}
    write_text(folder / "config.yaml", json.dumps(settings, indent=1) + "\n")
    write_report(folder, asked.language)
