"""Good images -> artefact: features, scorer, calibration, graph, in that order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from tacha.calibration import Calibration, calibrate
from tacha.data.frame import over_image
from tacha.data.image import load_prepared
from tacha.detector import Detector, check_pair, unmarked
from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.progress import track
from tacha.runtime.artefact import Artefact, pack
from tacha.runtime.choice import to_calibrate
from tacha.runtime.engines import ENGINES, REFERENCE, Engine
from tacha.runtime.export import export_graph
from tacha.runtime.parity import Parity, compare
from tacha.scorers import SCORERS
from tacha.versions import versions

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule, SkippingLoader
    from tacha.nets import Net

# Thresholds stand this much (relative) above the score they were set at, so that the very image that set one
# is not judged by the last bit of an engine's arithmetic.
MARGIN = 1e-4
PARITY_IMAGES = 16


class FeatureStream:
    """Good images as Features, a new pass at each iteration."""

    def __init__(self, net: FeatureNet, loader: SkippingLoader, device: str = "cpu", label: str = "learning") -> None:
        self.net, self.loader, self.device, self.label = net.to(device), loader, device, label

    def __iter__(self) -> Iterator[Features]:
        with torch.inference_mode():
            for images, _ in track(self.loader, len(self.loader), self.label):
                images, valid = unmarked(images.to(self.device))
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
    frame = data.frame
    detector = Detector(net.module, SCORERS.build(scorer_name, **scorer_settings), frame.pads)
    with torch.inference_mode():
        detector.scorer.fit(FeatureStream(detector.net, data.train_dataloader(), device, f"{name}: learning"))
    detector.cpu()
    net_card = {"name": net.name, "settings": net.settings}
    scorer_card = {"name": scorer_name, "settings": scorer_settings}
    graph = export_graph(detector, frame, {"net": net_card, "scorer": scorer_card})
    tensors = {k: v.numpy() for k, v in detector.state_dict().items()}
    card: dict[str, Any] = {
        "name": name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "input": {**frame.to_dict(), "colour": "RGB", "range": [0, 1]},
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
    parity = compare(artefact, _probe(data), others, running=[engine], refused=refused)
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
    for images, _ in track(loader, len(loader), f"{name}: calibrating"):
        outputs = engine(images.numpy())
        scores += outputs[0].astype(float).tolist()
        if len(outputs) > 1:
            peaks += outputs[1].max((1, 2)).astype(float).tolist()
            maps = zip(outputs[1], images.numpy(), strict=True)
            typical += [float(np.median(over_image(anomaly_map, image))) for anomaly_map, image in maps]
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


def _probe(data: InspectionDataModule) -> Iterator[npt.NDArray[np.float32]]:
    taken = 0
    for sample in data.validation_samples:
        if taken == PARITY_IMAGES:
            return
        try:
            image, _ = load_prepared(sample.path, data.frame)
        except TachaError:  # already listed by the loader that calibrated
            continue
        taken += 1
        yield image


def _named(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    options = dict(settings)
    return str(options.pop("name")), options
