"""A run folder turned into one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from tacha.errors import TachaError
from tacha.files import write_text
from tacha.metrics.ranking import auroc
from tacha.report.curves import curve_plots, net_folders, read_curves
from tacha.report.echoed import echoed
from tacha.report.environment import render
from tacha.report.naming import plain
from tacha.report.pictures import Picture, png, thumbnail
from tacha.report.plots import roc_plot, score_plot
from tacha.report.reading import read_metrics, read_predictions, read_text
from tacha.report.sizes import sized
from tacha.report.tables import headline, tables, thresholds
from tacha.words import SOURCE, _, words

GALLERY_SIDE = 1400  # px, the longer side of an embedded gallery picture
KINDS = {
    "miss": _("Missed flaws, worst first"),
    "false alarm": _("False alarms, worst first"),
    "find": _("Clearest finds"),
}
CALLED = {"good": _("called good"), "flawed": _("called flawed")}
KIND = {"miss": _("miss"), "false alarm": _("false alarm"), "find": _("find")}
LEARNED = {
    "confusion": _("Which classes are taken for which"),
    "classes": _(
        "Test images, the class named and how sure of it; framed green where it is right, else red and dashed"
    ),
    "reconstructions": _("Images and what the net makes of them"),
    "errors": _("Reconstruction errors, good images against each kind of flaw"),
    "attention": _("Images and where the net looks"),
    "tsne": _("Embeddings of the validation images"),
}


def write_report(run_dir: str | Path, language: str = "en") -> Path:
    """Write `report.html` into a run folder from what lies there; figures are also saved under `figures/`.

    The folder holds metrics.json, predictions.csv, config.yaml and the gallery's pictures. Raises TachaError,
    naming the file, where one is missing or cannot be read.
    """
    said = words(language)
    folder = Path(run_dir)
    rows, run = read_metrics(folder / "metrics.json")
    predictions = read_predictions(folder / "predictions.csv")
    calibration: Mapping[str, Any] = run.get("calibration") or {}
    scores = _by_detector(predictions, calibration)
    text = render(
        "report.html.j2",
        language,
        run=run,
        about=_about(run, said),
        headline=headline(rows, predictions, calibration, language),
        tables=tables(rows, language),
        thresholds=thresholds(rows, calibration, language),
        learned=_learned(folder, language),
        roc=_roc(folder, scores, rows, language),
        rocs=_rocs(folder, rows, language),
        histograms=_histograms(folder, scores, calibration, language),
        gallery=_gallery(folder, run.get("gallery") or {}, said),
        versions=run.get("versions") or {},
        notes=[_told(str(n), language) for n in run.get("notes") or []],
        skipped=[(path, _told(str(why), language)) for path, why in run.get("skipped") or []],
        config=read_text(folder / "config.yaml"),
    )
    return write_text(folder / "report.html", text)


def _told(line: str, language: str) -> str:
    """A line that was written in English, in the page's language as far as it is known there."""
    return line if language == SOURCE else echoed(line, words(language))


def _by_detector(
    predictions: Sequence[dict[str, Any]], calibration: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Predictions by the detector that made them: their category's own, or the only one there is."""
    only = next(iter(calibration)) if len(calibration) == 1 else None
    found: dict[str, list[dict[str, Any]]] = {}
    for p in predictions:
        name = p["category"] if p["category"] in calibration or only is None else only
        found.setdefault(name, []).append(p)
    return found


def _roc(
    folder: Path, scores: Mapping[str, list[dict[str, Any]]], rows: Sequence[Mapping[str, Any]], language: str
) -> Picture | None:
    curves, captions = {}, {}
    for category, chosen in scores.items():
        values, labels = [p["score"] for p in chosen], [p["label"] for p in chosen]
        if len(set(labels)) < 2:
            continue
        row = next((r for r in rows if (r["category"], r["metric"]) == (category, "image_auroc")), None)
        area = float(row["value"]) if row else float(auroc(values, labels)[0])
        caption = f"{category}: AUROC {100 * area:.1f} %"
        if row and row.get("low") is not None and row.get("high") is not None:
            caption += f" ({100 * row['low']:.1f}–{100 * row['high']:.1f})"
        curves[category], captions[category] = (values, labels), caption
    if not curves:
        return None
    path = roc_plot(curves, captions, folder / "figures" / "roc.png", language=language)
    return Picture(png(path), f"{words(language).gettext('ROC curves')}. {'; '.join(captions.values())}")


def _rocs(folder: Path, rows: Sequence[Mapping[str, Any]], language: str) -> list[Picture]:
    """A category's ROC curves under every scorer of the run, where there are several; the detector's own first."""
    judged = {r["category"]: str(r.get("scorer")) for r in reversed(rows) if r.get("scorer")}
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for path in sorted(folder.glob("predictions*.csv"), key=lambda p: len(p.name.split("."))):
        label = path.name.removeprefix("predictions").removesuffix(".csv").removeprefix(".")
        for p in read_predictions(path):
            of = found.setdefault(p["category"], {})
            of.setdefault(label or judged.get(p["category"], "own"), []).append(p)
    pictures = []
    for number, (category, scorers) in enumerate(found.items()):
        curves = {k: ([p["score"] for p in v], [p["label"] for p in v]) for k, v in scorers.items()}
        if len(curves) < 2 or any(len(set(labels)) < 2 for _, labels in curves.values()):
            continue
        captions = {k: f"{k}: AUROC {100 * float(auroc(*v)[0]):.1f} %" for k, v in curves.items()}
        path = roc_plot(
            curves, captions, folder / "figures" / f"roc_{number}_{plain(category)}.png", category, language
        )
        said = words(language).gettext("ROC curves of %(category)s") % {"category": category}
        pictures.append(Picture(png(path), f"{said}. {'; '.join(captions.values())}"))
    return pictures


def _learned(folder: Path, language: str) -> list[tuple[str, list[Picture]]]:
    """What the trained nets of a run drew: loss curves, then each kind of picture with one for each net or category."""
    said = words(language)
    curves = [(c.name, c) for c in read_curves(folder)]
    losses = curve_plots(curves, folder / "figures" / "curves.png", language)
    alt = said.ngettext(
        "Training and validation loss of %(n)d training, by epoch",
        "Training and validation loss of %(n)d trainings, by epoch",
        len(curves),
    ) % {"n": len(curves)}
    title = said.gettext("Training and validation loss")
    found = {title: [Picture(png(path), alt) for path in losses]} if losses else {}
    drawn = [(path, net.name) for net in net_folders(folder) for path in sorted((net / "figures").glob("*.png"))]
    drawn += [(path, path.stem.partition("_")[2]) for path in sorted((folder / "figures").glob("*_*.png"))]
    for kind, message in LEARNED.items():
        title = said.gettext(message)
        for path, of in drawn:
            if path.stem.partition("_")[0] == kind:
                trained = path.parent.parent.parent.name == "nets"
                where = said.gettext("validation images") if trained else said.gettext("test images")
                caption = of if kind in ("confusion", "classes") else f"{of} · {where}"
                picture = Picture(thumbnail(path, GALLERY_SIDE), f"{title}: {of}", caption)
                found.setdefault(title, []).append(picture)
    return list(found.items())


def _histograms(
    folder: Path, scores: Mapping[str, list[dict[str, Any]]], calibration: Mapping[str, Any], language: str
) -> list[Picture]:
    pictures = []
    for number, (category, chosen) in enumerate(scores.items()):
        threshold = calibration[category]["threshold"] if category in calibration else None
        path = score_plot(
            category,
            [p["score"] for p in chosen],
            [p["defect"] for p in chosen],
            threshold,
            folder / "figures" / f"scores_{number}_{plain(category)}.png",
            language,
        )
        defects = ", ".join(sorted({p["defect"] for p in chosen}))
        said = words(language).gettext("Scores of %(category)s by defect type (%(defects)s) and the threshold")
        pictures.append(Picture(png(path), said % {"category": category, "defects": defects}))
    return pictures


def _gallery(folder: Path, gallery: Mapping[str, Any], said: NullTranslations) -> list[tuple[str, list[Picture]]]:
    """Pictures by kind: misses and false alarms first, whatever else after them."""
    found: dict[str, list[Picture]] = {kind: [] for kind in KINDS}
    for category, entries in gallery.items():
        for e in entries:
            p = e.get("p_value")
            caption = said.gettext("score %(score)s") % {"score": f"{float(e['score']):.4g}"}
            if p not in (None, ""):
                caption += ", " + said.gettext("p-value %(p)s") % {"p": f"{float(p):.2g}"}
            if "regions" in e:
                caption += "; " + sized(e["regions"], (e["size"][0], e["size"][1]), said)
            called = {
                "category": category,
                "defect": said.gettext("good") if e["defect"] == "good" else e["defect"],
                "called": said.gettext(CALLED.get(str(e["verdict"]), str(e["verdict"]))),
            }
            alt = said.gettext("%(category)s, %(defect)s, %(called)s; the image, then its heat map") % called
            picture = Picture(
                _small(folder, str(e["image"])),
                f"{said.gettext(KIND.get(str(e['kind']), str(e['kind'])))}: {alt}",
                said.gettext("%(category)s · %(defect)s · %(called)s") % called,
                f"{caption} · {Path(str(e['path'])).name}",
            )
            found.setdefault(str(e["kind"]), []).append(picture)
    return [(said.gettext(KINDS.get(kind, kind)), pictures) for kind, pictures in found.items() if pictures]


def _about(run: Mapping[str, Any], said: NullTranslations) -> list[tuple[str, str]]:
    data = run.get("data") or {}
    seconds = run.get("seconds")
    lines = [
        (said.gettext("Run"), run.get("name")),
        (said.gettext("Started"), run.get("started")),
        (said.gettext("Took"), None if seconds is None else f"{float(seconds):.1f} s"),
        ("tacha", run.get("tacha")),
        (said.gettext("Data"), data.get("root")),
        (said.gettext("Layout"), data.get("layout")),
        (said.gettext("Digest of the file list"), data.get("digest")),
    ]
    return [(name, str(value)) for name, value in lines if value is not None]


def _small(folder: Path, name: str) -> str:
    """A gallery picture, shrunk and as JPEG: a report stays small enough to send."""
    path = next((p for p in (folder / name, folder / "figures" / name) if p.is_file()), None)
    if path is None:
        raise TachaError(f"{folder / name}: cannot be read; a report needs the gallery's pictures")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TachaError(f"{path}: lies outside the run folder; metrics.json may only name pictures inside it")
    return thumbnail(path, GALLERY_SIDE)
