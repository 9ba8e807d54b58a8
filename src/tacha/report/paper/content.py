"""What a report is made of, whatever it is written as. Every text is plain: a writer escapes it for its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tacha.report.tables import Cell


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Names and what they stand for."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """`label` is its number in words ("Table 2"); `body` has a line of cells each, its name first."""

    label: str
    caption: str
    head: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture in the report's own `figures/`."""

    label: str
    path: Path
    alt: str
    caption: str


Block: TypeAlias = Paragraph | Heading | Bullets | Pairs | Table | Figure


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Paper:
    """A whole report. `titled` has the words around the text: abstract, references."""

    title: str
    authors: str
    date: str
    language: str
    abstract: tuple[str, ...]
    sections: tuple[Section, ...]
    references: tuple[str, ...]
    titled: tuple[str, str]
