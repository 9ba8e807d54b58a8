from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tacha import TachaError
from tacha.features import NETS
from tacha.features.foundation import Foundation

TINY = "vit_tiny_patch16_224"  # the same class as DINOv2's, with a quarter of its weights


def test_levels_are_the_tokens_of_a_whole_pass() -> None:
    """Against timm's whole net, block by block; cutting it changes nothing."""
    import timm

    torch.manual_seed(0)
    net = Foundation(TINY, "none", layers=(3, 1), size=64).double()
    whole = timm.create_model(TINY, num_classes=0, img_size=64).eval().double()
    assert whole.load_state_dict(net.net.state_dict(), strict=False).unexpected_keys == []
    images = torch.rand(2, 3, 64, 64).double()
    with torch.inference_mode():
        tokens = whole._pos_embed(whole.patch_embed((images - 0.5) / 0.5))
        expected = []
        for i in range(4):
            tokens = whole.blocks[i](tokens)
            if i in (1, 3):  # without the class token, which is the first; row by row
                expected.append(whole.norm(tokens)[:, 1:].reshape(2, 4, 4, 192).permute(0, 3, 1, 2))
        found = net(images)
    assert len(net.net.blocks) == 4
    assert found.levels is not None
    for got, want in zip(found.levels, expected, strict=True):
        torch.testing.assert_close(got, want)
    torch.testing.assert_close(found.patches, torch.cat(expected, 1))
    torch.testing.assert_close(found.embedding, torch.cat(expected, 1).mean((2, 3)))


@pytest.mark.parametrize(("size", "side"), [(64, 64), (65, 64), (71, 64), (73, 80), (7, 16)])
def test_sizes_that_are_no_multiple_of_the_patch(size: int, side: int) -> None:
    torch.manual_seed(0)
    net = Foundation(TINY, "none", layers=(0,), size=size)
    images = torch.rand(1, 3, size, size)
    exact = Foundation(TINY, "none", layers=(0,), size=side)
    exact.load_state_dict(net.state_dict())
    with torch.inference_mode():
        got = net(images).levels
        want = exact(F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)).levels
    assert got is not None
    assert want is not None
    assert got[0].shape == (1, 192, side // 16, side // 16)
    torch.testing.assert_close(got[0], want[0])


def test_a_file_of_weights_and_frozen(tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    whole = timm.create_model(TINY, num_classes=0)
    save_file(whole.state_dict(), tmp_path / "net.safetensors")
    net = Foundation(TINY, str(tmp_path / "net.safetensors"), layers=(1,), size=64)
    torch.testing.assert_close(net.net.blocks[1].mlp.fc1.weight, whole.blocks[1].mlp.fc1.weight, rtol=0, atol=0)
    assert not any(p.requires_grad for p in net.parameters())
    assert not any(m.training for m in net.train().modules())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backbone": "vit_smal_patch14_dinov2"}, "no such model; close ones: vit_small_patch14_dinov2"),
        ({"backbone": "resnet18"}, "not a plain vision transformer; choose one such as vit_small_patch14_dinov2"),
        ({"weights": "packaged"}, "packaged holds tf_efficientnet_lite0"),
        ({"weights": "missing.pth"}, "no such weights file"),
        ({"layers": (12,)}, "name blocks of vit_tiny_patch16_224, from 0 to 11"),
        ({"layers": (-1,)}, "name blocks"),
        ({"layers": ("blocks.1",)}, "name blocks"),
        ({"layers": ()}, "name blocks"),
        ({"size": 0}, "model.size=0"),
    ],
)
def test_bad_settings(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says) as caught:
        NETS.build("foundation", **{"backbone": TINY, "weights": "none", **settings})
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(TachaError, match=r"set data\.size and model\.size alike"):
        Foundation(TINY, "none", layers=(0,), size=64)(torch.rand(1, 3, 80, 80))
