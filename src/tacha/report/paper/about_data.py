"""Section: which images, how many, and the digest that says they are the same ones."""

from __future__ import annotations

from tacha.report.echoed import echoed
from tacha.report.paper.content import Block, Bullets, Pairs, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen

NOTES = 12  # of each run; the rest is counted


def about_data(material: Material, pen: Pen) -> Section:
    body = []
    for category in material.categories:
        line = next((x for x in material.lines if x.category == category and x.own), None)
        line = line or next(x for x in material.lines if x.category == category)
        fitted = line.value("fit_seconds")
        held = (line.calibration.get("promise") or {}).get("n") or len(line.calibration.get("good_scores") or [])
        judged = material.judged(line)
        flawed = [p for p in judged if p["label"]]
        defects = len({p["defect"] for p in flawed})
        body.append(
            [
                category,
                "–" if fitted is None or fitted.n is None else str(fitted.n),
                str(held or "–"),
                str(len(judged) - len(flawed)) if judged else "–",
                str(len(flawed)) if judged else "–",
                str(defects) if flawed else "–",
            ]
        )
    head = [
        pen.gettext("category"),
        pen.gettext("good, fitted on"),
        pen.gettext("good, held out"),
        pen.gettext("good, tested"),
        pen.gettext("flawed, tested"),
        pen.gettext("kinds of flaw"),
    ]
    table = pen.table(pen.gettext("Images by category and by what they were used for."), head, body)
    blocks: list[Block] = [
        Paragraph(
            pen.gettext(
                "Detectors learn from good images only. Some of these are held out, by their content and before "
                "anything is fitted, to set the threshold; the test images are judged once, at the end, and choose "
                "nothing (%(table)s).",
                table=table.label,
            )
        ),
        table,
    ]
    if not any(material.judged(x) for x in material.lines):
        blocks.append(
            Paragraph(
                pen.gettext("No run judged labelled test images, so nothing here can say how many flaws are found.")
            )
        )
    blocks.append(Pairs(tuple(_digests(material, pen))))
    for run in material.runs:
        said = [echoed(str(n), pen.words) for n in run.about.get("notes") or []]
        skipped = run.about.get("skipped") or []
        if skipped:
            said.append(
                pen.ngettext(
                    "%(n)d file was skipped, the first of them %(path)s (%(why)s); the run's own page lists them",
                    "%(n)d files were skipped, the first of them %(path)s (%(why)s); the run's own page lists them",
                    len(skipped),
                    path=skipped[0][0],
                    why=skipped[0][1],
                )
            )
        if said:
            blocks.append(Paragraph(pen.gettext("Notes of the run %(run)s:", run=run.folder.name)))
            more = len(said) - NOTES
            rest = [pen.ngettext("%(n)d more note", "%(n)d more notes", more)] if more > 0 else []
            blocks.append(Bullets((*said[:NOTES], *rest)))
    return Section(pen.gettext("Data"), tuple(blocks))


def _digests(material: Material, pen: Pen) -> list[tuple[str, str]]:
    """A run's data set and digest; runs on the same images are said together."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in material.runs:
        data = run.about.get("data") or {}
        found.setdefault((str(data.get("layout", "–")), str(data.get("digest", "–"))), []).append(run.folder.name)
    return [
        (
            pen.listed(names),
            pen.gettext("layout %(layout)s; digest of the file list %(digest)s", layout=layout, digest=digest),
        )
        for (layout, digest), names in found.items()
    ]
