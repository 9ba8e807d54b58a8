"""Run folders read side by side: what differs in their settings, which figures are best, which differences hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.report.curves import Curve, natural, net_folders, read_curves
from tacha.report.reading import read_metrics, read_text
from tacha.report.tables import NAMES, VARIANT
from tacha.words import _

MEAN = "mean"
LOWER = re.compile(r"false_alarm_rate$|_seconds$|_minutes$|_ms(_|$)|loss$|error$")
# The settings that rows of metrics.json repeat under a name of their own.
SAID_BY_ROWS = {
    "model.name": "net",
    "scorer.name": "scorer",
    "runtime.engine": "engine",
    "runtime.precision": "precision",
    "seed": "seed",
}
PICTURES = {
    _("Reconstructions"): re.compile("reconstruct(?!.*error)", re.I),
    _("Reconstruction errors"): re.compile("error", re.I),
    _("Embeddings"): re.compile("t_?-?sne", re.I),
}


@dataclass(frozen=True)
class Value:
    """A figure, its 95 % interval where it has one, and on how many images."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass
class RunFolder:
    """What one run left; `settings` is its configuration, flat: {"model.loss": "l1"}."""

    folder: Path
    rows: list[dict[str, Any]]
    about: dict[str, Any]
    settings: dict[str, str]
    curves: list[Curve] = field(default_factory=list)
    pictures: dict[str, list[Path]] = field(default_factory=dict)
    label: str = ""


@dataclass
class Entry:
    """One line of the comparison: a run, or one of its scorers. `figures` is {metric: {category: Value}}.

    `rows` is what its rows of metrics.json say of themselves, `settings` what is shown: that which tells entries apart.
    """

    run: RunFolder
    rows: dict[str, str]
    settings: dict[str, str]
    figures: dict[str, dict[str, Value]] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Judged:
    """A Value beside the best of its column; `apart` says whether the two intervals are (None: cannot be said)."""

    value: Value
    best: bool = False
    apart: bool | None = None


@dataclass
class Comparison:
    """Everything that the table, the page and the plots show. `columns` are the settings that differ."""

    runs: list[RunFolder]
    entries: list[Entry]
    columns: list[str]
    notes: list[str]

    @property
    def metrics(self) -> list[str]:
        """Every metric there is, in the report's order."""
        found = dict.fromkeys(m for e in self.entries for m in e.figures)
        known = [m for m in NAMES if m in found]
        return [*known, *(m for m in found if m not in NAMES)]

    def categories(self, metric: str) -> list[str]:
        """The categories of a metric, and the mean where there are several."""
        found = list(dict.fromkeys(c for e in self.entries for c in e.figures.get(metric, {})))
        return [*found, MEAN] if len(found) > 1 else found

    def judged(self, metric: str, category: str) -> list[Judged | None]:
        """A column of a table, an entry each. Nothing is marked where fewer than two entries can be compared."""
        values = [self._value(e, metric, category) for e in self.entries]
        known = [v for v in values if v is not None]
        if len(known) < 2:
            return [None if v is None else Judged(v) for v in values]
        sign = -1 if lower_is_better(metric) else 1
        top = max(known, key=lambda v: sign * v.value)
        return [None if v is None else Judged(v, v.value == top.value, _apart(top, v, sign)) for v in values]

    def ranked(self, metric: str) -> list[Entry]:
        """The entries best first by the metric's mean over categories, or its only one; without those that lack it."""
        column = self.judged(metric, self.categories(metric)[-1])
        known = [(j.value.value, e) for e, j in zip(self.entries, column, strict=True) if j is not None]
        return [e for _, e in sorted(known, key=lambda x: x[0], reverse=not lower_is_better(metric))]

    def _value(self, entry: Entry, metric: str, category: str) -> Value | None:
        found = entry.figures.get(metric, {})
        if category != MEAN or MEAN in found:
            return found.get(category)
        wanted = self.categories(metric)[:-1]
        return mean_of([found[c] for c in wanted]) if all(c in found for c in wanted) else None


def compare(paths: Iterable[str | Path]) -> Comparison:
    """Read run folders; a folder that is none stands for those below it, as a sweep's does.

    Raises TachaError for one without a metrics.json, and naming the file that is damaged.
    """
    folders, notes = find_runs([Path(p) for p in paths])
    runs = [_run(folder) for folder in folders]
    columns = differing([r.settings for r in runs])
    for run, label in zip(runs, labels([_shown(r.settings, columns) for r in runs], folders), strict=True):
        run.label = label
    entries = [entry for run in runs for entry in _entries(run)]
    varying = [key for key in VARIANT if len({e.settings[key] for e in entries}) > 1]
    columns = [*varying, *(c for c in columns if SAID_BY_ROWS.get(c) not in varying)]
    for entry in entries:
        entry.settings = _shown({**entry.run.settings, **entry.settings}, columns)
    for entry, label in zip(
        entries, labels([e.settings for e in entries], [e.run.folder for e in entries]), strict=True
    ):
        entry.label = label
    digests = {(r.about.get("data") or {}).get("digest") for r in runs} - {None}
    if len(digests) > 1:
        notes.append(
            "The runs did not all see the same images (their data digests differ), so figures may not compare."
        )
    return Comparison(runs, entries, columns, notes)


def find_runs(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Run folders, once each, in the order given and numbered ones by number; and notes on what is no run."""
    found: dict[Path, Path] = {}
    notes = []
    for path in paths:
        if not path.is_dir():
            raise TachaError(f"{path}: no such run folder; `tacha train` prints the folder of a run last")
        inside = [path] if (path / "metrics.json").is_file() else _below(path)
        if not inside:
            raise TachaError(f"{path}: has no metrics.json, here or in a folder below; name folders of finished runs")
        if inside != [path]:
            numbered = [p for p in path.iterdir() if p.is_dir() and p.name.isdigit()]
            unfinished = [p for p in numbered if not any(p == i or p in i.parents for i in inside)]
            notes += [f"{p}: has no metrics.json, so it was left out" for p in sorted(unfinished, key=natural)]
        for folder in inside:
            found.setdefault(folder.resolve(), folder)
    return list(found.values()), notes


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys whose values tell the runs apart, the fewest that say it all.

    What one model or scorer has and another lacks is said by its name; a key that repeats another's values is left
    out, and the run's own name where anything else differs.
    """
    keys = sorted(dict.fromkeys(k for s in settings for k in s), key=lambda k: (k.count("."), not k.endswith(".name")))
    kept: dict[str, list[str | None]] = {}
    for key in keys:
        values = [s.get(key) for s in settings]
        if key == "name" or values in kept.values() or not _differs(key, settings):
            continue
        kept[key] = values
    if not kept and _differs("name", settings):
        return ["name"]
    order = list(dict.fromkeys(k for s in settings for k in s))
    return sorted(kept, key=order.index)


def labels(settings: Sequence[Mapping[str, str]], folders: Sequence[Path]) -> list[str]:
    """A short name each: the values that differ, with their key where they are no words; else the folder's."""
    made = [" · ".join(_word(k, v) for k, v in s.items()) for s in settings]
    return [
        name if name and made.count(name) == 1 else f"{name} · {folder.name}".removeprefix(" · ")
        for name, folder in zip(made, folders, strict=True)
    ]


def lower_is_better(metric: str) -> bool:
    """Whether less of it is better: false alarms, times, losses."""
    return LOWER.search(metric) is not None


def mean_of(values: Sequence[Value]) -> Value:
    """The mean over categories. Their images are different ones, so half-widths add in quadrature."""
    mean = sum(v.value for v in values) / len(values)
    below = [v.value - v.low for v in values if v.low is not None]
    above = [v.high - v.value for v in values if v.high is not None]
    if len(below) < len(values) or len(above) < len(values):
        return Value(mean)
    return Value(mean, mean - math.hypot(*below) / len(values), mean + math.hypot(*above) / len(values))


def over_seeds(comparison: Comparison, metric: str, category: str) -> list[tuple[str, list[float]]]:
    """(settings but the seed, a value a seed) for those that ran under at least two seeds."""
    found: dict[str, list[float]] = {}
    for entry, judged in zip(comparison.entries, comparison.judged(metric, category), strict=True):
        if "seed" in entry.settings and judged is not None:
            name = " · ".join(_word(k, v) for k, v in entry.settings.items() if k != "seed") or "all runs"
            found.setdefault(name, []).append(judged.value.value)
    return [(name, values) for name, values in found.items() if len(values) > 1]


def by_setting(comparison: Comparison, metric: str, category: str) -> list[tuple[str, str, list[float]]]:
    """(setting, its value, the figures of all entries that have it), where several entries share a value."""
    out = []
    column = comparison.judged(metric, category)
    for key in comparison.columns:
        groups: dict[str, list[float]] = {}
        for entry, judged in zip(comparison.entries, column, strict=True):
            if judged is not None:
                groups.setdefault(entry.settings[key], []).append(judged.value.value)
        if key != "seed" and len(groups) > 1 and any(len(values) > 1 for values in groups.values()):
            out += [(key, name, values) for name, values in groups.items()]
    return out


def _apart(top: Value, other: Value, sign: int) -> bool | None:
    if other.value == top.value:
        return None
    near, far = (top.low, other.high) if sign > 0 else (other.low, top.high)
    return None if near is None or far is None else far < near


def _below(path: Path) -> list[Path]:
    found = (
        p.parent for p in path.rglob("metrics.json") if not any(x.startswith(".") for x in p.parts[len(path.parts) :])
    )
    return sorted(found, key=natural)


def _run(folder: Path) -> RunFolder:
    rows, about = read_metrics(folder / "metrics.json")
    nets = net_folders(folder)
    pictures = {kind: _pictures(folder, nets, pattern) for kind, pattern in PICTURES.items()}
    return RunFolder(folder, rows, about, _settings(folder / "config.yaml"), read_curves(folder), pictures)


def _settings(path: Path) -> dict[str, str]:
    import yaml

    if not path.is_file():
        return {}
    try:
        table = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise TachaError(f"{path}: is damaged ({' '.join(str(error).split())}); run again to write it anew") from error
    return dict(_flat(table)) if isinstance(table, Mapping) else {}


def _flat(table: Mapping[Any, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_text(v) for v in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _pictures(folder: Path, nets: Sequence[Path], pattern: re.Pattern[str]) -> list[Path]:
    """Pictures whose name the pattern finds; of those that differ by a number (an epoch's) only the last."""
    last: dict[tuple[Path, str], Path] = {}
    for place in dict.fromkeys([folder, *nets]):
        for path in sorted((place / "figures").rglob("*.png"), key=natural):
            kind = next((p for p in PICTURES.values() if p.search(path.stem)), None)
            if kind is pattern:
                last[path.parent, re.sub(r"\d+", "", path.stem)] = path
    return list(last.values())


def _entries(run: RunFolder) -> list[Entry]:
    """A line for each net and scorer; a row that names no scorer (a training's) belongs to all of its net's."""
    made: dict[tuple[str, ...], Entry] = {}
    shared = []
    for row in run.rows:
        variant = {key: _text(row.get(key)) for key in VARIANT}
        if variant["scorer"] in ("null", "") and any(r.get("scorer") for r in run.rows):
            shared.append(row)
            continue
        entry = made.setdefault(tuple(variant.values()), Entry(run, variant, variant))
        entry.figures.setdefault(row["metric"], {})[str(row["category"])] = _figure_of(row)
    for row in shared:
        for entry in made.values():
            if row.get("net") in (None, entry.settings["net"]):
                entry.figures.setdefault(row["metric"], {}).setdefault(str(row["category"]), _figure_of(row))
    if not made:
        raise TachaError(f"{run.folder / 'metrics.json'}: has no figures; run again with test images")
    return list(made.values())


def _figure_of(row: Mapping[str, Any]) -> Value:
    low, high = (None if row.get(key) is None else float(row[key]) for key in ("low", "high"))
    return Value(float(row["value"]), low, high, row.get("n"))


def _differs(key: str, settings: Sequence[Mapping[str, str]]) -> bool:
    group = key.rpartition(".")[0]
    parts: dict[str | None, set[str]] = {}
    for s in settings:
        name = s.get(f"{group}.name") if group and not key.endswith(".name") else None
        if key in s:  # an older run's configuration may not have had it yet, which is no difference in settings
            parts.setdefault(name, set()).add(s[key])
    return any(len(values) > 1 for values in parts.values())


def _shown(settings: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    return {c: settings.get(c, "–") for c in columns}


def _word(key: str, value: str) -> str:
    """A word says by itself what it is of (`ssim`); a number does not (`latent 64`)."""
    return (
        value
        if re.fullmatch(r"[A-Za-z]\w*", value) and value not in ("null", "true", "false")
        else f"{key.rpartition('.')[2]} {value}"
    )
