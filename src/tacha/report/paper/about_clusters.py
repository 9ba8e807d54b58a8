"""Section: DBSCAN on the embeddings, its noise read as flawed, beside the detector's own figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tacha.report.compare import Value
from tacha.report.paper.content import Block, Figure, Paragraph, Section, Table
from tacha.report.paper.material import PLANES as PLANES_OF_POINTS
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen
from tacha.report.paper.planes import plane_plot
from tacha.report.tables import Cell
from tacha.words import _

Row = dict[str, Any]
AGAINST_TRUTH = ("precision", "recall", "f1", "image_auroc")
SHAPE = ("clusters", "noise", "eps", "adjusted_rand", "silhouette")
TITLES = {
    "precision": _("precision"),
    "recall": _("flawed parts found"),
    "f1": "F1",
    "image_auroc": "AUROC",
    "clusters": _("clusters"),
    "noise": _("noise points"),
    "eps": "eps",
    "adjusted_rand": _("adjusted Rand index"),
    "silhouette": _("silhouette"),
}
PLANES = {
    "pca": _("DBSCAN on PCA"),
    "tsne": _("DBSCAN on t-SNE"),
    "detector": _("the detector itself"),
}
NAMES = {"pca": "PCA", "tsne": "t-SNE"}


@dataclass
class Clusters:
    """The section; `found` is [(category, {plane: {metric: Value}})], `label` the table that they stand in."""

    section: Section
    found: list[tuple[str, dict[str, dict[str, Value]]]]
    label: str = ""


def about_clusters(material: Material, pen: Pen) -> Clusters:
    blocks: list[Block] = []
    found: list[tuple[str, dict[str, dict[str, Value]]]] = []
    label = ""
    for run in material.runs:
        for name, planes in by_category(material.clusters.get(run.folder, [])).items():
            found.append((name if material.alone else f"{name} · {run.label}", planes))
    if found:
        blocks.append(
            Paragraph(
                pen.gettext(
                    "DBSCAN %(dbscan)s groups the test images' embeddings without any label; its noise points are read "
                    "as flawed and only then compared with the labels (adjusted Rand index %(rand)s, silhouette "
                    "%(silhouette)s). Distances between groups on a t-SNE plane, and the sizes of groups, must not be "
                    "trusted %(tsne)s: it keeps neighbourhoods only.",
                    dbscan=pen.cite("dbscan"),
                    rand=pen.cite("hubert"),
                    silhouette=pen.cite("rousseeuw"),
                    tsne=pen.cite("tsne"),
                )
            )
        )
        truth = pen.gettext("DBSCAN's noise points as verdicts, beside the detector's own, on the same images; in %.")
        for caption, metrics in ((truth, AGAINST_TRUTH), (pen.gettext("What the clusters are like."), SHAPE)):
            table = _table(pen, found, caption, metrics)
            if table is not None:
                blocks.append(table)
                label = label or (table.label if metrics is AGAINST_TRUTH else "")
        if not label:
            blocks.append(Paragraph(pen.gettext("Without labels there are no figures against truth.")))
        blocks += _pictures(material, pen)
    missing = [run.folder.name for run in material.runs if run.folder not in material.clusters]
    if missing:
        blocks.append(
            Paragraph(
                pen.gettext(
                    "%(runs)s: there is no clusters.json. `tacha cluster RUN` makes it, and this section with the next "
                    "report.",
                    runs=pen.listed(missing),
                )
            )
        )
    return Clusters(Section(pen.gettext("Clusters: DBSCAN"), tuple(blocks)), found, label)


def by_category(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, Value]]]:
    """{category: {plane: {metric: Value}}}, in the order of the rows."""
    found: dict[str, dict[str, dict[str, Value]]] = {}
    for r in rows:
        value = Value(float(r["value"]), r.get("low"), r.get("high"), r.get("n"))
        found.setdefault(str(r["category"]), {}).setdefault(str(r["plane"]), {})[str(r["metric"])] = value
    return found


def plane_name(pen: Pen, plane: str) -> str:
    return pen.gettext(PLANES.get(plane, plane))


def _table(
    pen: Pen, found: Sequence[tuple[str, dict[str, dict[str, Value]]]], caption: str, metrics: Sequence[str]
) -> Table | None:
    body = []
    head = [m for m in metrics if any(m in figures for _name, planes in found for figures in planes.values())]
    for name, planes in found:
        for plane, figures in planes.items():
            if any(m in figures for m in head):
                body.append(
                    [Cell(f"{name} · {plane_name(pen, plane)}"), *(_cell(pen, m, figures.get(m)) for m in head)]
                )
    titles = [pen.gettext(TITLES[m]) for m in head]
    return pen.table(caption, [pen.gettext("category"), *titles], body) if body else None


def _cell(pen: Pen, metric: str, value: Value | None) -> Cell:
    if value is not None and metric in ("clusters", "noise"):
        return Cell(str(round(value.value)))
    if value is not None and metric in ("adjusted_rand", "silhouette", "eps"):
        return Cell(f"{value.value:.3g}")
    return pen.cell(metric, value)


def _pictures(material: Material, pen: Pen) -> list[Figure]:
    out = []
    for run in material.runs:
        points = material.points.get(run.folder, [])
        for category in dict.fromkeys(row["category"] for row in points):
            own = [row for row in points if row["category"] == category]
            for plane in [p for p in PLANES_OF_POINTS if f"{p}_x" in own[0]]:
                caption = pen.gettext(
                    "Embeddings of the test images of %(name)s on the plane of %(plane)s.",
                    name=category,
                    plane=NAMES[plane],
                )
                path = plane_plot(own, plane, pen.place(f"clusters_{category}_{plane}"), pen.words)
                out.append(pen.figure(path, caption, caption))
        for path in material.cluster_pictures.get(run.folder, []):
            caption = pen.gettext(
                "Distances to the k-th neighbour, sorted; the line is eps: %(of)s.",
                of=_of(path.stem.removesuffix("_k_distances")),
            )
            out.append(pen.picture(path, path.stem, caption, caption))
    return out


def _of(stem: str) -> str:
    """clusters_0_screw_pca: screw, PCA."""
    found = re.fullmatch(r"clusters_\d+_(.*)_(pca|tsne)", stem)
    return f"{found[1]}, {NAMES[found[2]]}" if found else stem
