"""The report put together: sections in their order, then the abstract that sums them up."""

from __future__ import annotations

import datetime
from pathlib import Path

from tacha.report.paper.about_claims import about_claims
from tacha.report.paper.about_clusters import about_clusters
from tacha.report.paper.about_data import about_data
from tacha.report.paper.about_evaluation import about_evaluation
from tacha.report.paper.about_limits import about_limits
from tacha.report.paper.about_models import about_models
from tacha.report.paper.about_reconstructions import about_reconstructions
from tacha.report.paper.about_settings import about_settings
from tacha.report.paper.about_training import about_training
from tacha.report.paper.about_variants import about_variants
from tacha.report.paper.content import Pairs, Paper, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen

NAMED = 4  # categories in a title; of more, how many there are


def assemble(material: Material, folder: Path, language: str, title: str = "", authors: str = "") -> Paper:
    """The report of runs in a language; its figures are saved below `folder`."""
    pen = Pen(language, folder)
    sections = [section(material, pen) for section in (about_data, about_models, about_settings, about_training)]
    sections.append(about_reconstructions(material, pen))
    evaluation = about_evaluation(material, pen)
    variants = about_variants(material, pen)
    clusters = about_clusters(material, pen)
    sections += [
        evaluation.section,
        variants.section,
        clusters.section,
        about_claims(material, evaluation, variants, clusters, pen),
        about_limits(material, pen),
        _how(material, pen),
    ]
    return Paper(
        title or _title(material, pen),
        authors,
        f"{datetime.datetime.now().astimezone():%Y-%m-%d}",
        language,
        tuple(_abstract(material, evaluation.labels, pen)),
        tuple(sections),
        pen.references(),
        (pen.gettext("Abstract"), pen.gettext("References")),
    )


def _title(material: Material, pen: Pen) -> str:
    names = material.categories
    if len(names) > NAMED:
        return pen.gettext("Visual inspection of %(n)s products, learned from good parts", n=len(names))
    return pen.gettext("Visual inspection of %(names)s, learned from good parts", names=pen.listed(names))


def _abstract(material: Material, labels: dict[str, str], pen: Pen) -> list[str]:
    said = [
        pen.ngettext(
            "%(n)d detector was fitted on good images only, of %(names)s.",
            "%(n)d detectors were fitted on good images only, of %(names)s.",
            len(material.lines),
            names=pen.listed(material.categories),
        )
    ]
    for line in [x for x in material.lines if x.own and material.judged(x)][:NAMED]:
        judged = material.judged(line)
        flawed = [p for p in judged if p["label"]]
        good = [p for p in judged if not p["label"]]
        values = {
            "name": line.name,
            "hits": sum(p["verdict"] == "flawed" for p in flawed),
            "flawed": len(flawed),
            "alarms": sum(p["verdict"] == "flawed" for p in good),
            "good": len(good),
        }
        text = pen.gettext(
            "%(name)s: %(hits)s of %(flawed)s flawed parts were found and %(alarms)s of %(good)s good ones "
            "called flawed",
            **values,
        )
        value = line.value("image_auroc")
        if value is not None:
            text += pen.gettext(
                "; image AUROC %(auroc)s (%(table)s)",
                auroc=pen.said("image_auroc", value),
                table=labels["image_auroc"],
            )
        said.append(f"{text}.")
    if not any(material.judged(x) for x in material.lines):
        said.append(pen.gettext("No labelled test images were judged, so how many flaws they find is not known."))
    said.append(
        pen.gettext(
            "Brackets hold 95 % intervals. Every table, figure and sentence was made from the files that the "
            "runs wrote."
        )
    )
    return [" ".join(said)]


def _how(material: Material, pen: Pen) -> Section:
    pairs = []
    for run in material.runs:
        versions = run.about.get("versions") or {}
        seconds = run.about.get("seconds")
        parts = [str(run.about.get("started", "–"))]
        if seconds is not None:
            parts.append(f"{float(seconds):.0f} s")
        parts.append(", ".join(f"{name} {version}" for name, version in versions.items()))
        pairs.append((run.folder.name, "; ".join(p for p in parts if p)))
    text = pen.gettext("Each run: when it started, how long it took, and the versions it ran with.")
    return Section(pen.gettext("How it was made"), (Paragraph(text), Pairs(tuple(pairs))))
