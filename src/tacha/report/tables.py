"""Tidy rows turned into the report's tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from gettext import NullTranslations
from typing import Any

from tacha.calibration import percent
from tacha.words import _, words

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
    (_("Judging images"), "%", tuple(NAMES)[:9]),
    (_("Finding the flawed pixels"), "%", tuple(NAMES)[9:14]),
    (_("Time"), "", tuple(NAMES)[14:16]),
)
TRAINING = _("Training")
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


def tables(rows: Sequence[Row], language: str = "en") -> list[Table]:
    """One table a group of metrics, a line a category (and net, scorer, engine, seed where these differ).

    Rows of a net as such, whose scorer is None, have tables of their own: a line a class, a line a training.
    """
    rows, learned = judging(rows), [r for r in rows if r not in judging(rows)]
    shown = {m for _, _, metrics in GROUPS for m in metrics}
    others = tuple(dict.fromkeys(r["metric"] for r in rows if r["metric"] not in shown | {*ELSEWHERE}))
    made = [_table(rows, *group) for group in (*GROUPS, (_("Other figures"), "", others))]
    classes = [_of_class(r) for r in learned if "/" in r["metric"]]
    trainings = [r for r in learned if "/" not in r["metric"]]
    made.append(_table(classes, _("Telling classes apart"), "%", CLASS_METRICS))
    made.append(_table(trainings, TRAINING, "", tuple(dict.fromkeys(r["metric"] for r in trainings))))
    said = words(language)
    return [
        replace(t, title=said.gettext(t.title), head=[said.gettext(name) for name in t.head]) for t in made if t.body
    ]


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
    if len(lines) > 1 and "scorer" not in varying and title != TRAINING:  # rivals and losses have no mean
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


def headline(
    rows: Sequence[Row], predictions: Sequence[Row], calibration: Mapping[str, Row], language: str = "en"
) -> str:
    """What came of the run, in plain words."""
    said = words(language)
    if not predictions:
        return said.gettext("Fitted on %(products)s; no test images were judged.") % {
            "products": _products(len(calibration), said)
        }
    good = [p for p in predictions if not p["label"]]
    flawed = [p for p in predictions if p["label"]]
    found = {
        "n": len(predictions),
        "products": _products(len({p["category"] for p in predictions}), said),
        "hits": _called(flawed),
        "flawed": len(flawed),
        "alarms": _called(good),
        "good": len(good),
    }
    if flawed and good:
        text = said.gettext(
            "On %(n)s test images of %(products)s, tacha found %(hits)s of %(flawed)s flawed parts and called "
            "%(alarms)s of %(good)s good ones flawed."
        )
    elif flawed:
        text = said.gettext("On %(n)s test images of %(products)s, tacha found %(hits)s of %(flawed)s flawed parts.")
    else:
        text = said.gettext(
            "On %(n)s test images of %(products)s, tacha called %(alarms)s of %(good)s good ones flawed."
        )
    text %= found
    # Of several scorers on a net, the first row is the one whose verdicts these are.
    first = {r["category"]: float(r["value"]) for r in reversed(rows) if r["metric"] == "image_auroc"}
    aurocs = list(first.values())
    if aurocs:
        mean = said.gettext("Mean image AUROC") if len(aurocs) > 1 else said.gettext("Image AUROC")
        text += f" {mean}: {100 * sum(aurocs) / len(aurocs):.1f} %."
    if any(c.get("oracle") for c in calibration.values()):
        text += " " + said.gettext("A threshold here saw defects, so verdicts must not be quoted as performance.")
    return text


def _called(predictions: Sequence[Row]) -> int:
    return sum(p["verdict"] == "flawed" for p in predictions)


def _products(n: int, said: NullTranslations) -> str:
    return said.ngettext("one product", "%(n)s products", n) % {"n": n}


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


def thresholds(rows: Sequence[Row], calibration: Mapping[str, Row], language: str = "en") -> list[Threshold]:
    """One line a calibration; the measured false-alarm rate is that of its category's first row."""
    said = words(language)
    found = []
    for category, c in calibration.items():
        promised = (c.get("promise") or {}).get("false_alarm_rate")
        row = next((r for r in rows if (r["category"], r["metric"]) == (category, "false_alarm_rate")), None)
        measured = said.gettext("not measured")
        if row is not None:
            measured = said.gettext("%(rate)s of %(n)s good test images") % {
                "rate": percent(float(row["value"])),
                "n": row["n"],
            }
            if row.get("low") is not None and row.get("high") is not None:
                measured += " " + said.gettext("(95 %% interval %(low)s to %(high)s)") % {
                    "low": percent(float(row["low"])),
                    "high": percent(float(row["high"])),
                }
        found.append(
            Threshold(
                category,
                str(c.get("method", "")),
                f"{float(c['threshold']):.6g}",
                guaranteed(c, said) or str(c.get("sentence", "")),
                said.gettext("none")
                if promised is None
                else said.gettext("at most %(rate)s") % {"rate": percent(float(promised))},
                measured,
                said.gettext(outcome) if (outcome := _outcome(promised, row)) else "",
            )
        )
    return found


def guaranteed(calibration: Row, said: NullTranslations) -> str:
    """What a threshold promises, as `Calibration.guarantee` says it in English; empty where that was not written."""
    n = len(calibration.get("good_scores") or [])
    if "sentence" not in calibration or not n:
        return ""
    settings, promise = calibration.get("settings") or {}, calibration.get("promise")
    if calibration.get("oracle"):
        return said.gettext(
            "This threshold is an oracle: it saw defects (%(flawed)s flawed and %(n)s good images), so figures at it "
            "must not be quoted as performance."
        ) % {"flawed": f"{settings.get('flawed', 0):.0f}", "n": n}
    if promise is None:
        method = str(calibration.get("method"))
        text = {
            "percentile": _(
                "This threshold is the %(q)s %% percentile of %(n)s good scores; it promises no false-alarm rate."
            ),
            "mean_sigma": _(
                "This threshold is the mean plus %(k)s standard deviations of %(n)s good scores; it promises no "
                "false-alarm rate."
            ),
        }.get(method, _("This threshold is set by %(method)s of %(n)s good scores; it promises no false-alarm rate."))
        values = {key: f"{settings[key]:g}" for key in ("q", "k") if key in settings}
        return said.gettext(text) % {"q": "?", "k": "?", **values, "method": method, "n": n}
    promised: dict[str, object] = {
        "n": n,
        "rate": percent(float(promise["false_alarm_rate"])),
        "sure": percent(float(promise["confidence"])),
        "asked": percent(float(settings.get("false_alarm_rate", promise["false_alarm_rate"]))),
        "needed": promise.get("needed"),
    }
    if promise["n"] < promise["needed"]:
        return (
            said.gettext(
                "With %(n)s good images it can promise a false-alarm rate of at most %(rate)s (%(sure)s confidence); "
                "for %(asked)s it needs %(needed)s."
            )
            % promised
        )
    return (
        said.gettext(
            "At most %(rate)s of good parts like the %(n)s held-out ones are called flawed (%(sure)s confidence)."
        )
        % promised
    )


def _outcome(promised: float | None, row: Row | None) -> str:
    if promised is None or row is None:
        return ""
    if float(row["value"]) <= promised:
        return _("kept")
    if row.get("low") is None or float(row["low"]) <= promised:
        return _("exceeded, though by no more than chance allows with so few images")
    return _("broken: the test images are unlike the held-out good ones")
