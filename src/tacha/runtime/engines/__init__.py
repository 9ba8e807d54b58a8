"""What runs a graph: one file an engine, listed here by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.registry import Registry
from tacha.runtime.engines.refusal import refusal

if TYPE_CHECKING:
    from tacha.runtime.artefact import Artefact

Array = npt.NDArray[np.float32]
PRECISIONS = ("f32", "bf16")
AUTO = "auto"  # an engine or a precision that `runtime.choice` is to choose
REFERENCE = "torch"  # what the others are compared with; slow to import, and chosen by name only


class Engine(Protocol):
    """`engine(images [B, 3, H, W] float32 in 0..1) -> [score [B]]` or `[score [B], map [B, h, w]]`."""

    name: str
    precision: str

    def __call__(self, images: Array) -> Sequence[Array]: ...


ENGINES: Registry[Engine] = Registry(
    "engine",
    "tacha.engines",
    {
        "openvino": "tacha.runtime.engines.openvino:OpenVINO",
        "onnxruntime": "tacha.runtime.engines.onnxruntime:ONNXRuntime",
        "torch": "tacha.runtime.engines.torch:Torch",
    },
)


def start(artefact: Artefact, engine: str = "openvino", precision: str = "f32", threads: int | None = None) -> Engine:
    """An engine with the artefact loaded. `threads` None leaves it to the engine.

    Precision is never the engine's own choice: OpenVINO alone would take bf16 where a CPU has it, and move scores.
    Raises TachaError naming the operator that the engine lacks, and the engines that have it.
    """
    try:
        return attempt(artefact, engine, precision, threads)
    except TachaError:
        raise
    except Exception as error:
        able = [e for e in ENGINES.table() if e != engine and _takes(artefact, e, precision, threads)]
        raise refusal(artefact, engine, able, error) from error


def start_as_calibrated(artefact: Artefact, threads: int | None = None) -> Engine:
    """The engine and precision that set the artefact's thresholds."""
    on = artefact.card["calibrated_on"]
    return start(artefact, on["engine"], on["precision"], threads)


def attempt(artefact: Artefact, engine: str, precision: str, threads: int | None) -> Engine:
    """As `start`, but what the engine itself raises is left as it is."""
    if precision not in PRECISIONS:
        raise TachaError(f"runtime.precision={precision!r}: choose one of {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise TachaError(f"runtime.threads={threads}: give 1 or more, or leave it out")
    make: Any = ENGINES.get(engine)
    started: Engine = make(artefact, precision=precision, threads=threads)
    return started


def _takes(artefact: Artefact, engine: str, precision: str, threads: int | None) -> bool:
    try:
        attempt(artefact, engine, precision, threads)
    except Exception:
        return False
    return True
