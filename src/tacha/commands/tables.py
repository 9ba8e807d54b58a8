"""What a run prints when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tacha.run import Run

_COLUMNS = (
    ("image AUROC", "image_auroc"),
    ("pixel AUROC", "pixel_auroc"),
    ("AUPRO@.30", "aupro_30"),
    ("balanced acc.", "balanced_accuracy"),
    ("false alarms", "false_alarm_rate"),
    ("promised", "promised_false_alarm_rate"),
    ("fit s", "fit_seconds"),
    ("ms an image", "inspect_ms_p50"),
)


def print_run(run: Run) -> None:
    """A small table, what each threshold promises, and the paths to open; the run folder last."""
    console = Console(width=None if Console().is_terminal else 120)
    console.print(metric_table(run.rows))
    for name, inspector in run.inspectors.items():
        console.print(f"{name}: {inspector.calibration.guarantee()}", highlight=False, markup=False)
    for name in run.inspectors:
        print(run.folder / f"{name}.tacha")
    if run.report is not None:
        print(run.report)
    print(run.folder)


def metric_table(rows: Sequence[dict[str, Any]]) -> Table:
    """A row a detector, and their mean where there are several."""
    shown = {key for _, key in _COLUMNS}
    rows = [row for row in rows if row["metric"] in shown]
    several = len({row["scorer"] for row in rows}) > 1
    values: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        name = f"{row['category']} · {row['scorer']}" if several else row["category"]
        values.setdefault(name, {})[row["metric"]] = row
    columns = [(title, key) for title, key in _COLUMNS if any(key in v for v in values.values())]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for title, _ in columns:
        table.add_column(title, justify="right")
    for name, found in values.items():
        table.add_row(name, *(_cell(found.get(key)) for _, key in columns))
    if len(values) > 1 and not several:
        means = []
        for _, key in columns:
            numbers = [v[key]["value"] for v in values.values() if key in v]
            means.append(figure_text(key, sum(numbers) / len(numbers)))
        table.add_row("mean", *means, style="bold")
    return table


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    text = figure_text(row["metric"], row["value"])
    if row["metric"] == "image_auroc" and row["low"] is not None:
        text += f" [{row['low']:.3f}–{row['high']:.3f}]"
    return text


def figure_text(metric: str, value: float) -> str:
    """A figure with the digits that a terminal's table shows."""
    return f"{value:.1f}" if metric in ("fit_seconds", "inspect_ms_p50") else f"{value:.3f}"
