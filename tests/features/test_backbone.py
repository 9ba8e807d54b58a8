from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tacha import TachaError
from tacha.data.frame import Frame
from tacha.features import NETS
from tacha.features.backbone import Backbone


@pytest.fixture(scope="module")
def packaged() -> Backbone:
    return Backbone()


def test_the_packaged_weights_recognise_a_cat() -> None:
    import timm
    from skimage import data

    from tacha.data.image import prepare
    from tacha.features.weights import load_weights

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    load_weights(net, "tf_efficientnet_lite0", "packaged")
    image = torch.from_numpy(prepare(data.chelsea(), Frame.squashed(224)))[None]
    with torch.inference_mode():
        assert net((image - 0.5) / 0.5).argmax().item() in range(281, 286)  # ImageNet's five kinds of cat


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
        ({"backbone": "resnet18"}, "packaged holds tf_efficientnet_lite0 only"),
        ({"weights": "missing.pth"}, "no such weights file"),
        ({"layers": ()}, "name a layer"),
        ({"layers": (9,)}, "does not have all"),
        ({"pool": 2}, "odd pool"),
        ({"stride": 0}, "stride"),
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
