"""OpenVINO on the CPU: the first that `runtime.choice` considers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError

if TYPE_CHECKING:
    from tacha.runtime.artefact import Artefact


@functools.cache
def core() -> Any:
    """The process's one ``openvino.Core``, never destroyed.

    Its CPU plugin gives the thread another signal stack and, when it goes, puts back the one it found: with two cores
    that go in the order they came, a stack already unmapped. The next signal with a handler, Ctrl-C for one, then
    ends the process in SIGSEGV.
    """
    import openvino as ov

    return ov.Core()


def has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings_of(precision: str, threads: int | None) -> dict[str, str]:
    """How a graph is compiled: for latency, at a precision, on some cores or as many as OpenVINO likes."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    return settings if threads is None else {**settings, "INFERENCE_NUM_THREADS": str(threads)}


class OpenVINO:
    """Compiled for latency, one request at a time."""

    name = "openvino"

    def __init__(self, artefact: Artefact, precision: str = "f32", threads: int | None = None) -> None:
        if precision == "bf16" and not has_bf16():
            # OpenVINO would compute in f32 and not say so.
            raise TachaError("engine openvino has no bf16 on this CPU: use precision=f32")
        self.precision = precision
        self._model = core().compile_model(core().read_model(artefact.onnx()), "CPU", settings_of(precision, threads))

    def __call__(self, images: npt.NDArray[np.float32]) -> Sequence[npt.NDArray[np.float32]]:
        results = self._model(np.ascontiguousarray(images))
        return [np.array(results[i], dtype=np.float32) for i in range(len(self._model.outputs))]
