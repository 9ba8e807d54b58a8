"""One artefact on every engine, side by side: `python benchmarks/engines.py ARTEFACT IMAGE... [--rounds N]`.

Each image is judged by each engine in turn, from file to verdict, the order turning by one from image to image, so that
what else the machine does falls on all of them alike. Each engine has a process of its own and a pause before its turn:
the threads of another would still spin, waiting for work. Ratios are of a round's medians; their range is over rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path

PAUSE = 0.05  # seconds


def judge(artefact: Path, engine: str, turns: Connection) -> None:
    """Answer each path with (milliseconds, verdict) until there is none."""
    from tacha import load

    inspector = load(artefact, engine=engine)
    while (path := turns.recv()) is not None:
        began = time.perf_counter()
        found = inspector.inspect(path)
        turns.send((1e3 * (time.perf_counter() - began), found.verdict))


def main() -> None:
    from tacha.runtime.engines import ENGINES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    names = ENGINES.names()
    start = multiprocessing.get_context("spawn")
    turns: dict[str, Connection] = {}
    for name in names:
        turns[name], theirs = start.Pipe()
        start.Process(target=judge, args=(asked.artefact, name, theirs), daemon=True).start()
    medians: dict[str, list[float]] = {name: [] for name in names}
    verdicts: dict[Path, set[str]] = {}
    for number in range(-1, asked.rounds):  # the first is for warming up: a few images, and not counted
        took: dict[str, list[float]] = {name: [] for name in names}
        for place, path in enumerate(asked.images if number >= 0 else asked.images[:3]):
            for name in (*names[place % len(names) :], *names[: place % len(names)]):
                time.sleep(PAUSE)
                turns[name].send(path)
                milliseconds, verdict = turns[name].recv()
                took[name].append(milliseconds)
                verdicts.setdefault(path, set()).add(verdict)
        if number >= 0:
            for name in names:
                medians[name].append(statistics.median(took[name]))
    for connection in turns.values():
        connection.send(None)
    print(f"{len(asked.images)} images, {asked.rounds} rounds, {platform.machine()}\n")
    print("| engine | ms an image, median | of torch's time | lowest and highest round |\n|---|---|---|---|")
    for name in names:
        ratios = [mine / theirs for mine, theirs in zip(medians[name], medians["torch"], strict=True)]
        print(
            f"| {name} | {statistics.median(medians[name]):.1f} | {statistics.median(ratios):.2f} | "
            f"{min(ratios):.2f}–{max(ratios):.2f} |"
        )
    changed = sum(len(found) > 1 for found in verdicts.values())
    print(f"\nVerdicts that differ between engines: {changed} of {len(verdicts)}.")


if __name__ == "__main__":
    main()
