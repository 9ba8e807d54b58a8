"""OpenVINO on the CPU: the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tacha.runtime.artefact import Artefact


class OpenVINO:
    """Compiled for latency, one request at a time."""

    name = "openvino"

    def __init__(self, artefact: Artefact, precision: str = "f32", threads: int | None = None) -> None:
        import openvino as ov

        core = ov.Core()
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self.precision = precision
        self._model = core.compile_model(core.read_model(artefact.onnx()), "CPU", settings)

    def __call__(self, images: npt.NDArray[np.float32]) -> Sequence[npt.NDArray[np.float32]]:
        results = self._model(np.ascontiguousarray(images))
        return [np.array(results[i], dtype=np.float32) for i in range(len(self._model.outputs))]
