"""One run: settings in, a run folder out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha import rundir
from tacha.data.layouts import read_catalogue
from tacha.data.sample import Catalogue, Sample
from tacha.detector import check_pair, scorers_for
from tacha.errors import TachaError
from tacha.evaluation import Evaluation, Prediction, evaluate
from tacha.files import check_folder, write_text
from tacha.fitting import fit_detector
from tacha.inspector import Inspector
from tacha.learned import class_report, learning_rows, test_pictures
from tacha.metrics import Figure
from tacha.nets import Net, Nets, aspect_of, data_module, model_of
from tacha.report.html import write_report
from tacha.runtime import artefact as artefacts
from tacha.tiling import Tiling
from tacha.versions import versions
from tacha.words import SOURCE, words

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, one inspector a detector, and every row of metrics.json."""

    folder: Path
    inspectors: dict[str, Inspector]
    rows: list[dict[str, Any]]
    report: Path | None


@dataclass
class _Found:
    """What a run has found so far. `predictions` are by scorer: "" is the detector's own, the others by their label.

    `runtime`, by scorer's name, is what was chosen for its first category and judges the others, for one table's sake.
    """

    notes: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    inspectors: dict[str, Inspector] = field(default_factory=dict)
    predictions: dict[str, list[Prediction]] = field(default_factory=lambda: {"": []})
    calibration: dict[str, Any] = field(default_factory=dict)
    skipped: list[list[str]] = field(default_factory=list)
    gallery: dict[str, Any] = field(default_factory=dict)
    runtime: dict[str, dict[str, Any]] = field(default_factory=dict)

    def skip(self, files: Iterable[tuple[Path, str]]) -> None:
        self.skipped += [[str(path), reason] for path, reason in files]


def train(settings: Settings, folder: Path) -> Run:
    """Fit, calibrate, evaluate and report every category that `settings` (a composed configuration) names.

    Each category's artefact is written as soon as it is done; a run that is cut off leaves whole ones only.
    """
    began, started = time.perf_counter(), datetime.now(timezone.utc)
    check_settings(settings)
    check_folder(folder)
    catalogue = catalogue_of(settings["data"])
    folder.mkdir(parents=True, exist_ok=True)
    nets = Nets(settings, catalogue, folder)
    catalogue = nets.catalogue
    found = _Found(notes=[*_preset_notes(settings), *catalogue.notes])
    try:
        for name, category in detectors(settings, catalogue):
            _one(settings, nets, name, category, folder, found)
        for group, net in nets.made:
            found.rows += learning_rows(group, net, settings["seed"])
            found.rows += class_report(group, net, settings["seed"], language_of(settings))
            found.notes += [f"net of {group}: {note}" for note in net.learned.notes] if net.learned else []
            found.skip(net.data.skipped if net.data else [])
    finally:
        nets.close()
    about = {
        "notes": found.notes,
        "calibration": found.calibration,
        "skipped": found.skipped,
        "gallery": found.gallery,
        "name": settings["name"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 3),
        "tacha": versions()["tacha"],
        "versions": versions(),
        "data": {"root": str(catalogue.root), "layout": catalogue.layout, "digest": catalogue.digest()},
    }
    rundir.write_metrics(folder, found.rows, about)
    for label, predictions in found.predictions.items():
        rundir.write_predictions(folder, predictions, label)
    import yaml

    write_text(folder / "config.yaml", yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True))
    return Run(folder, found.inspectors, found.rows, write_report(folder, language_of(settings)))


def language_of(settings: Settings) -> str:
    """What the report is written in; a tree of configs from before there was a choice says nothing of it."""
    return str((settings.get("report") or {}).get("language", SOURCE))


def check_settings(settings: Settings) -> None:
    """Refuse what cannot work before any work starts."""
    words(language_of(settings))
    from tacha.runtime.engines import AUTO, ENGINES, PRECISIONS

    _check_preset(settings)
    model = model_of(settings["model"])
    if not settings.get("scorer"):
        fitting = ", ".join(scorers_for(model.net))
        raise TachaError(f"no scorer is set for model={model.net}: add scorer=NAME, one of {fitting}")
    for scorer in (settings["scorer"], *settings["others"].values()):
        options = dict(scorer)
        check_pair(model.net, options.pop("name"), options)
    _device(settings["trainer"]["accelerator"])
    if model.learner is not None:
        from tacha.training.learn import check_trainer

        check_trainer(settings["trainer"])
    runtime = settings["runtime"]
    if runtime["engine"] != AUTO:
        ENGINES.get(runtime["engine"])
    if runtime["precision"] not in (AUTO, *PRECISIONS):
        raise TachaError(f"runtime.precision={runtime['precision']!r}: choose one of {AUTO}, {', '.join(PRECISIONS)}")
    name = settings["name"]
    if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
        raise TachaError(f"name={name!r}: give a plain name, for files are named after it")
    aspect_of(settings)
    size = settings["data"]["size"]
    if not isinstance(size, int) or not 32 <= size <= 4096:
        raise TachaError(f"data.size={size!r}: give a whole number of pixels from 32 to 4096")
    if Tiling.of(settings["data"]) is not None and model.learner is not None:
        raise TachaError(
            f"data.tile={settings['data']['tile']}: model={model.net} is trained on whole images; leave data.tile out, "
            "or choose a frozen net (model=backbone)"
        )


def _check_preset(settings: Settings) -> None:
    preset = settings.get("preset") or {}
    for part in ("model", "scorer"):
        given = (settings.get(part) or {}).get("name")
        if part in preset and preset[part] != given:
            raise TachaError(
                f"preset={preset['name']} is model={preset['model']} under scorer={preset['scorer']}, and "
                f"{part}={given} is asked for beside it: leave out one of the two, or set single settings, {part}.…=…"
            )


def catalogue_of(data: Settings) -> Catalogue:
    """The catalogue that a data configuration names; the sample set is written where it is missing."""
    root = data["root"]
    if data["name"] == "sample" and root is None:
        from tacha.data.sample_set import default_root, write_sample_set

        try:
            root = write_sample_set(default_root())
        except TachaError as error:
            raise TachaError(f"{error} with TACHA_CACHE or data.root") from error
    extra = {"good_class": data["good_class"]} if data.get("good_class") else {}
    return read_catalogue(Path(root).expanduser(), data["layout"], categories=data.get("categories"), **extra)


def detectors(settings: Settings, catalogue: Catalogue) -> list[tuple[str, str | None]]:
    """(name, category) of each detector that a run makes; category None is all of them pooled."""
    if settings["pooled"] and len(catalogue.categories) > 1:
        return [("pooled", None)]
    given = settings["name"] != settings["data"]["name"]
    if given and len(catalogue.categories) == 1 and catalogue.layout in ("folder", "classes"):
        return [(settings["name"], catalogue.categories[0])]  # a folder's name says where, not what
    return [(category, category) for category in catalogue.categories]


def _one(settings: Settings, nets: Nets, name: str, category: str | None, folder: Path, found: _Found) -> None:
    """One detector: its artefacts in the folder, and its rows and what it says of the test images added to `found`."""
    data = data_module(nets.catalogue, category, settings)
    net = nets.of(category, data.validation_samples)
    samples = [s if category is None else replace(s, category=name) for s in data.test_samples]
    inspector, seconds = _fitted(settings, data, net, settings["scorer"], name, found)
    found.calibration[name] = {**inspector.calibration.to_dict(), "sentence": inspector.calibration.guarantee()}
    result, figures = _evaluated(settings, inspector, seconds, samples)
    found.inspectors[name] = inspector
    found.rows += figures
    found.predictions[""] += result.predictions
    found.skip((*data.skipped, *result.skipped))
    if samples:
        found.notes += result.notes
        masks = {s.path: s.mask for s in samples}
        found.gallery[name] = rundir.write_gallery(folder, inspector, result, masks, settings["evaluation"]["gallery"])
    else:
        found.notes.append(f"{name}: no test images, so nothing was evaluated")
    if net.learned is not None:
        test_pictures(net, name, settings["scorer"]["name"], result, data.view.frame, folder, language_of(settings))
    _write(inspector, figures, nets.learned_flaws, folder / f"{name}{artefacts.SUFFIX}")
    others = {label: scorer for label, scorer in settings["others"].items() if scorer != settings["scorer"]}
    for label, scorer in others.items():
        inspector, seconds = _fitted(settings, data, net, scorer, name, found)
        result, figures = _evaluated(settings, inspector, seconds, samples)
        found.rows += figures
        found.predictions.setdefault(label, []).extend(result.predictions)
        _write(inspector, figures, nets.learned_flaws, folder / f"{name}.{label}{artefacts.SUFFIX}")


def _fitted(
    settings: Settings,
    data: InspectionDataModule,
    net: Net,
    scorer: Settings,
    name: str,
    found: _Found,
) -> tuple[Inspector, float]:
    runtime: Settings = found.runtime.get(scorer["name"]) or settings["runtime"]
    seed = settings["seed"]
    device = _device(settings["trainer"]["accelerator"])
    fitted = fit_detector(data, name, net, scorer, settings["calibration"], runtime, seed=seed, device=device)
    inspector = Inspector(fitted.artefact, fitted.engine)
    found.runtime[scorer["name"]] = {**runtime, **fitted.artefact.card["calibrated_on"]}
    found.notes += fitted.refused
    found.notes += [
        f"{name}: {p.engine} and torch differ under {scorer['name']}: {p.changed_verdicts} verdicts of {p.images}, "
        f"scores by {p.largest_difference:.2g} of the largest of good images"
        for p in fitted.parity
        if not p.agrees
    ]
    return inspector, fitted.seconds


def _evaluated(
    settings: Settings, inspector: Inspector, seconds: float, samples: Sequence[Sample]
) -> tuple[Evaluation, list[dict[str, Any]]]:
    seed = settings["seed"]
    figures = _fit_figures(seconds, inspector)
    result = Evaluation()
    if samples:
        result = evaluate(inspector, samples, seed, settings["evaluation"]["pixels"])
        figures += result.figures
    return result, rundir.rows(figures, inspector, seed)


def _write(inspector: Inspector, lines: Sequence[Settings], learned_flaws: Sequence[str], path: Path) -> None:
    metrics = [{k: line[k] for k in ("metric", "value", "low", "high", "n")} for line in lines]
    learned = {"learned_flaws": list(learned_flaws)} if learned_flaws else {}
    inspector.artefact = replace(inspector.artefact, card={**inspector.artefact.card, **learned, "metrics": metrics})
    inspector.card = inspector.artefact.card
    artefacts.write(inspector.artefact, path)


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


def _preset_notes(settings: Settings) -> list[str]:
    """What a preset says of itself, said here too, for a run's page may never be opened."""
    preset = settings.get("preset") or {}
    if not preset.get("note"):
        return []
    note = f"preset={preset['name']}: {preset['note']}"
    print(f"tacha: note: {note}", file=sys.stderr)
    return [note]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
