from __future__ import annotations

import pytest
import torch

from tacha import TachaError
from tacha.features.backbone import Backbone
from tacha.features.featcae import FeatCAE


@pytest.fixture
def net() -> FeatCAE:
    torch.manual_seed(0)
    return FeatCAE("resnet18", "none", layers=(1, 2), latent=8)


@pytest.mark.parametrize(
    ("backbone", "layers", "channels"),
    [
        ("resnet50", (2,), 512),
        ("resnet50", (3,), 1024),
        ("resnet50", (4,), 2048),
        ("resnet50", (2, 3), 1536),
        ("resnet50", (2, 4), 2560),
        ("resnet50", (3, 4), 3072),
        ("resnet50", (4, 2, 3), 3584),
        ("tf_efficientnet_lite0", (2, 3), 40 + 112),
    ],
)
def test_channels_follow_from_the_layers(backbone: str, layers: tuple[int, ...], channels: int) -> None:
    net = FeatCAE(backbone, "none", layers, latent=100)
    assert net.in_channels == channels
    middle = (channels + 200) // 2
    shapes = [(m.in_channels, m.out_channels) for m in [*net.encoder, *net.decoder] if isinstance(m, torch.nn.Conv2d)]
    outward = [(100, 200), (200, middle), (middle, channels)]
    assert shapes == [(b, a) for a, b in reversed(outward)] + outward
    features = net.eval().features(torch.rand(1, 3, 64, 64))
    side = 64 // {2: 8, 3: 16, 4: 32}[min(layers)]
    assert features.shape == (1, channels, side, side)


def test_features_are_the_backbones_and_the_residual_is_their_mean_squared_error(net: FeatCAE) -> None:
    images = torch.rand(2, 3, 64, 64)
    twin = Backbone("resnet18", "none", layers=(1, 2))
    twin.load_state_dict(net.frozen.state_dict())
    with torch.inference_mode():
        features = net.eval().features(images)
        torch.testing.assert_close(features, twin(images).patches)
        out, back = net(images), net.decode(features)
        code = net.encoder(features)
    assert out.residual.shape == (2, 16, 16)
    naive = sum((back[:, c] - features[:, c]) ** 2 for c in range(net.in_channels)) / net.in_channels
    torch.testing.assert_close(out.residual, naive)
    torch.testing.assert_close(out.embedding, code.flatten(2).mean(2))


def test_only_the_autoencoder_learns(net: FeatCAE) -> None:
    before = {k: v.clone() for k, v in net.frozen.state_dict().items()}
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for step in range(30):
        images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(step % 3))
        features = net.train().features(images)
        assert not features.requires_grad
        loss = (net.decode(features) - features).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    for name, value in net.frozen.state_dict().items():  # batch statistics too
        assert torch.equal(value, before[name]), name
    assert {n.split(".")[0] for n, p in net.named_parameters() if p.requires_grad} == {"encoder", "decoder"}


def test_a_trained_one_sees_what_good_parts_do_not_have(net: FeatCAE) -> None:
    def good(seed: int) -> torch.Tensor:
        return 0.5 + 0.05 * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))

    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 5e-3)
    for step in range(60):
        features = net.train().features(good(step))
        loss = (net.decode(features) - features).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    flawed = good(1000)
    flawed[:, :, 16:28, 36:48] = 1.0
    with torch.inference_mode():
        residual = net.eval()(flawed).residual
    peak = residual.flatten(1).argmax(1)
    row, column = 4 * (peak // 16), 4 * (peak % 16)
    assert ((row >= 8) & (row < 36) & (column >= 28) & (column < 56)).all()  # within a receptive field of the flaw


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"latent": 0}, "model.latent=0"),
        ({"backbone": "resnet81"}, "timm has no such model"),
        ({"backbone": "resnet18"}, "packaged holds tf_efficientnet_lite0,"),
        ({"layers": (9,)}, "does not have all"),
    ],
)
def test_bad_settings_of_featcae(settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says):
        FeatCAE(**settings)  # type: ignore[arg-type]
