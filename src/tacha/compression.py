"""A detector made smaller, with proof: each variant is judged beside its original, and calibrated anew if it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacha.calibration import Calibration
from tacha.errors import TachaError
from tacha.fitting import calibrated, glimpses
from tacha.probe import Probe, telling_probe
from tacha.reopening import Material
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.banks import with_fewer_dimensions, with_fewer_rows
from tacha.runtime.engines import Engine, start, start_as_calibrated
from tacha.runtime.engines.openvino import has_bf16
from tacha.runtime.parity import TOLERANCE
from tacha.runtime.quantise import available, candidates, in_int8
from tacha.runtime.storage import banks_in_bytes, halved

RANGED = 64  # good images learned from that int8 takes its ranges from
BOTH = ("openvino", "onnxruntime")  # engines that a variant must serve
KINDS = ("f16", "bf16", "bank8", "int8")

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """Which variants to make: `kinds` of KINDS, made of banks with at most `rows` and `dimensions` where given.

    `budget`: AUROC on drawn flaws, 0..1, that int8 may cost.
    """

    kinds: Sequence[str]
    rows: int | None = None
    dimensions: int | None = None
    budget: float = 0.005
    quantiser: str | None = None


@dataclass(frozen=True)
class Compressed:
    """One variant and what it keeps: verdicts and scores on held-out good images and on flaws drawn on them.

    `images` counts both: at most 64 good ones, and as many with a flaw. `changed_verdicts` are of these.
    """

    path: Path
    mib: float
    mib_before: float
    images: int
    changed_verdicts: int
    between_engines: int | None  # verdicts on which the two engines differ; None where one cannot run it
    largest_difference: float  # of a score, relative to the original's `Calibration.magnitude`
    drawn_auroc: float
    drawn_auroc_before: float
    recalibrated: bool


def compress(path: Path, material: Material, wanted: Wanted, folder: Path) -> tuple[list[Compressed], list[str]]:
    """Write the variants of an artefact into `folder` as NAME.KIND.tacha; what came of each, and notes.

    Smaller banks are a variant of their own, on which the others are then made too. int8 leaves operators in full
    precision until the budget is kept. The test set is not looked at. Raises TachaError where nothing can be
    gained or too few images are there.
    """
    original = artefacts.read(path)
    if "bf16" in wanted.kinds and not has_bf16():
        raise TachaError(f"{path}: this CPU has no bf16, in which the variant would be calibrated; leave bf16 out")
    notes: list[str] = []
    base, prefix = original, ""
    made: list[tuple[str, Artefact]] = []
    if wanted.rows is not None:
        base, prefix = with_fewer_rows(base, wanted.rows), f"bank{wanted.rows}."
    if wanted.dimensions is not None:
        base, prefix = with_fewer_dimensions(base, wanted.dimensions), f"{prefix}dim{wanted.dimensions}."
    if prefix:
        made.append((prefix.rstrip("."), base))
    began = start_as_calibrated(original, material.runtime.get("threads"))
    probe, before = telling_probe(material.data, material.data.view.frame, began)
    stored = {"f16": halved, "bf16": lambda a: _in_bf16(halved(a)), "bank8": lambda a: halved(banks_in_bytes(a))}
    for kind in wanted.kinds:
        if kind in stored:
            made.append((prefix + kind, stored[kind](base)))
            continue
        variant, notes = _int8(base, material, probe, wanted)
        if variant is not None:
            made.append((prefix + kind, variant))
    out = []
    for kind, variant in made:
        where = folder / f"{path.stem}.{kind}{artefacts.SUFFIX}"
        out.append(_checked(original, variant, kind, material, probe, before, where, path))
    return out, notes


def _in_bf16(artefact: Artefact) -> Artefact:
    """To be calibrated and run in bf16, which OpenVINO has."""
    return replace(artefact, card={**artefact.card, "calibrated_on": {"engine": "openvino", "precision": "bf16"}})


def _checked(
    original: Artefact,
    variant: Artefact,
    kind: str,
    material: Material,
    probe: Probe,
    before: npt.NDArray[np.float64],
    where: Path,
    path: Path,
) -> Compressed:
    """The variant judged beside its original, calibrated anew if its scores moved, and written."""
    name, on = str(original.card["name"]), variant.card["calibrated_on"]
    engine = start_as_calibrated(variant, material.runtime.get("threads"))
    after = probe.scores(engine)
    calibration = Calibration.from_dict(original.card["calibration"])
    moved = float(np.abs(after - before).max() / calibration.magnitude)
    recalibrated = moved > TOLERANCE
    if recalibrated:
        variant = calibrated(variant, engine, material.data, name, material.calibration)
    now = float(variant.card["calibration"]["threshold"])
    changed = int(((after > now) != (before > calibration.threshold)).sum())
    between = None
    if on["precision"] == "f32" and len(able := _able(variant)) == len(BOTH):
        one, other = (probe.scores(running) > now for running in able)
        between = int((one != other).sum())
    drawn, drawn_before = probe.auroc(after), probe.auroc(before)
    about = {
        "kind": kind,
        "images": len(before),
        "changed_verdicts": changed,
        "between_engines": between,
        "largest_difference": moved,
        "drawn_auroc": drawn,
        "drawn_auroc_before": drawn_before,
        "drawn_strength": probe.strength,
        "recalibrated": recalibrated,
    }
    # Parity and metrics were the original's.
    card = {k: v for k, v in variant.card.items() if k not in ("parity", "metrics")}
    artefacts.write(replace(variant, card={**card, "variant": about}), where)
    mib, mib_before = (p.stat().st_size / 2**20 for p in (where, path))
    return Compressed(where, mib, mib_before, len(before), changed, between, moved, drawn, drawn_before, recalibrated)


def _int8(base: Artefact, material: Material, probe: Probe, wanted: Wanted) -> tuple[Artefact | None, list[str]]:
    """The first plan that keeps the budget, and what was given up on the way; None where none does.

    int8 is measured, calibrated and run with everything else at f32, on an engine that has it.
    """
    learned = material.data.train_samples
    spread = np.linspace(0, len(learned) - 1, min(RANGED, len(learned))).round().astype(int)
    images = list(glimpses([learned[i] for i in spread], material.data.view, RANGED))
    least = min(probe.auroc(probe.scores(engine)) for engine in _able(base) or [start(base, BOTH[0])]) - wanted.budget
    on = base.card["calibrated_on"]["engine"]
    base = replace(
        base, card={**base.card, "calibrated_on": {"engine": on if on in BOTH else BOTH[0], "precision": "f32"}}
    )
    quantiser = available(wanted.quantiser)
    name = str(base.card["name"])
    notes: list[str] = []
    for plan in candidates(base):
        variant = halved(in_int8(base, images, plan, quantiser))
        try:
            found = min(probe.auroc(probe.scores(start(variant, engine))) for engine in BOTH)
        except Exception as error:  # an engine may refuse a graph only as it runs it, with an error of its own
            notes.append(f"{name}: int8 for {plan} runs on one engine only: {' '.join(str(error).split())[:200]}")
            continue
        if found >= least:
            notes.append(f"{name}: int8 for {plan}, by {quantiser}")
            return variant, notes
        notes.append(
            f"{name}: int8 for {plan} would cost {100 * (least + wanted.budget - found):.1f} AUROC points on drawn "
            f"flaws, and {100 * wanted.budget:.1f} are allowed"
        )
    notes.append(
        f"{name}: no int8 variant keeps the budget on both engines, so none was written; raise --budget to have one"
    )
    return None, notes


def _able(artefact: Artefact) -> list[Engine]:
    """Those of BOTH that take it, running."""
    out = []
    for name in BOTH:
        try:
            out.append(start(artefact, name))
        except TachaError:
            continue
    return out
