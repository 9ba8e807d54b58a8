"""The best entries of a comparison, to be measured side by side: their artefacts, and the images all were judged on."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tacha.data.content import digest
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.reopening import Reopened, reopen
from tacha.report.compare import MEAN, Comparison, Entry, labels
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import SUFFIX


@dataclass(frozen=True)
class Final:
    """One category's: artefacts by the name of their entry, the best entry's first, and labelled images."""

    category: str
    named: list[tuple[str, Path]]
    samples: tuple[Sample, ...]


def finals(comparison: Comparison, metric: str, most: int) -> list[Final]:
    """The best `most` entries by `metric`, in the mean over categories where there are several; a Final a category.

    An artefact's variants (`NAME.int8.tacha`) come with it. Raises TachaError where no entry can be ranked, an artefact
    is gone, a run's data are gone or changed, and where the entries were not tested on the same images.
    """
    categories = [c for c in comparison.categories(metric) if c != MEAN]
    chosen = comparison.ranked(metric)[:most]
    if not chosen:
        raise TachaError(
            f"--bench: no entry has {metric} on every category ({', '.join(categories)}), so none can be called the "
            "best; compare runs of the same categories"
        )
    reopened = {folder: reopen(folder) for folder in dict.fromkeys(e.run.folder for e in chosen)}
    # What a run was judged on says nothing here: each is put on every engine asked for.
    shown = [{k: v for k, v in e.settings.items() if k not in ("engine", "precision")} for e in chosen]
    entries = list(zip(labels(shown, [e.run.folder for e in chosen]), chosen, strict=True))
    return [_final(category, entries, reopened) for category in categories]


def _final(category: str, chosen: list[tuple[str, Entry]], reopened: dict[Path, Reopened]) -> Final:
    named: list[tuple[str, Path]] = []
    judged_on: dict[Path, tuple[Sample, ...]] = {}
    for name, entry in chosen:
        run = reopened[entry.run.folder]
        path = _artefact(entry, run, category)
        judged_on[run.folder] = run.test_samples(path)
        named.append((name, path))
        named += [(f"{name} · {kind}", variant) for kind, variant in _variants(path)]
    first, *others = judged_on
    wanted = _identity(judged_on[first]) if others else set()
    for other in others:
        if _identity(judged_on[other]) != wanted:
            raise TachaError(
                f"{first} and {other}: were tested on different images of {category}, so they cannot be measured side "
                "by side; compare runs of the same data"
            )
    return Final(category, named, judged_on[first])


def _artefact(entry: Entry, run: Reopened, category: str) -> Path:
    scorer = entry.rows["scorer"]
    main, others = run.settings["scorer"], run.settings.get("others") or {}
    scorers = {"": main, **{label: other for label, other in others.items() if other != main}}  # as a run judges
    # Of two with one name the later one's figures stand in the table.
    fitting = [label for label, settings in scorers.items() if settings.get("name") == scorer]
    if not fitting:
        raise TachaError(f"{run.folder / 'config.yaml'}: names no scorer {scorer!r} as metrics.json does; train again")
    path = run.folder / f"{category}{fitting[-1] and f'.{fitting[-1]}'}{SUFFIX}"
    if not path.is_file():
        raise TachaError(f"{path}: the artefact is gone, and --bench measures it; train again, or leave its run out")
    return path


def _variants(path: Path) -> Iterator[tuple[str, Path]]:
    """(kind, file) of what `tacha compress` made of an artefact."""
    for beside in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*{SUFFIX}")):
        about = artefacts.read(beside).card.get("variant")
        if about and beside.name == f"{path.stem}.{about['kind']}{SUFFIX}":
            yield str(about["kind"]), beside


def _identity(samples: tuple[Sample, ...]) -> set[tuple[str, int]]:
    """By content, for one data set may lie in two places and two sets name their images alike."""
    return {(digest(s.path), s.label) for s in samples}
