"""The autoencoder of images, with skips, without, and with a Gaussian in the middle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tacha import TachaError
from tacha.features import NETS
from tacha.features.autoencoder import Autoencoder
from tacha.features.coder import ImageAutoencoder
from tacha.features.unet import UNet
from tacha.features.vae import VAE
from tacha.losses import LOSSES, image_loss, residual_map

SMALL = {"size": 32, "latent": 10, "width": 8, "depth": 3}
every_net = pytest.mark.parametrize("name", ["unet", "autoencoder", "vae"])


def small(name: str, **settings: object) -> ImageAutoencoder:
    torch.manual_seed(0)
    net = NETS.build(name, **{**SMALL, **settings})
    assert isinstance(net, ImageAutoencoder)
    return net.eval()


def stripes(count: int, seed: int) -> Tensor:
    """Good parts: sine stripes of one period, at any phase, in three colours."""
    phase = 6.28 * torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    wave = 0.5 + 0.3 * torch.sin(0.8 * torch.arange(32.0) + phase)
    return wave.expand(count, 1, 32, 32) * torch.tensor([1.0, 0.8, 0.6]).view(3, 1, 1)


@every_net
@pytest.mark.parametrize("residual", LOSSES)
def test_what_a_net_says_of_a_batch(name: str, residual: str) -> None:
    net, images = small(name, residual=residual), torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        features, reconstruction = net(images), net.reconstruct(images)
        embedding = net.encode(images)
    assert embedding.shape == (3, 10)
    assert reconstruction.shape == images.shape
    assert reconstruction.min() >= 0
    assert reconstruction.max() <= 1
    torch.testing.assert_close(features.embedding, embedding)
    torch.testing.assert_close(features.residual, residual_map(residual, images, reconstruction))
    assert features.patches is None
    assert features.logits is None


@every_net
def test_a_flaw_is_what_is_not_reconstructed(name: str) -> None:
    net = small(name, latent=6, **({"skips": 0} if name == "unet" else {})).train()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(80):
        images = stripes(16, step)
        reconstruction = net.sample(images)[0] if isinstance(net, VAE) else net.reconstruct(images)
        optimizer.zero_grad()
        image_loss("l2", reconstruction, images).backward()
        optimizer.step()
    good = stripes(4, 1000)
    flawed = good.clone()
    flawed[:, :, 8:14, 18:24] = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    with torch.inference_mode():
        before, after = net.eval()(good).residual, net(flawed).residual
    assert before is not None
    assert after is not None
    assert (after[:, 8:14, 18:24].mean((1, 2)) > 5 * before.mean((1, 2))).all()
    peak = after.flatten(1).argmax(1)
    assert ((peak // 32 >= 8) & (peak // 32 < 14) & (peak % 32 >= 18) & (peak % 32 < 24)).all()


@pytest.mark.parametrize(("skips", "read"), [(None, {0, 1, 2}), (3, {0, 1, 2}), (2, {1, 2}), (1, {2}), (0, set())])
def test_the_finest_skips_are_dropped_first(skips: int | None, read: set[int]) -> None:
    net = small("unet", skips=skips)
    with torch.inference_mode():
        levels, z = net.code(torch.rand(1, 3, 32, 32))
        assert [level.shape[-1] for level in levels] == [32, 16, 8]  # the finest first
        whole = net.decode(levels, z)
        for i in range(len(levels)):
            other = [torch.randn_like(level) if j == i else level for j, level in enumerate(levels)]
            assert torch.equal(net.decode(other, z), whole) == (i not in read)


def test_the_autoencoder_is_the_unet_without_skips() -> None:
    one, other = small("autoencoder"), small("unet", skips=0)
    other.load_state_dict(one.state_dict())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(one.reconstruct(images), other.reconstruct(images))
    encoders = [n.encoder.state_dict() for n in (one, small("unet"), small("vae"))]
    assert all({k: v.shape for k, v in e.items()} == {k: v.shape for k, v in encoders[0].items()} for e in encoders)


def test_the_vae_samples_its_gaussian_while_training_only() -> None:
    net, images = small("vae", latent=64), torch.rand(64, 3, 32, 32)
    assert isinstance(net, VAE)
    seen: list[Tensor] = []
    net.expand.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        reconstruction, mean, log_variance = net.sample(images)
        assert torch.equal(seen[0], mean)
        assert mean.shape == log_variance.shape == (64, 64)
        torch.testing.assert_close(reconstruction, net.reconstruct(images))
        _, mean, log_variance = net.train().sample(images)
    noise = (seen[-1] - mean) / (log_variance / 2).exp()
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.std()) == pytest.approx(1, abs=0.05)


@every_net
def test_everything_in_it_learns_even_from_one_image(name: str) -> None:
    net = small(name).train()
    parts = (
        net.sample(torch.rand(1, 3, 32, 32)) if isinstance(net, VAE) else (net.reconstruct(torch.rand(1, 3, 32, 32)),)
    )
    sum(part.square().sum() for part in parts).backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    ("net", "settings", "says"),
    [
        (UNet, {"size": 100}, "depth=4 halvings need a multiple of 16, 32 at least: .*96 or 112$"),
        (VAE, {"size": 16}, "set data.size and model.size to 32$"),
        (Autoencoder, {"size": 31, "depth": 3}, "24 or 32$"),
        (Autoencoder, {"size": None}, "model.size=None: give a whole number"),
        (UNet, {"skips": 5}, "model.skips=5: there are depth=4 to keep"),
        (UNet, {"skips": -1}, "model.skips=-1"),
        (UNet, {"residual": "l3"}, "model.residual='l3': choose one of l1, l2, ssim, ssim_l1"),
        (VAE, {"latent": 0}, "model.latent=0"),
        (VAE, {"depth": 2.5}, "model.depth=2.5"),
        (UNet, {"depth": "4"}, "model.depth='4'"),
    ],
)
def test_bad_settings_of_an_autoencoder(net: type[ImageAutoencoder], settings: dict[str, object], says: str) -> None:
    with pytest.raises(TachaError, match=says) as caught:
        net(**settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(TachaError, match=r"model\.size=32: the net was given images of 40x48"):
        small("autoencoder")(torch.rand(1, 3, 48, 40))
