from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from tacha import TachaError, scorers
from tacha.features.base import Features
from tacha.features.vit import ViT

TINY = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def net() -> ViT:
    torch.manual_seed(0)
    net = ViT(TINY, classes=3, size=64)
    with torch.no_grad():  # a fresh net attends almost evenly; a trained one does not
        for block in net.net.blocks:
            block.attn.qkv.weight *= 4
    return net.eval()


def flawed(row: int, column: int) -> Tensor:
    """A grey image with one patch of 16 pixels as a chessboard."""
    image = torch.full((1, 3, 64, 64), 0.5)
    board = (torch.arange(16)[:, None] // 4 + torch.arange(16) // 4) % 2
    image[:, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = board.float()
    return image


def test_its_features_are_timms(net: ViT) -> None:
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = net(images)
        tokens = net.net.forward_features((images - 0.5) / 0.5)
        logits = net.head(features.embedding)
    assert features.patches.shape == (2, 192, 4, 4)
    torch.testing.assert_close(features.embedding, tokens[:, 0])
    for y in range(4):
        for x in range(4):
            torch.testing.assert_close(features.patches[:, :, y, x], tokens[:, 1 + 4 * y + x])
    torch.testing.assert_close(features.logits, logits)


def test_the_classifier_on_top() -> None:
    head = ViT(TINY, classes=6, size=32).head
    assert [type(m) for m in head] == [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert (head[0].p, head[1].in_features, head[1].out_features, head[3].p, head[4].out_features) == (
        0.1,
        192,
        512,
        0.1,
        6,
    )


def test_dropout_is_of_training_only(net: ViT) -> None:
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(net(image).logits, net(image).logits)
    net.train()
    assert not torch.equal(net(image).logits, net(image).logits)
    net.eval()


def test_rollout_against_attention_by_hand(net: ViT) -> None:
    images = torch.rand(2, 3, 64, 64)
    vit = net.net
    with torch.inference_mode():
        x = vit._pos_embed(vit.patch_embed((images - 0.5) / 0.5))
        flow = torch.eye(17).repeat(2, 1, 1)
        for block in vit.blocks:
            y = block.norm1(x)
            q, k, _ = block.attn.qkv(y).view(2, 17, 3, 3, 64).unbind(2)  # [B, N, heads, D]
            attention = (torch.einsum("bnhd,bmhd->bhnm", q, k) / 8).softmax(3)
            mixed = 0.5 * attention.mean(1) + 0.5 * torch.eye(17)
            flow = mixed / mixed.sum(2, keepdim=True) @ flow
            x = block(x)
    torch.testing.assert_close(net.rollout(images), flow[:, 0, 1:].view(2, 4, 4))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (3, 1), (2, 3)])
def test_both_heat_maps_move_with_the_flaw(net: ViT, row: int, column: int) -> None:
    image, plain = flawed(row, column), torch.full((1, 3, 64, 64), 0.5)
    with torch.inference_mode():
        change = (net.rollout(image) - net.rollout(plain)).abs()
        scorer = scorers.build("memory_bank")
        scorer.fit([Features(f.embedding, f.patches) for f in [net(plain)]])
        heat = scorer(net(image)).map
    assert change.flatten().argmax() == 4 * row + column
    assert heat is not None
    assert heat.flatten().argmax() == 4 * row + column


def test_rollout_leaves_the_net_as_it_was(net: ViT) -> None:
    image = torch.rand(1, 3, 64, 64)
    before, fused = net(image).logits, [b.attn.fused_attn for b in net.net.blocks]
    net.rollout(image)
    with pytest.raises(TachaError):
        net.rollout(torch.rand(1, 3, 48, 48))
    assert [b.attn.fused_attn for b in net.net.blocks] == fused
    assert not any(b.attn.attn_drop._forward_hooks for b in net.net.blocks)
    assert torch.equal(net(image).logits, before)


@pytest.mark.parametrize("backbone", ["deit_tiny_distilled_patch16_224", "vit_base_patch16_siglip_224"])
def test_rollout_of_nets_with_two_class_tokens_or_none(backbone: str) -> None:
    heat = ViT(backbone, size=32).eval().rollout(torch.rand(2, 3, 32, 32))
    assert heat.shape == (2, 2, 2)
    assert (heat > 0).all()
    assert (heat.sum((1, 2)) < 1 + 1e-5).all()


def test_a_file_of_weights_for_a_vit(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    trained = timm.create_model(TINY, pretrained=False)  # 224 pixels, 1000 classes
    save_file(trained.state_dict(), tmp_path / "vit.safetensors")
    net = ViT(TINY, str(tmp_path / "vit.safetensors"), size=64)
    torch.testing.assert_close(net.net.blocks[3].mlp.fc1.weight, trained.blocks[3].mlp.fc1.weight)
    assert net.net.pos_embed.shape == (1, 1 + 16, 192)
    torch.testing.assert_close(net.net.pos_embed[:, 0], trained.pos_embed[:, 0])
    with pytest.raises(TachaError, match=r"vit\.safetensors.*check model\.backbone"):
        ViT("vit_small_patch16_224", str(tmp_path / "vit.safetensors"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": 100}, "vit_tiny_patch16_224's patches need a multiple of 16, 16 at least: .*96 or 112$"),
        ({"classes": 1}, "model.classes=1"),
        ({"dropout": 1.0}, "model.dropout=1.0: give a number from 0 up to 1"),
        ({"hidden": 0}, "model.hidden=0"),
        ({"weights": "packaged"}, "packaged holds tf_efficientnet_lite0,"),
        ({"weights": "missing.pth"}, "missing.pth: no such weights file"),
        ({"backbone": "vit_tinny_patch16_224"}, "timm has no such model; close ones: vit_tiny_patch16_224"),
        ({"backbone": "resnet18"}, "not a plain vision transformer"),
    ],
)
def test_bad_settings_of_a_vit(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says) as caught:
        ViT(**{"backbone": TINY, **settings})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
