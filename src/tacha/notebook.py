"""What the notebooks share: runs made once, their rows as tables, their pictures with a text beside."""

from __future__ import annotations

import base64
import html
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha.errors import TachaError

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML


def tacha(command: str, most: int = 0) -> None:
    """`tacha COMMAND` in this process: what it prints stays in the notebook.

    Raises TachaError where it ends with a code above `most` (1: it has found something to warn of).
    """
    from tacha.cli import main

    code = main(shlex.split(command))
    if code > most:
        raise TachaError(f"tacha {command}: ended with {code}; what it said stands above")


def trained(folder: str | Path, *overrides: str) -> Path:
    """The run folder of `tacha train OVERRIDES`, made where it is not there yet."""
    from tacha.configuration import compose
    from tacha.run import train

    folder = Path(folder)
    if not (folder / "metrics.json").is_file():
        train(compose(list(overrides)), folder)
    return folder


def rows(*folders: str | Path) -> pd.DataFrame:
    """metrics.json of each run, a line a figure, with the run's name in the column `run`."""
    import pandas as pd

    from tacha.report.reading import read_metrics

    return pd.DataFrame(
        [{"run": Path(f).name, **r} for f in folders for r in read_metrics(Path(f) / "metrics.json")[0]]
    )


def table(found: pd.DataFrame, metric: str = "image_auroc", digits: int = 3) -> pd.DataFrame:
    """A metric, a line a run and scorer, a column a category: value [interval]."""

    def cell(row: Any) -> str:
        interval = "" if row["low"] != row["low"] else f" [{row['low']:.{digits}f}–{row['high']:.{digits}f}]"
        return f"{row['value']:.{digits}f}{interval}"

    chosen = found[found["metric"] == metric].copy()
    if chosen.empty:
        raise TachaError(f"{metric}: none of these runs has it; they have {', '.join(sorted(set(found['metric'])))}")
    chosen[metric] = chosen.apply(cell, axis=1)
    return chosen.pivot_table(index=["run", "scorer"], columns="category", values=metric, aggfunc="first").fillna("–")


def best(found: pd.DataFrame, metric: str = "image_auroc") -> pd.Series[float]:
    """The mean over categories of each run and scorer, the highest first."""
    chosen = found[found["metric"] == metric]
    return chosen.groupby(["run", "scorer"])["value"].mean().sort_values(ascending=False)


def show(paths: str | Path | Sequence[str | Path], alt: str, width: int = 720) -> HTML:
    """Pictures, one below the other. Raises TachaError for one that is not there."""
    from IPython.display import HTML

    kinds = {".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml"}
    parts = []
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        path = Path(path)
        if not path.is_file():
            raise TachaError(f"{path}: no such picture; run the cells above first")
        data = base64.b64encode(path.read_bytes()).decode()
        source = f"data:{kinds[path.suffix.lower()]};base64,{data}"
        parts.append(f'<img src="{source}" alt="{html.escape(alt)}" style="max-width:{width}px;width:100%">')
    return HTML("<br>".join(parts))
