"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError

if TYPE_CHECKING:
    from tacha.runtime.artefact import Artefact


class ONNXRuntime:
    """Full precision only: its CPU kernels have no bf16."""

    name = "onnxruntime"

    def __init__(self, artefact: Artefact, precision: str = "f32", threads: int | None = None) -> None:
        import onnxruntime as ort

        if precision != "f32":
            raise TachaError(f"engine onnxruntime has no {precision} on a CPU: use precision=f32 or engine=openvino")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        self.precision = precision
        self._session = ort.InferenceSession(artefact.onnx(), options, providers=["CPUExecutionProvider"])

    def __call__(self, images: npt.NDArray[np.float32]) -> Sequence[npt.NDArray[np.float32]]:
        outputs: list[npt.NDArray[np.float32]] = self._session.run(None, {"images": images})
        return outputs
