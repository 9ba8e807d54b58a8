"""Detector -> ONNX, whose weights are the very tensors of the state dict."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

from tacha.errors import TachaError
from tacha.runtime.engines.refusal import reason

if TYPE_CHECKING:
    from tacha.data.frame import Frame
    from tacha.detector import Detector

_cache: dict[str, bytes] = {}


def export_graph(detector: Detector, frame: Frame, signature: dict[str, Any]) -> bytes:
    """An ONNX graph (images [B, 3, height, width] -> score, map) without weights: they are named, not stored.

    Every initialiser is named after its tensor in `detector.state_dict()`. Two detectors of the same signature
    (net, scorer, settings) and tensor shapes have the same graph, so it is exported once a process.
    Raises TachaError naming the operator that ONNX lacks.
    """
    shapes = {k: [str(v.dtype), *v.shape] for k, v in detector.state_dict().items()}
    key = json.dumps([signature, frame.to_dict(), shapes], sort_keys=True, default=str)
    if key not in _cache:
        _cache[key] = _export(detector, frame)
    return _cache[key]


def _export(detector: Detector, frame: Frame) -> bytes:
    import torch

    detector = detector.eval()
    example = torch.zeros(2, *frame.shape)
    with torch.inference_mode():
        outputs = ["score", "map"][: len(detector(example))]
    logger = logging.getLogger("torch.onnx")
    level, logger.level = logger.level, logging.ERROR
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                detector,
                (example,),
                dynamo=True,
                # The optimiser would fold weights into new constants; engines fold when they load.
                optimize=False,
                input_names=["images"],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                verbose=False,
            )
    except Exception as error:
        raise TachaError(f"this detector cannot be exported to ONNX: {reason(error)}") from error
    finally:
        logger.level = level
    model = program.model_proto  # type: ignore[union-attr]
    names = set(detector.state_dict())
    for tensor in model.graph.initializer:
        if tensor.name in names:
            tensor.ClearField("raw_data")
    strip(model)
    data: bytes = model.SerializeToString()
    return data


def strip(model: Any) -> None:
    """Drop what the exporter notes about its own run: source paths of this machine, stack traces."""
    del model.metadata_props[:]
    graph = model.graph
    del graph.metadata_props[:]
    for item in [*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        del item.metadata_props[:]
        item.doc_string = ""
