"""A report as Typst markup, and as the PDF that Typst makes of it. Every text is a Typst string, never markup."""

from __future__ import annotations

from pathlib import Path

from tacha.errors import TachaError
from tacha.files import written
from tacha.report.paper.content import Block, Bullets, Figure, Heading, Pairs, Paper, Paragraph, Table

HOW = "pip install 'tacha[pdf]'"
MM_WIDE, MM_TALL = 166, 90  # a figure at most; A4 less its margins, and a third of it
MM_PANELS = 140  # panels side by side: four fit on a page
DPI = 170
SETUP = """\
#set page(paper: "a4", margin: (x: 22mm, y: 24mm), numbering: "1")
#set text(font: "Libertinus Serif", size: 10pt)
#set par(justify: true, leading: .62em)
#set heading(numbering: "1.1")
#show heading.where(level: 1): set text(size: 13pt)
#show heading.where(level: 2): set text(size: 11pt)
#show heading: set block(above: 1.4em, below: .7em)
#show figure.caption: set text(size: 9pt)
#set table(stroke: none, inset: (x: 4pt, y: 3pt))
#let low(it) = text(size: 7.5pt, fill: luma(90), it)
"""


def can_typeset() -> bool:
    """Whether the extra `pdf` is there."""
    from importlib.util import find_spec

    return find_spec("typst") is not None


def write_pdf(paper: Paper, path: Path) -> Path:
    """The report as a PDF; its figures lie below its folder. TachaError where Typst is missing or refuses it."""
    try:
        import typst
    except ImportError as error:
        raise TachaError(f"{path}: a PDF needs Typst: {HOW}") from error
    source = as_typst(paper, path.parent).encode()
    try:
        with written(path) as part:
            # A main file has to lie inside the root; bytes do not lie anywhere, and paths in them are the root's.
            typst.Compiler(source, str(path.parent), ignore_system_fonts=True).compile(output=str(part), format="pdf")
    except typst.TypstError as error:
        raise TachaError(f"{path}: Typst refused the report ({' '.join(str(error).split())})") from error
    return path


def as_typst(paper: Paper, folder: Path) -> str:
    head = " · ".join(x for x in (paper.authors, paper.date) if x)
    parts = [
        SETUP,
        f"#set text(lang: {string(paper.language)})",
        f"#set document(title: {string(paper.title)}, author: {string(paper.authors)})",
        f"#align(center)[#set par(justify: false)\n#text(size: 17pt, weight: 700, {string(paper.title)}) #v(.3em) "
        f"#{string(head)}]",
        f"#block(inset: (x: 1.5em, y: .5em))[#text(weight: 700, {string(paper.titled[0])}) #parbreak() "
        + " #parbreak() ".join(f"#{string(text)}" for text in paper.abstract)
        + "]",
    ]
    for section in paper.sections:
        parts.append(f"#heading(level: 1, {string(section.title)})")
        parts += [_block(b, folder) for b in section.blocks]
    if paper.references:
        parts.append(f"#heading(level: 1, numbering: none, {string(paper.titled[1])})")
        works = ", ".join(f"[#{string(work)}]" for work in paper.references)
        parts.append(f'#text(size: 9pt, enum(numbering: "[1]", {works}))')
    return "\n\n".join(parts) + "\n"


def string(text: str) -> str:
    """A Typst string of the text on one line; control characters are left out."""
    flat = "".join(c for c in " ".join(text.split()) if c.isprintable())
    escaped = flat.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _block(block: Block, folder: Path) -> str:
    if isinstance(block, Paragraph):
        return f"#par({string(block.text)})"
    if isinstance(block, Heading):
        return f"#heading(level: 2, numbering: none, {string(block.text)})"
    if isinstance(block, Bullets):
        return f"#list({', '.join(f'[#{string(item)}]' for item in block.items)})"
    if isinstance(block, Pairs):
        cells = ", ".join(f"[#{_broken(name)}], [#{_broken(value)}]" for name, value in block.items)
        grid = f"#grid(columns: (auto, 1fr), column-gutter: 1em, row-gutter: .45em, {cells})"
        return f"#text(size: 9pt)[#set par(justify: false)\n{grid}]"
    if isinstance(block, Table):
        return _table(block)
    return _figure(block, folder)


def _broken(text: str) -> str:
    """Long words such as a digest may break anywhere."""
    return string("\u200b".join(text[i : i + 32] for i in range(0, len(text), 32)) if " " not in text else text)


def _table(table: Table) -> str:
    columns = len(table.head)
    width = f"(1.6fr, {'1fr, ' * (columns - 1)})" if columns > 1 else "1"
    align = f"(left, {'right, ' * (columns - 1)})" if columns > 1 else "left"
    head = ", ".join(f"[#text(size: 8.5pt, weight: 700, {string(name)})]" for name in table.head)
    cells = ", ".join(
        f"[#{string(c.value)}" + (f" \\ #low({string(c.interval)})]" if c.interval else "]")
        for line in table.body
        for c in line
    )
    return (
        f"#block(breakable: true, above: 1.3em, below: 1.3em)[#block(sticky: true, below: .5em)[#text(size: 9pt)"
        f"[*#{string(table.label + '.')}* #{string(table.caption)}]] #text(size: 9pt)[#set par(justify: false)\n"
        f"#table(columns: {width}, align: {align}, table.hline(), table.header({head}), "
        f"table.hline(stroke: .5pt), {cells}, table.hline())]]"
    )


def _figure(figure: Figure, folder: Path) -> str:
    where = "/" + figure.path.relative_to(folder).as_posix()
    return (
        f"#block(breakable: false, above: 1.3em, below: 1.3em, width: 100%)[#align(center, "
        f"box(image({string(where)}, alt: {string(figure.alt)}, {_size(figure.path)}))) "
        f"#block(above: .6em)[#text(size: 9pt)[*#{string(figure.label + '.')}* #{string(figure.caption)}]]]"
    )


def _size(path: Path) -> str:
    """A little smaller than drawn, at most as wide as the text and as tall as a third of the page."""
    from PIL import Image

    with Image.open(path) as image:
        width, height = image.size
    shown = min(MM_PANELS if width > 2.2 * height else MM_WIDE, width / DPI * 25.4, MM_TALL * width / height)
    return f"width: {shown:.1f}mm"
