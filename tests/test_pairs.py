"""Every net under every scorer that its features allow; every other pair refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from tacha import Inspector, TachaError
from tacha.configuration import compose
from tacha.data.layouts import read_catalogue
from tacha.detector import Detector, check_pair, scorers_for
from tacha.features import NETS
from tacha.fitting import FeatureStream, fit_detector
from tacha.metrics.ranking import auroc
from tacha.nets import Net, untrained
from tacha.runtime.engines import ENGINES
from tacha.scorers import SCORERS

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

SMALL = {"memory_bank": {"size": 300}, "depth_banks": {"size": 300}, "padim": {"channels": 24}}
SMALL_NETS = {
    "unet": ["model.width=8"],
    "autoencoder": ["model.width=8"],
    "vae": ["model.width=8"],
    "featcae": ["model.layers=[2,3]"],
    "vit": ["model.backbone=vit_tiny_patch16_224"],
    "foundation": ["model.backbone=vit_tiny_patch16_224", "model.weights=none", "model.layers=[0,1,2]"],
}
# What each scorer reaches on brick at 64 px is no boast: it shows that a fit learnt something.
FLOOR = 0.6
ENGINE = "runtime.engine=openvino"


def pairs() -> Iterator[tuple[str, str]]:
    for net in sorted(set(NETS.names()) - {"student"}):  # which has a teacher: tests/test_distillation.py
        for scorer in SCORERS.names():
            yield net, scorer


@pytest.mark.parametrize(("net", "scorer"), list(pairs()))
def test_pair(net: str, scorer: str, sample_root: Path) -> None:
    from tacha.data.module import InspectionDataModule

    if scorer not in scorers_for(net):
        with pytest.raises(TachaError, match=rf"scorer={scorer} reads .*model={net} does not have"):
            check_pair(net, scorer)
        return
    settings = compose([f"model={net}", f"scorer={scorer}", "data.size=64", ENGINE, *SMALL_NETS.get(net, [])])
    settings["scorer"] |= SMALL.get(scorer, {})
    data = InspectionDataModule(read_catalogue(sample_root), "brick", size=64, holdout_share=0.2)
    built = untrained(settings["model"])
    if settings["model"]["learner"] or settings["model"]["weights"] == "none":
        check_untrained(built, settings["scorer"], data)
        return
    fitted = fit_detector(data, "brick", built, settings["scorer"], settings["calibration"], settings["runtime"])
    assert all(p.agrees for p in fitted.parity), fitted.parity
    samples = data.test_samples
    scores = {}
    for engine in ENGINES.names():
        inspector = Inspector(fitted.artefact, engine)
        scores[engine] = np.array([inspector.inspect(s.path).score for s in samples])
    # Scores of some scorers are differences, and may come near nothing: what moves is measured by their spread.
    small = 1e-4 * float(np.ptp(scores["torch"]))
    np.testing.assert_allclose(scores["openvino"], scores["torch"], rtol=1e-3, atol=small)
    np.testing.assert_allclose(scores["onnxruntime"], scores["torch"], rtol=1e-3, atol=small)
    labels = np.array([s.label for s in samples])
    assert float(auroc(scores["torch"], labels)[0]) >= FLOOR


def check_untrained(net: Net, scorer: dict[str, Any], data: InspectionDataModule) -> None:
    """A net as it is built, in torch alone: the pair works, and tells noise from what it was fitted on."""
    options = {k: v for k, v in scorer.items() if k != "name"}
    detector = Detector(net.module, SCORERS.build(scorer["name"], **options))
    with torch.inference_mode():
        detector.scorer.fit(FeatureStream(net.module, data))
        pieces = [torch.from_numpy(seen.pieces[0]) for images, _ in data.val_dataloader() for seen in images]
        images = torch.stack(pieces)
        good = detector(images)
        noise = detector(torch.rand(images.shape, generator=torch.Generator().manual_seed(0)))
    assert all(torch.isfinite(part).all() for part in (*good, *noise))
    assert good[0].shape == (len(images),)
    assert not torch.allclose(good[0], noise[0])


def test_a_pair_is_refused_before_any_image_is_read(tmp_path: Path) -> None:
    from tacha.run import train

    settings = compose(["scorer=reconstruction", "data=mvtec", f"data.root={tmp_path / 'nowhere'}"])
    with pytest.raises(TachaError, match="reads residual, which model=backbone does not have"):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fitting_twice_gives_the_same_weights(sample_root: Path) -> None:
    from tacha.data.module import InspectionDataModule

    settings = compose(["scorer.size=200", ENGINE])
    tensors = []
    for _ in range(2):
        data = InspectionDataModule(read_catalogue(sample_root), "brick", size=64)
        fitted = fit_detector(
            data,
            "brick",
            untrained(settings["model"]),
            settings["scorer"],
            settings["calibration"],
            settings["runtime"],
        )
        tensors.append(fitted.artefact.tensors())
    for name, value in tensors[0].items():
        np.testing.assert_array_equal(value, tensors[1][name], err_msg=name)
