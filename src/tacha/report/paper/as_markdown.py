"""A report as Markdown (GitHub's, with its tables); figures are files beside it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from tacha.report.paper.content import Block, Bullets, Heading, Pairs, Paper, Paragraph, Table

SPECIAL = re.compile(r"([\\`*_\[\]<>#|$~&])")
LISTED = re.compile(r"^(\d*)([-+.)=])(?=\s|$|[-=])")  # what would begin a list or underline a heading


def as_markdown(paper: Paper, folder: Path) -> str:
    parts = [f"# {plain(paper.title)}", " · ".join(plain(x) for x in (paper.authors, paper.date) if x)]
    parts += [f"## {plain(paper.titled[0])}", *(plain(text) for text in paper.abstract)]
    for number, section in enumerate(paper.sections, 1):
        parts.append(f"## {number}. {plain(section.title)}")
        parts += [_block(b, folder) for b in section.blocks]
    if paper.references:
        parts.append(f"## {plain(paper.titled[1])}")
        parts.append("\n".join(f"{i}. {plain(work)}" for i, work in enumerate(paper.references, 1)))
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return LISTED.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", " ".join(text.split())))


def _block(block: Block, folder: Path) -> str:
    if isinstance(block, Paragraph):
        return plain(block.text)
    if isinstance(block, Heading):
        return f"### {plain(block.text)}"
    if isinstance(block, Bullets):
        return "\n".join(f"- {plain(item)}" for item in block.items)
    if isinstance(block, Pairs):
        return "\n".join(f"- **{plain(name)}**: {plain(value)}" for name, value in block.items)
    if isinstance(block, Table):
        return f"**{plain(block.label)}.** {plain(block.caption)}\n\n{_table(block)}"
    where = quote(block.path.relative_to(folder).as_posix())
    return f"![{plain(block.alt)}]({where})\n\n**{plain(block.label)}.** {plain(block.caption)}"


def _table(table: Table) -> str:
    lines = [
        "| " + " | ".join(plain(name) or " " for name in table.head) + " |",
        "| --- |" + " ---: |" * (len(table.head) - 1),
    ]
    for line in table.body:
        cells = [f"{c.value} ({c.interval})" if c.interval else c.value for c in line]
        lines.append("| " + " | ".join(plain(c) or " " for c in cells) + " |")
    return "\n".join(lines)
