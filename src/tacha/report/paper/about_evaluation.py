"""Section: what was found and what was missed, in tables with intervals and in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tacha.calibration import percent
from tacha.errors import TachaError
from tacha.metrics.ranking import auroc
from tacha.report.compare import Judged, mean_of
from tacha.report.compare_plots import interval_plot
from tacha.report.paper.content import Block, Figure, Heading, Paragraph, Section, Table
from tacha.report.paper.material import Line, Material
from tacha.report.paper.pen import Pen
from tacha.report.plots import roc_plot, score_plot
from tacha.report.sizes import sized
from tacha.report.tables import Cell
from tacha.words import _

# Columns that a page holds: what needs no threshold, what the calibrated one gives, pixels, time.
TABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        _("Telling flawed images from good ones, whatever the threshold. Oracle figures take the threshold from the "
          "test images themselves: a bound, not a performance."),
        ("image_auroc", "image_ap", "image_f1_max", "image_accuracy_max"),
    ),
    (
        _("Verdicts at the calibrated threshold."),
        ("recall", "false_alarm_rate", "image_f1", "image_accuracy", "balanced_accuracy"),
    ),
    (
        _("Finding the flawed pixels."),
        ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30", "aupro_05"),
    ),
    (_("Time."), ("fit_seconds", "inspect_ms_p50")),
)  # fmt: skip
CURVES = 10  # in one ROC figure
KINDS = {
    "miss": _("A missed flaw"),
    "false alarm": _("A false alarm"),
    "find": _("A flaw that was found"),
}
EACH = 2  # pictures of a kind and category


@dataclass
class Evaluation:
    """The section, and what the discussion refers to: the table of each metric, and of the promises."""

    section: Section
    labels: dict[str, str] = field(default_factory=dict)


def about_evaluation(material: Material, pen: Pen) -> Evaluation:
    blocks: list[Block] = [
        Paragraph(
            pen.gettext(
                "Figures are in %%; in brackets their 95 %% intervals, bootstrapped over images %(bootstrap)s, exact "
                "for false alarms and flawed parts found %(exact)s.",
                bootstrap=pen.cite("efron"),
                exact=pen.cite("clopper"),
            )
        )
    ]
    labels: dict[str, str] = {}
    for caption, metrics in TABLES:
        table = _table(material, pen, pen.gettext(caption), metrics)
        if table is not None:
            blocks.append(table)
            labels |= dict.fromkeys(metrics, table.label)
    if promises := _promises(material, pen):
        blocks.append(promises)
        labels["promise"] = promises.label
    if "image_auroc" in labels:
        figure = _intervals(material, pen)
        blocks.append(figure)
        labels["image_auroc_figure"] = figure.label
    roc = _roc(material, pen)
    if roc is not None:
        blocks.append(roc)
    blocks += _scores(material, pen)
    if not any(material.judged(line) for line in material.lines):
        blocks.append(
            Paragraph(pen.gettext("No labelled test images were judged, so there is nothing to tabulate here."))
        )
    shown = _gallery(material, pen)
    if shown:
        blocks += [
            Heading(pen.gettext("Pictures")),
            Paragraph(
                pen.gettext(
                    "Left to right: the part, its heat map and, where a mask is known, the true flaw. Colours have one "
                    "scale a product: blue is below the threshold, amber to red above it, and the line surrounds what "
                    "exceeds it."
                )
            ),
            *shown,
        ]
    return Evaluation(Section(pen.gettext("Anomaly evaluation"), tuple(blocks)), labels)


def _table(material: Material, pen: Pen, caption: str, metrics: Sequence[str]) -> Table | None:
    lines = [x for x in material.lines if any(x.value(m) for m in metrics)]
    head = [m for m in metrics if any(x.value(m) for x in lines)]
    if not head:
        return None
    body = [[Cell(x.name), *(pen.cell(m, x.value(m)) for m in head)] for x in lines]
    if len(lines) > 1 and material.alone:
        means = []
        for m in head:
            values = [v for x in lines if (v := x.value(m)) is not None]
            means.append(pen.cell(m, mean_of(values)) if len(values) == len(lines) else Cell("–"))
        body.append([Cell(pen.gettext("mean")), *means])
    return pen.table(caption, [pen.gettext("category"), *(pen.name(m) for m in head)], body)


def promised(line: Line) -> float | None:
    """The false-alarm rate that a line's calibration promises, where it promises any."""
    rate = (line.calibration.get("promise") or {}).get("false_alarm_rate")
    return None if rate is None else float(rate)


def _promises(material: Material, pen: Pen) -> Table | None:
    body = []
    for line in material.lines:
        if not line.calibration:
            continue
        rate, measured = promised(line), line.value("false_alarm_rate")
        body.append(
            [
                Cell(line.name),
                Cell(f"{float(line.calibration['threshold']):.4g}"),
                Cell(pen.gettext("none") if rate is None else percent(rate)),
                pen.cell("false_alarm_rate", measured),
                Cell("–" if measured is None else str(measured.n)),
            ]
        )
    head = [
        pen.gettext("category"),
        pen.gettext("threshold"),
        pen.gettext("false alarms promised, at most"),
        pen.gettext("false alarms measured, %"),
        pen.gettext("on good test images"),
    ]
    return pen.table(pen.gettext("What each threshold promises, and what was measured."), head, body) if body else None


def _intervals(material: Material, pen: Pen) -> Figure:
    metric = "image_auroc"
    lines = [x for x in material.lines if x.value(metric)]
    if material.alone:
        columns = {"": [Judged(v) if (v := x.value(metric)) else None for x in lines]}
        names = [x.name for x in lines]
    else:
        comparison = material.comparison
        columns = {c: comparison.judged(metric, c) for c in comparison.categories(metric)}
        names = [e.label for e in comparison.entries]
    title = pen.name(metric)
    path = interval_plot(names, columns, title, "%", pen.place("auroc"), 100)
    caption = pen.gettext("Image AUROC with its 95 % interval; further right is better.")
    if not material.alone:
        caption += " " + pen.gettext(
            "A diamond is the best of its column; a hollow mark is one whose interval lies apart from the best one's."
        )
    alt = "; ".join(f"{x.name}: {pen.said(metric, v)}" for x in lines if (v := x.value(metric)))
    return pen.figure(path, f"{title}. {alt}", caption)


def _curves(material: Material) -> dict[str, tuple[list[float], list[int]]]:
    found = {}
    for line in material.lines:
        judged = material.judged(line) if line.own else []
        labels = [p["label"] for p in judged]
        if len(set(labels)) == 2:
            found[line.name] = ([p["score"] for p in judged], labels)
    return found


def _roc(material: Material, pen: Pen) -> Figure | None:
    curves = dict(list(_curves(material).items())[:CURVES])
    if not curves:
        return None
    captions = {name: f"{name}: {100 * float(auroc(*c)[0]):.1f} %" for name, c in curves.items()}
    path = roc_plot(curves, captions, pen.place("roc"), language=pen.language)
    caption = pen.gettext("ROC curves: flawed parts found against good parts called flawed, at every threshold.")
    return pen.figure(path, f"{caption} {'; '.join(captions.values())}", caption)


def _scores(material: Material, pen: Pen) -> list[Figure]:
    found = []
    for line in [x for x in material.lines if x.own and material.judged(x)][:CURVES]:
        judged = material.judged(line)
        threshold = line.calibration.get("threshold")
        path = score_plot(
            line.name,
            [p["score"] for p in judged],
            [p["defect"] for p in judged],
            None if threshold is None else float(threshold),
            pen.place(f"scores_{line.name}"),
            pen.language,
        )
        caption = pen.gettext(
            "Scores of %(name)s by kind of flaw; the dashed line is the calibrated threshold.", name=line.name
        )
        defects = pen.listed(sorted({p["defect"] for p in judged}))
        found.append(pen.figure(path, f"{caption} ({defects})", caption))
    return found


def _gallery(material: Material, pen: Pen) -> list[Figure]:
    found: list[Figure] = []
    for line in material.lines:
        entries = (line.entry.run.about.get("gallery") or {}).get(line.category) or [] if line.own else []
        for kind, said in KINDS.items():
            for e in [e for e in entries if e.get("kind") == kind][:EACH]:
                caption = pen.gettext(
                    "%(kind)s: %(name)s, %(defect)s, score %(score)s, threshold %(threshold)s.",
                    kind=pen.gettext(said),
                    name=line.name,
                    defect=e["defect"],
                    score=f"{float(e['score']):.4g}",
                    threshold=f"{float(line.calibration.get('threshold', float('nan'))):.4g}",
                )
                if "regions" in e:
                    caption += f" {sized(e['regions'], (e['size'][0], e['size'][1]), pen.words)}."
                source = _inside(line.entry.run.folder, e)
                name = f"{kind}_{line.name}"
                found.append(pen.picture(source, name, caption, caption))
    return found


def _inside(folder: Path, entry: dict[str, Any]) -> Path:
    path = folder / str(entry["image"])
    if not path.is_file():
        raise TachaError(f"{path}: cannot be read; a report needs the gallery's pictures, so run again")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TachaError(f"{path}: lies outside the run folder; metrics.json may only name pictures inside it")
    return path
