"""tacha compare"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tacha.commands.tables import _number
from tacha.files import check_folder
from tacha.report.compare import Comparison, Judged, compare
from tacha.report.compare_html import check_metric, remarks, title_of, write_comparison

CATEGORIES_SHOWN = 4  # in a terminal; the page has them all


def run(asked: argparse.Namespace) -> int:
    """A table of the metric, what the intervals do not tell apart, and the paths to open."""
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_compare"
    check_folder(folder)
    comparison = compare(asked.runs)
    check_metric(comparison, asked.metric)
    page = write_comparison(comparison, folder, asked.metric)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(
        f"{title_of(asked.metric)}; * best, ≈ not separated from it (95 % intervals overlap)", highlight=False
    )
    console.print(table(comparison, asked.metric))
    for remark in remarks(comparison, asked.metric, comparison.categories(asked.metric)[-1]):
        console.print(remark, highlight=False, markup=False)
    for note in comparison.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    print(folder / "compare.csv")
    print(page)
    return 0


def table(comparison: Comparison, metric: str) -> Table:
    """A line an entry: the settings that differ, then the categories, or only their mean where these are many."""
    categories = comparison.categories(metric)
    if len(categories) > CATEGORIES_SHOWN + 1:
        categories = categories[-1:]
    out = Table(box=None, pad_edge=False, header_style="bold")
    for name in comparison.columns or ["run"]:
        out.add_column(escape(name))
    for name in categories:
        out.add_column(escape(name), justify="right")
    columns = [comparison.judged(metric, c) for c in categories]
    for i, entry in enumerate(comparison.entries):
        settings = [entry.settings[c] for c in comparison.columns] or [entry.label]
        out.add_row(*map(escape, settings), *(_cell(column[i], metric) for column in columns))
    return out


def _cell(judged: Judged | None, metric: str) -> str:
    if judged is None:
        return "–"
    v = judged.value
    text = _number(metric, v.value)
    if v.low is not None and v.high is not None:
        text += f" ({_number(metric, v.low)}–{_number(metric, v.high)})"
    if judged.best:
        return f"[bold]* {text}[/bold]"
    return f"≈ {text}" if judged.apart is False else text
