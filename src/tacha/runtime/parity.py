"""Do the engines agree? Checked when an artefact is written, and by `tacha check` anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.calibration import Calibration
from tacha.errors import TachaError
from tacha.runtime.artefact import Artefact
from tacha.runtime.engines import REFERENCE, Engine, start

# Largest relative difference of a score between engines at f32 that is still the same score.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Parity:
    """One engine against torch over the same images."""

    engine: str
    precision: str
    images: int
    changed_verdicts: int
    largest_difference: float  # relative to `Calibration.magnitude`

    @property
    def agrees(self) -> bool:
        return self.changed_verdicts == 0 and self.largest_difference <= TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def reference_of(artefact: Artefact) -> str:
    """The engine that the others must agree with: torch, or ONNX Runtime for int8, which torch does not run."""
    return "onnxruntime" if "arithmetic" in artefact.card else REFERENCE


def compare(
    artefact: Artefact,
    images: Iterable[npt.NDArray[np.float32]],
    engines: Sequence[str] = ("openvino", "onnxruntime"),
    precision: str = "f32",
    running: Sequence[Engine] = (),
    refused: list[str] | None = None,
) -> list[Parity]:
    """Score every image [3, H, W] on each engine and on a reference at f32.

    Differences are relative to `Calibration.magnitude`. The reference is `reference_of(artefact)`, which is not
    compared with itself.
    Engines in `running` already have the artefact loaded and are not started again. One that does not take it raises
    TachaError, or is passed over where `refused` is given, which then says why.
    """
    ready = {(engine.name, engine.precision): engine for engine in running}
    calibration = Calibration.from_dict(artefact.card["calibration"])
    threshold = calibration.threshold
    batches = [image[None] for image in images]
    against = reference_of(artefact)
    reference = start(artefact, against)
    expected = np.array([float(reference(b)[0][0]) for b in batches])
    out = []
    for name in engines:
        if (name, precision) == (against, "f32"):
            continue
        try:
            engine = ready.get((name, precision)) or start(artefact, name, precision)
        except TachaError as error:
            if refused is None:
                raise
            refused.append(str(error))
            continue
        scores = np.array([float(engine(b)[0][0]) for b in batches])
        differences = np.abs(scores - expected) / calibration.magnitude
        out.append(
            Parity(
                engine=name,
                precision=precision,
                images=len(batches),
                changed_verdicts=int(((scores > threshold) != (expected > threshold)).sum()),
                largest_difference=float(differences.max(initial=0.0)),
            )
        )
    return out
