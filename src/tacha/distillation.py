"""A small student of a bigger detector: taught on varied pictures of good parts, then judged beside its teacher."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from tacha import rundir
from tacha.data.frame import Frame, over_image
from tacha.data.holdout import hold_out
from tacha.data.image import upright_size
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.evaluation import evaluate
from tacha.features import NETS
from tacha.features.student import Student
from tacha.files import check_folder, write_text
from tacha.fitting import fit_detector
from tacha.inspector import Inspector
from tacha.metrics.ranking import auroc
from tacha.nets import VALIDATION, Net
from tacha.probe import Image, Probe, probe
from tacha.regions import upsample
from tacha.reopening import Material
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.bench import PAUSE
from tacha.runtime.engines import Engine, start_as_calibrated
from tacha.runtime.engines.torch import detector_of
from tacha.training.base import NotFiniteError
from tacha.training.imitate import Imitate, imitate
from tacha.training.lessons import Teacher

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

KIND = "student"
FEWEST = 10  # good images to learn from
FAINT = 0.15  # strength of the flaws that are hard to find
SCALED = 256  # pictures that the scales of what the student sees come from
STOPPED_BY = 3  # pictures an image that tell when to stop
TIMED = 20  # images through both engines in turn
ROUNDS = 5


@dataclass(frozen=True)
class Teaching:
    """How a student is made. `draws`: pictures made of each good image; `rows`: a view of its net."""

    backbone: str = "tf_efficientnet_lite0"
    weights: str = "packaged"
    layers: Sequence[int] = (2, 3)
    rows: int = 1024
    draws: int = 6
    epochs: int = 6
    patience: int = 2
    lr: float = 3e-2
    seed: int = 0


@dataclass(frozen=True)
class Distilled:
    """A student beside its teacher on held-out good images, and on these with flaws drawn, whole and faint.

    `auroc` is of drawn flaws, (teacher, student); the correlations are Spearman's, that of maps the mean over images.
    `latency` is the student's time over the teacher's, each in the engine that judges by it, (teacher's, student's) in
    `engines`: median over rounds, lowest, highest.
    `test`: metric -> rows of the run's test images for teacher and student, where they were asked for.
    """

    path: Path
    teacher: str
    images: int
    auroc: tuple[float, float]
    auroc_faint: tuple[float, float]
    score_correlation: float
    map_correlation: float
    changed_verdicts: int
    latency: tuple[float, float, float]
    engines: tuple[str, str]
    mib: tuple[float, float]
    pictures: int
    epochs: int
    seconds: float
    teaching: dict[str, Any]
    test: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Taught:
    """A trained net, not yet calibrated, how its map is to be pooled, and what it took."""

    net: Net
    pooling: dict[str, float]
    pictures: int
    epochs: int


def distil(path: Path, material: Material, teaching: Teaching, folder: Path, *, test: bool = False) -> Distilled:
    """Write the student of an artefact into `folder` as NAME.student.tacha, and NAME.student.json about it.

    It learns from the good images that the teacher learned from, stops by some of them and is calibrated and judged
    on those held out. The test images are read with `test` only, at the very end. Raises TachaError for a teacher
    without a map, too few images, a loss that is not a number.
    """
    began = time.perf_counter()
    where = folder / f"{path.stem}.{KIND}{artefacts.SUFFIX}"
    check_folder(folder)
    teacher, runtime = artefacts.read(path), material.runtime
    engine = start_as_calibrated(teacher, runtime.get("threads"))
    if test and not material.data.test_samples:
        raise TachaError(f"{material.data.catalogue.root}: has no test images; leave out --test")
    taught = teach(path, teacher, engine, material.data, teaching)
    name = str(teacher.card["name"])
    fitted = fit_detector(
        material.data,
        name,
        taught.net,
        {"name": "reconstruction", **taught.pooling},
        material.calibration,
        runtime,
        seed=teaching.seed,
    )
    seconds = time.perf_counter() - began
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    about = {"kind": KIND, "distilled_from": digest, "teacher": path.name, "teaching": asdict(teaching)}
    kept = {k: teacher.card[k] for k in ("learned_flaws",) if k in teacher.card}  # no one is to be judged on these
    student = replace(fitted.artefact, card={**fitted.artefact.card, **kept, "variant": about})
    frame = Frame.of_card(teacher.card)
    whole, faint = (probe(material.data, frame, strength) for strength in (1.0, FAINT))
    thresholds = tuple(float(a.card["calibration"]["threshold"]) for a in (teacher, student))
    judged = _judged(whole, faint, (engine, fitted.engine), (thresholds[0], thresholds[1]))
    inspectors = {"teacher": Inspector(teacher, engine), KIND: Inspector(student, fitted.engine)}
    figures = {who: _tested(inspector, material.data, teaching.seed) for who, inspector in inspectors.items() if test}
    if test:
        metrics = [{k: row[k] for k in ("metric", "value", "low", "high", "n")} for row in figures[KIND]]
        student = replace(student, card={**student.card, "metrics": metrics})
    artefacts.write(student, where)
    mib, mib_before = (p.stat().st_size / 2**20 for p in (where, path))
    out = Distilled(
        path=where,
        teacher=digest,
        mib=(mib_before, mib),
        pictures=taught.pictures,
        epochs=taught.epochs,
        seconds=seconds,
        teaching=asdict(teaching),
        test=figures,
        **judged,
    )
    write_text(where.with_suffix(".json"), json.dumps(asdict(out), indent=1, allow_nan=False, default=str) + "\n")
    return out


def teach(path: Path, artefact: Artefact, engine: Engine, data: InspectionDataModule, teaching: Teaching) -> Taught:
    """Train a student of the artefact at `path`, which `engine` has loaded. Raises TachaError as `distil` does."""
    frame = Frame.of_card(artefact.card)
    blank = np.zeros((1, *frame.shape), np.float32)
    if len(engine(blank)) < 2:
        scorer = artefact.card["scorer"]["name"]
        raise TachaError(f"{path}: its scorer {scorer} gives no map for a student to learn; train with another scorer")
    learned, held = _parted(data)
    teacher = Teacher(engine, detector_of(artefact).net, data.view)
    with torch.inference_mode():
        length = teacher.net(torch.from_numpy(blank)).embedding.shape[1]
    settings = NETS.settings(
        KIND,
        backbone=teaching.backbone,
        weights=teaching.weights,
        layers=list(teaching.layers),
        rows=teaching.rows,
        embedding=length,
    )
    torch.manual_seed(teaching.seed)
    try:
        student = Student(**settings)
    except TachaError as error:  # written for a run's configuration, which has the same settings
        raise TachaError(str(error).replace("model.", "--")) from error
    lessons = teacher.lessons(student, learned, teaching.draws, teaching.seed, "what the teacher says")
    last = teacher.lessons(student, held, STOPPED_BY, teaching.seed + 1, "what tells when to stop")
    every = max(1, len(lessons) // SCALED)
    student.look_at([part[::every] for part in lessons.seen], lessons.maps[::every], lessons.embedding[::every])
    scorer = artefact.card["scorer"]["settings"]
    pooling = {k: float(scorer.get(k, 0.0)) for k in ("share", "sigma")}
    learner = Imitate(student, pooling["share"], pooling["sigma"], lr=teaching.lr)
    try:
        rows = imitate(learner, lessons, last, teaching.epochs, teaching.patience, teaching.seed)
    except NotFiniteError as error:
        raise TachaError(f"{path}: its student's loss is not a number any more; lower --lr {teaching.lr:g}") from error
    return Taught(Net(KIND, settings, student), pooling, len(lessons), len(rows))


def _parted(data: InspectionDataModule) -> tuple[list[Sample], list[Sample]]:
    """Good images to learn on, and those that tell when to stop: both of them those that the teacher learned from.

    Padding teaches nothing, so only those that fill the frame.
    """
    samples = [sample for sample in data.train_samples if _fills(data.view.frame, sample)]
    if len(samples) < FEWEST:
        which = f" that fill its frame of {data.view.frame}" if len(samples) < len(data.train_samples) else ""
        raise TachaError(
            f"{data.catalogue.root}: {len(samples)} good images{which} to teach a student with, and {FEWEST} are "
            "needed; add images of good parts and train again"
        )
    return hold_out(samples, VALIDATION, 1, data.seed + 1)


def _fills(frame: Frame, sample: Sample) -> bool:
    try:
        return frame.filled_by(upright_size(sample.path))
    except TachaError:  # listed when the detector was fitted
        return not frame.pads


def _judged(
    found: Probe, faint: Probe, engines: tuple[Engine, Engine], thresholds: tuple[float, float]
) -> dict[str, Any]:
    """Teacher and student side by side on held-out images."""
    from scipy.stats import spearmanr

    scores, maps = zip(*(_said(engine, found.images) for engine in engines), strict=True)
    weak = [faint.scores(engine) for engine in engines]
    good = ~found.labels
    verdicts = [s[good] > limit for s, limit in zip(scores, thresholds, strict=True)]
    return {
        "images": int(good.sum()),
        "auroc": tuple(float(auroc(s, found.labels)[0]) for s in scores),
        "auroc_faint": tuple(float(auroc(s, faint.labels)[0]) for s in weak),
        "score_correlation": float(np.nan_to_num(spearmanr(*scores).statistic)),
        "map_correlation": float(np.mean([_alike(a, b) for a, b in zip(*maps, strict=True)])),
        "changed_verdicts": int((verdicts[0] != verdicts[1]).sum()),
        "latency": _latency(engines, found.images),
        "engines": tuple(f"{engine.name} {engine.precision}" for engine in engines),
    }


def _said(engine: Engine, images: Sequence[Image]) -> tuple[npt.NDArray[np.float64], list[Image]]:
    outputs = [engine(image[None]) for image in images]
    return np.array([float(score[0]) for score, _ in outputs]), [
        over_image(anomaly_map[0], image) for (_, anomaly_map), image in zip(outputs, images, strict=True)
    ]


def _alike(one: Image, other: Image) -> float:
    """Spearman's correlation of two maps, on the finer one's grid."""
    from scipy.stats import spearmanr

    shape = max(one.shape, other.shape)
    flat = [upsample(m, (shape[1], shape[0])).ravel() if m.shape != shape else m.ravel() for m in (one, other)]
    return float(np.nan_to_num(spearmanr(*flat).statistic))


def _latency(engines: tuple[Engine, Engine], images: Sequence[Image]) -> tuple[float, float, float]:
    """The second engine's time over the first's, image by image in turn: median over rounds, lowest, highest."""
    ratios = []
    for _ in range(ROUNDS):
        taken: tuple[list[float], list[float]] = ([], [])
        for i, image in enumerate(images[:TIMED]):
            for turn in (i % 2, 1 - i % 2):
                time.sleep(PAUSE)  # the threads of the one before fall asleep
                began = time.perf_counter()
                engines[turn](image[None])
                taken[turn].append(time.perf_counter() - began)
        ratios.append(statistics.median(taken[1]) / statistics.median(taken[0]))
    return statistics.median(ratios), min(ratios), max(ratios)


def _tested(inspector: Inspector, data: InspectionDataModule, seed: int) -> list[dict[str, Any]]:
    samples = [replace(s, category=inspector.name) for s in data.test_samples]
    return rundir.rows(evaluate(inspector, samples, seed).figures, inspector, seed)
