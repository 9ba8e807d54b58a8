"""AnomaVision at work: Padim.fit on its own data set, exported by its own exporter, judged by its own wrapper."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import line

_wrapper: Any = None
_transform: Any = None


def fit(
    folder: str, out: str, settings: dict[str, Any], threads: int, seed: int, coreset: str, tacha: str
) -> dict[str, Any]:
    """Learn from a folder of good images and export to ONNX and OpenVINO; `coreset` and `tacha` are another's."""
    line.limit(threads)
    began = time.perf_counter()
    import torch
    from anomavision import AnodetDataset, Padim
    from anomavision.algorithm.common import feature_extraction
    from anomavision.algorithm.padim import padim
    from anomavision.export import ModelExporter
    from torch.utils.data import DataLoader

    imported = time.perf_counter() - began
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    size = settings["size"]
    more = {"layer_indices": settings["layers"], "feat_dim": settings["features"]}
    # It always downloads its backbone's weights and takes no others: what is offline is given in their place.
    make = _lite0 if settings.get("lite0") else feature_extraction.BACKBONES["resnet18"][0]
    feature_extraction.BACKBONES["resnet18"] = (make, None)
    if settings.get("lite0"):
        padim.BACKBONE_FEATURE_SIZES["resnet18"] = OrderedDict((i, [n]) for i, n in enumerate(CHANNELS))
    model = Padim(backbone="resnet18", **more)
    data = AnodetDataset(folder, resize=(size, size), crop_size=None, **_scale(settings))
    began = time.perf_counter()
    with torch.inference_mode():
        model.fit(DataLoader(data, batch_size=8))
    seconds = time.perf_counter() - began
    peak = line.peak_mib()
    began = time.perf_counter()
    stored = Path(out) / "model.pt"
    torch.save(model, stored)
    exporter = ModelExporter(stored, Path(out), logging.getLogger("export"), "cpu")
    files, mib, notes = {}, {}, []
    onnx = exporter.export_onnx((1, 3, size, size), "model.onnx", dynamic_batch=False)
    if onnx is None:
        raise RuntimeError("its export to ONNX failed; what it logged stands above")
    files["onnxruntime"] = str(onnx)
    mib["onnxruntime"] = line.size_mib(*(p for p in Path(out).iterdir() if p.name.startswith("model.onnx")))
    folder_of_ir = exporter.export_openvino((1, 3, size, size), "model_openvino")
    if folder_of_ir is None:
        notes.append("its export to OpenVINO failed")
    else:
        files["openvino"] = str(folder_of_ir)
        mib["openvino"] = line.size_mib(*(p for p in Path(folder_of_ir).iterdir()))
    return {
        "seconds": seconds,
        "imported": imported,
        "exported": time.perf_counter() - began,
        "peak_mib": peak,
        "bank": None,
        "files": files,
        "mib": mib,
        "notes": notes,
        "settings": more,
        "versions": line.versions("anomavision"),
    }


CHANNELS = (24, 40, 112)  # of Lite0 at strides 4, 8 and 16


def _lite0(weights: None = None, progress: bool = True) -> Any:
    """Lite0 under a ResNet's names, which are all that AnomaVision looks at."""
    from shared_weights import lite0
    from torch import nn

    net = lite0()
    out = nn.Module()
    out.conv1, out.bn1, out.relu, out.maxpool = net.conv_stem, net.bn1, nn.Identity(), nn.Identity()
    out.layer1 = nn.Sequential(*net.blocks[:2])
    out.layer2 = net.blocks[2]
    out.layer3 = nn.Sequential(*net.blocks[3:5])
    return out


def _scale(settings: dict[str, Any]) -> dict[str, Any]:
    if not settings.get("lite0"):
        return {}
    from shared_weights import MEAN, STD

    return {"mean": list(MEAN), "std": list(STD)}


def open_model(file: str, engine: str, threads: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Make ready to judge."""
    global _wrapper, _transform
    line.limit(threads)
    import torch
    from anomavision.inference.model.wrapper import ModelWrapper
    from anomavision.utils import create_image_transform

    torch.set_num_threads(threads)
    _wrapper = ModelWrapper(file, "cpu")
    size = settings["size"]
    _transform = create_image_transform(resize=(size, size), crop_size=None, **_scale(settings))
    compiled = getattr(_wrapper.backend, "compiled_model", None)
    kind = "f32" if compiled is None else compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return {"precision": kind}


def judge(path: str, map_file: str | None = None) -> dict[str, Any]:
    """From the file to score and map, as its data set and its `detect` do it."""
    import numpy as np
    from PIL import Image

    began = time.perf_counter()
    scores, maps = _wrapper.predict(_transform(Image.open(path).convert("RGB"))[None])
    score = float(np.asarray(scores).ravel()[0])
    seconds = time.perf_counter() - began
    if map_file is not None:
        np.save(map_file, np.asarray(maps, dtype=np.float32).squeeze())
    return {"seconds": seconds, "score": score}


if __name__ == "__main__":
    line.serve({"fit": fit, "open": open_model, "judge": judge, "peak": line.peak_mib})
