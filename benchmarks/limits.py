"""What a verdict's time is made of: operations and bytes counted, beside what this machine measures.

`python benchmarks/limits.py ARTEFACT IMAGE [--out FILE.json]` prints Markdown. Operations (two a multiplication) are
counted by torch in the detector itself; times of layers are OpenVINO's own counters. "At best" is each part's
operations at the rate that a large product of matrices reaches here, or the bytes it must move at the rate of a large
copy, whichever takes longer: no engine on this machine is faster without doing less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from peers.about import machine, revision
from tacha.data.view import View
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines.openvino import core, has_bf16
from tacha.runtime.engines.torch import detector_of

ROUNDS = 30
SIDE = 2048
PARTS = {
    "Convolution": "net: convolutions",
    "GroupConvolution": "net: depthwise convolutions",
    "MatMul": "banks: search and axes",
    "FullyConnected": "banks: search and axes",
}
REST = "everything else: argmax, distances, resizing, sorting, copies"


def median_ms(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    for _ in range(3):
        call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def product_rate(precision: str) -> float:
    """Operations a second of OpenVINO's product of two matrices of SIDE x SIDE, one of them fixed."""
    import openvino as ov
    from openvino import opset13 as ops

    given = ops.parameter([SIDE, SIDE], np.float32)
    fixed = ops.constant(np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32))
    model = ov.Model([ops.matmul(given, fixed, False, True)], [given])
    compiled = core().compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    )
    rows = np.random.default_rng(1).normal(size=(SIDE, SIDE)).astype(np.float32)
    return 2e3 * SIDE**3 / median_ms(lambda: compiled(rows), 10)


def copy_rate() -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.ones(2**26)
    target = torch.empty_like(source)
    return 2e3 * source.nbytes / median_ms(lambda: target.copy_(source), 10)


def counted(artefact: artefacts.Artefact, pixels: np.ndarray) -> dict[str, dict[str, float]]:
    """Operations of each part, and the bytes of its weights, of inputs and of outputs, each moved once."""
    detector = detector_of(artefact)
    found: dict[str, dict[str, float]] = defaultdict(lambda: {"operations": 0.0, "bytes": 0.0})

    def hook(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        assert isinstance(module, torch.nn.Conv2d)
        part = found[PARTS["GroupConvolution" if module.groups > 1 else "Convolution"]]
        part["operations"] += 2 * output.numel() * module.weight[0].numel()
        part["bytes"] += 4.0 * (inputs[0].numel() + output.numel() + module.weight.numel())

    hooks = [m.register_forward_hook(hook) for m in detector.modules() if isinstance(m, torch.nn.Conv2d)]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        detector(torch.from_numpy(pixels[None]))
    for handle in hooks:
        handle.remove()
    products = sum(v for k, v in counter.get_flop_counts()["Global"].items() if "conv" not in str(k))
    banks = sum(4.0 * b.numel() for b in detector.scorer.buffers())
    found[PARTS["MatMul"]] = {"operations": float(products), "bytes": banks}
    return dict(found)


def layers(artefact: artefacts.Artefact, pixels: np.ndarray, precision: str) -> dict[str, float]:
    """Median milliseconds of each part, by OpenVINO's counters."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "PERF_COUNT": "YES"}
    request = core().compile_model(core().read_model(artefact.onnx()), "CPU", settings).create_infer_request()
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS + 3):
        request.infer([pixels[None]])
        spent: dict[str, float] = defaultdict(float)
        for node in request.get_profiling_info():
            spent[PARTS.get(node.node_type, REST)] += node.real_time.total_seconds() * 1e3
        rounds.append(spent)
    return {part: statistics.median(r[part] for r in rounds[3:]) for part in {p for r in rounds for p in r}}


def measured(path: Path, image: Path) -> dict[str, Any]:
    artefact = artefacts.read(path)
    view = View.of_card(artefact.card)
    (pixels,) = view.read(image).pieces
    parts = counted(artefact, pixels)
    found: dict[str, Any] = {
        "machine": machine(torch.get_num_threads()),
        "revision": revision(),
        "copy_bytes_a_second": copy_rate(),
        "decode_ms": median_ms(lambda: view.read(image).pieces[0]),
        "parts": parts,
        "precisions": {},
    }
    for precision in ("f32", "bf16") if has_bf16() else ("f32",):
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        engine = core().compile_model(core().read_model(artefact.onnx()), "CPU", settings)
        batch = np.ascontiguousarray(pixels[None])
        found["precisions"][precision] = {
            "operations_a_second": product_rate(precision),
            "engine_ms": median_ms(lambda engine=engine, batch=batch: engine(batch)),
            "parts_ms": layers(artefact, pixels, precision),
        }
    return found


def page(found: dict[str, Any]) -> None:
    copies = found["copy_bytes_a_second"]
    print(f"Reading and resizing the file: {found['decode_ms']:.1f} ms. Copies: {copies / 1e9:.1f} GB/s.")
    for precision, run in found["precisions"].items():
        rate = run["operations_a_second"]
        print(f"\nOpenVINO {precision}: {run['engine_ms']:.1f} ms an image; large products: {rate / 1e9:.0f} GFLOP/s.")
        print("\n| part | million operations | MB moved | at best, ms | measured, ms |\n|---|---|---|---|---|")
        for part in dict.fromkeys((*PARTS.values(), REST)):
            spent = f"{run['parts_ms'].get(part, 0.0):.1f}"
            cells = ["–", "–", "–"]
            if part in found["parts"]:
                operations, moved = (found["parts"][part][k] for k in ("operations", "bytes"))
                best = 1e3 * max(operations / rate, moved / copies)
                cells = [f"{operations / 1e6:.0f}", f"{moved / 1e6:.1f}", f"{best:.1f}"]
            print(f"| {part} | {' | '.join(cells)} | {spent} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    asked = parser.parse_args()
    result = measured(asked.artefact, asked.image)
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page(result)
