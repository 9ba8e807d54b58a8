"""One run: settings in, a run folder out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tacha import rundir
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Catalogue
from tacha.detector import check_pair
from tacha.errors import TachaError
from tacha.evaluation import Evaluation, Prediction, evaluate
from tacha.files import write_text
from tacha.fitting import fit_detector
from tacha.inspector import Inspector
from tacha.metrics import Figure
from tacha.report.html import write_report
from tacha.runtime import artefact as artefacts
from tacha.versions import versions

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, one inspector a detector, and every row of metrics.json."""

    folder: Path
    inspectors: dict[str, Inspector]
    rows: list[dict[str, Any]]
    report: Path | None


def train(settings: Settings, folder: Path) -> Run:
    """Fit, calibrate, evaluate and report every category that `settings` (a composed configuration) names.

    Each category's artefact is written as soon as it is done; a run that is cut off leaves whole ones only.
    """
    began, started = time.perf_counter(), datetime.now(timezone.utc)
    check_settings(settings)
    catalogue = catalogue_of(settings["data"])
    _make(folder)
    inspectors: dict[str, Inspector] = {}
    table: list[dict[str, Any]] = []
    predictions: list[Prediction] = []
    about: dict[str, Any] = {"notes": list(catalogue.notes), "calibration": {}, "skipped": [], "gallery": {}}
    for name, category in _detectors(settings, catalogue):
        inspector, lines, result = _one(settings, catalogue, name, category, folder, about)
        inspectors[name] = inspector
        table += lines
        predictions += result.predictions
    about |= {
        "name": settings["name"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 3),
        "tacha": versions()["tacha"],
        "versions": versions(),
        "data": {"root": str(catalogue.root), "layout": catalogue.layout, "digest": catalogue.digest()},
    }
    rundir.write_metrics(folder, table, about)
    rundir.write_predictions(folder, predictions)
    import yaml

    write_text(folder / "config.yaml", yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True))
    return Run(folder, inspectors, table, write_report(folder))


def check_settings(settings: Settings) -> None:
    """Refuse what cannot work before any work starts."""
    from tacha.features import NETS
    from tacha.runtime.engines import ENGINES, PRECISIONS

    options = dict(settings["model"])
    NETS.settings(options.pop("name"), **options)
    options = dict(settings["scorer"])
    check_pair(settings["model"]["name"], options.pop("name"), options)
    ENGINES.get(settings["runtime"]["engine"])
    if settings["runtime"]["precision"] not in PRECISIONS:
        raise TachaError(
            f"runtime.precision={settings['runtime']['precision']!r}: choose one of {', '.join(PRECISIONS)}"
        )
    name = settings["name"]
    if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
        raise TachaError(f"name={name!r}: give a plain name, for files are named after it")
    size = settings["data"]["size"]
    if not isinstance(size, int) or not 32 <= size <= 4096:
        raise TachaError(f"data.size={size!r}: give a whole number of pixels from 32 to 4096")


def catalogue_of(data: Settings) -> Catalogue:
    """The catalogue that a data configuration names; the sample set is written where it is missing."""
    root = data["root"]
    if data["name"] == "sample" and root is None:
        from tacha.data.sample_set import default_root, write_sample_set

        root = write_sample_set(default_root())
    extra = {"good_class": data["good_class"]} if data.get("good_class") else {}
    return read_catalogue(Path(root).expanduser(), data["layout"], categories=data.get("categories"), **extra)


def _detectors(settings: Settings, catalogue: Catalogue) -> list[tuple[str, str | None]]:
    if settings["pooled"] and len(catalogue.categories) > 1:
        return [("pooled", None)]
    given = settings["name"] != settings["data"]["name"]
    if given and len(catalogue.categories) == 1 and catalogue.layout in ("folder", "classes"):
        return [(settings["name"], catalogue.categories[0])]  # a folder's name says where, not what
    return [(category, category) for category in catalogue.categories]


def _one(
    settings: Settings, catalogue: Catalogue, name: str, category: str | None, folder: Path, about: dict[str, Any]
) -> tuple[Inspector, list[dict[str, Any]], Evaluation]:
    from tacha.data.module import InspectionDataModule

    options, seed, runtime = settings["data"], settings["seed"], settings["runtime"]
    data = InspectionDataModule(
        catalogue,
        category,
        size=options["size"],
        batch_size=options["batch_size"],
        num_workers=options["num_workers"],
        holdout_share=options["holdout_share"],
        holdout_minimum=options["holdout_minimum"],
        seed=seed,
    )
    fitted = fit_detector(
        data,
        name,
        settings["model"],
        settings["scorer"],
        settings["calibration"],
        runtime,
        seed=seed,
        device=_device(settings["trainer"]["accelerator"]),
    )
    inspector = Inspector(fitted.artefact, runtime["engine"], runtime["precision"], runtime["threads"])
    about["skipped"] += [[str(path), reason] for path, reason in data.skipped]
    about["calibration"][name] = {
        **inspector.calibration.to_dict(),
        "sentence": inspector.calibration.guarantee(),
    }
    about["notes"] += [
        f"{name}: {p.engine} and torch differ: {p.changed_verdicts} verdicts of {p.images}, scores by "
        f"{p.largest_difference:.2g} of the threshold"
        for p in fitted.parity
        if not p.agrees
    ]
    lines = rundir.rows(_fit_figures(fitted.seconds, inspector), inspector, seed)
    result = Evaluation()
    if data.test_samples:
        evaluation = settings["evaluation"]
        samples = [s if category is None else replace(s, category=name) for s in data.test_samples]
        result = evaluate(inspector, samples, seed, evaluation["pixels"])
        lines += rundir.rows(result.figures, inspector, seed)
        about["skipped"] += [[str(path), reason] for path, reason in result.skipped]
        about["notes"] += result.notes
        masks = {s.path: s.mask for s in data.test_samples}
        about["gallery"][name] = rundir.write_gallery(folder, inspector, result, masks, evaluation["gallery"])
    else:
        about["notes"].append(f"{name}: no test images, so nothing was evaluated")
    metrics = [{k: line[k] for k in ("metric", "value", "low", "high", "n")} for line in lines]
    inspector.artefact = replace(fitted.artefact, card={**fitted.artefact.card, "metrics": metrics})
    inspector.card = inspector.artefact.card
    artefacts.write(inspector.artefact, folder / f"{name}{artefacts.SUFFIX}")
    return inspector, lines, result


def _fit_figures(seconds: float, inspector: Inspector) -> list[Figure]:
    promise = inspector.calibration.promise
    data = inspector.card["data"]
    out = [Figure("fit_seconds", seconds, None, None, data["train"])]
    if promise is not None:
        out.append(Figure("promised_false_alarm_rate", promise.false_alarm_rate, None, None, promise.n))
    return out


def _device(accelerator: str) -> str:
    import torch

    if accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if accelerator not in available:
        raise TachaError(f"trainer.accelerator={accelerator!r}: choose one of auto, {', '.join(available)}")
    if not available[accelerator]:
        raise TachaError(f"trainer.accelerator={accelerator}: this machine has none; use auto or cpu")
    return accelerator


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TachaError(f"{folder}: cannot be made ({error.strerror}); set hydra.run.dir elsewhere") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
