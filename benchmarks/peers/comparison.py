"""One category: everyone fits on the same images, then judges the same images in turns, then all test images once."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tacha
from peers.contenders import Contender
from peers.worker import StoppedError, Worker, WorkerError
from tacha.data.image import read_mask
from tacha.data.sample import Sample
from tacha.metrics import PixelFigures, image_figures
from tacha.metrics.bootstrap import bootstrap_interval
from tacha.metrics.ranking import auroc
from tacha.regions import upsample
from tacha.runtime.bench import PAUSE, WARM_UP

FIGURES = ("image_auroc", "image_f1_max", "pixel_auroc", "pixel_f1_max", "aupro_30")
TACHA = Path(tacha.__file__).parent


@dataclass(frozen=True)
class Plan:
    """What was asked for.

    `limit`: test images in the timed rounds. `train`, `test`: images, None for all. `patience`: seconds that any one
    step of a contender's may take: a fit, being opened, all its timed rounds, judging all test images.
    """

    pythons: dict[str, Path]
    scratch: Path
    limit: int
    rounds: int
    threads: int
    patience: float
    fits: int
    train: int | None
    test: int | None
    seed: int


@dataclass
class Entry:
    """One contender on one engine, as it goes through a comparison."""

    contender: Contender
    engine: str
    row: dict[str, Any]
    worker: Worker | None = None
    left: float = 0.0  # of patience, for the present step
    rounds: list[list[float]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


def compare(
    category: str,
    train: Sequence[Sample],
    test: Sequence[Sample],
    contenders: Sequence[Contender],
    plan: Plan,
    given_up: set[str],
) -> dict[str, Any]:
    """The fits and the rows of one category. `given_up` names those whose own fit is not tried again, and grows."""
    home = plan.scratch / category
    images = copied([s.path for s in train][: plan.train], home / "train")
    fits = [_fitted(c, images, home / c.name, plan, given_up) for c in contenders]
    test = _spread(test, plan.test)
    with ExitStack() as open_ones:
        entries = list(_opened(contenders, fits, home, plan, open_ones))
        ready = [e for e in entries if e.worker]
        _turns(ready, [s.path for s in _spread(test, plan.limit)], plan)
        judged = [e for e in ready if not e.contender.timed_only]
        for entry in list(judged):
            _judge_all(entry, judged, test, home / "map.npy", plan)
        for entry in ready:
            if "failed" not in entry.row:
                assert entry.worker is not None
                entry.row["peak_mib"] = entry.worker.ask("peak", plan.patience)
    _set_apart(judged, test, plan.seed)
    return {
        "category": category,
        "train": len(list(images.iterdir())),
        "test": len(test),
        "flawed": sum(s.label for s in test),
        "timed": min(plan.limit, len(test)),
        "lead": judged[0].contender.name if judged else None,  # what `auroc_below_lead` is about
        "fits": fits,
        "rows": [e.row for e in entries],
    }


def longest(contenders: Sequence[Contender], plan: Plan) -> float:
    """Seconds that a category takes at most: every step of everyone as long as patience lasts."""
    fits = sum(_tries(c, plan) + _has_coreset(c) for c in contenders)
    return plan.patience * (fits + 3 * sum(len(c.engines) for c in contenders))


def copied(paths: Sequence[Path], folder: Path) -> Path:
    """A folder of exactly these images, for whoever takes a folder."""
    folder.mkdir(parents=True)
    for number, path in enumerate(paths):
        shutil.copyfile(path, folder / f"{number:05}{path.suffix}")
    return folder


def _spread(samples: Sequence[Sample], count: int | None) -> list[Sample]:
    """`count` of them, evenly over their order, so that every kind is there."""
    if count is None or count >= len(samples):
        return list(samples)
    return [samples[i * len(samples) // count] for i in range(count)]


def _fitted(contender: Contender, images: Path, home: Path, plan: Plan, given_up: set[str]) -> dict[str, Any]:
    """What fitting gave; `own` says what became of the contender's own fit where another had to take its place."""
    row: dict[str, Any] = {
        "contender": contender.name,
        "title": contender.title,
        "peer": contender.peer,
        "weights": contender.weights,
        "coreset": contender.coreset,
        "asked": contender.settings,
    }
    if contender.timed_only:
        row["own"] = f"not tried: {contender.why}"
    elif contender.name in given_up:
        row["own"] = "not tried: it was stopped on an earlier category"
    if contender.images is not None:
        images = copied(sorted(images.iterdir())[: contender.images], home / "some")
    try:
        if contender.name not in given_up:
            return row | _fit(contender, images, home, plan, contender.coreset)
    except StoppedError as stopped:
        _say(f"{contender.name}: its fit was {stopped}")
        if contender.timed_only:
            return row | {"failed": f"its fit was {stopped}"}
        given_up.add(contender.name)
        row["own"] = str(stopped)
        row["stopped"] = {"seconds": stopped.seconds, "share": stopped.share, "estimated_seconds": stopped.estimate}
    except WorkerError as error:
        _say(f"{contender.name}: failed: {error}")
        return row | {"failed": _words(error, plan)}
    if not _has_coreset(contender):
        return row | {"failed": f"its fit was {row['own']}"}
    row["coreset"] = "tacha"
    try:
        return row | _fit(contender, images, home, plan, "tacha")
    except (StoppedError, WorkerError) as error:
        return row | {"failed": f"with tacha's coreset: {_words(error, plan)}"}


def _has_coreset(contender: Contender) -> bool:
    """Whether another coreset can take the place of its own."""
    return contender.settings.get("method") == "patchcore" and not contender.timed_only


def _tries(contender: Contender, plan: Plan) -> int:
    return plan.fits if contender.peer == "tacha" else 1


def _fit(contender: Contender, images: Path, home: Path, plan: Plan, coreset: str) -> dict[str, Any]:
    seconds: list[float] = []
    peaks: list[float | None] = []
    for number in range(_tries(contender, plan)):
        out = home / f"fit{number}-{coreset}"
        out.mkdir(parents=True)
        with Worker(contender.peer, plan.pythons[contender.peer], out, home / "log.txt") as worker:
            found = worker.ask(
                "fit",
                plan.patience,
                folder=str(images),
                out=str(out),
                settings=contender.settings,
                threads=plan.threads,
                seed=plan.seed,
                coreset=coreset,
                tacha=str(TACHA),
            )
        seconds.append(found.pop("seconds"))
        peaks.append(found.pop("peak_mib"))
        _say(f"{contender.name}: fitted in {seconds[-1]:.1f} s ({coreset})")
    return {"seconds": seconds, "fit_peak_mib": peaks, "images": len(list(images.iterdir())), **found}


def _opened(
    contenders: Sequence[Contender], fits: Sequence[dict[str, Any]], home: Path, plan: Plan, stack: ExitStack
) -> Iterator[Entry]:
    for contender, fit in zip(contenders, fits, strict=True):
        files, mib = fit.pop("files", {}), fit.pop("mib", {})
        for engine in contender.engines:
            row: dict[str, Any] = {"contender": contender.name, "title": contender.title, "peer": contender.peer}
            row |= {"engine": engine, "weights": contender.weights, "coreset": fit["coreset"]}
            if contender.quoted.get(home.name) is not None:
                row["quoted_auroc"] = contender.quoted[home.name]
            entry = Entry(contender, engine, row)
            if engine not in files:
                row["failed"] = fit.get("failed") or "; ".join(fit.get("notes", ())) or "no export"
                yield entry
                continue
            row["mib"] = mib[engine]
            folder = home / contender.name
            worker = stack.enter_context(
                Worker(contender.peer, plan.pythons[contender.peer], folder, folder / "log.txt")
            )
            began = time.perf_counter()
            try:
                row |= worker.ask(
                    "open",
                    plan.patience,
                    file=files[engine],
                    engine=engine,
                    threads=plan.threads,
                    settings=contender.settings,
                )
                row["start_seconds"] = time.perf_counter() - began
                entry.worker = worker
            except (StoppedError, WorkerError) as error:
                row["failed"] = f"being opened: {_words(error, plan)}"
                _say(f"{contender.name} {engine}: failed: {error}")
            yield entry


def _turns(entries: list[Entry], images: Sequence[Path], plan: Plan) -> None:
    """Each image by everyone before the next one, in an order that moves on by one each time."""
    for entry in list(entries):
        entry.left = plan.patience
        for path in images[:WARM_UP]:
            if entry in entries:
                _ask(entry, entries, path, plan)
    for number in range(plan.rounds):
        for entry in entries:
            entry.rounds.append([])
        for place, path in enumerate(images):
            turn = place % max(1, len(entries))
            for entry in [*entries[turn:], *entries[:turn]]:
                time.sleep(PAUSE)
                answer = _ask(entry, entries, path, plan)
                if answer is not None:
                    entry.rounds[-1].append(1e3 * answer["seconds"])
        _say(f"round {number + 1} of {plan.rounds}")
    for entry in entries:
        entry.row["round_p50_ms"] = [statistics.median(times) for times in entry.rounds]
        every = [t for times in entry.rounds for t in times]
        entry.row |= {f"p{share}_ms": float(np.percentile(every, share)) for share in (50, 95)}


def _ask(
    entry: Entry, entries: list[Entry], path: Path, plan: Plan, map_file: Path | None = None
) -> dict[str, Any] | None:
    """Its judgement; who cannot judge an image is out, with what it said in its row."""
    assert entry.worker is not None
    began = time.perf_counter()
    try:
        more = {} if map_file is None else {"map_file": str(map_file)}
        answer: dict[str, Any] = entry.worker.ask("judge", entry.left, path=str(path), **more)
        if not np.isfinite(answer["score"]):
            raise WorkerError(f"{path.name}: its score is {answer['score']}")
        entry.left -= time.perf_counter() - began
        return answer
    except (StoppedError, WorkerError) as error:
        entry.row["failed"] = f"judging: {_words(error, plan)}"
        entries.remove(entry)
        _say(f"{entry.contender.name} {entry.engine}: failed: {error}")
        return None


def _judge_all(entry: Entry, entries: list[Entry], test: Sequence[Sample], map_file: Path, plan: Plan) -> None:
    """Figures of the raw scores and maps, by the same code for everyone."""
    pixels = PixelFigures()
    began = time.perf_counter()
    entry.left = plan.patience
    for sample in test:
        answer = _ask(entry, entries, sample.path, plan, map_file)
        if answer is None:
            return
        entry.scores.append(answer["score"])
        size, mask = _mask(sample)
        if mask is not None:
            pixels.add(upsample(np.load(map_file), size), mask)
    labels = [s.label for s in test]
    # The threshold is nobody's: what depends on one is not among the figures kept.
    threshold = float(np.median(entry.scores))
    found = [*image_figures(entry.scores, labels, threshold, plan.seed), *pixels.figures(plan.seed)]
    entry.row["figures"] = {f.metric: [f.value, f.low, f.high] for f in found if f.metric in FIGURES}
    shown = entry.row["figures"].get("image_auroc", [float("nan")])[0]
    _say(f"{entry.contender.name} {entry.engine}: AUROC {shown:.3f}, {time.perf_counter() - began:.0f} s")


def _mask(sample: Sample) -> tuple[tuple[int, int], np.ndarray[Any, Any] | None]:
    from PIL import Image

    with Image.open(sample.path) as image:
        size = image.size
    if not sample.label:
        return size, np.zeros((size[1], size[0]), dtype=bool)
    mask = read_mask(sample.mask, size) if sample.mask else None
    return size, mask if mask is not None and mask.any() else None


def _set_apart(entries: Sequence[Entry], test: Sequence[Sample], seed: int) -> None:
    """By how much the first contender's AUROC is above each other's, on the same resampled images."""
    labels = np.array([s.label for s in test])
    if not entries or labels.all() or not labels.any():
        return
    lead = np.array(entries[0].scores)
    for entry in entries[1:]:
        other = np.array(entry.scores)

        def above(weights: Any = None, other: Any = other) -> Any:
            return auroc(lead, labels, weights) - auroc(other, labels, weights)

        entry.row["auroc_below_lead"] = [float(above()[0]), *bootstrap_interval(above, labels, seed, 1000)]


def _words(error: Exception, plan: Plan) -> str:
    """What went wrong, without the name of a folder that is gone by the time it is read."""
    return str(error).replace(f"{plan.scratch}/", "")


def _say(text: str) -> None:
    print(text, flush=True)
