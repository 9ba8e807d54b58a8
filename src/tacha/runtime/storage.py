"""The same detector in fewer bytes: numbers stored with fewer bits and widened again as the graph is loaded."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.runtime.artefact import SCALE, Artefact, repack

SMALL = 256  # numbers; smaller tensors stay as they are
BANK = re.compile(r"(.*\.)?bank(_\d+)?")


def halved(artefact: Artefact) -> Artefact:
    """Weights stored as float16, arithmetic as before: half the size. What float16 cannot hold stays float32."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(artefact.graph)
    tensors = artefact.tensors()
    casts = []
    for tensor in model.graph.initializer:
        values = tensors.get(tensor.name)
        if values is None or values.dtype != np.float32 or values.size < SMALL:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            continue
        tensors[tensor.name] = half
        tensor.data_type = TensorProto.FLOAT16
        casts.append(helper.make_node("Cast", [tensor.name], [f"{tensor.name}/f32"], to=TensorProto.FLOAT))
    _put_first(model, casts)
    return repack(model, tensors, artefact.card)


def banks_in_bytes(artefact: Artefact) -> Artefact:
    """Bank rows stored as int8, each dimension with a scale of its own, arithmetic as before: a quarter of the size.

    Raises TachaError where the scorer has no bank.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(artefact.graph)
    tensors = artefact.tensors()
    widened = []
    for tensor in list(model.graph.initializer):
        values = tensors.get(tensor.name)
        if values is None or values.dtype != np.float32 or not BANK.fullmatch(tensor.name):
            continue
        scale = np.maximum(np.abs(values).max(0), 1e-12).astype(np.float32) / 127  # [D]
        tensors[tensor.name] = np.rint(values / scale).astype(np.int8)
        tensors[tensor.name + SCALE] = scale
        tensor.data_type = TensorProto.INT8
        model.graph.initializer.add(name=tensor.name + SCALE, data_type=TensorProto.FLOAT, dims=scale.shape)
        names = [tensor.name, tensor.name + SCALE]
        widened.append(helper.make_node("DequantizeLinear", names, [f"{tensor.name}/f32"], axis=1))
    if not widened:
        raise TachaError(f"{artefact.card['name']}: {artefact.card['scorer']['name']} has no bank to store as int8")
    _put_first(model, widened)
    return repack(model, tensors, artefact.card)


def as_float32(tensors: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Tensors as they were before they were stored with fewer bits, to within rounding."""
    out = {}
    for name, values in tensors.items():
        if name + SCALE in tensors:
            out[name] = values.astype(np.float32) * tensors[name + SCALE]
        elif not name.endswith(SCALE):
            out[name] = values.astype(np.float32) if values.dtype == np.float16 else values
    return out


def _put_first(model: Any, nodes: list[Any]) -> None:
    """Nodes that widen initialisers go before all others, which then read what they give."""
    renamed = {node.input[0]: node.output[0] for node in nodes}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    nodes = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
