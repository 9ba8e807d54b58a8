"""OpenVINO's own counters: what each layer of the compiled graph takes."""

from __future__ import annotations

import csv
import io
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tacha.data.image import Prepared
from tacha.files import write_text
from tacha.runtime.artefact import Artefact


@dataclass(frozen=True)
class Layer:
    """A layer of the compiled graph, an image: `kind` is its operation, `kernel` what computes it; times in ms.

    `wall_ms` is what passed, `cpu_ms` the processors' time as OpenVINO counts it.
    """

    name: str
    kind: str
    kernel: str
    wall_ms: float
    cpu_ms: float


def layers_of(
    artefact: Artefact, images: Sequence[Sequence[Prepared]], rounds: int, precision: str, threads: int | None
) -> list[Layer]:
    """The layers that ran, longest first: medians over rounds after one that warms up.

    `images`: the batches [B, 3, H, W] of each. A layer that is folded into another took nothing, and is not there.
    """
    from tacha.runtime.engines.openvino import core, settings_of

    settings = {**settings_of(precision, threads), "PERF_COUNT": "YES"}
    request = core().compile_model(core().read_model(artefact.onnx()), "CPU", settings).create_infer_request()
    spent: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for number in range(rounds + 1):
        found: dict[tuple[str, str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for batch in (b for batches in images for b in batches):
            request.infer([batch])
            for node in request.get_profiling_info():
                key = (node.node_name, node.node_type, node.exec_type)
                wall, cpu = (1e3 * t.total_seconds() / len(images) for t in (node.real_time, node.cpu_time))
                found[key] = (found[key][0] + wall, found[key][1] + cpu)
        for key, times in found.items() if number else ():
            spent[key].append(times)
    out = [Layer(*key, *(statistics.median(t) for t in zip(*times, strict=True))) for key, times in spent.items()]
    return sorted((layer for layer in out if layer.wall_ms > 0), key=lambda layer: -layer.wall_ms)


def by_kind(layers: Sequence[Layer]) -> list[tuple[str, int, float]]:
    """(operation, layers, wall ms an image), longest first."""
    found: dict[str, list[float]] = defaultdict(list)
    for layer in layers:
        found[layer.kind].append(layer.wall_ms)
    return sorted(((kind, len(times), sum(times)) for kind, times in found.items()), key=lambda row: -row[2])


def write_layers(path: Path, layers: Sequence[Layer]) -> Path:
    """CSV: a row a layer, the fields of Layer."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([f.name for f in fields(Layer)])
    writer.writerows([x if isinstance(x, str) else f"{x:.6g}" for x in astuple(layer)] for layer in layers)
    return write_text(path, buffer.getvalue())
