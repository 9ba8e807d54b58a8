"""Section: which nets and scorers, with the works that they are after."""

from __future__ import annotations

from tacha.report.compare import Entry
from tacha.report.paper.content import Block, Bullets, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.papers import LOSSES, NETS, SCORERS, Said, works_of
from tacha.report.paper.pen import Pen


def about_models(material: Material, pen: Pen) -> Section:
    nets = list(dict.fromkeys(_net(e) for e in material.comparison.entries))
    scorers = list(dict.fromkeys(e.rows["scorer"] for e in material.comparison.entries))
    blocks: list[Block] = [
        Paragraph(_thresholds(material, pen)),
        Paragraph(pen.gettext("Nets:")),
        Bullets(tuple(_named(pen, net, NETS, backbone, loss) for net, backbone, loss in nets)),
        Paragraph(pen.gettext("Scorers:")),
        Bullets(tuple(_named(pen, scorer, SCORERS) for scorer in scorers)),
    ]
    engines = list(dict.fromkeys(f"{e.rows['engine']} ({e.rows['precision']})" for e in material.comparison.entries))
    blocks.append(
        Paragraph(
            pen.gettext("What is measured here was judged by the engine %(engines)s.", engines=pen.listed(engines))
        )
    )
    return Section(pen.gettext("Models"), tuple(blocks))


def _net(entry: Entry) -> tuple[str, str, str]:
    settings = entry.run.settings
    return entry.rows["net"], settings.get("model.backbone", ""), settings.get("model.loss", "")


def _thresholds(material: Material, pen: Pen) -> str:
    text = pen.gettext("A detector is a net, which sees, and a scorer, which says how unusual that is.")
    if any(line.calibration.get("method") == "conformal" for line in material.lines):
        return f"{text} " + pen.gettext(
            "The held-out good images set a conformal threshold %(conformal)s, which promises how many good parts are "
            "called flawed at most %(promise)s.",
            conformal=pen.cite("vovk"),
            promise=pen.cite("wilks"),
        )
    return f"{text} " + pen.gettext("The held-out good images set its threshold.")


def _named(pen: Pen, name: str, known: dict[str, Said], backbone: str = "", loss: str = "") -> str:
    what, works = known.get(name, ("", ()))
    of = f"{name} ({backbone})" if backbone else name
    text = f"{of}: {pen.gettext(what)}" if what else of
    works = tuple(dict.fromkeys((*works, *works_of(backbone))))
    text += f" {pen.cite(*works)}" if works else ""
    if loss:
        text += "; " + pen.gettext("loss %(loss)s", loss=loss)
        text += f" {pen.cite(*LOSSES[loss])}" if loss in LOSSES else ""
    return text
