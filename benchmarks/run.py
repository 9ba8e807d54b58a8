"""tacha beside its peers, measured here: `python benchmarks/run.py --against anomalib,anomavision --data DIR`.

Each peer gets an environment of its own (made on the first run, 7 GB each). `python benchmarks/run.py table` writes the
README's section and docs/lead.md's from what was measured, `table --check` says whether they are as they should be;
`python benchmarks/run.py costs` measures what depends on no category anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from peers import page
from peers.about import load, machine, revision
from peers.comparison import Plan, compare, longest
from peers.contenders import chosen
from peers.environments import PEERS, python_of
from tacha.data.layouts import read_catalogue
from tacha.errors import TachaError
from tacha.files import check_folder, write_text
from tacha.runtime.machine import available_cores
from tacha.versions import versions

RESULTS = Path(__file__).parent / "results"
PLANNED = ("against", "only", "limit", "rounds", "threads", "patience", "fits", "train", "test", "seed")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", choices=("compare", "costs", "table"), default="compare")
    parser.add_argument("--against", default=",".join(PEERS), help="peers, separated by commas; empty for none")
    parser.add_argument("--data", type=Path, default=os.environ.get("TACHA_DATA"), help="MVTec layout; or TACHA_DATA")
    parser.add_argument("--categories", default="screw,transistor")
    parser.add_argument("--only", help="contenders by name, separated by commas; the others stand beside the first")
    parser.add_argument("--limit", type=int, default=8, help="test images in the timed rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=available_cores(), help="cores that each contender may use")
    parser.add_argument("--patience", type=float, default=600, help="seconds that a step may take: a fit, judging all")
    parser.add_argument("--fits", type=int, default=2, help="how often tacha fits anew, for the spread of its time")
    parser.add_argument("--train", type=int, help="training images; all of them if not said")
    parser.add_argument("--test", type=int, help="test images; all of them if not said")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--venvs", type=Path, help="where the peers' environments are; the user's cache if not said")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--root", type=Path, default=page.ROOT, help="table: the folder of README.md and docs")
    parser.add_argument("--check", action="store_true", help="table: write nothing, fail where something would change")
    return parser.parse_args()


def measured(asked: argparse.Namespace) -> None:
    """Compare every category, then the costs; each file is written as soon as it is known."""
    if asked.data is None:
        raise TachaError("no data set: add --data DIR, a folder in MVTec layout, or set TACHA_DATA")
    for name in ("limit", "rounds", "threads", "fits"):
        if getattr(asked, name) < 1:
            raise TachaError(f"--{name} {getattr(asked, name)}: give 1 or more")
    for name, least in (("patience", 1), ("train", 2), ("test", 2)):
        if getattr(asked, name) is not None and not getattr(asked, name) >= least:
            raise TachaError(f"--{name} {getattr(asked, name)}: give {least} or more")
    check_folder(asked.out)
    peers = list(filter(None, asked.against.split(",")))
    contenders = chosen(peers, asked.only.split(",") if asked.only else None)
    categories = list(filter(None, asked.categories.split(",")))
    if not categories:
        raise TachaError("--categories: names none; give one or more, separated by commas")
    catalogue = read_catalogue(asked.data.expanduser(), "mvtec", categories=categories)
    pythons = {peer: python_of(peer, asked.venvs) for peer in ("tacha", *peers)}
    given_up: set[str] = set()
    started = time.perf_counter()
    base = {"revision": revision(), "versions": versions()}  # before the first file written makes the sources differ
    with tempfile.TemporaryDirectory(prefix="tacha-peers-") as scratch:
        plan = Plan(
            pythons, Path(scratch), asked.limit, asked.rounds, asked.threads, asked.patience, asked.fits,
            asked.train, asked.test, asked.seed,
        )  # fmt: skip
        # What is timed only takes about as long on one category as on another.
        fitted = [c for c in contenders if not c.timed_only]
        todo = {c: fitted if number else contenders for number, c in enumerate(categories) if asked.verb == "compare"}
        bound = sum(longest(mine, plan) for mine in todo.values())
        print(
            f"{len(contenders)} contenders, {', '.join(categories)}; at most {bound / 3600:.1f} h if every step took "
            f"--patience {asked.patience:g} s",
            flush=True,
        )
        for category, mine in todo.items():
            train = catalogue.select(split="train", category=category, label=0)
            test = catalogue.select(split="test", category=category)
            about = {**_about(asked), **base}
            began = time.perf_counter()
            found = compare(category, train, test, mine, plan, given_up)
            _write(asked.out / f"{category}.json", about, began, found)
        if asked.only is None:
            from peers.costs import memory, start_up

            about = {**_about(asked), **base}
            began = time.perf_counter()
            train = catalogue.select(split="train", category=categories[0], label=0)
            found = {"start_up": start_up(pythons, plan)}
            found["memory"] = memory(contenders[0], [s.path for s in train][: asked.train], plan)
            _write(asked.out / page.COSTS, about, began, {"category": categories[0], **found})
    print(f"in all {(time.perf_counter() - started) / 60:.1f} min; next: python benchmarks/run.py table", flush=True)


def _about(asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(asked.threads),
        "plan": {name: getattr(asked, name) for name in PLANNED},
    }


def _write(file: Path, about: dict[str, Any], began: float, found: dict[str, Any]) -> None:
    about |= {"seconds": round(time.perf_counter() - began, 1)}
    about["machine"]["load_after"] = load()
    write_text(file, json.dumps({**about, **_short(found)}, indent=1, ensure_ascii=False) + "\n")
    print(f"{file}: written, {about['seconds']:.0f} s", flush=True)


def _short(value: Any) -> Any:
    """Numbers at six digits: more are noise, and the files stay small."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    return [_short(v) for v in value] if isinstance(value, list | tuple) else value


def main() -> None:
    asked = arguments()
    try:
        if asked.verb == "table":
            changed = page.write(asked.out, asked.check, asked.root)
            if asked.check and changed:
                raise TachaError(f"{', '.join(map(str, changed))}: not what {asked.out} says; run this without --check")
            print("\n".join(f"{path}: written" for path in changed) or "nothing changed")
        else:
            measured(asked)
    except TachaError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print(f"stopped; what was finished is in {asked.out}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
