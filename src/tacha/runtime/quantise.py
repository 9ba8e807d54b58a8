"""int8 arithmetic: the same graph, its ranges taken from good images."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.runtime.artefact import Artefact, repack
from tacha.runtime.engines.refusal import reason
from tacha.runtime.storage import SMALL

Image = npt.NDArray[np.float32]

FEWEST = 16  # good images that a range may be taken from
LARGEST = 2**40  # bytes of a constant that is folded: any
OPERATORS = ("Conv", "Gemm", "MatMul")
QUANTISERS = ("nncf", "onnxruntime")
AXES = re.compile(r"(.*\.)?axes(_\d+)?")  # of `dimensions` in memory_bank and depth_banks


class Plan(NamedTuple):
    """Which operators int8 takes over, and how many of them, from the input on, stay in full precision."""

    operators: tuple[str, ...] = OPERATORS
    spared: int = 0

    def __str__(self) -> str:
        but = f" but the first {self.spared}" if self.spared else ""
        return f"{' and '.join(self.operators)}{but}"


# From what gains most to what is left when convolutions lose too much. A net's first layers see raw contrast in few
# channels, and their errors go through all that follow, so they are what is spared. Searching a bank survives int8
# whatever the net: the distance to the row that it finds is computed anew.
PLANS = (*(Plan(OPERATORS, n) for n in (0, 3, 6, 12, 24)), Plan(("MatMul",)))


def in_int8(
    artefact: Artefact, images: Sequence[Image], plan: Plan = PLANS[0], quantiser: str | None = None
) -> Artefact:
    """The detector with a plan's operators in int8, from good images [3, H, W]; weights a channel.

    Runs on openvino and onnxruntime. `nncf` also corrects biases and aligns channels. Raises TachaError for fewer than
    16 images, for a graph that cannot be quantised, and without the quantiser. Jacob et al. 2018, sec. 3.
    """
    if len(images) < FEWEST:
        raise TachaError(
            f"{artefact.card['name']}: int8 takes its ranges from at least {FEWEST} good images and there are "
            f"{len(images)}; add images of good parts"
        )
    quantiser = available(quantiser)
    quantise = {"nncf": _by_nncf, "onnxruntime": _by_onnxruntime}[quantiser]
    model = _lean(artefact)
    chosen = [node.name for node in _quantisable(model) if node.op_type in plan.operators][plan.spared :]
    try:
        with _quiet():
            model = quantise(model, images, chosen)
    except Exception as error:  # both raise many kinds
        raise TachaError(
            f"{artefact.card['name']}: could not be quantised ({reason(error)}); "
            "leave int8 out of --kinds, or take another scorer"
        ) from error
    import onnx

    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    tensors = {name: values for name, values in tensors.items() if values.size >= SMALL}
    arithmetic = {"int8": list(plan.operators), "spared": plan.spared, "quantiser": quantiser}
    return repack(model, tensors, {**artefact.card, "arithmetic": arithmetic})


def available(quantiser: str | None) -> str:
    """The quantiser's name, if it can be used here; None is NNCF where it is installed, for it loses less.

    Raises TachaError naming the extra to install.
    """
    if quantiser is None:
        return "nncf" if importlib.util.find_spec("nncf") else "onnxruntime"
    if quantiser not in QUANTISERS:
        raise TachaError(f"--quantiser {quantiser}: choose from {', '.join(QUANTISERS)}")
    if quantiser == "nncf" and importlib.util.find_spec("nncf") is None:
        raise TachaError('--quantiser nncf: NNCF is not installed: pip install "tacha[quantize]", or use onnxruntime')
    return quantiser


def candidates(artefact: Artefact) -> list[Plan]:
    """The plans that differ for this graph, from what gains most."""
    held = [node.op_type for node in _quantisable(_lean(artefact))]
    out: dict[tuple[int, ...], Plan] = {}
    for plan in PLANS:
        places = [i for i, kind in enumerate(held) if kind in plan.operators][plan.spared :]
        if places:
            operators = tuple(o for o in plan.operators if o in held)
            out.setdefault(tuple(places), Plan(operators, plan.spared))
    return list(out.values())


def _quantisable(model: Any) -> list[Any]:
    shapes = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}

    def possible(node: Any) -> bool:
        # What puts rows on a bank's axes stays exact: the distance to the row found is computed from what it gives.
        # A stack of matrices, PaDiM's one a place, has no int8 product in ONNX Runtime.
        stacked = node.op_type != "Conv" and any(shapes.get(name, 0) > 2 for name in node.input)
        return node.op_type in OPERATORS and not stacked and not any(AXES.fullmatch(name) for name in node.input)

    return [node for node in model.graph.node if possible(node)]


def _lean(artefact: Artefact) -> Any:
    """Batch norms go into convolutions, and what is computed of weights alone becomes a weight."""
    import onnx
    from onnxscript import optimizer

    whole = onnx.load_model_from_string(artefact.onnx())
    return optimizer.optimize(whole, input_size_limit=LARGEST, output_size_limit=LARGEST)


def _by_onnxruntime(model: Any, images: Sequence[Image], nodes: Sequence[str]) -> Any:
    """ONNX Runtime's static quantiser, symmetric: engines pad with zero whatever zero point they are told."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images: Iterator[Image] = iter(images)

        def get_next(self) -> dict[str, Image] | None:
            image = next(self.images, None)
            return None if image is None else {"images": image[None]}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=list(nodes),
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True},
        )
        return onnx.load(path)


def _by_nncf(model: Any, images: Sequence[Image], nodes: Sequence[str]) -> Any:
    os.environ.setdefault("NNCF_CI", "1")  # or it reports its use to its makers
    import nncf

    nncf.set_log_level(logging.ERROR)
    # Left to itself it quantises sums and distances too, which moves scores and saves nothing.
    others = [node.name for node in model.graph.node if node.name not in set(nodes)]
    return nncf.quantize(
        model,
        nncf.Dataset([{"images": image[None]} for image in images]),
        subset_size=len(images),
        target_device=nncf.TargetDevice.CPU,
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice to prepare the model, which has been done."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
