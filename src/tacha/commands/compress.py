"""tacha compress"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tacha.compression import Compressed, Material, compress
from tacha.errors import TachaError
from tacha.files import check_folder
from tacha.run import catalogue_of, detectors
from tacha.runtime import artefact as artefacts

KINDS = ("f16", "int8")


def run(asked: argparse.Namespace) -> int:
    """Variants beside the artefacts, and a table of what each keeps."""
    kinds = [k for k in asked.kinds.split(",") if k]
    if unknown := [k for k in kinds if k not in KINDS]:
        raise TachaError(f"--kinds {unknown[0]}: choose from {', '.join(KINDS)}")
    if asked.bank is not None and asked.bank < 1:
        raise TachaError(f"--bank {asked.bank}: give a number of rows of at least 1")
    if asked.budget < 0:
        raise TachaError(f"--budget {asked.budget}: give AUROC points of 0 or more")
    paths, folder = _artefacts(Path(asked.source))
    check_folder(Path(asked.out) if asked.out else folder)
    settings = _settings(folder / "config.yaml")
    found: list[Compressed] = []
    notes: list[str] = []
    for path in paths:
        material = _material(path, settings, folder)
        where = Path(asked.out) if asked.out else path.parent
        variants, said = compress(path, material, kinds, asked.bank, asked.budget / 100, where)
        found, notes = [*found, *variants], [*notes, *said]
    Console(width=None if Console().is_terminal else 140).print(table(found))
    for note in notes:
        print(f"note: {note}")
    for c in found:
        print(c.path)
    return 0


def table(found: list[Compressed]) -> Table:
    """A line a variant; what is compared is the original on the same images."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    out.add_column("")
    for title in (
        "file MiB",
        "was",
        "scores moved by",
        "changed verdicts",
        "AUROC of drawn flaws",
        "was",
        "calibration",
    ):
        out.add_column(title, justify="right")
    for c in found:
        out.add_row(
            c.path.stem,
            f"{c.mib:.1f}",
            f"{c.mib_before:.1f}",
            f"{100 * c.largest_difference:.2g} % of the threshold",
            f"{c.changed_verdicts} of {c.images}",
            f"{c.drawn_auroc:.3f}",
            f"{c.drawn_auroc_before:.3f}",
            "redone" if c.recalibrated else "kept",
        )
    return out


def _artefacts(source: Path) -> tuple[list[Path], Path]:
    """The artefacts to compress and their run folder."""
    if source.is_dir():
        # A variant says of itself that it is one.
        paths = [p for p in sorted(source.glob(f"*{artefacts.SUFFIX}")) if "variant" not in artefacts.read(p).card]
        if not paths:
            raise TachaError(f"{source}: has no artefact; name a run folder of `tacha train`, or a .tacha file in one")
        return paths, source
    if "variant" in artefacts.read(source).card:
        raise TachaError(f"{source}: is a variant already; compress the artefact that it was made from")
    return [source], source.parent


def _settings(path: Path) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TachaError(
            f"{path}: cannot be read, and compressing needs the run's settings to find its good images again; "
            "name the run folder, or an artefact inside it"
        ) from error
    if not isinstance(settings, dict) or not {"data", "model", "calibration", "seed", "runtime"} <= set(settings):
        raise TachaError(f"{path}: is not the configuration of a run; run `tacha train` again")
    return settings


def _material(path: Path, settings: dict[str, Any], folder: Path) -> Material:
    from tacha.nets import Nets, data_module

    card = artefacts.read(path).card
    catalogue = Nets(settings, catalogue_of(settings["data"]), folder).catalogue
    categories = dict(detectors(settings, catalogue))
    name = card["name"]
    if name not in categories:
        raise TachaError(f"{path}: is of {name!r}, which the run's settings do not name ({', '.join(categories)})")
    if card["data"]["digest"] != catalogue.digest():
        raise TachaError(
            f"{catalogue.root}: is not what {path.name} was fitted on (files were added, removed or renamed), so its "
            "held-out images cannot be told; train again"
        )
    return Material(data_module(catalogue, categories[name], settings), settings["calibration"], settings["runtime"])
