"""What a data set is like, as one self-contained HTML page in the reader's language."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from pathlib import Path

import numpy as np

from tacha.data.check import CheckResult
from tacha.data.explore import Seen, classes, usual_images
from tacha.data.sample import GOOD
from tacha.data.separation import ENOUGH, LABELS, SPLITS, SURE, Separation
from tacha.data.thumbnails import Album
from tacha.data.traits import TRAITS, Trait
from tacha.data.unusual import FAR, KNOWN, LEAST, NEAREST, Unusual
from tacha.files import write_text
from tacha.report.echoed import echoed
from tacha.report.environment import render
from tacha.report.explore_findings import findings
from tacha.report.explore_plots import colour_of, sizes_plot, strips, where_plot
from tacha.report.pictures import Picture, embedded
from tacha.versions import versions
from tacha.words import words

SAMPLES, UNUSUAL, PAIRS, LISTED, SIZES = 6, 24, 24, 200, 8  # shown of each; the rest is counted
OPEN = 3  # categories unfolded; of more, each opens at a click


@dataclass(frozen=True)
class Count:
    """A class in the overview: its name, how many images, and that of the largest class, in %, for the bar."""

    name: str
    n: int
    share: float
    colour: str


@dataclass(frozen=True)
class Cell:
    """A comparison in the table: AUROC with its interval, and whether it is worth a warning."""

    value: str
    interval: str
    told: bool


@dataclass(frozen=True)
class Block:
    """What the page shows of one category."""

    name: str
    images: int
    counts: list[Count]
    samples: list[tuple[str, list[Picture]]]
    plots: list[Picture]
    head: list[str]
    comparisons: list[tuple[str, list[Cell | None]]]
    shares: list[tuple[str, int, list[str]]]
    masks: list[Picture]
    unusual: list[Picture]
    more: int
    known: int  # good images that say what is usual


def write_exploration(result: CheckResult, album: Album, path: Path, language: str = "en") -> Path:
    """Write the page of a checked data set; `album` holds its pictures. Raises TachaError where it cannot."""
    said = words(language)
    seen = result.exploration.seen
    blocks = [_block(result, name, album, said) for name in result.counts]
    text = render(
        "explore.html.j2",
        language,
        result=result,
        name=result.root.resolve().name,
        now=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        findings=findings(result, said),
        blocks=blocks,
        folded=len(blocks) > OPEN,
        sizes=[(w, h, f"{w / h:.3g}", n) for (w, h), n in result.sizes.most_common(SIZES)],
        sizes_left=max(0, len(result.sizes) - SIZES),
        sizes_plot=_sizes(result, said),
        copies=_copies(result, album, said),
        copies_left=max(0, len(_pairs(result)) - PAIRS),
        unread=[(_inside(p, result.root), echoed(why, said)) for p, why in result.unreadable[:LISTED]],
        unread_left=max(0, len(result.unreadable) - LISTED),
        masks=_mask_lines(result, said),
        notes=[echoed(note, said) for note in result.notes],
        traits=[(said.gettext(t.title), _unit(t, said), said.gettext(t.about)) for t in (*TRAITS, NEAREST)],
        enough=ENOUGH,
        sure=SURE,
        far=FAR,
        least=LEAST,
        colour=_coloured(seen),
        versions=versions(),
    )
    return write_text(path, text)


def class_name(split: str, defect: str, said: NullTranslations) -> str:
    """How a class is called."""
    if defect != GOOD:
        return defect
    return said.gettext("good, training") if split == "train" else said.gettext("good, test")


def _block(result: CheckResult, category: str, album: Album, said: NullTranslations) -> Block:
    found = result.exploration
    own = [s for s in found.seen if s.sample.category == category]
    groups = [
        (class_name(split, defect, said), colour_of(split, defect == GOOD), members)
        for _, split, defect in classes(s.sample for s in own)
        for members in [[s for s in own if (s.sample.split, s.sample.defect) == (split, defect)]]
    ]
    counts = _counts(result.counts[category], said)
    compared = [s for s in found.separations if s.category == category]
    head, comparisons = _comparisons(compared, said)
    odd = [u for u in found.unusual if u.category == category]
    return Block(
        category,
        sum(c.n for c in counts),
        counts,
        [(name, _samples(members, name, album)) for name, _, members in groups],
        _strips(category, groups, compared, said),
        head,
        comparisons,
        [
            (class_name(s.split, s.defect, said), s.n, [_share(q) for q in s.quartiles])
            for s in found.shares
            if s.category == category
        ],
        _masks(category, own, said),
        [_odd(u, album, said) for u in odd[:UNUSUAL]],
        max(0, len(odd) - UNUSUAL),
        len(usual_images(own)),
    )


def _counts(splits: dict[str, dict[str, int]], said: NullTranslations) -> list[Count]:
    most = max(n for defects in splits.values() for n in defects.values())
    keys = [(split, defect) for split in ("train", "test") for defect in splits.get(split, {})]
    keys.sort(key=lambda k: (k[0] != "train", k[1] != GOOD, k[1]))
    return [
        Count(
            class_name(split, defect, said),
            splits[split][defect],
            100 * splits[split][defect] / most,
            colour_of(split, defect == GOOD),
        )
        for split, defect in keys
    ]


def _samples(members: Sequence[Seen], name: str, album: Album) -> list[Picture]:
    """Some of a class, evenly from its first to its last."""
    places = np.unique(np.linspace(0, len(members) - 1, min(SAMPLES, len(members))).round().astype(int))
    return [_picture(members[i].sample.path, name, album) for i in places]


def _picture(path: Path, about: str, album: Album, title: str = "", caption: str = "") -> Picture:
    data = album.get(path)
    source = "" if data is None else embedded("image/jpeg", data)
    return Picture(source, f"{about}: {path.name}", title or path.name, caption)


def _strips(
    category: str,
    groups: Sequence[tuple[str, str, list[Seen]]],
    compared: Sequence[Separation],
    said: NullTranslations,
) -> list[Picture]:
    """A picture a trait: light, contrast, sharpness and colour always, what else only where it differs by class."""
    told = {s.trait for s in compared if s.told}
    coloured = _coloured([s for _, _, members in groups for s in members])
    out = []
    for t in TRAITS:
        always = t.name in ("brightness", "contrast", "sharpness") or (t.colour and coloured)
        if not groups or not (always or t.name in told):
            continue
        rows = [(name, colour, [s.traits[t.name] for s in members]) for name, colour, members in groups]
        title, unit = said.gettext(t.title), _unit(t, said)
        label = f"{title} ({unit})" if unit else title
        medians = "; ".join(f"{name} {np.median(values):.4g}" for name, _, values in rows)
        alt = said.gettext("%(what)s of %(category)s by class; medians: %(medians)s")
        values = {"what": label, "category": category, "medians": medians}
        out.append(Picture(embedded("image/png", strips(rows, label)), alt % values))
    return out


def _coloured(seen: Sequence[Seen]) -> bool:
    return any(s.traits["saturation"] >= 1 for s in seen)


def _unit(t: Trait, said: NullTranslations) -> str:
    return said.gettext(t.unit) if t.unit else ""


def _comparisons(
    compared: Sequence[Separation], said: NullTranslations
) -> tuple[list[str], list[tuple[str, list[Cell | None]]]]:
    """The table of AUROCs: a line a trait; training against test, flawed against good, the same without the flaws,
    each defect."""
    _ = said.gettext
    defects = sorted({s.defect for s in compared if s.defect})
    columns = [(SPLITS, ""), (LABELS, ""), *((LABELS, d) for d in defects)]
    columns = [c for c in columns if any((s.between, s.defect) == c for s in compared)]
    outside = any(s.outside for s in compared)
    names = {(SPLITS, ""): _("good test against good training"), (LABELS, ""): _("flawed against good")}
    head = []
    for column in columns:
        head.append(names.get(column, column[1]))
        if column == (LABELS, "") and outside:
            head.append(_("… the flaws left out"))
    lines = []
    for t in TRAITS:
        found = {(s.between, s.defect): s for s in compared if s.trait == t.name}
        if not found:
            continue
        cells: list[Cell | None] = []
        for column in columns:
            s = found.get(column)
            cells.append(_cell(s) if s else None)
            if column == (LABELS, "") and outside:
                cells.append(_outside(s) if s else None)
        lines.append((_(t.title), cells))
    return head, lines


def _cell(s: Separation) -> Cell:
    return Cell(f"{s.auroc.value:.2f}", f"{s.auroc.low:.2f}–{s.auroc.high:.2f}", s.told)


def _outside(s: Separation) -> Cell | None:
    if s.outside is None:
        return None
    told = s.told and not s.of_flaws
    return Cell(f"{s.outside.value:.2f}", f"{s.outside.low:.2f}–{s.outside.high:.2f}", told)


def _share(percent: float) -> str:
    return f"{percent:.3g}"


def _masks(category: str, own: Sequence[Seen], said: NullTranslations) -> list[Picture]:
    """How large flaws are, and where in the image they lie, a row and a panel a defect."""
    masked = [s for s in own if s.share]
    defects = sorted({s.sample.defect for s in masked})
    if not defects:
        return []
    by_defect = [(d, [s for s in masked if s.sample.defect == d]) for d in defects]
    orange = colour_of("test", good=False)
    rows = [(d, orange, [100 * s.share for s in members if s.share]) for d, members in by_defect]
    label = said.gettext("share of the image (%)")
    alt = said.gettext("Mask areas of %(category)s by defect, in %% of the image; medians: %(medians)s")
    medians = "; ".join(f"{d} {np.median(values):.2g}" for d, _, values in rows)
    pictures = [
        Picture(
            embedded("image/png", strips(rows, label, logarithmic=True)),
            alt % {"category": category, "medians": medians},
        )
    ]
    maps = [(d, np.mean([s.mask for s in members if s.mask is not None], axis=0) / 2.55) for d, members in by_defect]
    aspect = float(np.median([s.traits["aspect"] for s in masked]))
    pictures.append(
        Picture(
            embedded("image/png", where_plot(maps, aspect, said.gettext("% of the flawed images"))),
            said.gettext("Where in the image the flaws of %(category)s lie, a panel a defect") % {"category": category},
        )
    )
    return pictures


def _odd(u: Unusual, album: Album, said: NullTranslations) -> Picture:
    lines = []
    for r in u.reasons[:2]:
        t = KNOWN[r.trait]
        text = (
            said.gettext("%(trait)s %(value)s; usual: up to %(high)s")
            if t is NEAREST
            else said.gettext("%(trait)s %(value)s; usual: %(low)s to %(high)s")
        )
        unit = " %" if t.unit == "%" else ""
        values = {"value": f"{r.value:.4g}{unit}", "low": f"{r.low:.4g}", "high": f"{r.high:.4g}{unit}"}
        lines.append(text % {"trait": said.gettext(t.title), **values})
    return _picture(u.path, lines[0], album, u.path.name, " · ".join(lines))


def _sizes(result: CheckResult, said: NullTranslations) -> Picture | None:
    if len(result.sizes) < 2:
        return None
    data = sizes_plot(result.sizes, said.gettext("width (px)"), said.gettext("height (px)"))
    alt = said.gettext("Widths and heights of the images; the area of a spot says how many have that size")
    return Picture(embedded("image/png", data), alt)


def _pairs(result: CheckResult) -> list[tuple[str, tuple[Path, ...], bool]]:
    """What is alike, gravest first: (kind, paths, mirrored or turned)."""
    alike = result.exploration.alike
    return [
        *(("copy-leak", paths, False) for paths in result.leaks),
        *((a.kind, a.paths, a.turned) for a in alike if a.kind == "leak"),
        *(("copy", paths, False) for paths in result.duplicates),
        *((a.kind, a.paths, a.turned) for a in alike if a.kind != "leak"),
    ]


def _copies(result: CheckResult, album: Album, said: NullTranslations) -> list[tuple[str, bool, list[Picture]]]:
    _ = said.gettext
    names = {
        "copy-leak": _("the same image in two splits or under two labels"),
        "leak": _("nearly the same in training and test"),
        "copy": _("the same image more than once"),
        "labels": _("nearly the same, one good and one flawed"),
        "repeat": _("nearly the same"),
    }
    out = []
    as_turned = _("mirrored or turned")  # in an f-string the catalogue would miss it
    for kind, paths, turned in _pairs(result)[:PAIRS]:
        title = f"{names[kind]}, {as_turned}" if turned else names[kind]
        pictures = [_picture(p, names[kind], album, _inside(p, result.root)) for p in paths[:4]]
        out.append((title, kind in ("copy-leak", "leak"), pictures))
    return out


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _mask_lines(result: CheckResult, said: NullTranslations) -> list[tuple[str, str]]:
    _ = said.gettext
    root = result.root
    lines = [(_inside(p, root), echoed(why, said)) for p, why in result.mismatched_masks]
    lines += [(_inside(p, root), _("empty mask on a flawed image")) for p in result.empty_masks]
    lines += [(_inside(p, root), _("flawed image without a mask")) for p in result.missing_masks]
    lines += [(_inside(p, root), _("mask without an image")) for p in result.orphan_masks]
    return lines
