"""A comparison as one self-contained HTML file, a tidy CSV file and figures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from gettext import NullTranslations
from pathlib import Path
from statistics import mean, stdev

from tacha.errors import TachaError
from tacha.files import write_text
from tacha.report.compare import MEAN, PICTURES, Comparison, Judged, by_setting, lower_is_better, over_seeds
from tacha.report.compare_plots import interval_plot
from tacha.report.curves import Curve, curve_plots
from tacha.report.echoed import echoed
from tacha.report.environment import render
from tacha.report.pictures import Picture, png, thumbnail
from tacha.report.tables import GROUPS, NAMES, number
from tacha.words import _, words

PLOTTED = ("image_auroc", "pixel_auroc", "aupro_30")
PICTURE_SIDE = 1000  # px
KINDS = {"image": _("image %(name)s"), "pixel": _("pixel %(name)s")}
NAMED = 8  # entries named in a sentence; beyond that a number
PICTURES_SHOWN = 24  # of a kind: a page stays small enough to send


@dataclass(frozen=True)
class Cell:
    """A figure as text; `mark` is best, close (its interval overlaps the best one's) or apart."""

    value: str
    interval: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Line:
    settings: list[str]
    cells: list[Cell]


@dataclass(frozen=True)
class MetricTable:
    """One metric: a line an entry, a column a category."""

    title: str
    unit: str
    lower: bool
    head: list[str]
    body: list[Line]
    remarks: list[str]
    plot: Picture | None = None


@dataclass(frozen=True)
class Training:
    """How far a net's validation loss was from its training loss, where its weights were kept and at the end."""

    name: str
    epochs: int
    best: str
    train: str
    validation: str
    gap: str
    last_gap: str


@dataclass(frozen=True)
class Shown:
    """Pictures of one kind, and how many more lie in the run folders."""

    title: str
    pictures: list[Picture] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True)
class SideBySide:
    """A bench of one category: how it was measured, (name, cells) a line, and accuracy against latency."""

    category: str
    remark: str
    head: Sequence[str]
    body: list[tuple[str, list[str]]]
    plot: Picture | None


def write_comparison(
    comparison: Comparison,
    folder: Path,
    metric: str = "image_auroc",
    measured: Sequence[SideBySide] = (),
    language: str = "en",
) -> Path:
    """Write compare.html, compare.csv and figures/ into `folder`; returns the page's path.

    `measured` is what a bench of the best entries found. Raises TachaError for a metric that no run has.
    """
    said = words(language)
    check_metric(comparison, metric)
    order = [metric, *(m for m in comparison.metrics if m != metric)]
    plotted = [m for m in dict.fromkeys([metric, *PLOTTED]) if m in order]
    tables = {m: _table(comparison, m, folder if m in plotted else None, language) for m in order}
    curves = [(f"{run.label} · {c.name}", c) for run in comparison.runs for c in run.curves]
    plots = curve_plots(curves, folder / "figures" / "curves.png", language)
    text = render(
        "compare.html.j2",
        language,
        headline=headline(comparison, metric, language),
        columns=comparison.columns,
        first=[tables[m] for m in plotted],
        others=[tables[m] for m in order if m not in plotted],
        shares=_shares(comparison, metric),
        seeds=_seeds(comparison, metric),
        metric=title_of(metric, said),
        curves=[Picture(png(p), _losses(len(curves), said)) for p in plots],
        trainings=[_training(name, curve) for name, curve in curves],
        pictures=[s for s in (_pictures(comparison, kind, said) for kind in PICTURES) if s.pictures],
        benches=measured,
        runs=[
            (run.label, str(run.folder), str(run.about.get("started") or ""), _seconds(run.about.get("seconds")))
            for run in comparison.runs
        ],
        notes=[echoed(n, said) for n in comparison.notes],
    )
    write_csv(comparison, folder / "compare.csv")
    return write_text(folder / "compare.html", text)


def write_csv(comparison: Comparison, path: Path) -> Path:
    """A row for each entry, metric and category, the mean over categories among them; numbers with all their digits."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    tail = ["category", "metric", "value", "low", "high", "n", "best", "separated_from_best"]
    writer.writerow(["run", *comparison.columns, *tail])
    for metric in comparison.metrics:
        for category in comparison.categories(metric):
            for entry, j in zip(comparison.entries, comparison.judged(metric, category), strict=True):
                if j is None:
                    continue
                v = j.value
                numbers = ["" if x is None else x for x in (v.value, v.low, v.high, v.n)]
                apart = "" if j.apart is None else "yes" if j.apart else "no"
                settings = [entry.settings[c] for c in comparison.columns]
                writer.writerow([entry.run.folder, *settings, category, metric, *numbers, int(j.best), apart])
    return write_text(path, buffer.getvalue())


def check_metric(comparison: Comparison, metric: str) -> None:
    """Raise TachaError for a metric that no run has."""
    if metric not in comparison.metrics:
        raise TachaError(f"--metric {metric}: no run has it; there are {', '.join(comparison.metrics)}")


def title_of(metric: str, said: NullTranslations | None = None) -> str:
    """A metric in words."""
    said = said or words("en")
    name = said.gettext(NAMES[metric]) if metric in NAMES else metric.replace("_", " ")
    kind = metric.partition("_")[0]
    if metric not in NAMES or kind not in KINDS:
        return name
    return said.gettext(KINDS[kind]) % {"name": name}


def _losses(n: int, said: NullTranslations) -> str:
    return said.ngettext(
        "Training and validation loss of %(n)d training, by epoch",
        "Training and validation loss of %(n)d trainings, by epoch",
        n,
    ) % {"n": n}


def _place(category: str, said: NullTranslations) -> str:
    return said.gettext("mean") if category == MEAN else category


def headline(comparison: Comparison, metric: str, language: str = "en") -> str:
    """Which entry is best by `metric`, and how many of the others the intervals set apart from it."""
    said = words(language)
    category = comparison.categories(metric)[-1]
    column = comparison.judged(metric, category)
    where = said.gettext("in the mean over categories")
    if category != MEAN:
        where = said.gettext("on %(category)s") % {"category": category}
    found = [(e.label, j) for e, j in zip(comparison.entries, column, strict=True) if j is not None]
    best = [(label, j) for label, j in found if j.best]
    values: dict[str, object] = {"metric": title_of(metric, said), "where": where}
    if not best:
        values |= {"n": len(found), "all": len(comparison.entries)}
        return said.gettext("%(n)s of %(all)s can be ranked by %(metric)s %(where)s.") % values
    interval = _cell(best[0][1], metric)
    values["names"] = said.gettext(" and ").join(label for label, _j in best)
    values["value"] = interval.value + (f" ({interval.interval})" if interval.interval else "")
    text = said.gettext("Best %(metric)s %(where)s: %(names)s, %(value)s") % values
    close = sum(j.apart is False for _label, j in found)
    others = len(found) - len(best)
    if others and all(j.apart is not None for _label, j in found if not j.best):
        text += (
            said.ngettext(
                "; %(n)s of %(others)s others is not separated from it",
                "; %(n)s of %(others)s others are not separated from it",
                close,
            )
            % {"n": close, "others": others}
            if close
            else said.gettext("; separated from all others")
        )
    return f"{text}."


def remarks(comparison: Comparison, metric: str, category: str, language: str = "en") -> list[str]:
    """Which entries the intervals do not tell apart from the best, by name."""
    said = words(language)
    found = [
        (e.label, j)
        for e, j in zip(comparison.entries, comparison.judged(metric, category), strict=True)
        if j is not None
    ]
    best = [label for label, j in found if j.best]
    close = [label for label, j in found if j.apart is False]
    apart = sum(j.apart is True for _label, j in found)
    if not best or not (close or apart):
        return []
    others = len(close) + apart
    values = {"where": _place(category, said), "best": said.gettext(" and ").join(best), "n": apart, "others": others}
    if not close:
        text = said.ngettext(
            "%(where)s: %(best)s is separated from all others.",
            "%(where)s: %(best)s are separated from all others.",
            len(best),
        )
        return [text % values]
    values["close"] = "; ".join(close)
    if len(close) > NAMED:
        values["close"] = said.gettext("%(n)s of %(others)s others") % {"n": len(close), "others": others}
    if apart:
        text = said.ngettext(
            "%(where)s: %(best)s is not separated from %(close)s; separated from %(n)s of %(others)s.",
            "%(where)s: %(best)s are not separated from %(close)s; separated from %(n)s of %(others)s.",
            len(best),
        )
    else:
        text = said.ngettext(
            "%(where)s: %(best)s is not separated from %(close)s.",
            "%(where)s: %(best)s are not separated from %(close)s.",
            len(best),
        )
    return [text % values]


def _table(comparison: Comparison, metric: str, folder: Path | None, language: str) -> MetricTable:
    said = words(language)
    title = title_of(metric, said)
    categories = comparison.categories(metric)
    columns = {c: comparison.judged(metric, c) for c in categories}
    body = [
        Line(
            [e.settings[c] for c in comparison.columns] or [e.label], [_cell(columns[c][i], metric) for c in categories]
        )
        for i, e in enumerate(comparison.entries)
    ]
    plot = None
    if folder is not None:
        factor = 100 if _unit(metric) == "%" else 1
        axis = f"{title}{', %' if factor == 100 else ''}"
        path = interval_plot(
            [e.label for e in comparison.entries],
            {_place(c, said): column for c, column in columns.items()},
            title,
            axis,
            folder / "figures" / f"{metric}.png",
            factor,
        )
        alt = said.gettext("%(metric)s of every entry with its 95 %% interval, a panel a category") % {"metric": title}
        plot = Picture(png(path), alt)
    told = [r for c in categories for r in remarks(comparison, metric, c, language)]
    head = [_place(c, said) for c in categories]
    return MetricTable(title, _unit(metric), lower_is_better(metric), head, body, told, plot)


def _unit(metric: str) -> str:
    return next((unit for _, unit, metrics in GROUPS if metric in metrics), "%" if metric.endswith("_rate") else "")


def _cell(judged: Judged | None, metric: str) -> Cell:
    if judged is None:
        return Cell("–")
    v = judged.value
    interval = "" if v.low is None or v.high is None else f"{_say(v.low, metric)}–{_say(v.high, metric)}"
    mark = "best" if judged.best else "" if judged.apart is None else "apart" if judged.apart else "close"
    return Cell(_say(v.value, metric), interval, mark)


def _say(value: float, metric: str) -> str:
    unit = _unit(metric)
    return number(100 * value if unit == "%" else value, unit)


def _shares(comparison: Comparison, metric: str) -> list[tuple[str, str, int, str, str]]:
    """(setting, value, entries, mean, range) over the last column: the mean over categories, or the only one."""
    category = comparison.categories(metric)[-1]
    return [
        (key, name, len(v), _say(mean(v), metric), f"{_say(min(v), metric)}–{_say(max(v), metric)}")
        for key, name, v in by_setting(comparison, metric, category)
    ]


def _seeds(comparison: Comparison, metric: str) -> list[tuple[str, int, str, str, str]]:
    """(settings, seeds, mean, standard deviation, range) over the last column."""
    category = comparison.categories(metric)[-1]
    return [
        (name, len(v), _say(mean(v), metric), _say(stdev(v), metric), f"{_say(min(v), metric)}–{_say(max(v), metric)}")
        for name, v in over_seeds(comparison, metric, category)
    ]


def _training(name: str, curve: Curve) -> Training:
    def say(x: float) -> str:
        return f"{x:.4g}" if math.isfinite(x) else "–"

    gaps = [v - t for t, v in zip(curve.train, curve.validation, strict=True)]
    if curve.best is None:
        return Training(name, len(curve.epochs), "–", say(curve.train[-1]), "–", "–", "–")
    b = curve.best
    kept = (say(curve.train[b]), say(curve.validation[b]), say(gaps[b]))
    return Training(name, len(curve.epochs), str(curve.epochs[b]), *kept, say(gaps[-1]))


def _pictures(comparison: Comparison, kind: str, said: NullTranslations) -> Shown:
    """The first of every run, then the second of every run, and so on, so that none is crowded out."""
    queues = [[(run, path) for path in run.pictures.get(kind, [])] for run in comparison.runs]
    rounds = [q[i] for i in range(max(map(len, queues), default=0)) for q in queues if i < len(q)]
    pictures = []
    for run, path in rounds[:PICTURES_SHOWN]:
        name = path.relative_to(run.folder).as_posix()
        alt = said.gettext("%(kind)s of %(run)s: %(name)s") % {
            "kind": said.gettext(kind),
            "run": run.label,
            "name": name,
        }
        pictures.append(Picture(thumbnail(path, PICTURE_SIDE), alt, run.label, name))
    return Shown(said.gettext(kind), pictures, max(0, len(rounds) - PICTURES_SHOWN))


def _seconds(value: object) -> str:
    return f"{value:.0f} s" if isinstance(value, int | float) else ""
