"""Section: what trained nets make of their images."""

from __future__ import annotations

from tacha.report.paper.content import Block, Paragraph, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen
from tacha.words import _

MOST = 6  # pictures of a kind; the run's own page has all
SAID = {
    "Reconstructions": _("Images and what the net gives back, %(of)s."),
    "Reconstruction errors": _("Reconstruction errors of good images against those of each kind of flaw, %(of)s."),
}


def about_reconstructions(material: Material, pen: Pen) -> Section:
    blocks: list[Block] = []
    for kind, said in SAID.items():
        found = [(run, path) for run in material.runs for path in run.pictures.get(kind, [])]
        for run, path in found[:MOST]:
            of = " · ".join(dict.fromkeys((run.label, path.stem))) if len(material.runs) > 1 else path.stem
            caption = pen.gettext(said, of=of)
            blocks.append(pen.picture(path, path.stem, caption, caption))
        if len(found) > MOST:
            blocks.append(
                Paragraph(
                    pen.ngettext(
                        "%(n)d more picture of this kind is on the runs' own pages.",
                        "%(n)d more pictures of this kind are on the runs' own pages.",
                        len(found) - MOST,
                    )
                )
            )
    if not blocks:
        blocks.append(Paragraph(pen.gettext("No net here gives images back, so there are no reconstructions to show.")))
    return Section(pen.gettext("Reconstructions"), tuple(blocks))
