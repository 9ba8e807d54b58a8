"""What else the default detector could have been, over seeds.

`python benchmarks/choices.py run DATA OUT.json` judges every choice on every category, and goes on where it was cut
off; `... page OUT.json` prints the tables of docs/lead.md. The features of every image are computed once. DATA is a
folder in MVTec layout; the sample set joins by itself. Seeds choose what is held out and the rows of the banks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from tacha.configuration import compose
from tacha.data.module import InspectionDataModule
from tacha.data.sample import Sample
from tacha.data.sample_set import write_sample_set
from tacha.detector import unmarked
from tacha.features import NETS
from tacha.features.base import FeatureNet, Features
from tacha.nets import model_of
from tacha.run import catalogue_of
from tacha.scorers import SCORERS
from tacha.scorers import depth_banks as banks
from tacha.scorers.base import Scorer
from tacha.scorers.coreset import Coreset

SEEDS = (0, 1, 2)
REAL = ("screw", "transistor", "magnetic_tile")
SAMPLE = ("brick", "grass", "gravel")
BATCH = 32
TURNS = ("turned by 90°", "turned by 180°", "turned by 270°")
MIRROR = "mirrored"
Images = dict[Path, Features]


class RandomRows(Coreset):
    """So many rows of a stream, each as likely as any other (reservoir sampling)."""

    def add(self, rows: Tensor) -> None:
        if self._rows is None:
            self._rows, self._seen = rows.new_empty(self.budget, rows.shape[1]), 0
            self._random = np.random.default_rng(self.seed)
        at = np.arange(self._seen, self._seen + len(rows))
        place = np.where(at < self.budget, at, self._random.integers(0, at + 1))
        for i in np.flatnonzero(place < self.budget):
            self._rows[place[i]] = rows[i]
        self._seen += len(rows)

    def finish(self) -> Tensor:
        assert self._rows is not None
        return self._rows[: self._seen].clone()


class Means(Coreset):
    """The centres of mini-batch k-means; all rows are held, so its memory grows with the images."""

    _found: MiniBatchKMeans | None = None

    def add(self, rows: Tensor) -> None:
        self._new: list[Tensor] = [*getattr(self, "_new", []), rows]

    def finish(self) -> Tensor:
        rows = torch.cat(self._new).numpy()
        if self._found is None:
            clusters = min(self.budget, len(rows))
            self._found = MiniBatchKMeans(
                clusters, init="random", n_init=1, batch_size=8192, max_iter=2, random_state=self.seed
            ).fit(rows)
        elif len(rows) >= self.budget:  # the held images join: one more pass, over these
            self._found.partial_fit(rows)
        self._new = []
        return torch.from_numpy(self._found.cluster_centers_).float()


class Choice(NamedTuple):
    """One departure from the default: settings of a scorer, and what is done to it or to its images."""

    scorer: str = "depth_banks"
    settings: tuple[tuple[str, object], ...] = ()
    rows: type[Coreset] = Coreset
    also: tuple[str, ...] = ()  # other poses that are learned from
    mirrors: bool = False  # the mean of the scores of an image and its mirror image
    foreground: bool = False
    fisher: bool = False  # the views' scores combined as p-values


def choices() -> dict[str, Choice]:
    found = {"default": Choice()}
    for size in (4000, 1000):
        for title, rows in (("k-centre", Coreset), ("k-means", Means), ("random", RandomRows)):
            if (size, rows) != (4000, Coreset):
                found[f"{title}, {size} rows"] = Choice(settings=(("size", size),), rows=rows)
    return {
        **found,
        "learned from all quarter turns too": Choice(also=TURNS),
        "learned from mirror images too": Choice(also=(MIRROR,)),
        "judged with its mirror image": Choice(mirrors=True),
        "foreground only": Choice(foreground=True),
        "views combined by Fisher's p-values": Choice(fisher=True),
        "image score: the maximum": Choice(settings=(("share", 0.0),)),
        "image score: the top 3 %": Choice(settings=(("share", 0.03),)),
        "map smoothed, sigma 1 cell": Choice(settings=(("sigma", 1.0),)),
        "no whitening": Choice(settings=(("views", "0+1 unit:0 unit:1@3 2"),)),
        "all axes": Choice(settings=(("dimensions", 0),)),
        "one bank (memory_bank)": Choice("memory_bank"),
        "statistics a position (padim)": Choice("padim"),
        "residual of a subspace": Choice("subspace"),
    }


def posed(pixels: np.ndarray, pose: str) -> np.ndarray:
    """An image [3, H, W], turned or mirrored."""
    if pose == MIRROR:
        return pixels[:, :, ::-1].copy()
    return np.rot90(pixels, 1 + TURNS.index(pose), (1, 2)).copy()


def features_of(net: FeatureNet, data: InspectionDataModule, samples: Iterable[Sample], pose: str = "") -> Images:
    """Features [1, ...] in half precision of every sample that can be turned so within its frame."""
    out: Images = {}
    square = data.view.frame.height == data.view.frame.width
    if pose in (TURNS[0], TURNS[2]) and not square:
        return out
    for sample in samples:
        (pixels,) = data.view.read(sample.path).pieces
        images, valid = unmarked(torch.from_numpy(posed(pixels, pose) if pose else pixels)[None])
        with torch.inference_mode():
            seen = net(images) if valid.all() else net(images, valid)
        halves = [None if f is None else f.half() for f in seen[:4]]
        out[sample.path] = Features(*halves, tuple(level.half() for level in seen.levels), valid)  # type: ignore[arg-type]
    return out


def batched(images: Sequence[Features]) -> Iterator[Features]:
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        embedding, patches = (torch.cat([getattr(f, name) for f in part]).float() for name in ("embedding", "patches"))
        levels = tuple(torch.cat([f.levels[i] for f in part]).float() for i in range(len(part[0].levels)))  # type: ignore[index,arg-type]
        valid = torch.cat([f.valid for f in part])  # type: ignore[misc]
        yield Features(embedding, patches, levels=levels, valid=None if valid.all() else valid)


class Foreground:
    """Places that differ from the border, where good images have one: the first principal axis of the places, parted by
    Otsu's threshold (after AnomalyDINO, Damm et al. 2025, sec. 3.3, which asks a person whether a set has one)."""

    def __init__(self, good: Sequence[Features]) -> None:
        from skimage.filters import threshold_otsu

        level = torch.cat([f.levels[1].float() for f in good])  # type: ignore[index]
        self.mean = level.mean((0, 2, 3))
        rows = (level - self.mean[:, None, None]).transpose(0, 1).flatten(1)  # [C, n]
        self.axis = torch.linalg.eigh(rows @ rows.T).eigenvectors[:, -1]
        along = self._along(level)
        self.threshold = float(threshold_otsu(along.numpy()))
        above = along > self.threshold
        border = torch.ones(above.shape[1:], dtype=torch.bool)
        border[1:-1, 1:-1] = False
        self.sign = above[:, border].float().mean() < 0.5
        part = above if self.sign else ~above
        self.found = bool(part[:, border].float().mean() < 0.05)  # else an image is all foreground

    def _along(self, level: Tensor) -> Tensor:
        return torch.einsum("bchw,c->bhw", level - self.mean[:, None, None], self.axis)

    def of(self, features: Features) -> Features:
        if not self.found:
            return features
        above = self._along(features.levels[1].float()) > self.threshold  # type: ignore[index]
        part = (above if self.sign else ~above).float()
        wide = F.max_pool2d(part[:, None], 3, 1, 1)  # a place around it belongs to it
        shape = features.valid.shape[1:]  # type: ignore[union-attr]
        valid = F.interpolate(wide, shape, mode="nearest").squeeze(1) > 0.5
        return features._replace(valid=valid if valid.any() else features.valid)


def scores_of(scorer: Scorer, images: Sequence[Features]) -> np.ndarray:
    with torch.inference_mode():
        return torch.cat([scorer(part).image for part in batched(images)]).numpy()


def by_views(scorer: banks.DepthBanks, images: Sequence[Features]) -> np.ndarray:
    """The image scores [V, n] of each view alone."""
    out = []
    with torch.inference_mode():
        for part in batched(images):
            maps = [scorer._standing(i, view.rows(part)[0]) for i, view in enumerate(scorer._views)]
            out.append(torch.stack([scorer.pooling(m, part.counting(m.shape[-2:])).image for m in maps]))
    return torch.cat(out, 1).numpy()


def fisher(good: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """-2 sum of log p over views [V, n]; beyond all good scores p goes on falling with the share of their spread."""
    total = np.zeros(scores.shape[1])
    for held, row in zip(good, scores, strict=True):
        p = (1 + (held[None] >= row[:, None]).sum(1)) / (len(held) + 1)
        beyond = np.clip(row - held.max(), 0, None) / held.std()
        total += -2 * np.log(p) + beyond
    return total


class Category:
    """The features of a category's images, each computed when it is first asked for."""

    def __init__(self, root: Path, name: str) -> None:
        self.settings = compose(["data=mvtec", f"data.root={root}", f"data.categories=[{name}]"])
        self.name, self.catalogue = name, catalogue_of(self.settings["data"])
        self.model = model_of(self.settings["model"])
        self._net: FeatureNet | None = None
        self._poses: dict[str, Images] = {}

    def data(self, seed: int) -> InspectionDataModule:
        of = self.settings["data"]
        return InspectionDataModule(
            self.catalogue,
            self.name,
            size=of["size"],
            holdout_share=of["holdout_share"],
            holdout_minimum=of["holdout_minimum"],
            seed=seed,
        )

    def seen(self, data: InspectionDataModule, samples: Sequence[Sample], pose: str = "") -> list[Features]:
        if self._net is None:
            self._net = NETS.build(self.model.net, **self.model.settings).eval()
        cache = self._poses.setdefault(pose, {})
        cache.update(features_of(self._net, data, [s for s in samples if s.path not in cache], pose))
        return [cache[s.path] for s in samples if s.path in cache]


def judged(category: Category, choice: Choice, seed: int) -> dict[str, float]:
    data = category.data(seed)
    good, test = category.seen(data, data.train_samples), category.seen(data, data.test_samples)
    for pose in choice.also:
        good = good + category.seen(data, data.train_samples, pose)
    if choice.foreground:
        mask = Foreground(good)
        good, test = [mask.of(f) for f in good], [mask.of(f) for f in test]
    settings = compose([f"scorer={choice.scorer}"])["scorer"]
    settings = {**{k: v for k, v in settings.items() if k != "name"}, **dict(choice.settings), "seed": seed}
    if "seed" not in SCORERS.settings(choice.scorer):
        del settings["seed"]
    torch.manual_seed(seed)
    scorer = SCORERS.build(choice.scorer, **settings)
    began = time.perf_counter()
    with torch.inference_mode(), mock.patch.object(banks, "Coreset", choice.rows):
        scorer.fit(batched(good))
    seconds = time.perf_counter() - began
    if choice.fisher:
        held = category.seen(data, data.validation_samples)
        found = fisher(by_views(scorer, held), by_views(scorer, test))
    else:
        found = scores_of(scorer, test)
    if choice.mirrors:
        found = found + scores_of(scorer, category.seen(data, data.test_samples, MIRROR))
    labels = [s.label for s in data.test_samples]
    return {"auroc": float(roc_auc_score(labels, found)), "fit_seconds": seconds}


def run(data: Path, out: Path, categories: Sequence[str], only: str) -> None:
    done: list[dict[str, object]] = json.loads(out.read_text()) if out.is_file() else []
    have = {(r["category"], r["choice"], r["seed"]) for r in done}
    with tempfile.TemporaryDirectory() as folder:
        sample = write_sample_set(Path(folder) / "sample")
        for name in categories:
            category = Category(sample if name in SAMPLE else data, name)
            for seed in SEEDS:
                for title, choice in choices().items():
                    if only not in title or (name, title, seed) in have:
                        continue
                    row = {"category": name, "choice": title, "seed": seed, **judged(category, choice, seed)}
                    print(json.dumps(row), flush=True)
                    done.append(row)
                    out.write_text(json.dumps(done, indent=1) + "\n")


def page(out: Path) -> None:
    rows = json.loads(out.read_text())
    names = [c for c in (*REAL, *SAMPLE) if any(r["category"] == c for r in rows)]
    columns = [c for c in names if c in REAL] + (["sample set"] if set(SAMPLE) <= set(names) else [])
    print(f"| image AUROC | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")

    def over_seeds(title: str, column: str, of: Callable[[dict[str, float]], float]) -> list[float]:
        group = SAMPLE if column == "sample set" else (column,)
        out = []
        for seed in SEEDS:
            mine = [of(r) for r in rows if r["choice"] == title and r["seed"] == seed and r["category"] in group]
            if len(mine) == len(group):
                out.append(statistics.mean(mine))
        return out

    for title in choices():
        cells = [over_seeds(title, c, lambda r: r["auroc"]) for c in columns]
        if any(cells):
            print(f"| {title} | {' | '.join(_cell(v) for v in cells)} |")
    print(f"\n| seconds to fit on features at hand | {' | '.join(columns[:1])} |\n|---|---|")
    for title in choices():
        if (title == "default" or " rows" in title) and (
            values := over_seeds(title, columns[0], lambda r: r["fit_seconds"])
        ):
            print(f"| {title} | {statistics.median(values):.1f} [{min(values):.1f}–{max(values):.1f}] |")


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.mean(values):.3f} [{min(values):.3f}–{max(values):.3f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run")
    running.add_argument("data", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("--categories", type=lambda text: text.split(","), default=[*REAL, *SAMPLE])
    running.add_argument("--only", default="", help="choices whose name has this in it")
    printing = verbs.add_parser("page")
    printing.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.verb == "page":
        page(asked.out)
    else:
        run(asked.data, asked.out, asked.categories, asked.only)
