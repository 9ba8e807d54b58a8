"""The report's figures: ROC curves, scores and errors by kind of flaw, embeddings, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import NullTranslations
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacha.report.drawing import BLUE, COLOURS, DASHES, INK, ORANGE, new_figure, quiet, save, short
from tacha.words import _, words

PERPLEXITY = 30.0
GOOD_ROW = _("good")

Scores = npt.NDArray[np.float64]


def roc_plot(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    captions: Mapping[str, str],
    path: Path,
    title: str = "",
    language: str = "en",
) -> Path:
    """One ROC curve a name, from (scores [N], labels [N]); `captions` gives each its words in the legend.

    What has one class only has no curve and is left out. Without a title: every threshold there could be.
    """
    said = words(language)
    title = title or said.gettext("every threshold there could be")
    figure = new_figure(6.4, 5.2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
    lines, names = [], []
    styles = cycle((colour, dash) for dash, colour in product(DASHES, COLOURS))
    for (name, (scores, labels)), (colour, dash) in zip(curves.items(), islice(styles, len(curves)), strict=True):
        points = _roc_points(np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool))
        if points is None:
            continue
        lines += axes.plot(*points, color=colour, linestyle=dash, linewidth=1.8, clip_on=False)
        names.append(captions.get(name, name))
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.005),
        xlabel=said.gettext("good parts called flawed"),
        ylabel=said.gettext("flawed parts found"),
    )
    axes.set_title(f"ROC: {title}", loc="left", fontsize=11).set_parse_math(False)
    quiet(axes)
    if lines:
        legend = axes.legend(lines, names, loc="lower right", frameon=False, fontsize=9, handlelength=2.4)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return save(figure, path)


def score_plot(
    title: str,
    scores: Sequence[float],
    defects: Sequence[str],
    threshold: float | None,
    path: Path,
    language: str = "en",
) -> Path:
    """One row of scores a defect type, good first, on one axis, with the calibrated threshold across all rows."""
    said = words(language)
    values, kinds = np.asarray(scores, dtype=np.float64), np.asarray(defects, dtype=object)
    rows = sorted(set(defects), key=lambda d: (d != "good", d))
    ends = [*values, *([] if threshold is None else [threshold])]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    margin = 0.03 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, 51)
    figure = new_figure(7.2, 0.95 + 0.62 * max(1, len(rows)))
    grid = figure.subplots(max(1, len(rows)), 1, sharex=True, squeeze=False)[:, 0]
    for axes, kind in zip(grid, rows, strict=False):
        chosen = values[kinds == kind]
        axes.hist(chosen, bins=edges, color=BLUE if kind == "good" else ORANGE)
        quiet(axes)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        label = axes.set_ylabel(
            f"{short(said.gettext(GOOD_ROW) if kind == 'good' else kind)}\n{_judged(chosen, threshold, said)}",
            rotation=0,
            ha="right",
            va="center",
            fontsize=9,
        )
        label.set_parse_math(False)
        axes.margins(y=0.15)
    for axes in grid:
        axes.set_xlim(edges[0], edges[-1])
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
    for axes in grid[:-1]:
        axes.tick_params(bottom=False)
    if threshold is not None:
        grid[0].set_title(f"- - {said.gettext('threshold')} {threshold:.4g}", loc="right", fontsize=9, color=INK)
    grid[-1].set_xlabel(said.gettext("anomaly score (raw; higher is more abnormal)"))
    grid[0].set_title(title, loc="left", fontsize=11).set_parse_math(False)
    return save(figure, path)


def embedding_map(embeddings: npt.ArrayLike, names: Sequence[str], path: Path, seed: int = 0) -> Path:
    """t-SNE of embeddings [N, D], a colour a name, as a PNG; perplexity 30, less for fewer than 91 points."""
    from sklearn.manifold import TSNE

    points = np.asarray(embeddings, dtype=np.float32)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="random", random_state=seed).fit_transform(points)
    figure = new_figure(6.4, 5.2)
    axes = figure.add_subplot()
    kinds = np.asarray(names, dtype=object)
    for number, name in enumerate(dict.fromkeys(sorted(names))):
        chosen = places[kinds == name]
        axes.scatter(*chosen.T, s=14, color=COLOURS[number % len(COLOURS)], label=name, linewidths=0)
    axes.set(xticks=[], yticks=[])
    axes.set_title(
        f"t-SNE of {len(points)} validation embeddings (perplexity {perplexity:.3g})", loc="left", fontsize=10
    )
    for text in axes.legend(frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
    return save(figure, path)


def error_histograms(
    good: Sequence[float], by_defect: Mapping[str, Sequence[float]], path: Path, language: str = "en"
) -> Path:
    """Reconstruction errors of good images against those of each defect, a row a defect on one axis, as a PNG."""
    said = words(language)
    every = np.asarray([*good, *(e for errors in by_defect.values() for e in errors)], dtype=np.float64)
    low, high = (every.min(), every.max()) if every.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    rows = sorted(by_defect) or [""]
    figure = new_figure(7.2, 0.8 + 0.85 * len(rows))
    for name, axes in zip(rows, figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0], strict=True):
        flawed = by_defect.get(name, ())
        for errors, colour, label in (
            (good, BLUE, said.gettext("good images")),
            (flawed, ORANGE, said.gettext("flawed images")),
        ):
            shares = np.full(len(errors), 1 / max(1, len(errors)))
            axes.hist(errors, bins=edges, weights=shares, color=colour, alpha=0.6, label=label)
        axes.set_yticks([])
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.set_ylabel(
            f"{name}\n{_images(len(flawed), said)}", rotation=0, ha="right", va="center", fontsize=9
        ).set_parse_math(False)
    axes.set_xlabel(said.gettext("reconstruction error"))
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.axes[0].set_title(
        said.gettext("Share of images by their error; %(n)s good ones in every row") % {"n": len(good)},
        loc="left",
        fontsize=10,
    )
    return save(figure, path)


def confusion_plot(confusion: npt.NDArray[np.int64], classes: Sequence[str], path: Path, language: str = "en") -> Path:
    """Counts [true, named] as a PNG, coloured by the share of the true class."""
    said = words(language)
    side = 2.2 + 0.62 * len(classes)
    figure = new_figure(side + 0.6, side)
    axes = figure.add_subplot()
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(confusion):
        axes.text(j, i, str(count), ha="center", va="center", color="white" if share[i, j] > 0.55 else INK)
    axes.set(
        xticks=range(len(classes)),
        yticks=range(len(classes)),
        xlabel=said.gettext("named"),
        ylabel=said.gettext("true"),
    )
    for labels in (axes.set_xticklabels(classes, rotation=35, ha="right"), axes.set_yticklabels(classes)):
        for text in labels:
            text.set_parse_math(False)
    axes.set_title(said.gettext("Test images by their class"), loc="left", fontsize=11)
    return save(figure, path)


def _judged(scores: Scores, threshold: float | None, said: NullTranslations) -> str:
    if threshold is None:
        return _images(scores.size, said)
    return said.gettext("%(n)s of %(all)s called flawed") % {"n": int((scores > threshold).sum()), "all": scores.size}


def _images(n: int, said: NullTranslations) -> str:
    return said.gettext("%(n)s images") % {"n": n}


def _roc_points(scores: Scores, flawed: npt.NDArray[np.bool_]) -> tuple[Scores, Scores] | None:
    if flawed.all() or not flawed.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    tp, fp = np.cumsum(flawed[order])[ends], np.cumsum(~flawed[order])[ends]
    return np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1])
