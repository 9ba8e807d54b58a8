"""Section: what was set, what was varied."""

from __future__ import annotations

from tacha.report.paper.content import Block, Pairs, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen

GROUPS = ("data.", "model.", "scorer.", "calibration.", "trainer.", "seed")
LEFT_OUT = ("data.root", "data.num_workers", "data.categories", "data.batch_size", "model.learner")
SAID_BY_DATA = ("data.root", "data.categories", "name")
WIDE = 5  # columns of settings that a page holds beside the name


def about_settings(material: Material, pen: Pen) -> Section:
    comparison = material.comparison
    blocks: list[Block] = []
    columns = [c for c in comparison.columns if c not in SAID_BY_DATA]
    if len(comparison.entries) > 1 and columns:
        said = []
        for start in range(0, len(columns), WIDE):
            part = columns[start : start + WIDE]
            body = [[e.run.folder.name, *(e.settings[c] for c in part)] for e in comparison.entries]
            said.append(
                pen.table(
                    pen.gettext("What tells the runs apart: the settings that differ."),
                    [pen.gettext("run"), *part],
                    body,
                )
            )
        blocks.append(
            Paragraph(
                pen.ngettext(
                    "%(n)d combination of net, scorer and settings was tried (%(tables)s).",
                    "%(n)d combinations of net, scorer and settings were tried (%(tables)s).",
                    len(comparison.entries),
                    tables=pen.listed(t.label for t in said),
                )
            )
        )
        blocks += said
    else:
        blocks.append(Paragraph(pen.gettext("One combination of net, scorer and settings was tried.")))
    trained = any(run.curves for run in material.runs)
    shared = {
        key: value
        for key, value in material.runs[0].settings.items()
        if key.startswith(GROUPS)
        and key not in (*LEFT_OUT, *columns)
        and (trained or not key.startswith("trainer."))
        and value != "null"
        and all(run.settings.get(key) == value for run in material.runs)
    }
    if shared:
        blocks.append(
            Paragraph(
                pen.gettext("All runs share these settings:")
                if len(material.runs) > 1
                else pen.gettext("The settings were these:")
            )
        )
        blocks.append(Pairs(tuple(shared.items())))
    return Section(pen.gettext("Settings tried"), tuple(blocks))
