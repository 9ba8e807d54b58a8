"""tacha compare"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tacha.commands.tables import figure_text
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.report.bench import TITLES, cells, means, reference_of
from tacha.report.compare import Comparison, Judged, compare
from tacha.report.compare_html import SideBySide, check_metric, remarks, title_of, write_comparison
from tacha.report.frontier import Point, frontier_plot
from tacha.report.pictures import Picture, png
from tacha.words import words

if TYPE_CHECKING:
    from tacha.finalists import Final
    from tacha.runtime.bench import Variant

CATEGORIES_SHOWN = 4  # in a terminal; the page has them all


def run(asked: argparse.Namespace) -> int:
    """A table of the metric, what the intervals do not tell apart, the best side by side, and the paths to open."""
    if asked.bench is not None and asked.bench < 1:
        raise TachaError(f"--bench {asked.bench}: give a number of entries of at least 1")
    folder = Path(asked.out) if asked.out else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_compare"
    check_folder(folder)
    comparison = compare(asked.runs)
    check_metric(comparison, asked.metric)
    found = _finals(comparison, asked) if asked.bench else []
    page = write_comparison(comparison, folder, asked.metric, (), asked.language)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(
        f"{title_of(asked.metric)}; * best, ≈ not separated from it (95 % intervals overlap)", highlight=False
    )
    console.print(table(comparison, asked.metric))
    for remark in remarks(comparison, asked.metric, comparison.categories(asked.metric)[-1]):
        console.print(remark, highlight=False, markup=False)
    for note in comparison.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    measured, written = _measured(found, asked, folder / "bench")
    if measured:  # the page was there already: measuring takes minutes, and may be interrupted
        write_comparison(comparison, folder, asked.metric, measured, asked.language)
    for path in (folder / "compare.csv", *written, page):
        print(path)
    return 0


def _finals(comparison: Comparison, asked: argparse.Namespace) -> list[tuple[Final, list[Variant]]]:
    """The best entries' artefacts a category; whatever is not there is found out before anything is measured."""
    from tacha.commands.bench import chosen_variants
    from tacha.finalists import finals

    return [(f, chosen_variants(f.named, asked)) for f in finals(comparison, asked.metric, asked.bench)]


def _measured(
    found: list[tuple[Final, list[Variant]]], asked: argparse.Namespace, folder: Path
) -> tuple[list[SideBySide], list[Path]]:
    """The bench of each category: for the page, and the files written."""
    from tacha.commands.bench import side_by_side

    said = words(asked.language)
    out, written, all_lines = [], [], []
    for final, variants in found:
        print(f"\n{final.category}: {len(final.named)} artefacts side by side")
        images = [s.path for s in final.samples]
        lines, paths = side_by_side(variants, images, final.samples, asked, folder / final.category)
        reference = reference_of(lines)
        plot = next((p for p in paths if p.suffix == ".png"), None)
        remark = said.gettext(
            "%(images)s images, %(rounds)s rounds, %(threads)s threads; ratios and changed verdicts are "
            "against %(what)s"
        ) % {
            "images": len(lines[0].verdicts),
            "rounds": asked.rounds,
            "threads": lines[0].about["threads"],
            "what": reference.variant.label,
        }
        out.append(
            SideBySide(
                final.category,
                remark,
                [said.gettext(title) for title in TITLES],
                [(m.variant.label, cells(m, reference, asked.language)) for m in lines],
                Picture(png(plot), said.gettext("Accuracy against latency on %(name)s") % {"name": final.category})
                if plot
                else None,
            )
        )
        written += paths
        all_lines.append(lines)
    points = means(all_lines) if len(all_lines) > 1 else []
    if points:
        plot = frontier_plot(
            points, said.gettext("image AUROC, mean over categories"), folder / "frontier.png", asked.language
        )
        body = [(p.label, [_interval(p), f"{p.milliseconds:.1f}"]) for p in points]
        picture = Picture(png(plot), said.gettext("Accuracy against latency in the mean over categories"))
        head = [said.gettext(title) for title in TITLES[:2]]
        out.insert(0, SideBySide(said.gettext("mean"), said.gettext("over categories"), head, body, picture))
        written.append(plot)
    return out, written


def _interval(point: Point) -> str:
    interval = "" if point.low is None or point.high is None else f" ({point.low:.3f}–{point.high:.3f})"
    return f"{point.value:.3f}{interval}"


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
    text = figure_text(metric, v.value)
    if v.low is not None and v.high is not None:
        text += f" ({figure_text(metric, v.low)}–{figure_text(metric, v.high)})"
    if judged.best:
        return f"[bold]* {text}[/bold]"
    return f"≈ {text}" if judged.apart is False else text
