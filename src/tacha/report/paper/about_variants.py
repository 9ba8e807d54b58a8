"""Section: the originals against their quantised and otherwise smaller variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tacha.report.compare import Value
from tacha.report.paper.content import Block, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen
from tacha.report.tables import Cell, number


@dataclass
class Variants:
    """The section; `benched` is [(run's name, its rows of bench.json, the table's label)] for the discussion."""

    section: Section
    benched: list[tuple[str, list[dict[str, Any]], str]]


def about_variants(material: Material, pen: Pen) -> Variants:
    blocks: list[Block] = []
    benched = []
    if material.variants:
        blocks.append(_kept(material, pen))
    for run in material.runs:
        rows = material.bench.get(run.folder)
        if rows:
            table = pen.table(
                pen.gettext("Measured side by side: %(run)s.", run=run.label), _head(pen), [_line(r, pen) for r in rows]
            )
            blocks.append(table)
            benched.append((run.label, rows, table.label))
    if blocks:
        text = pen.gettext(
            "Weights in 16 or 8 bits make an artefact smaller and, on some machines, faster %(works)s. Drawn flaws are "
            "laid over held-out good images, so that no test image decides what is kept.",
            works=pen.cite("jacob"),
        )
        blocks.insert(0, Paragraph(text))
    missing = [run.folder.name for run in material.runs if run.folder not in material.bench]
    if missing:
        blocks.append(
            Paragraph(
                pen.gettext(
                    "%(runs)s: there is no bench.json. `tacha compress RUN` makes quantised variants and `tacha bench "
                    "ARTEFACT… --data DIR --out RUN/bench` measures them beside their originals.",
                    runs=pen.listed(missing),
                )
            )
        )
    return Variants(Section(pen.gettext("Originals against quantised"), tuple(blocks)), benched)


def auroc_of(row: Mapping[str, Any]) -> Value | None:
    """The image AUROC of a row of bench.json, where labelled images were judged."""
    found = next((f for f in row.get("figures") or [] if f.get("metric") == "image_auroc"), None)
    return None if found is None else Value(found["value"], found.get("low"), found.get("high"), found.get("n"))


def _head(pen: Pen) -> list[str]:
    return [
        pen.gettext("variant"),
        "AUROC, %",
        pen.gettext("ms an image, median"),
        pen.gettext("of the time"),
        pen.gettext("file, MiB"),
        pen.gettext("verdicts changed"),
    ]


def _line(row: Mapping[str, Any], pen: Pen) -> list[Cell]:
    ratio = row.get("time_ratio") or {}
    return [
        Cell(str(row["label"])),
        pen.cell("image_auroc", auroc_of(row)),
        Cell(_number(row.get("p50_ms"))),
        Cell(_number(ratio.get("median")), _range(ratio.get("lowest"), ratio.get("highest"))),
        Cell(_number(row.get("file_mib"))),
        Cell(pen.gettext("%(n)s of %(all)s", n=row.get("changed_verdicts", "–"), all=row.get("judged", "–"))),
    ]


def _kept(material: Material, pen: Pen) -> Block:
    head = [
        pen.gettext("variant"),
        pen.gettext("kind"),
        pen.gettext("AUROC on drawn flaws, %"),
        pen.gettext("the original's, %"),
        pen.gettext("verdicts changed"),
    ]
    body = []
    for name, card in material.variants:
        about = card["variant"]
        aurocs = [
            "–" if about.get(k) is None else number(100 * about[k], "%") for k in ("drawn_auroc", "drawn_auroc_before")
        ]
        changed = "–"
        if "changed_verdicts" in about:
            changed = pen.gettext("%(n)s of %(all)s", n=about["changed_verdicts"], all=about.get("images", "–"))
        body.append([name, str(about.get("kind", "–")), *aurocs, changed])
    return pen.table(
        pen.gettext("What the variants beside the originals keep, on held-out good images and flaws drawn on them."),
        head,
        body,
    )


def _number(value: object) -> str:
    return number(float(value), "") if isinstance(value, (int, float)) else "–"


def _range(low: object, high: object) -> str:
    return f"{_number(low)}–{_number(high)}" if low is not None and high is not None else ""
