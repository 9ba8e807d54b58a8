"""Every net but the default, as an artefact: the three engines say the same of it, for any number of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tacha.data.frame import Frame
from tacha.detector import Detector, check_pair
from tacha.features import NETS
from tacha.runtime.artefact import pack
from tacha.runtime.engines import start
from tacha.runtime.export import export_graph
from tacha.scorers import SCORERS

IMAGE = {"latent": 8, "depth": 2}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("cnn", {"classes": 3}, "confidence"),
    ("unet", {**IMAGE, "skips": 1, "residual": "ssim_l1"}, "reconstruction"),
    ("autoencoder", {**IMAGE, "residual": "l1"}, "mahalanobis"),
    ("vae", {**IMAGE, "residual": "l2"}, "reconstruction"),
    ("featcae", {"backbone": "resnet18", "weights": "none", "layers": [1, 2], "latent": 8}, "reconstruction"),
    (
        "student",
        {"backbone": "resnet18", "weights": "none", "layers": [1, 2], "rows": 16},
        "reconstruction",
    ),
    # 32 pixels are two patches of 14 and a bit.
    ("foundation", {"backbone": "vit_small_patch14_dinov2", "weights": "none", "layers": [0, 2]}, "memory_bank"),
    ("vit", {"backbone": "vit_tiny_patch16_224", "classes": 3}, "hybrid"),
]


def test_cases_cover_the_nets() -> None:
    assert {name for name, *_ in CASES} == set(NETS.names()) - {"backbone"}


@pytest.mark.parametrize(("name", "settings", "scorer"), CASES, ids=[name for name, *_ in CASES])
def test_engines_agree_on_a_net(name: str, settings: dict[str, Any], scorer: str) -> None:
    check_pair(name, scorer)
    torch.manual_seed(0)
    settings = NETS.settings(name, **settings)
    if "size" in settings:
        settings["size"] = 32
    detector = Detector(NETS.build(name, **settings), SCORERS.build(scorer))
    images = torch.rand(12, 3, 32, 32)
    with torch.inference_mode():
        detector.scorer.fit([detector.net(images[:6]), detector.net(images[6:])])
    card = {
        "net": {"name": name, "settings": settings},
        "scorer": {"name": scorer, "settings": SCORERS.settings(scorer)},
        "input": Frame.squashed(32).to_dict(),
    }
    graph = export_graph(detector, Frame.squashed(32), {"net": card["net"], "scorer": card["scorer"]})
    artefact = pack(graph, {k: v.numpy() for k, v in detector.state_dict().items()}, card)
    new = torch.rand(5, 3, 32, 32)
    with torch.inference_mode():
        expected = [out.numpy() for out in detector(new)]
    for engine in ("torch", "openvino", "onnxruntime"):
        run = start(artefact, engine)
        for part in (slice(0, 5), slice(2, 3)):
            for got, want in zip(run(new[part].numpy()), expected, strict=True):
                np.testing.assert_allclose(got, want[part], rtol=1e-3, atol=1e-5, err_msg=engine)
