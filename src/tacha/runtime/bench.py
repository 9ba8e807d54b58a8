"""Artefacts and engines side by side: how fast, how big, how accurate, each in a process of its own.

What is measured takes turns image by image, in an order that moves on by one each time, so that whatever else the
machine does falls on all alike. A pause before each turn lets the threads of the one before fall asleep: they spin.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.progress import track
from tacha.runtime.machine import available_cores

PAUSE = 0.03  # seconds
WARM_UP = 3  # images


@dataclass(frozen=True)
class Variant:
    """One artefact on one engine, under a name of its own or else its file's."""

    artefact: Path
    engine: str
    precision: str = "f32"
    name: str = ""

    @property
    def label(self) -> str:
        return f"{self.name or self.artefact.stem} · {self.engine} {self.precision}"


@dataclass
class Measured:
    """What was measured of a variant. Times are in ms, of one image; sizes in MiB.

    `whole`: from file to verdict, a list a round. `inside`: of these, the engine alone. `figures`: rows of an
    evaluation, where labelled images were given.
    """

    variant: Variant
    about: dict[str, Any]
    start_seconds: float
    size_mb: float
    whole: list[list[float]] = field(default_factory=list)
    inside: list[list[float]] = field(default_factory=list)
    verdicts: dict[Path, str] = field(default_factory=dict)
    images_per_second: float = 0.0
    peak_mb: float | None = None
    figures: list[dict[str, Any]] = field(default_factory=list)

    def quantile(self, share: float, inside: bool = False) -> float:
        """Over all rounds' images."""
        times = [x for part in (self.inside if inside else self.whole) for x in part]
        return float(np.quantile(times, share))

    def ratio(self, other: Measured) -> tuple[float, float, float]:
        """Its median time over the other's: the median over rounds, and the lowest and highest round."""
        found = [statistics.median(a) / statistics.median(b) for a, b in zip(self.whole, other.whole, strict=True)]
        return statistics.median(found), min(found), max(found)

    def changed(self, other: Measured) -> int:
        """Images that the two judge differently."""
        return sum(verdict != other.verdicts.get(path, verdict) for path, verdict in self.verdicts.items())


def bench(
    variants: Sequence[Variant],
    images: Sequence[Path],
    samples: Sequence[Sample] = (),
    *,
    rounds: int = 3,
    threads: int | None = None,
    batch: int = 8,
    seed: int = 0,
) -> list[Measured]:
    """Measure every variant on the images, `rounds` times over, and then its accuracy on labelled samples.

    `threads`: cores each engine may use; None for all that this process may. Raises TachaError naming the variant that
    cannot be started or that ended before its time.
    """
    if not images:
        raise TachaError("there is no image to measure on: give some, or a data set with test images")
    threads = threads or available_cores()
    with ExitStack() as open_ones:
        workers = [open_ones.enter_context(_worker(v, threads, seed)) for v in track(variants, len(variants), "start")]
        for worker in workers:
            for path in images[:WARM_UP]:
                worker.ask("judge", path)
        for _ in range(rounds):
            for worker in workers:
                worker.measured.whole.append([])
                worker.measured.inside.append([])
            for place, path in enumerate(track(images, len(images), "taking turns")):
                turn = place % len(workers)
                for worker in (*workers[turn:], *workers[:turn]):
                    time.sleep(PAUSE)
                    whole, inside, verdict = worker.ask("judge", path)
                    worker.measured.whole[-1].append(whole)
                    worker.measured.inside[-1].append(inside)
                    worker.measured.verdicts[path] = verdict
        for worker in workers:
            worker.measured.images_per_second = worker.ask("throughput", list(images), batch)
            worker.measured.peak_mb = worker.ask("peak")
        if samples:
            for worker in track(workers, len(workers), "judging the test images"):
                worker.measured.figures, verdicts = worker.ask("evaluate", samples)
                worker.measured.verdicts |= verdicts
    return [worker.measured for worker in workers]


@dataclass
class _Worker:
    measured: Measured
    line: Connection

    def ask(self, what: str, *arguments: Any) -> Any:
        return _asked(self.measured.variant, self.line, what, *arguments)


@contextmanager
def _worker(variant: Variant, threads: int, seed: int) -> Iterator[_Worker]:
    """A process with the variant started, told to end when the block does."""
    begin = multiprocessing.get_context("spawn")
    line, theirs = begin.Pipe()
    process = begin.Process(target=_serve, args=(variant, threads, seed, theirs), daemon=True)
    began = time.perf_counter()
    process.start()
    theirs.close()
    try:
        about = _answer(variant, line)
        size = variant.artefact.stat().st_size / 2**20
        yield _Worker(Measured(variant, about, time.perf_counter() - began, size), line)
    finally:
        line.close()
        process.join(5)
        process.kill()


def _asked(variant: Variant, line: Connection, what: str, *arguments: Any) -> Any:
    with suppress(ConnectionError):  # it ended: reading says so, and what it said last
        line.send((what, arguments))
    return _answer(variant, line)


def _answer(variant: Variant, line: Connection) -> Any:
    try:
        kind, answer = line.recv()
    except (EOFError, ConnectionError) as error:
        raise TachaError(
            f"{variant.label}: its process ended before it answered, as one does that runs out of memory; "
            "measure fewer at a time"
        ) from error
    if kind == "error":
        raise TachaError(f"{variant.label}: {answer}")
    return answer


def _serve(variant: Variant, threads: int, seed: int, line: Connection) -> None:
    """The other process: start the variant, then answer until the line is closed."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before a library reads it
    try:
        server = _Server(variant, threads, seed)
        line.send(("done", server.about))
        while True:
            what, arguments = line.recv()
            line.send(("done", getattr(server, what)(*arguments)))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return
    except TachaError as error:
        line.send(("error", str(error)))
    except Exception as error:  # an engine's own, which would look like a process that ran out of memory
        line.send(("error", f"{type(error).__name__}: {' '.join(str(error).split())}"))


class _Timed:
    """An engine that adds up how long its calls took."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.name, self.precision, self.seconds = engine, engine.name, engine.precision, 0.0

    def __call__(self, images: Any) -> Any:
        began = time.perf_counter()
        outputs = self.engine(images)
        self.seconds += time.perf_counter() - began
        return outputs


class _Server:
    def __init__(self, variant: Variant, threads: int, seed: int) -> None:
        from tacha.inspector import Inspector
        from tacha.runtime import artefact as artefacts
        from tacha.runtime.engines import start

        artefact = artefacts.read(variant.artefact)
        self.engine = _Timed(start(artefact, variant.engine, variant.precision, threads))
        self.inspector = Inspector(artefact, self.engine)
        self.seed = seed
        frame = self.inspector.view.frame
        self.engine(np.zeros((1, *frame.shape), np.float32))
        card = artefact.card
        self.about = {"category": card["name"], "net": card["net"]["name"], "scorer": card["scorer"]["name"]}
        self.about |= {"frame": str(frame), "threads": threads}

    def judge(self, path: Path) -> tuple[float, float, str]:
        self.engine.seconds = 0.0
        began = time.perf_counter()
        found = self.inspector.inspect(path)
        return 1e3 * (time.perf_counter() - began), 1e3 * self.engine.seconds, found.verdict

    def throughput(self, paths: list[Path], batch: int) -> float:
        list(self.inspector.inspect_many(paths[:batch], batch=batch))
        began = time.perf_counter()
        count = sum(1 for _ in self.inspector.inspect_many(paths, batch=batch))
        return count / (time.perf_counter() - began)

    def peak(self) -> float | None:
        status = Path("/proc/self/status")
        # What getrusage says on Linux begins at what the parent held when it started this process.
        if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))):
            return int(found[1]) / 2**10
        try:
            import resource
        except ImportError:  # Windows
            return None
        import sys

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

    def evaluate(self, samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], dict[Path, str]]:
        from tacha import rundir
        from tacha.evaluation import evaluate

        found = evaluate(self.inspector, samples, self.seed)
        verdicts = {p.path: p.verdict for p in found.predictions}
        return rundir.rows(found.figures, self.inspector, self.seed), verdicts
