"""The losses of a run's trainings, read from its folder and drawn."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from pathlib import Path

from tacha.errors import TachaError
from tacha.report.drawing import BLUE, INK, ORANGE, new_figure, quiet, save, short
from tacha.report.reading import read_text
from tacha.words import words

PER_ROW, PER_FIGURE = 3, 24


@dataclass(frozen=True)
class Curve:
    """The losses of one training, an epoch each; `name` is the category that the net was trained on, or `all`."""

    name: str
    epochs: tuple[int, ...]
    train: tuple[float, ...]  # nan where an epoch has none
    validation: tuple[float, ...]

    @property
    def best(self) -> int | None:
        """Where the validation loss is smallest: the weights that were kept."""
        found = [i for i, v in enumerate(self.validation) if math.isfinite(v)]
        return min(found, key=lambda i: self.validation[i], default=None)


def net_folders(run: Path) -> list[Path]:
    """The folders of the nets that a run trained."""
    return sorted((p for p in (run / "nets").glob("*") if p.is_dir()), key=natural)


def read_curves(run: Path) -> list[Curve]:
    """Every training of a run folder, a teacher's after its net's. TachaError names a damaged table."""
    nets = net_folders(run)
    histories = [h for net in nets for h in sorted(net.rglob("history.csv"), key=lambda h: (len(h.parts), natural(h)))]
    curves = [c for h in histories for c in _of_file(h, " · ".join(h.parent.relative_to(run / "nets").parts))]
    return curves or _of_file(run / "history.csv", "all")


def curve_plots(curves: Sequence[tuple[str, Curve]], path: Path, language: str = "en") -> list[Path]:
    """Training and validation loss on one axis, a panel a training, in as many figures as it takes.

    The band between them is the gap; the line stands at the epoch whose weights were kept. A loss that spans more
    than a factor of twenty is drawn on a logarithmic axis.
    """
    paths = []
    for start in range(0, len(curves), PER_FIGURE):
        chosen = curves[start : start + PER_FIGURE]
        number = start // PER_FIGURE
        here = path if not number else path.with_stem(f"{path.stem}_{number + 1}")
        paths.append(_panels(chosen, here, words(language)))
    return paths


def _panels(curves: Sequence[tuple[str, Curve]], path: Path, said: NullTranslations) -> Path:
    across = min(PER_ROW, len(curves))
    down = math.ceil(len(curves) / across)
    figure = new_figure(3.3 * across + 0.4, 2.25 * down + 0.5)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.ravel()[len(curves) :]:
        axes.set_visible(False)
    for axes, (title, curve) in zip(grid.ravel(), curves, strict=False):
        axes.fill_between(curve.epochs, curve.train, curve.validation, color="#E8EAED", linewidth=0)
        marker = "o" if len(curve.epochs) == 1 else None
        axes.plot(curve.epochs, curve.train, color=BLUE, linewidth=1.6, marker=marker, label=said.gettext("training"))
        axes.plot(
            curve.epochs,
            curve.validation,
            color=ORANGE,
            linewidth=1.6,
            marker=marker,
            linestyle="--",
            label=said.gettext("validation"),
        )
        if curve.best is not None:
            axes.axvline(
                curve.epochs[curve.best], color=INK, linewidth=0.9, linestyle=":", label=said.gettext("weights kept")
            )
        finite = [x for x in (*curve.train, *curve.validation) if math.isfinite(x)]
        if finite and min(finite) > 0 and max(finite) > 20 * min(finite):
            axes.set_yscale("log")
        axes.set_title(short(title, 42), loc="left", fontsize=9).set_parse_math(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        quiet(axes)
        axes.tick_params(labelsize=8)
    for axes in grid[-1]:
        axes.set_xlabel(said.gettext("epoch"), fontsize=9)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return save(figure, path)


def natural(path: Path) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _of_file(path: Path, group: str) -> list[Curve]:
    """The trainings of one history.csv, one for each name in its column `net`."""
    if not path.is_file():
        return []
    rows: dict[str, dict[int, list[float]]] = {}
    count = 1
    try:
        for row in csv.DictReader(read_text(path).splitlines()):
            count += 1
            losses = rows.setdefault(row.get("net") or "", {}).setdefault(int(row["epoch"]), [math.nan, math.nan])
            for i, key in enumerate(("train_loss", "val_loss")):
                if row.get(key) not in (None, ""):
                    losses[i] = float(row[key])
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise TachaError(f"{path} line {count}: is damaged ({error}); run again to write it anew") from error
    return [
        Curve(
            f"{group} · {net}" if len(rows) > 1 else group,
            tuple(sorted(epochs)),
            tuple(epochs[e][0] for e in sorted(epochs)),
            tuple(epochs[e][1] for e in sorted(epochs)),
        )
        for net, epochs in rows.items()
        if epochs
    ]
