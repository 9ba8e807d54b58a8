"""anomalib at work, as its documentation says: Engine.fit, then an exported model under its own inferencer.

Scores and maps are taken as the model gives them: without the post-processor, which divides by the range seen so far,
clamps to 0..1, and so ties what it should rank.
"""

from __future__ import annotations

import importlib.util
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import line

METHODS = {"patchcore": "Patchcore", "padim": "Padim", "efficient_ad": "EfficientAd"}
# What only this benchmark knows; the rest of a contender's settings goes to the model's constructor as it is.
OURS = ("method", "size", "lite0", "bank", "rows")


def fit(
    folder: str, out: str, settings: dict[str, Any], threads: int, seed: int, coreset: str, tacha: str
) -> dict[str, Any]:
    """Learn from a folder of good images and export to torch and OpenVINO.

    `coreset`: "own" is anomalib's; "tacha" its bank chosen by tacha's, "random" by chance; "untrained" fits nothing.
    """
    line.limit(threads)
    began = time.perf_counter()
    import torch
    from anomalib import models
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from lightning import seed_everything

    imported = time.perf_counter() - began
    torch.set_num_threads(threads)
    seed_everything(seed)
    images = [p for p in Path(folder).iterdir() if p.is_file()]
    more = {key: value for key, value in settings.items() if key not in OURS}
    size = (settings["size"], settings["size"])
    kind = getattr(models, METHODS[settings["method"]])
    if settings.get("bank") is not None:  # the whole number of rows that another's bank has
        more["coreset_sampling_ratio"] = min(1.0, (settings["bank"] + 0.5) / (len(images) * settings["rows"]))
    model = kind(
        pre_processor=_pre_processor(kind, size, settings),
        post_processor=False,
        evaluator=False,
        visualizer=False,
        **more,
    )
    if settings.get("lite0"):
        _load_lite0(model)
    if settings["method"] == "patchcore":
        _choose(coreset, seed, tacha)
    data = Folder(
        name="parts",
        normal_dir=folder,
        normal_test_dir=folder,  # read by nobody: there is no test and no validation here
        train_batch_size=8,
        eval_batch_size=8,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="none",
        seed=seed,
    )
    engine = Engine(accelerator="cpu", devices=1, default_root_dir=out, logger=False, limit_val_batches=0)
    began = time.perf_counter()
    if coreset != "untrained":
        engine.fit(model=model, datamodule=data)
    seconds = time.perf_counter() - began
    peak = line.peak_mib()
    bank = model.model.memory_bank if settings["method"] == "patchcore" else None
    model.eval()
    began = time.perf_counter()
    torch_file = Path(model.to_torch(out))
    xml = Path(model.to_openvino(out, **_shape(images)))
    return {
        "seconds": seconds,
        "imported": imported,
        "exported": time.perf_counter() - began,
        "peak_mib": peak,
        "bank": None if bank is None else list(bank.shape),
        "files": {"torch": str(torch_file), "openvino": str(xml)},
        "mib": {"torch": line.size_mib(torch_file), "openvino": line.size_mib(xml, xml.with_suffix(".bin"))},
        "settings": more,
        "versions": line.versions("anomalib"),
    }


def _pre_processor(kind: Any, size: tuple[int, int], settings: dict[str, Any]) -> Any:
    if not settings.get("lite0"):
        return kind.configure_pre_processor(image_size=size)
    from anomalib.pre_processing import PreProcessor
    from shared_weights import MEAN, STD
    from torchvision.transforms.v2 import Compose, Normalize, Resize

    # Resizing as in anomalib's own; the mean and the deviation are those that the net was trained with.
    return PreProcessor(transform=Compose([Resize(size, antialias=True), Normalize(mean=MEAN, std=STD)]))


def _shape(images: list[Path]) -> dict[str, Any]:
    """The fastest export that takes the images as they are: a fixed shape, or a free one where they differ in size."""
    from PIL import Image

    sizes = {Image.open(path).size for path in images}
    # Its own axes leave the batch free, and OpenVINO then takes two images at a time and refuses one.
    if len(sizes) > 1:
        return {"input_size": None, "onnx_kwargs": {"dynamic_axes": {"input": {2: "height", 3: "width"}}}}
    ((width, height),) = sizes
    return {"input_size": (height, width), "onnx_kwargs": {"dynamic_axes": {}}}


def _load_lite0(model: Any) -> None:
    from shared_weights import lite0

    net = model.model.feature_extractor.feature_extractor
    full = lite0().state_dict()
    net.load_state_dict({key: full[key] for key in net.state_dict()})


def _choose(coreset: str, seed: int, tacha: str) -> None:
    """Have anomalib's own choice report how far it is, or put another in its place."""
    from anomalib.models.components.sampling import k_center_greedy
    from anomalib.models.image.patchcore import torch_model

    if coreset == "own":
        k_center_greedy.tqdm = _reported
    else:
        torch_model.KCenterGreedy = partial(_Given, coreset=coreset, seed=seed, tacha=tacha)


def _reported(steps: Any, **_: Any) -> Any:
    for number, step in enumerate(steps):
        line.progress(number / len(steps))
        yield step


class _Given:
    """In place of KCenterGreedy: as many rows, chosen otherwise."""

    def __init__(self, embedding: Any, sampling_ratio: float, coreset: str, seed: int, tacha: str) -> None:
        self.rows, self.size = embedding, min(len(embedding), int(len(embedding) * sampling_ratio))
        self.coreset, self.seed, self.file = coreset, seed, Path(tacha) / "scorers" / "coreset.py"

    def sample_coreset(self) -> Any:
        import torch

        if self.coreset == "random":
            chosen = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(self.seed))
            return self.rows[chosen[: self.size]].clone()
        # The one file, by its path: tacha is not installed here, and this file needs nothing but torch.
        spec = importlib.util.spec_from_file_location("coreset", self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        chosen = module.Coreset(self.size, self.seed)
        chosen.add(self.rows)
        return chosen.finish()


_inferencer: Any = None


def open_model(file: str, engine: str, threads: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Make ready to judge."""
    global _inferencer
    line.limit(threads)
    os.environ["TRUST_REMOTE_CODE"] = "1"  # its .pt is a pickle, and this one was written a moment ago
    import torch
    from anomalib.deploy import OpenVINOInferencer, TorchInferencer

    torch.set_num_threads(threads)
    if engine == "torch":
        _inferencer = TorchInferencer(path=file, device="cpu")
        return {"precision": "f32"}
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    _inferencer = OpenVINOInferencer(path=file, device="CPU", config=config)
    return {"precision": _inferencer.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()}


def judge(path: str, map_file: str | None = None) -> dict[str, Any]:
    """From the file to score and map."""
    import numpy as np
    import torch

    began = time.perf_counter()
    with torch.inference_mode():
        found = _inferencer.predict(path)
    score = float(np.asarray(found.pred_score).ravel()[0])
    seconds = time.perf_counter() - began
    if map_file is not None:
        np.save(map_file, np.asarray(found.anomaly_map, dtype=np.float32).squeeze())
    return {"seconds": seconds, "score": score}


if __name__ == "__main__":
    line.serve({"fit": fit, "open": open_model, "judge": judge, "peak": line.peak_mib})
