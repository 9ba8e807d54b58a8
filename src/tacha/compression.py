"""A detector made smaller, with proof: each variant is judged beside its original, and calibrated anew if it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacha.data.image import prepare, read_image
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.fitting import calibrated
from tacha.material import Image, Material, Probe
from tacha.material import probe as probe_of
from tacha.metrics.ranking import auroc
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.compress import INT8_PLANS, halved, in_int8, with_smaller_banks
from tacha.runtime.engines import Engine, start
from tacha.runtime.parity import TOLERANCE

RANGED = 64  # good images learned from that int8 takes its ranges from


@dataclass(frozen=True)
class Compressed:
    """One variant and what it keeps: verdicts and scores on held-out good images and on flaws drawn on them."""

    path: Path
    mib: float
    mib_before: float
    images: int
    changed_verdicts: int
    largest_difference: float  # of a score, relative to the original's threshold
    drawn_auroc: float
    drawn_auroc_before: float
    recalibrated: bool


def compress(
    path: Path, material: Material, kinds: Sequence[str], bank: int | None, budget: float, folder: Path
) -> tuple[list[Compressed], list[str]]:
    """Write the variants of an artefact into `folder` as NAME.KIND.tacha; what came of each, and notes.

    `kinds` of f16 and int8; `bank`: rows a bank at most, for a variant of its own on which f16 and int8 are then made
    too. `budget` is the AUROC on drawn flaws, 0..1, that int8 may cost: operators stay in full precision until it is
    kept. The test set is not looked at. Raises TachaError where nothing can be gained or too few images are there.
    """
    original = artefacts.read(path)
    runtime = material.runtime
    probe = probe_of(material.data, original.card["input"]["size"])
    began = start(original, runtime["engine"], runtime["precision"], runtime.get("threads"))
    before = probe.scores(began)
    made: list[tuple[str, Artefact]] = []
    notes: list[str] = []
    base, prefix = original, ""
    if bank is not None:
        base, prefix = with_smaller_banks(original, bank), f"bank{bank}."
        made.append((f"bank{bank}", base))
    if "f16" in kinds:
        made.append((f"{prefix}f16", halved(base)))
    if "int8" in kinds:
        variant, notes = _int8(base, material, probe, budget, start(base))
        if variant is not None:
            made.append((f"{prefix}int8", variant))
    out = []
    for kind, variant in made:
        where = folder / f"{path.stem}.{kind}{artefacts.SUFFIX}"
        out.append(_checked(original, variant, kind, material, probe, before, where, path))
    return out, notes


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
    runtime, name = material.runtime, str(original.card["name"])
    engine = start(variant, runtime["engine"], runtime["precision"], runtime.get("threads"))
    after = probe.scores(engine)
    threshold = float(original.card["calibration"]["threshold"])
    moved = float(np.abs(after - before).max() / max(abs(threshold), 1e-12))
    recalibrated = moved > TOLERANCE
    if recalibrated:
        variant = calibrated(variant, engine, material.data, name, material.calibration)
    now = float(variant.card["calibration"]["threshold"])
    changed = int(((after > now) != (before > threshold)).sum())
    drawn = [float(auroc(scores, probe.labels)[0]) for scores in (after, before)]
    about = {
        "kind": kind,
        "images": len(before),
        "changed_verdicts": changed,
        "largest_difference": moved,
        "drawn_auroc": drawn[0],
        "drawn_auroc_before": drawn[1],
        "recalibrated": recalibrated,
    }
    # Parity and metrics were the original's.
    card = {k: v for k, v in variant.card.items() if k not in ("parity", "metrics")}
    artefacts.write(replace(variant, card={**card, "variant": about}), where)
    mib, mib_before = (p.stat().st_size / 2**20 for p in (where, path))
    return Compressed(where, mib, mib_before, len(before), changed, moved, drawn[0], drawn[1], recalibrated)


def _int8(
    base: Artefact, material: Material, probe: Probe, budget: float, engine: Engine
) -> tuple[Artefact | None, list[str]]:
    """The first plan that keeps the budget, and what was given up on the way; None where none does."""
    images = _prepared(material.data.train_samples, RANGED, material.data.train_set.size)
    wanted = float(auroc(probe.scores(engine), probe.labels)[0]) - budget
    name = str(base.card["name"])
    notes: list[str] = []
    held = _operators(base)
    tried: set[tuple[str, ...]] = set()
    for plan in INT8_PLANS:
        operators = tuple(o for o in plan if o in held)
        if not operators or operators in tried:
            continue
        tried.add(operators)
        variant = in_int8(base, images, operators)
        found = float(auroc(probe.scores(start(variant)), probe.labels)[0])
        if found >= wanted:
            return variant, notes
        cost = 100 * (wanted + budget - found)
        notes.append(
            f"{name}: {' and '.join(operators)} in int8 would cost {cost:.1f} AUROC points on drawn flaws, and "
            f"{100 * budget:.1f} are allowed"
        )
    notes.append(
        f"{name}: no int8 variant keeps the budget, so none was written; raise --budget to have one all the same"
    )
    return None, notes


def _operators(artefact: Artefact) -> set[str]:
    import onnx

    return {node.op_type for node in onnx.load_model_from_string(artefact.graph).graph.node}


def _prepared(samples: Sequence[Sample], most: int, size: int) -> list[Image]:
    out: list[Image] = []
    for i in np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int):
        try:
            out.append(prepare(read_image(samples[i].path), size))
        except TachaError:
            continue
    return out
