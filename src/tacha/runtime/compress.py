"""Smaller or faster variants of a detector: weights in half precision, smaller banks, int8 arithmetic."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.runtime.artefact import Artefact, pack

Image = npt.NDArray[np.float32]

# What int8 may take over, from all that gains to what is left when convolutions lose too much. Searching a bank
# survives it whatever the net: the distance to the row that it finds is computed anew.
INT8_PLANS = (("Conv", "Gemm", "MatMul"), ("MatMul",))
FEWEST = 16  # good images that an int8 range may be taken from
SMALL = 256  # numbers; smaller tensors stay as they are
LARGEST = 2**40  # bytes of a constant that is folded: any
BANK = re.compile(r"bank(_\d+)?")


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
    renamed = {cast.input[0]: cast.output[0] for cast in casts}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return _packed(model, tensors, artefact.card)


def with_smaller_banks(artefact: Artefact, size: int) -> Artefact:
    """The same detector with at most `size` rows in each of its banks, chosen to cover what they held.

    Raises TachaError where no bank is larger than that.
    """
    from tacha.runtime.engines.torch import detector_of
    from tacha.runtime.export import export_graph
    from tacha.scorers.coreset import Coreset

    detector = detector_of(artefact)
    banks = {name: rows for name, rows in detector.scorer.named_buffers() if BANK.fullmatch(name)}
    if not any(len(rows) > size for rows in banks.values()):
        held = f"its banks hold {max(map(len, banks.values()))}" if banks else "it has no bank"
        raise TachaError(f"{artefact.card['name']}: {held}, so --bank {size} makes nothing smaller; give fewer")
    for name, rows in banks.items():
        coreset = Coreset(size, seed=0)
        coreset.add(rows)
        setattr(detector.scorer, name, coreset.finish())
    scorer = artefact.card["scorer"]
    card = {**artefact.card, "scorer": {**scorer, "settings": {**scorer["settings"], "size": size}}}
    graph = export_graph(detector, card["input"]["size"], {"net": card["net"], "scorer": card["scorer"]})
    return pack(graph, {k: v.numpy() for k, v in detector.state_dict().items()}, card)


def in_int8(artefact: Artefact, images: Sequence[Image], operators: Sequence[str] = INT8_PLANS[0]) -> Artefact:
    """The same graph with those operators in int8, their ranges taken from good images [3, H, W]; weights a channel.

    Runs on openvino and onnxruntime. Raises TachaError for fewer than 16 images and for a graph that cannot be
    quantised. By ONNX Runtime's static quantiser (Jacob et al. 2018, sec. 3).
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxscript import optimizer

    if len(images) < FEWEST:
        raise TachaError(
            f"{artefact.card['name']}: int8 takes its ranges from at least {FEWEST} good images and there are "
            f"{len(images)}; add images of good parts"
        )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images: Iterator[Image] = iter(images)

        def get_next(self) -> dict[str, Image] | None:
            image = next(self.images, None)
            return None if image is None else {"images": image[None]}

    logging.disable(logging.WARNING)  # advice to prepare the model, which has been done
    try:
        whole = onnx.load_model_from_string(artefact.onnx())
        # Batch norms go into convolutions, and what is computed of weights alone becomes a weight.
        lean = optimizer.optimize(whole, input_size_limit=LARGEST, output_size_limit=LARGEST)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "int8.onnx"
            quantize_static(
                lean,
                path,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(operators),
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
            )
            model = onnx.load(path)
    except Exception as error:
        raise TachaError(
            f"{artefact.card['name']}: could not be quantised ({str(error).strip().splitlines()[0]}); "
            "use --kinds f16, or another scorer"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    tensors = {name: values for name, values in tensors.items() if values.size >= SMALL}
    return _packed(model, tensors, {**artefact.card, "arithmetic": {"int8": list(operators)}})


def _packed(model: Any, tensors: dict[str, npt.NDArray[Any]], card: dict[str, Any]) -> Artefact:
    """A model whose tensors are stored apart; those not among `tensors` stay inside the graph."""
    from tacha.runtime.export import strip

    for tensor in model.graph.initializer:
        if tensor.name in tensors:
            for name in ("raw_data", "float_data", "int32_data", "int64_data", "external_data", "data_location"):
                tensor.ClearField(name)
    strip(model)
    return pack(model.SerializeToString(), tensors, card)
