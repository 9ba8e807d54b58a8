"""A bank's search by itself: tacha's product of matrices beside FAISS, in turns.

`python benchmarks/search.py ARTEFACT IMAGE` (tacha does not need faiss-cpu, this does) takes the rows that the
detector compares for one image with each of its banks, and prints Markdown: milliseconds for all banks of an image at
once, and the share of rows for which the row found is as near as the nearest. FAISS's indices are built once and not
timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch
from torch import Tensor

from tacha.data.view import View
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines.openvino import core, has_bf16
from tacha.runtime.engines.torch import detector_of
from tacha.scorers.depth_banks import DepthBanks, _flat
from tacha.scorers.nearest import nearest_distances

ROUNDS = 15
Pair = tuple[np.ndarray, np.ndarray]  # rows [N, d], bank [M, d]
Search = Callable[[np.ndarray], np.ndarray]  # rows -> distances to what was found [N]


def pairs(path: Path, image: Path) -> list[Pair]:
    artefact = artefacts.read(path)
    detector = detector_of(artefact)
    scorer = detector.scorer
    assert isinstance(scorer, DepthBanks), "an artefact of depth_banks, the default scorer, is wanted"
    (pixels,) = View.of_card(artefact.card).read(image).pieces
    with torch.inference_mode():
        features = detector.net(torch.from_numpy(pixels[None]))
        rows = [scorer._on_axes(i, _flat(view.rows(features)[0])) for i, view in enumerate(scorer._views)]
    return [
        (np.ascontiguousarray(r.numpy()), np.ascontiguousarray(getattr(scorer, f"bank_{i}").numpy()))
        for i, r in enumerate(rows)
    ]


def by_openvino(bank: np.ndarray, rows: int, precision: str) -> Search:
    import openvino as ov

    class Nearest(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bank", torch.from_numpy(bank))

        def forward(self, values: Tensor) -> Tensor:
            return nearest_distances(values, self.bank, 1).squeeze(1)

    example = torch.zeros(rows, bank.shape[1])
    model = ov.convert_model(torch.export.export(Nearest(), (example,)))
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = core().compile_model(model, "CPU", settings)
    return lambda values: np.array(compiled(values)[0])


def by_faiss(index: faiss.Index, bank: np.ndarray) -> Search:
    index.train(bank)
    index.add(bank)
    return lambda values: np.sqrt(np.maximum(index.search(values, 1)[0][:, 0], 0))


def ways(bank: np.ndarray, rows: int) -> dict[str, Search]:
    d = bank.shape[1]
    found = {
        f"product of matrices, OpenVINO {p}": by_openvino(bank, rows, p) for p in ("f32", "bf16")[: 1 + has_bf16()]
    }
    found["FAISS IndexFlatL2"] = by_faiss(faiss.IndexFlatL2(d), bank)
    lists = 64
    for probes in (1, 8):
        inverted = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, lists)
        inverted.nprobe = probes
        found[f"FAISS IVF, {lists} lists, {probes} probed"] = by_faiss(inverted, bank)
    for effort in (16, 64):
        graph = faiss.IndexHNSWFlat(d, 32)
        graph.hnsw.efSearch = effort
        found[f"FAISS HNSW, 32 links, efSearch {effort}"] = by_faiss(graph, bank)
    return found


def main(path: Path, image: Path) -> None:
    faiss.omp_set_num_threads(torch.get_num_threads())
    banks = pairs(path, image)
    searches = [ways(bank, len(rows)) for rows, bank in banks]
    exact = [nearest_distances(torch.from_numpy(r), torch.from_numpy(b), 1).squeeze(1).numpy() for r, b in banks]
    names = list(searches[0])
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS + 1):
        for name in names:
            began = time.perf_counter()
            for (rows, _), search in zip(banks, searches, strict=True):
                search[name](rows)
            if number:
                times[name].append(1e3 * (time.perf_counter() - began))
    sizes = ", ".join(f"{len(b)} × {b.shape[1]} for {len(r)} rows" for r, b in banks)
    print(f"Banks of {sizes}; {ROUNDS} rounds in turns.\n")
    print("| search | ms, all banks of an image | as near as the nearest |\n|---|---|---|")
    for name in names:
        right = [
            np.isclose(s[name](r), e, rtol=1e-3, atol=1e-4) for (r, _), s, e in zip(banks, searches, exact, strict=True)
        ]
        share = np.concatenate(right).mean()
        spent = times[name]
        print(f"| {name} | {statistics.median(spent):.1f} [{min(spent):.1f}–{max(spent):.1f}] | {100 * share:.1f} % |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("image", type=Path)
    asked = parser.parse_args()
    main(asked.artefact, asked.image)
