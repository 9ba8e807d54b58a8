"""Section: what the figures allow to be said. Every claim names its table and its interval."""

from __future__ import annotations

from itertools import islice

from tacha.calibration import percent
from tacha.report.compare import Value, lower_is_better
from tacha.report.paper.about_clusters import TITLES, Clusters, plane_name
from tacha.report.paper.about_evaluation import Evaluation, promised
from tacha.report.paper.about_variants import Variants, auroc_of
from tacha.report.paper.content import Block, Bullets, Heading, Paragraph, Section
from tacha.report.paper.material import Line, Material
from tacha.report.paper.pen import Pen
from tacha.report.tables import NAMES

COMPARED = ("image_auroc", "recall", "aupro_30")
OTHERS = 6  # compared with the best; the table has them all


def apart(one: Value, other: Value) -> bool | None:
    """Whether two intervals are; None where either is missing."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return one.low > other.high or other.low > one.high


def about_claims(
    material: Material, evaluation: Evaluation, variants: Variants, clusters: Clusters, pen: Pen
) -> Section:
    labels = evaluation.labels
    parts: list[tuple[str, list[str]]] = [
        (pen.gettext("Are flaws found at all?"), [s for x in material.lines if (s := _chance(x, labels, pen))]),
        (pen.gettext("Are the promises kept?"), [s for x in material.lines if (s := _promise(x, labels, pen))]),
        (
            pen.gettext("Is the threshold or the ranking the limit?"),
            [s for x in material.lines if (s := _limit(x, labels, pen))],
        ),
        (pen.gettext("Which is better?"), _compared(material, labels, pen)),
        (pen.gettext("What does quantising cost?"), _quantised(variants, pen)),
        (pen.gettext("Would clustering have done?"), _clustered(clusters, pen)),
    ]
    blocks: list[Block] = [
        Paragraph(
            pen.gettext(
                "Each sentence below is made from the figures it names. Two figures are told apart only where their "
                "95 % intervals do not overlap; where they do, nothing is claimed, which is not to say that they are "
                "equal."
            )
        )
    ]
    for title, claims in parts:
        if claims:
            blocks += [Heading(title), Bullets(tuple(claims))]
    if len(blocks) == 1:
        blocks.append(Paragraph(pen.gettext("There are no figures with intervals here, so nothing is claimed.")))
    return Section(pen.gettext("Discussion"), tuple(blocks))


def beside(pen: Pen, metric: str, where: str, one: tuple[str, Value], other: tuple[str, Value], label: str) -> str:
    """A claim on two figures, the better first; that they cannot be told apart is one, too."""
    sign = -1 if lower_is_better(metric) else 1
    better, worse = sorted((one, other), key=lambda x: -sign * x[1].value)
    values = {
        "where": where,
        "metric": pen.gettext(NAMES.get(metric, TITLES.get(metric, metric))),
        "one": better[0],
        "other": worse[0],
        "a": pen.said(metric, better[1]),
        "b": pen.said(metric, worse[1]),
        "table": label,
    }
    separate = apart(better[1], worse[1])
    if separate is None:
        return pen.gettext(
            "%(where)s, %(metric)s: %(one)s %(a)s, %(other)s %(b)s; without both intervals nothing is claimed "
            "(%(table)s).",
            **values,
        )
    if separate:
        return pen.gettext(
            "%(where)s, %(metric)s: %(one)s, %(a)s, is better than %(other)s, %(b)s: the intervals do not overlap "
            "(%(table)s).",
            **values,
        )
    return pen.gettext(
        "%(where)s, %(metric)s: %(one)s, %(a)s, and %(other)s, %(b)s, cannot be told apart: the intervals overlap "
        "(%(table)s).",
        **values,
    )


def _chance(line: Line, labels: dict[str, str], pen: Pen) -> str:
    value = line.value("image_auroc")
    if value is None or value.low is None or value.high is None:
        return ""
    values = {"name": line.name, "auroc": pen.said("image_auroc", value), "table": labels["image_auroc"]}
    if value.low > 0.5:
        return pen.gettext(
            "%(name)s: image AUROC is %(auroc)s; its whole interval lies above the 50 %% of chance (%(table)s).",
            **values,
        )
    if value.high < 0.5:
        return pen.gettext(
            "%(name)s: image AUROC is %(auroc)s; its whole interval lies below the 50 %% of chance: flawed parts look "
            "more usual than good ones (%(table)s).",
            **values,
        )
    return pen.gettext(
        "%(name)s: image AUROC is %(auroc)s; its interval holds the 50 %% of chance, so it is not shown to find flaws "
        "(%(table)s).",
        **values,
    )


def _promise(line: Line, labels: dict[str, str], pen: Pen) -> str:
    rate, measured = promised(line), line.value("false_alarm_rate")
    if rate is None or measured is None or measured.low is None or measured.high is None:
        return ""
    values = {
        "name": line.name,
        "rate": percent(rate),
        "measured": pen.said("false_alarm_rate", measured),
        "n": measured.n,
        "table": labels["promise"],
    }
    if measured.low > rate:
        return pen.gettext(
            "%(name)s: at most %(rate)s of good parts were to be called flawed, and %(measured)s of %(n)s were: the "
            "promise is broken, for the whole interval lies above it (%(table)s).",
            **values,
        )
    if measured.high <= rate:
        return pen.gettext(
            "%(name)s: at most %(rate)s of good parts were to be called flawed, and %(measured)s of %(n)s were: the "
            "promise is kept, the whole interval lies within it (%(table)s).",
            **values,
        )
    return pen.gettext(
        "%(name)s: at most %(rate)s of good parts were to be called flawed, and %(measured)s of %(n)s were: the "
        "interval holds the promise, so these images neither break nor confirm it (%(table)s).",
        **values,
    )


def _limit(line: Line, labels: dict[str, str], pen: Pen) -> str:
    own, best = line.value("image_accuracy"), line.value("image_accuracy_max")
    separate = None if own is None or best is None else apart(own, best)
    if own is None or best is None or separate is None:
        return ""
    values = {
        "name": line.name,
        "own": pen.said("image_accuracy", own),
        "best": pen.said("image_accuracy", best),
        "one": labels["image_accuracy"],
        "other": labels["image_accuracy_max"],
    }
    if separate:
        return pen.gettext(
            "%(name)s: accuracy at the calibrated threshold, %(own)s (%(one)s), is below the best that any threshold "
            "could have had on these very images, %(best)s (%(other)s), and the intervals do not overlap: the "
            "threshold costs more than the ranking.",
            **values,
        )
    return pen.gettext(
        "%(name)s: accuracy at the calibrated threshold, %(own)s (%(one)s), cannot be told from the best that any "
        "threshold could have had on these very images, %(best)s (%(other)s): the intervals overlap.",
        **values,
    )


def _compared(material: Material, labels: dict[str, str], pen: Pen) -> list[str]:
    claims = []
    for metric in COMPARED:
        groups: dict[str, list[tuple[str, Value]]] = {}
        for line in material.lines:
            value = line.value(metric)
            if value is not None:
                where = pen.gettext("Among categories") if material.alone else line.category
                name = line.name if material.alone else line.entry.label
                groups.setdefault(where, []).append((name, value))
        for where, found in groups.items():
            sign = -1 if lower_is_better(metric) else 1
            ordered = sorted(found, key=lambda x: -sign * x[1].value)
            for other in islice(ordered[1:], OTHERS):
                claims.append(beside(pen, metric, where, ordered[0], other, labels[metric]))
    return claims


def _quantised(variants: Variants, pen: Pen) -> list[str]:
    claims = []
    for run, rows, label in variants.benched:
        first = next((r for r in rows if auroc_of(r)), None)
        for row in rows:
            one, other = (None if r is None else auroc_of(r) for r in (first, row))
            if first is not None and row is not first and one is not None and other is not None:
                pair = ((str(first["label"]), one), (str(row["label"]), other))
                claims.append(beside(pen, "image_auroc", run, *pair, label))
    return claims


def _clustered(clusters: Clusters, pen: Pen) -> list[str]:
    claims = []
    for name, planes in clusters.found:
        for metric in ("f1", "image_auroc"):
            own = planes.get("detector", {}).get(metric)
            for plane, figures in planes.items():
                if own is not None and plane != "detector" and metric in figures:
                    pair = ((plane_name(pen, "detector"), own), (plane_name(pen, plane), figures[metric]))
                    claims.append(beside(pen, metric, name, *pair, clusters.label))
    return claims
