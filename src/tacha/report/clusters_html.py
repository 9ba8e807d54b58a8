"""Studies of embeddings as one self-contained page, with each picture also alone under figures/."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tacha.data.image import read_image
from tacha.files import write_text
from tacha.report.drawing import BLUE, ORANGE, new_figure, quiet, save
from tacha.report.environment import render
from tacha.report.naming import plain
from tacha.report.pictures import Picture, png, thumbnail_of
from tacha.report.scatter import key, scatter, style_of
from tacha.words import _, words

if TYPE_CHECKING:
    from tacha.analysis.study import Settings, Side, Study
    from tacha.metrics import Figure

THUMB = 96  # px
MOST_THUMBS = 2000  # so that a page stays one that a browser opens
TITLES = {
    "image_auroc": _("AUROC"),
    "precision": _("precision"),
    "recall": _("flawed parts found"),
    "false_alarm_rate": _("false alarms"),
    "f1": _("F1"),
    "adjusted_rand": _("adjusted Rand index, clusters against kinds of part"),
    "silhouette": _("silhouette, noise left out"),
    "clusters": _("clusters"),
    "noise": _("noise points"),
    "eps": _("eps"),
}
PLANES = {"pca": _("principal components"), "tsne": _("t-SNE"), "detector": _("the detector itself")}
COUNTS = ("clusters", "noise")
Say = Callable[[str], str]


@dataclass(frozen=True)
class Panel:
    """One plane twice: coloured by truth (empty without labels) and by cluster."""

    title: str
    note: str
    truth: Markup
    truth_key: list[tuple[Markup, str]]
    found: Markup
    found_key: list[tuple[Markup, str]]
    distances: Picture


def write_clusters(
    folder: Path, studies: Sequence[Study], settings: Settings, notes: Sequence[str] = (), language: str = "en"
) -> Path:
    """clusters.html and figures/ in the folder; returns the page's path."""
    gettext = words(language).gettext
    thumbs: list[str] = []
    captions: list[str] = []
    sections = [
        _section(f"clusters_{i}_{plain(study.embedded.name)}", study, settings, folder, gettext, thumbs, captions)
        for i, study in enumerate(studies)
    ]
    text = render(
        "clusters.html.j2",
        language,
        headline=_headline(studies, gettext),
        sections=sections,
        thumbs=thumbs,
        captions=captions,
        settings=settings,
        notes=notes,
    )
    return write_text(folder / "clusters.html", text)


def _section(
    stem: str, study: Study, settings: Settings, folder: Path, gettext: Say, thumbs: list[str], captions: list[str]
) -> dict[str, Any]:
    embedded = study.embedded
    first = len(captions)
    truth = [gettext("good") if k == "good" else k for k in embedded.kinds] if study.labelled else []
    for i, sample in enumerate(embedded.samples):
        kind = f" · {truth[i]}" if truth else ""
        score = gettext("score {score:.3g}").format(score=embedded.scores[i])
        captions.append(f"{sample.path.name}{kind} · {score}")
        if len(thumbs) < MOST_THUMBS:
            thumbs.append(thumbnail_of(read_image(sample.path), THUMB))
    numbers = range(first, first + len(embedded.samples))
    titles = captions[first:]
    panels = [_panel(stem, study, side, truth, titles, numbers, settings, folder, gettext) for side in study.sides]
    columns = [("detector", study.detector), *((s.plane.name, s.figures) for s in study.sides)]
    return {
        "name": embedded.name,
        "count": len(embedded.samples),
        "labelled": study.labelled,
        "panels": panels,
        "columns": [gettext(PLANES[name]) for name, _figures in columns],
        "body": _body([figures for _name, figures in columns], gettext),
        "sentences": [sentence for side in study.sides for sentence in _sentences(side, study, gettext)],
    }


def _panel(
    stem: str,
    study: Study,
    side: Side,
    truth: Sequence[str],
    titles: Sequence[str],
    numbers: Sequence[int],
    settings: Settings,
    folder: Path,
    gettext: Say,
) -> Panel:
    name, plane = study.embedded.name, gettext(PLANES[side.plane.name])
    noise = gettext("noise")
    numbered = gettext("cluster {number}")
    groups = [noise if c < 0 else numbered.format(number=c + 1) for c in side.clusters.labels]
    in_order = [numbered.format(number=c + 1) for c in range(side.clusters.count)]
    drawn: dict[str, tuple[Markup, list[tuple[Markup, str]]]] = {"truth": (Markup(""), []), "found": (Markup(""), [])}
    for what, of, styles in (
        ("truth", truth, style_of(sorted(set(truth), key=lambda t: (t != gettext("good"), t)))),
        ("found", groups, style_of(in_order, noise)),
    ):
        if not of:
            continue
        how = gettext("coloured by truth") if what == "truth" else gettext("coloured by cluster")
        label = f"{name}: {plane}, {how}"
        alone = scatter(side.plane.points[:, :2], of, styles, titles, label)
        write_text(folder / "figures" / f"{stem}_{side.plane.name}_{what}.svg", alone)
        live = scatter(side.plane.points[:, :2], of, styles, titles, label, numbers)
        present = [s for s in styles if s in set(of)]
        # Not escaped again: `scatter` escapes what it is given, and a key holds nothing that is given.
        drawn[what] = (Markup(live), [(Markup(key(styles[s])), f"{s} ({list(of).count(s)})") for s in present])
    if side.plane.explained:
        shares = ", ".join(f"{100 * share:.1f} %" for share in side.plane.explained[:10])
        said = gettext("Of the standardised embedding's variance the components explain {shares}.")
        note = said.format(shares=shares)
    else:
        note = gettext("Perplexity {perplexity:g}, seed {seed}.").format(
            perplexity=settings.perplexity, seed=settings.seed
        )
    return Panel(plane, note, *drawn["truth"], *drawn["found"], _distances(stem, study, side, folder, gettext))


def _distances(stem: str, study: Study, side: Side, folder: Path, gettext: Say) -> Picture:
    """The sorted k-distances with eps marked."""
    found = side.clusters
    figure = new_figure(5, 2.6)
    axes = figure.subplots()
    axes.plot(sorted(found.distances), color=BLUE)
    axes.axhline(found.eps, color=ORANGE, linestyle="--")
    axes.annotate(f"eps = {found.eps:.3g}", (0, found.eps), (4, 4), textcoords="offset points", color=ORANGE)
    axes.set_xlabel(gettext("images, sorted"), fontsize=9)
    axes.set_ylabel(gettext("distance to neighbour {k}").format(k=found.min_samples), fontsize=9)
    quiet(axes)
    name = study.embedded.name
    path = save(figure, folder / "figures" / f"{stem}_{side.plane.name}_k_distances.png")
    alt = gettext("{name}, {plane}: distances to neighbour {k}, sorted; eps = {eps:.3g}").format(
        name=name, plane=gettext(PLANES[side.plane.name]), k=found.min_samples, eps=found.eps
    )
    return Picture(png(path), alt)


def _body(columns: Sequence[Sequence[Figure]], gettext: Say) -> list[tuple[str, list[tuple[str, str]]]]:
    """A line a metric that any column has: (title, [(value, interval)])."""
    have = [{f.metric: f for f in figures} for figures in columns]
    return [
        (gettext(title), [_cell(metric, column.get(metric)) for column in have])
        for metric, title in TITLES.items()
        if any(metric in column for column in have)
    ]


def _cell(metric: str, figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "–", ""
    if metric in COUNTS:
        return f"{figure.value:.0f}", ""
    if metric == "eps":
        return f"{figure.value:.3g}", ""
    interval = "" if figure.low is None else f"{figure.low:.3f}–{figure.high:.3f}"
    return f"{figure.value:.3f}", interval


def _sentences(side: Side, study: Study, gettext: Say) -> list[str]:
    """What a reader should take from a plane, as far as the intervals allow it."""
    plane = gettext(PLANES[side.plane.name])
    out = []
    if side.clusters.noise.all():
        out.append(gettext("{plane}: every point is noise; eps is too small for these images.").format(plane=plane))
    elif not side.clusters.noise.any():
        out.append(gettext("{plane}: no point is noise, so nothing is called flawed.").format(plane=plane))
    mine, its = ({f.metric: f for f in figures} for figures in (side.figures, study.detector))
    if "image_auroc" in mine and "image_auroc" in its:
        a, b = mine["image_auroc"], its["image_auroc"]
        template = gettext("{plane}: the intervals of DBSCAN's AUROC and the detector's overlap.")
        if a.high is not None and b.low is not None and a.high < b.low:
            template = gettext("{plane}: DBSCAN's AUROC, {a}, is below the detector's, {b}; the intervals are apart.")
        elif a.low is not None and b.high is not None and a.low > b.high:
            template = gettext("{plane}: DBSCAN's AUROC, {a}, is above the detector's, {b}; the intervals are apart.")
        out.append(template.format(plane=plane, a=f"{a.value:.3f}", b=f"{b.value:.3f}"))
    return out


def _headline(studies: Sequence[Study], gettext: Say) -> str:
    count = sum(len(s.embedded.samples) for s in studies)
    names = ", ".join(s.embedded.name for s in studies)
    return gettext("Embeddings of {count} images of {names}, clustered without labels").format(count=count, names=names)
