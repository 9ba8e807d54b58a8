"""A report as one self-contained HTML page."""

from __future__ import annotations

from tacha.report.environment import render
from tacha.report.paper.content import Figure, Paper
from tacha.report.pictures import embedded

KINDS = {".png": "image/png", ".jpg": "image/jpeg"}


def as_html(paper: Paper) -> str:
    figures = [b for s in paper.sections for b in s.blocks if isinstance(b, Figure)]
    sources = {f.label: embedded(KINDS[f.path.suffix], f.path.read_bytes()) for f in figures}
    sections = [(s.title, [(type(b).__name__, b) for b in s.blocks]) for s in paper.sections]
    return render("paper.html.j2", paper.language, paper=paper, sections=sections, sources=sources)
