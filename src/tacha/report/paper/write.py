"""`tacha report`: runs in, one report out, in every format asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tacha.errors import TachaError
from tacha.files import check_folder, write_text
from tacha.report.paper.as_html import as_html
from tacha.report.paper.as_markdown import as_markdown
from tacha.report.paper.as_typst import can_typeset, write_pdf
from tacha.report.paper.assemble import assemble
from tacha.report.paper.material import read_material
from tacha.words import words

FORMATS = ("html", "md", "pdf")


def write_paper(
    runs: Sequence[str | Path],
    folder: Path,
    formats: Sequence[str] = FORMATS,
    language: str = "en",
    title: str = "",
    authors: str = "",
) -> list[Path]:
    """Write report.html, report.md and report.pdf into `folder`, and its figures below; returns what was written.

    Without Typst there is no PDF, and no error. Raises TachaError naming what a run lacks, before anything is written.
    """
    words(language)
    check_folder(folder)
    folder = folder.resolve()
    if (folder / "metrics.json").is_file():
        raise TachaError(f"{folder}: is a run folder, whose own report.html would be lost; choose another --out")
    paper = assemble(read_material(runs), folder, language, title, authors)
    written = []
    if "html" in formats:
        written.append(write_text(folder / "report.html", as_html(paper)))
    if "md" in formats:
        written.append(write_text(folder / "report.md", as_markdown(paper, folder)))
    if "pdf" in formats and can_typeset():
        written.append(write_pdf(paper, folder / "report.pdf"))
    return written
