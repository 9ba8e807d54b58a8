"""Good images -> artefact: features, scorer, calibration, graph, in that order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tacha.calibration import Calibration, calibrate
from tacha.data.image import Prepared
from tacha.data.sample import Sample
from tacha.data.view import View
from tacha.detector import Detector, check_pair, unmarked
from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.judging import batches, judge
from tacha.progress import track
from tacha.runtime.artefact import Artefact, pack
from tacha.runtime.choice import to_calibrate
from tacha.runtime.engines import ENGINES, REFERENCE, Engine
from tacha.runtime.export import export_graph
from tacha.runtime.parity import Parity, compare
from tacha.scorers import SCORERS
from tacha.versions import versions

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule
    from tacha.nets import Net

# Thresholds stand this much (relative) above the score they were set at, so that the very image that set one
# is not judged by the last bit of an engine's arithmetic.
MARGIN = 1e-4
PARITY_IMAGES = 16


class FeatureStream:
    """Good training images, or their tiles, as Features; a new pass at each iteration."""

    def __init__(
        self, net: FeatureNet, data: InspectionDataModule, device: str = "cpu", label: str = "learning"
    ) -> None:
        self.net, self.device, self.label = net.to(device), device, label
        self.loader, self.together = data.train_dataloader(), data.batch_size

    def __iter__(self) -> Iterator[Features]:
        with torch.inference_mode():
            read = track(self.loader, len(self.loader), self.label)
            every = chain.from_iterable(image.pieces for images, _ in read for image in images)
            for pieces in batches(every, self.together):
                images, valid = unmarked(torch.from_numpy(pieces).to(self.device))
                images = images.contiguous(memory_format=torch.channels_last)  # four fifths of the time on a CPU
                features: Features = self.net(images) if valid.all() else self.net(images, valid)
                yield features.cpu()


@dataclass(frozen=True)
class Fitted:
    """What fitting made, and how long it took from the first image to the calibrated artefact.

    `engine` is the one that calibrated, with the artefact loaded; `refused` says which engines do not take it, and why.
    """

    artefact: Artefact
    seconds: float
    parity: tuple[Parity, ...]
    engine: Engine
    refused: tuple[str, ...]


def fit_detector(
    data: InspectionDataModule,
    name: str,
    net: Net,
    scorer: Mapping[str, Any],
    calibration: Mapping[str, Any],
    runtime: Mapping[str, Any],
    *,
    seed: int = 0,
    device: str = "cpu",
) -> Fitted:
    """Fit on `data`'s good images, calibrate on those it holds out, and check that the engines agree.

    `scorer` and `calibration` are a `name` and its settings. Raises TachaError when the scorer reads features the
    net does not have, before any image is read.
    """
    scorer_name, scorer_settings = _named(scorer)
    scorer_settings = SCORERS.settings(scorer_name, **scorer_settings)
    check_pair(net.name, scorer_name, scorer_settings)
    began = time.perf_counter()
    torch.manual_seed(seed)
    frame = data.view.frame
    detector = Detector(net.module, SCORERS.build(scorer_name, **scorer_settings), frame.pads)
    with torch.inference_mode():
        detector.scorer.fit(FeatureStream(detector.net, data, device, f"{name}: learning"))
    detector.cpu()
    net_card = {"name": net.name, "settings": net.settings}
    scorer_card = {"name": scorer_name, "settings": scorer_settings}
    graph = export_graph(detector, frame, {"net": net_card, "scorer": scorer_card})
    tensors = {k: v.numpy() for k, v in detector.state_dict().items()}
    card: dict[str, Any] = {
        "name": name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "input": {**data.view.to_dict(), "colour": "RGB", "range": [0, 1]},
        "net": net_card,
        "scorer": scorer_card,
        "data": {
            "root": data.catalogue.root.name,
            "layout": data.catalogue.layout,
            "digest": data.catalogue.digest(),
            "train": len(data.train_samples),
            "held_out": len(data.validation_samples),
            "seed": data.seed,
        },
        "versions": versions(),
    }
    artefact = pack(graph, tensors, card)
    engine = to_calibrate(artefact, runtime["engine"], runtime["precision"], runtime.get("threads"))
    on = {"engine": engine.name, "precision": engine.precision}
    artefact = replace(artefact, card={**artefact.card, "calibrated_on": on})
    artefact = calibrated(artefact, engine, data, name, calibration)
    seconds = time.perf_counter() - began
    refused: list[str] = []
    others = [name for name in ENGINES.names() if name != REFERENCE]
    parity = compare(
        artefact, glimpses(data.validation_samples, data.view, PARITY_IMAGES), others, running=[engine], refused=refused
    )
    artefact = replace(artefact, card={**artefact.card, "parity": [p.to_dict() for p in parity]})
    return Fitted(artefact, seconds, tuple(parity), engine, tuple(refused))


def calibrated(
    artefact: Artefact, engine: Engine, data: InspectionDataModule, name: str, settings: Mapping[str, Any]
) -> Artefact:
    """Thresholds from the held-out good images, scored by the engine that will judge."""
    scores: list[float] = []
    peaks: list[float] = []
    typical: list[float] = []
    loader = data.val_dataloader()
    read = track(loader, len(loader), f"{name}: calibrating")
    for score, anomaly_map in judge(engine, chain.from_iterable(images for images, _ in read), data.batch_size):
        scores.append(score)
        if anomaly_map is not None:
            peaks.append(float(anomaly_map.max()))
            typical.append(float(np.median(anomaly_map)))
    if not scores:
        raise TachaError(f"{data.catalogue.root}: no held-out good image of {name} could be read; check the files")
    method, options = _named(settings)
    if method == "best_f1":
        raise TachaError(
            "calibration=best_f1 is an oracle that needs flawed images, which fitting never sees: "
            "choose conformal, percentile or mean_sigma; `tacha evaluate --oracle` prints what it would have given"
        )
    card = {**artefact.card, "calibration": _raised(calibrate(method, scores, **options)).to_dict()}
    if peaks:
        limit = _raised(calibrate(method, peaks, **options))
        low = float(np.median(typical))
        card["map_calibration"] = limit.to_dict()
        card["map_scale"] = [low, low + 2 * max(limit.threshold - low, 1e-12)]
    return replace(artefact, card=card)


def _raised(calibration: Calibration) -> Calibration:
    return replace(calibration, threshold=calibration.threshold + MARGIN * abs(calibration.threshold))


def glimpses(samples: Sequence[Sample], view: View, most: int) -> Iterator[Prepared]:
    """What an engine is given of the first `most` samples that can be read: each whole, or one tile of it, which lies
    farther on in each."""

    def readable() -> Iterator[Sequence[Prepared]]:
        for sample in samples:
            try:
                yield view.read(sample.path).pieces
            except TachaError:  # already listed by the loader that met it first
                continue

    count = min(most, len(samples))
    for i, pieces in enumerate(islice(readable(), most)):
        yield pieces[i * len(pieces) // count]


def _named(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    options = dict(settings)
    return str(options.pop("name")), options
