"""fit: the Python door to what `tacha train` does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tacha.configuration import compose, quoted
from tacha.data.layouts import detect_layout
from tacha.errors import TachaError
from tacha.inspector import Inspector
from tacha.run import catalogue_of, train


def fit(
    data: str | Path,
    *,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    name: str | None = None,
    run_dir: str | Path | None = None,
) -> Inspector:
    """Learn from a folder of good images, or from the good training images of any layout with one category.

    `preset` is balanced (None: that), speed, accuracy or foundation; `overrides`, which win over it, are those of
    `tacha train` ("scorer=padim", "data.size=320"); `run_dir` keeps the run folder
    (report, metrics, artefact). Returns an Inspector; `.save("part.tacha")` writes it.
    Raises TachaError for bad data or settings, and for data with several categories (name one:
    `overrides=["data.categories=[screw]"]`).
    """
    root = Path(data).expanduser()
    layout = detect_layout(root)
    chosen = [] if preset is None else [f"preset={preset}"]
    settings = compose([f"data={layout}", f"data.root={quoted(root)}", *chosen, *overrides])
    settings["name"] = name or root.resolve().name
    if not settings["pooled"]:
        categories = catalogue_of(settings["data"]).categories
        if len(categories) > 1:
            raise TachaError(
                f"{root}: has the categories {', '.join(categories)}; fit makes one detector: "
                'add overrides=["data.categories=[NAME]"], or "pooled=true"'
            )
    with tempfile.TemporaryDirectory() as scratch:
        run = train(settings, Path(run_dir) if run_dir is not None else Path(scratch))
    return next(iter(run.inspectors.values()))
