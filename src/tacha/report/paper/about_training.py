"""Section: how the losses went, and whether they show overfitting; nothing is said that a history does not show."""

from __future__ import annotations

import math

from tacha.report.curves import Curve, curve_plots
from tacha.report.paper.content import Block, Figure, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen
from tacha.report.tables import number
from tacha.words import _

RISE = 0.05  # of the validation loss over its least, from which on it is called a rise
OVERFITS = _("overfits")
FALLING = _("still falling at the end")
LEVEL = _("no rise")
UNKNOWN = _("no validation loss")


def about_training(material: Material, pen: Pen) -> Section:
    curves = [
        (f"{run.label} · {c.name}" if len(material.runs) > 1 else c.name, c)
        for run in material.runs
        for c in run.curves
    ]
    title = pen.gettext("Training")
    if not curves:
        text = pen.gettext("No net was trained in these runs (no history.csv): there is no loss that could overfit.")
        return Section(title, (Paragraph(text),))
    alt = pen.ngettext(
        "Training and validation loss of %(n)d training, by epoch",
        "Training and validation loss of %(n)d trainings, by epoch",
        len(curves),
    )
    caption = pen.gettext(
        "Training loss (solid) and validation loss (dashed) by epoch. The dotted line stands at the epoch whose "
        "weights were kept."
    )
    figures: list[Figure] = []
    for path in curve_plots(curves, pen.place("losses"), pen.language):
        figures.append(pen.figure(path, alt, caption))
    body = []
    for name, curve in curves:
        best = curve.best
        body.append(
            [
                name,
                str(len(curve.epochs)),
                "–" if best is None else str(curve.epochs[best]),
                *("–" if best is None else _loss(x[best]) for x in (curve.train, curve.validation)),
                _loss(curve.validation[-1]),
                pen.gettext(verdict(curve)),
            ]
        )
    head = [
        pen.gettext("training"),
        pen.gettext("epochs"),
        pen.gettext("epoch kept"),
        pen.gettext("training loss there"),
        pen.gettext("validation loss there"),
        pen.gettext("validation loss at the end"),
        pen.gettext("what it shows"),
    ]
    table = pen.table(pen.gettext("Losses at the epoch whose weights were kept, and at the last."), head, body)
    over = [name for name, c in curves if verdict(c) == OVERFITS]
    said = (
        pen.gettext(
            "%(names)s overfitted: the validation loss rose by more than %(rise)s %% over its least while the training "
            "loss went on falling (%(figure)s, %(table)s). The weights kept are those before the rise.",
            names=pen.listed(over),
            rise=f"{100 * RISE:g}",
            figure=figures[0].label,
            table=table.label,
        )
        if over
        else pen.gettext(
            "No training shows overfitting, a validation loss that rises by more than %(rise)s %% over its least while "
            "the training loss falls (%(figure)s, %(table)s).",
            rise=f"{100 * RISE:g}",
            figure=figures[0].label,
            table=table.label,
        )
    )
    said += " " + pen.gettext("Each training is one, so that its losses have no interval.")
    blocks: list[Block] = [Paragraph(said), *figures, table]
    return Section(title, tuple(blocks))


def verdict(curve: Curve) -> str:
    """What the file shows: overfitting, a loss still falling at the last epoch, neither, or nothing."""
    best = curve.best
    if best is None:
        return UNKNOWN
    last, least = curve.validation[-1], curve.validation[best]
    rises = math.isfinite(last) and last - least > RISE * abs(least)
    if rises and math.isfinite(curve.train[-1]) and curve.train[-1] < curve.train[best]:
        return OVERFITS
    return FALLING if best == len(curve.epochs) - 1 and best > 0 else LEVEL


def _loss(value: float) -> str:
    return number(value, "") if math.isfinite(value) else "–"
