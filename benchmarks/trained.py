"""The trained models side by side: `python benchmarks/trained.py run DATA OUT` trains, `... page OUT` prints the page.

Every run is one `tacha train` in a folder of its own under OUT. The same command again goes on where it was cut off and
leaves alone what is finished. DATA is a folder in MVTec layout with screw, transistor and magnetic_tile.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

CATEGORIES = ("screw", "transistor", "magnetic_tile")
RATES = ("1e-3", "3e-4", "1e-4")
LOSSES = ("l1", "l2", "ssim", "ssim_l1")
LAYERS = ("[2]", "[3]", "[2,3]")
SEEDS = (0, 1, 2)
COMMON = ["data.size=128", "data.batch_size=32", "trainer.patience=2", "evaluation.gallery=2", "logger=csv"]
CLASSIFIER = ["trainer.max_epochs=5", "model.teacher_epochs=4"]
VIT = ["experiment=leather_vit", "model.backbone=vit_tiny_patch16_224", "model.weights=none", "model.lr=5e-4"]
FEATCAE = ["model.lr=3e-3", "data.batch_size=8", "trainer.max_epochs=15"]
CODER = ["experiment=tarea_05", "model.width=8", "trainer.max_epochs=6"]


class Planned(NamedTuple):
    """One run: the title that it stands under, its folder's name, and what its command adds."""

    title: str
    name: str
    overrides: list[str]


def plan() -> Iterator[Planned]:
    """The runs in the order of their worth, so that a plan cut short has something of everything."""
    yield from _classifiers(RATES[0], 0, ["confidence", "cosine", "memory_bank", "padim", "subspace"])
    for model in ("autoencoder", "unet"):
        for loss in LOSSES:
            more = [f"+scorer@others.{s}={s}" for s in ("euclidean", "knn", "cosine") if loss == "l2"]
            yield Planned("Autoencoders", f"{model}-{loss}", [*CODER, f"model={model}", f"model.loss={loss}", *more])
    for layers in LAYERS:
        flat = layers.strip("[]").replace(",", "")
        more = ["model=featcae", f"model.layers={layers}", *FEATCAE]
        more += [f"+scorer@others.{s}={s}" for s in ("mahalanobis", "knn") if layers == LAYERS[-1]]
        yield Planned("FeatCAE", f"featcae-{flat}", more)
    more = ["data.batch_size=16", "trainer.max_epochs=15", "trainer.patience=15"]
    yield Planned("ViT on six classes", "vit", [*VIT, *more, "data.categories=[magnetic_tile]"])
    for seed in SEEDS[1:]:
        yield from _classifiers(RATES[0], seed)
    for name, setting in (("noise", "model.noise=0.1"), ("mask", "model.mask=0.3"), ("skips2", "model.skips=2")):
        yield Planned("Skips", f"unet-l2-{name}", [*CODER, "model=unet", "model.loss=l2", setting])
    for rate in RATES[1:]:
        yield from _classifiers(rate, 0)
        yield Planned("Model C", f"unet-l2-{rate}", [*CODER, "model=unet", "model.loss=l2", f"model.lr={rate}"])


def _classifiers(rate: str, seed: int, scorers: Sequence[str] = ()) -> Iterator[Planned]:
    for letter, model in (("A", "cnn"), ("B", "cnn_distilled")):
        overrides = ["experiment=proyecto_ii", f"model={model}", f"model.lr={rate}", f"seed={seed}"]
        overrides += [s for s in CLASSIFIER if model == "cnn_distilled" or not s.startswith("model.teacher")]
        overrides += [f"+scorer@others.{s}={s}" for s in scorers]
        yield Planned(f"Model {letter}", f"{model}-{rate}-seed{seed}", overrides)


def run(data: str, out: Path, jobs: int) -> None:
    """Train what is not there yet, `jobs` at a time with the cores shared among them."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def one(planned: Planned) -> None:
        folder = out / planned.name
        if (folder / "metrics.json").is_file():
            return
        where = ["data=mvtec", f"data.root={data}"]
        if not any("data.categories" in o for o in planned.overrides):
            where.append(f"data.categories=[{','.join(CATEGORIES)}]")
        # The experiment is named first, so that what this plan sets wins over it.
        command = [sys.executable, "-m", "tacha", "train", *COMMON, *planned.overrides, *where]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("w") as log:
            done = subprocess.run([*command, f"hydra.run.dir={folder}"], env=environment, stdout=log, stderr=log)
        print(f"{planned.name}: {'done' if not done.returncode else f'failed, see {folder}/log.txt'}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, plan()))


def page(out: Path) -> None:
    """Print what the finished runs found as Markdown: a table a kind of model, B against A, what the intervals hold."""
    from tacha.report.compare import MEAN, compare

    planned = [p for p in plan() if (out / p.name / "metrics.json").is_file()]
    missing = [p.name for p in plan() if p not in planned]
    comparison = compare([out / p.name for p in planned])
    lines: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    shown = {m: {c: comparison.judged(m, c) for c in comparison.categories(m)} for m in ("image_auroc", "pixel_auroc")}
    for i, entry in enumerate(comparison.entries):
        name = entry.run.folder.name
        title = next(p.title for p in planned if p.name == name)
        seconds = [v.value for v in entry.figures.get("train_seconds", {}).values()]
        seconds += [v.value for v in entry.figures.get("teacher_train_seconds", {}).values()]
        cells = {c: column[i] for c, column in shown["image_auroc"].items()}
        pixel = shown["pixel_auroc"].get(MEAN, [None] * len(comparison.entries))[i]
        key = (name, _scorer(entry.run, entry.settings))
        lines.setdefault(title, {})[key] = {**cells, "pixel": pixel, "minutes": sum(seconds) / 60}
    for title, found in lines.items():
        print(f"\n### {title}\n")
        print(f"| run | scorer | {' | '.join(CATEGORIES)} | mean | mean pixel AUROC | minutes to train |")
        print("|" + "---|" * 7)
        for (name, scorer), cells in found.items():
            figures = [_cell(cells.get(c)) for c in (*CATEGORIES, MEAN, "pixel")]
            print(f"| {name} | {scorer} | {' | '.join(figures)} | {cells['minutes']:.1f} |")
        if title.startswith("ViT"):
            _classes(out / next(name for name, _ in found))
    print("\n### Which differences hold\n")
    for category in (*CATEGORIES, MEAN):
        column = shown["image_auroc"][category]
        best = next(i for i, j in enumerate(column) if j is not None and j.best)
        close = sum(j is not None and j.apart is False for j in column)
        apart = sum(j is not None and j.apart is True for j in column)
        entry = comparison.entries[best]
        print(
            f"- {category}: the highest is {entry.run.folder.name} under {_scorer(entry.run, entry.settings)}, "
            f"{_cell(column[best])}; the intervals set {apart} entries apart from it and {close} not."
        )
    print("\n### B against A\n")
    _differences(lines)
    if missing:
        print(f"\nNot run: {', '.join(missing)}.")


def _classes(run: Path) -> None:
    """How the classifier of kinds of flaw names the test images, and its three scores of anomaly."""
    rows = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["rows"]
    metrics = ("image_auroc", "image_ap", "image_accuracy", "image_accuracy_max", "best_threshold")
    print(f"\n| score | {' | '.join(metrics)} |\n|{'---|' * (len(metrics) + 1)}")
    for scorer in dict.fromkeys(r["scorer"] for r in rows if r["scorer"]):
        mine = {r["metric"]: r for r in rows if r["scorer"] == scorer}
        print(f"| {scorer} | {' | '.join(_row(mine.get(m)) for m in metrics)} |")
    of_class = {r["metric"]: r for r in rows if r["scorer"] is None}
    names = dict.fromkeys(m.partition("/")[2] for m in of_class if "/" in m)
    print("\n| class | test images | precision | recall | F1 |\n|---|---|---|---|---|")
    for name in names:
        cells = [of_class.get(f"class_{kind}/{name}") for kind in ("precision", "recall", "f1")]
        count = (of_class.get(f"class_recall/{name}") or {}).get("n", 0)
        print(f"| {name} | {count} | {' | '.join(map(_row, cells))} |")
    print(f"\nAccuracy over all classes: {_row(of_class.get('test_accuracy'))}.")


def _row(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    interval = "" if row["low"] is None else f" [{row['low']:.3f}–{row['high']:.3f}]"
    return f"{row['value']:.3f}{interval}"


def _differences(lines: dict[str, dict[tuple[str, str], dict[str, Any]]]) -> None:
    """B less A at equal settings and seed, each scorer: mean over seeds, and Student's 95 % interval of it."""
    from scipy.stats import t

    print(f"| scorer | {' | '.join((*CATEGORIES, 'mean'))} | seeds |\n|---|---|---|---|---|---|")
    a, b = lines.get("Model A", {}), lines.get("Model B", {})
    for scorer in dict.fromkeys(s for _, s in b):
        cells, n = [], 0
        for category in (*CATEGORIES, "mean"):
            pairs = [
                (a.get((f"cnn-{RATES[0]}-seed{s}", scorer)), b.get((f"cnn_distilled-{RATES[0]}-seed{s}", scorer)))
                for s in SEEDS
            ]
            gains = [y[category].value.value - x[category].value.value for x, y in pairs if x and y]
            n = len(gains)
            if n < 2:
                continue
            half = float(t.ppf(0.975, n - 1)) * statistics.stdev(gains) / math.sqrt(n)
            mean = statistics.mean(gains)
            cells.append(f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]")
        if cells:
            print(f"| {scorer} | {' | '.join(cells)} | {n} |")


def _scorer(run: Any, settings: dict[str, str]) -> str:
    return settings.get("scorer", run.settings.get("scorer.name", "–"))


def _cell(judged: Any) -> str:
    if judged is None:
        return "–"
    v = judged.value
    mark = "**" if judged.best else ""
    interval = "" if v.low is None or v.high is None else f" [{v.low:.3f}–{v.high:.3f}]"
    return f"{mark}{v.value:.3f}{mark}{interval}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(required=True, dest="verb")
    training = verbs.add_parser("run")
    training.add_argument("data")
    training.add_argument("out", type=Path)
    training.add_argument("--jobs", type=int, default=1)
    verbs.add_parser("page").add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.verb == "run":
        run(asked.data, asked.out, asked.jobs)
    else:
        page(asked.out)


if __name__ == "__main__":
    main()
