"""What a bench found, for people and for programs: cells of a table, bench.json, the picture."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tacha.files import write_text
from tacha.report.compare import Value, mean_of
from tacha.report.frontier import Point, frontier_plot
from tacha.runtime.bench import Measured
from tacha.runtime.machine import available_cores
from tacha.versions import versions
from tacha.words import _, words

TITLES = (
    _("image AUROC"),
    _("p50 ms"),
    _("p95"),
    _("p99"),
    _("engine p50"),
    _("of the time"),
    _("images/s"),
    _("start s"),
    _("file MiB"),
    _("peak MiB"),
    _("changed verdicts"),
)


def reference_of(found: Sequence[Measured]) -> Measured:
    """What ratios and changed verdicts are against: the first on torch in full precision, else the first."""
    return next((m for m in found if (m.variant.engine, m.variant.precision) == ("torch", "f32")), found[0])


def cells(m: Measured, reference: Measured, language: str = "en") -> list[str]:
    """A line of the table, one text for each of TITLES."""
    auroc = figure(m, "image_auroc")
    ratio, low, high = m.ratio(reference)
    return [
        "–" if auroc is None else f"{auroc['value']:.3f} ({auroc['low']:.3f}–{auroc['high']:.3f})",
        *(f"{m.quantile(q):.1f}" for q in (0.5, 0.95, 0.99)),
        f"{m.quantile(0.5, inside=True):.1f}",
        f"{ratio:.2f} ({low:.2f}–{high:.2f})",
        f"{m.images_per_second:.1f}",
        f"{m.start_seconds:.1f}",
        f"{m.size_mb:.1f}",
        "–" if m.peak_mb is None else f"{m.peak_mb:.0f}",
        words(language).gettext("%(n)s of %(all)s") % {"n": m.changed(reference), "all": len(m.verdicts)},
    ]


def write_bench(folder: Path, found: Sequence[Measured], about: Mapping[str, Any], language: str = "en") -> list[Path]:
    """bench.json, and frontier.png where images were labelled; `about` says how it was measured."""
    reference = reference_of(found)
    rows = []
    for m in found:
        ratio, low, high = m.ratio(reference)
        rows.append(
            {
                "artefact": str(m.variant.artefact),
                "label": m.variant.label,
                "engine": m.variant.engine,
                "precision": m.variant.precision,
                **m.about,
                **{f"p{round(100 * q)}_ms": m.quantile(q) for q in (0.5, 0.95, 0.99)},
                **{f"engine_p{round(100 * q)}_ms": m.quantile(q, inside=True) for q in (0.5, 0.95, 0.99)},
                "time_ratio": {"to": reference.variant.label, "median": ratio, "lowest": low, "highest": high},
                "images_per_second": m.images_per_second,
                "start_seconds": m.start_seconds,
                "file_mib": m.size_mb,
                "peak_mib": m.peak_mb,
                "changed_verdicts": m.changed(reference),
                "judged": len(m.verdicts),
                "figures": m.figures,
            }
        )
    run = {**about, "machine": platform.machine(), "cores": available_cores(), "versions": versions()}
    text = json.dumps({"rows": rows, "run": run}, indent=1, allow_nan=False)
    out = [write_text(folder / "bench.json", text + "\n")]
    points = [
        Point(m.variant.label, m.quantile(0.5), row["value"], row["low"], row["high"])
        for m in found
        if (row := figure(m, "image_auroc"))
    ]
    if points:
        out.append(frontier_plot(points, words(language).gettext("image AUROC"), folder / "frontier.png", language))
    return out


def means(found: Sequence[Sequence[Measured]]) -> list[Point]:
    """Of what was measured in every category under one label: mean of the median times, mean AUROC and its interval."""
    by_label: dict[str, list[Measured]] = {}
    for m in (m for category in found for m in category if figure(m, "image_auroc")):
        by_label.setdefault(m.variant.label, []).append(m)
    out = []
    for label, measured in by_label.items():
        if len(measured) == len(found):
            rows = [figure(m, "image_auroc") or {} for m in measured]
            auroc = mean_of([Value(row["value"], row["low"], row["high"]) for row in rows])
            times = [m.quantile(0.5) for m in measured]
            out.append(Point(label, sum(times) / len(times), auroc.value, auroc.low, auroc.high))
    return out


def figure(m: Measured, metric: str) -> dict[str, Any] | None:
    """The row of a metric, where labelled images were judged."""
    return next((row for row in m.figures if row["metric"] == metric), None)
