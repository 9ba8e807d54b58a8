"""What the sections are written with: the words of a language, the numbers of tables and figures, the references."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tacha.errors import TachaError
from tacha.files import written
from tacha.report.compare import Value
from tacha.report.paper.bibliography import REFERENCES
from tacha.report.paper.content import Figure, Table
from tacha.report.tables import NAMES, Cell, number
from tacha.words import words

SIDE = 1400  # px, the longer side of a copied picture
RATES = re.compile(r"auroc|_ap$|f1|accuracy|recall|precision|false_alarm_rate|aupro")


class Pen:
    """Numbers run through the whole report, so its sections are written in their order. `folder` takes the figures."""

    def __init__(self, language: str, folder: Path) -> None:
        self.language, self.folder = language, folder
        self.words = words(language)
        self.cited: list[str] = []
        self._tables = self._figures = 0

    def gettext(self, message: str, **values: object) -> str:
        """A message in the report's language, its %(places)s filled."""
        said = self.words.gettext(message)
        return said % values if values else said

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        return self.words.ngettext(one, many, n) % {"n": n, **values}

    def cite(self, *keys: str) -> str:
        """[1, 2]: the numbers of these works, in the order in which works were first cited."""
        for key in keys:
            if key not in self.cited:
                self.cited.append(key)
        return f"[{', '.join(str(self.cited.index(key) + 1) for key in keys)}]"

    def references(self) -> tuple[str, ...]:
        return tuple(REFERENCES[key] for key in self.cited)

    def table(self, caption: str, head: Sequence[str], body: Iterable[Sequence[Cell | str]]) -> Table:
        self._tables += 1
        lines = tuple(tuple(Cell(c) if isinstance(c, str) else c for c in line) for line in body)
        return Table(self.gettext("Table %(n)s", n=self._tables), caption, tuple(head), lines)

    def place(self, name: str, suffix: str = ".png") -> Path:
        """Where the next figure is to be saved: numbered, so that the folder reads as the report does."""
        return self.folder / "figures" / f"{self._figures + 1:02}_{plain(name)}{suffix}"

    def figure(self, path: Path, alt: str, caption: str) -> Figure:
        self._figures += 1
        return Figure(self.gettext("Figure %(n)s", n=self._figures), path, alt, caption)

    def picture(self, source: Path, name: str, alt: str, caption: str) -> Figure:
        """A run's own picture, copied beside the report: as it is, or as JPEG where it is big."""
        from PIL import Image

        try:
            with Image.open(source) as opened:
                opened.load()
                image = opened.convert("RGB") if max(opened.size) > SIDE else None
        except OSError as error:
            raise TachaError(f"{source}: is not a whole picture ({error}); run again to write it anew") from error
        path = self.place(name, ".jpg" if image else ".png")
        with written(path) as part:
            if image is None:
                shutil.copyfile(source, part)
            else:
                image.thumbnail((SIDE, SIDE))
                image.save(part, format="JPEG", quality=88)
        return self.figure(path, alt, caption)

    def name(self, metric: str) -> str:
        return self.gettext(NAMES.get(metric, metric))

    def cell(self, metric: str, value: Value | None) -> Cell:
        """A value and its interval as the tables show them; rates in %."""
        if value is None:
            return Cell("–")
        low, high = ("" if x is None else shown(metric, x) for x in (value.low, value.high))
        return Cell(shown(metric, value.value), f"{low}–{high}" if low and high else "")

    def said(self, metric: str, value: Value) -> str:
        """A value and its interval inside a sentence."""
        cell = self.cell(metric, value)
        unit = " %" if RATES.search(metric) else ""
        return f"{cell.value}{unit} ({cell.interval})" if cell.interval else f"{cell.value}{unit}"

    def listed(self, names: Iterable[str]) -> str:
        """a, b and c."""
        every = list(names)
        if len(every) < 2:
            return "".join(every)
        return self.gettext("%(first)s and %(last)s", first=", ".join(every[:-1]), last=every[-1])


def shown(metric: str, value: float) -> str:
    return number(100 * value, "%") if RATES.search(metric) else number(value, "")


def plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
