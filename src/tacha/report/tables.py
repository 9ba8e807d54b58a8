"""Tidy rows turned into the report's tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tacha.calibration import percent
from tacha.words import _

Row = Mapping[str, Any]

NAMES = {
    "image_auroc": _("AUROC"),
    "image_ap": _("AP"),
    "image_f1": _("F1 at the threshold"),
    "image_f1_max": _("best F1 (oracle)"),
    "image_accuracy": _("accuracy at the threshold"),
    "image_accuracy_max": _("best accuracy (oracle)"),
    "balanced_accuracy": _("balanced accuracy"),
    "recall": _("flawed parts found"),
    "false_alarm_rate": _("false alarms"),
    "pixel_auroc": _("AUROC"),
    "pixel_ap": _("AP"),
    "pixel_f1_max": _("best F1 (oracle)"),
    "aupro_30": _("AUPRO to .30"),
    "aupro_05": _("AUPRO to .05"),
    "fit_seconds": _("fitting, s"),
    "inspect_ms_p50": _("file to verdict, ms"),
    "best_threshold": _("threshold of the best F1 (oracle)"),
    "train_loss": _("training loss"),
    "val_loss": _("validation loss"),
    "train_accuracy": _("training accuracy"),
    "val_accuracy": _("validation accuracy"),
    "epochs": _("epochs"),
    "best_epoch": _("best epoch"),
    "class_precision": _("precision"),
    "class_recall": _("recall"),
    "class_f1": _("F1"),
    "test_accuracy": _("accuracy on the test images"),
    "train_seconds": _("training, s"),
}
GROUPS = (
    ("Judging images", "%", tuple(NAMES)[:9]),
    ("Finding the flawed pixels", "%", tuple(NAMES)[9:14]),
    ("Time", "", tuple(NAMES)[14:16]),
)
CLASS_METRICS = ("class_precision", "class_recall", "class_f1")  # class_recall/crack is that of crack
ELSEWHERE = ("promised_false_alarm_rate",)  # shown beside the thresholds
VARIANT = ("net", "scorer", "engine", "precision", "seed")


@dataclass(frozen=True)
class Cell:
    """A value and, in smaller type, its interval."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Table:
    title: str
    unit: str
    head: list[str]
    body: list[tuple[str, list[Cell]]]
    mean: list[Cell]  # empty for fewer than two rows


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table a group of metrics, a line a category (and net, scorer, engine, seed where these differ).

    Rows of a net as such, whose scorer is None, have tables of their own: a line a class, a line a training.
    """
    rows, learned = judging(rows), [r for r in rows if r not in judging(rows)]
    shown = {m for _, _, metrics in GROUPS for m in metrics}
    others = tuple(dict.fromkeys(r["metric"] for r in rows if r["metric"] not in shown | {*ELSEWHERE}))
    made = [_table(rows, *group) for group in (*GROUPS, ("Other figures", "", others))]
    classes = [_of_class(r) for r in learned if "/" in r["metric"]]
    trainings = [r for r in learned if "/" not in r["metric"]]
    made.append(_table(classes, "Telling classes apart", "%", CLASS_METRICS))
    made.append(_table(trainings, "Training", "", tuple(dict.fromkeys(r["metric"] for r in trainings))))
    return [table for table in made if table.body]


def judging(rows: Sequence[Row]) -> list[Row]:
    """The rows of detectors, without those of a net as such."""
    return [r for r in rows if r.get("scorer", "") is not None]


def _of_class(row: Row) -> Row:
    metric, _, name = row["metric"].partition("/")
    return {**row, "metric": metric, "category": name if row["category"] == "all" else f"{row['category']} · {name}"}


def _table(rows: Sequence[Row], title: str, unit: str, metrics: Sequence[str]) -> Table:
    chosen = [r for r in rows if r["metric"] in metrics]
    head = [m for m in metrics if any(r["metric"] == m for r in chosen)]
    varying = [key for key in VARIANT if len({str(r.get(key)) for r in rows}) > 1]
    lines: dict[str, dict[str, Row]] = {}
    for r in chosen:
        name = " · ".join([str(r["category"]), *(f"{key} {r.get(key)}" for key in varying)])
        lines.setdefault(name, {})[r["metric"]] = r
    body = [(name, [_cell(found.get(m), unit) for m in head]) for name, found in lines.items()]
    mean = []
    if len(lines) > 1 and "scorer" not in varying and title != "Training":  # rivals and losses have no mean
        for m in head:
            values = [float(found[m]["value"]) for found in lines.values() if m in found]
            # A mean of some lines only would flatter: precision, of the classes that were ever named.
            whole = len(values) == len(lines) and m != "best_threshold"
            mean.append(Cell(number(_factor(unit) * sum(values) / len(values), unit) if whole else "–"))
    return Table(title, unit, [NAMES.get(m, m) for m in head], body, mean)


def _cell(row: Row | None, unit: str) -> Cell:
    if row is None:
        return Cell("–")
    value, low, high = (
        "" if row.get(key) is None else number(_factor(unit) * float(row[key]), unit)
        for key in ("value", "low", "high")
    )
    return Cell(value, f"{low}–{high}" if low and high else "")


def _factor(unit: str) -> int:
    return 100 if unit == "%" else 1


def number(value: float, unit: str) -> str:
    return f"{value:.1f}" if unit == "%" or 1 <= abs(value) < 10_000 else f"{value:.3g}"


def headline(rows: Sequence[Row], predictions: Sequence[Row], calibration: Mapping[str, Row]) -> str:
    """What came of the run, in plain words."""
    if not predictions:
        return f"Fitted on {_products(len(calibration))}; no test images were judged."
    good = [p for p in predictions if not p["label"]]
    flawed = [p for p in predictions if p["label"]]
    parts = []
    if flawed:
        parts.append(f"found {_called(flawed)} of {len(flawed)} flawed parts")
    if good:
        parts.append(f"called {_called(good)} of {len(good)} good ones flawed")
    products = len({p["category"] for p in predictions})
    text = f"On {len(predictions)} test images of {_products(products)}, tacha {' and '.join(parts)}."
    # Of several scorers on a net, the first row is the one whose verdicts these are.
    first = {r["category"]: float(r["value"]) for r in reversed(rows) if r["metric"] == "image_auroc"}
    aurocs = list(first.values())
    if aurocs:
        mean = "Mean image AUROC" if len(aurocs) > 1 else "Image AUROC"
        text += f" {mean}: {100 * sum(aurocs) / len(aurocs):.1f} %."
    if any(c.get("oracle") for c in calibration.values()):
        text += " A threshold here saw defects, so verdicts must not be quoted as performance."
    return text


def _called(predictions: Sequence[Row]) -> int:
    return sum(p["verdict"] == "flawed" for p in predictions)


def _products(n: int) -> str:
    return "one product" if n == 1 else f"{n} products"


@dataclass(frozen=True)
class Threshold:
    """A calibrated threshold, its promise, and what was measured against it."""

    category: str
    method: str
    value: str
    sentence: str
    promised: str
    measured: str
    outcome: str


def thresholds(rows: Sequence[Row], calibration: Mapping[str, Row]) -> list[Threshold]:
    """One line a calibration; the measured false-alarm rate is that of its category's first row."""
    found = []
    for category, c in calibration.items():
        promised = (c.get("promise") or {}).get("false_alarm_rate")
        row = next((r for r in rows if (r["category"], r["metric"]) == (category, "false_alarm_rate")), None)
        measured = "not measured"
        if row is not None:
            measured = f"{percent(float(row['value']))} of {row['n']} good test images"
            if row.get("low") is not None and row.get("high") is not None:
                measured += f" (95 % interval {percent(float(row['low']))} to {percent(float(row['high']))})"
        found.append(
            Threshold(
                category,
                str(c.get("method", "")),
                f"{float(c['threshold']):.6g}",
                str(c.get("sentence", "")),
                "none" if promised is None else f"at most {percent(float(promised))}",
                measured,
                _outcome(promised, row),
            )
        )
    return found


def _outcome(promised: float | None, row: Row | None) -> str:
    if promised is None or row is None:
        return ""
    if float(row["value"]) <= promised:
        return "kept"
    if row.get("low") is None or float(row["low"]) <= promised:
        return "exceeded, though by no more than chance allows with so few images"
    return "broken: the test images are unlike the held-out good ones"
