"""Every loss against a second reference."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from tacha.errors import TachaError
from tacha.losses import LOSSES, image_loss, residual_map

BORDER = 5  # scikit-image pads in another way than torchmetrics; inside, no window reaches the edge


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    a = torch.rand(2, 3, 32, 40)
    return a, (a + 0.2 * torch.randn_like(a)).clamp(0, 1)


def naive(kind: str, a: Tensor, b: Tensor, weight: float) -> np.ndarray:
    """[B, H, W] by numpy and scikit-image, an image at a time."""
    out = []
    for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True):
        _, ssim = structural_similarity(
            x, y, channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        l1 = np.abs(x - y)
        terms = {"l1": l1, "l2": (x - y) ** 2, "ssim": 1 - ssim, "ssim_l1": weight * (1 - ssim) + (1 - weight) * l1}
        out.append(terms[kind].mean(0))
    return np.stack(out)


@pytest.mark.parametrize("kind", LOSSES)
def test_map_agrees_with_skimage(kind: str, pair: tuple[Tensor, Tensor]) -> None:
    found = residual_map(kind, *pair, ssim_weight=0.7).numpy()
    assert found.shape == (2, 32, 40)
    inside = np.s_[:, BORDER:-BORDER, BORDER:-BORDER]
    np.testing.assert_allclose(found[inside], naive(kind, *pair, 0.7)[inside], atol=2e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_loss_is_the_mean_of_the_map_though_torchmetrics_computes_it(kind: str, pair: tuple[Tensor, Tensor]) -> None:
    assert image_loss(kind, *pair).item() == pytest.approx(residual_map(kind, *pair).mean().item(), abs=1e-6)


def test_ssim_agrees_with_torchmetrics_up_to_the_border(pair: tuple[Tensor, Tensor]) -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, ssim = structural_similarity_index_measure(*pair, data_range=1.0, reduction="none", return_full_image=True)
    np.testing.assert_allclose(residual_map("ssim", *pair).numpy(), 1 - ssim.mean(1).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_nothing_is_wrong_with_an_equal_image(kind: str, pair: tuple[Tensor, Tensor]) -> None:
    a = pair[0].requires_grad_()
    assert residual_map(kind, a, a.detach()).abs().max() < 1e-5
    image_loss(kind, a, a.detach()).backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


@pytest.mark.parametrize("kind", LOSSES)
def test_a_flaw_shows_where_it_is(kind: str) -> None:
    a = torch.full((1, 3, 32, 32), 0.5)
    b = a.clone()
    b[..., 4:8, 20:24] = 0.9
    heat = residual_map(kind, a, b)[0]
    peak = divmod(int(heat.argmax()), 32)
    assert 3 <= peak[0] <= 8
    assert 19 <= peak[1] <= 24
    assert heat[20:, :10].max() < 1e-5


def test_mixed_precision_does_not_reach_the_ssim(pair: tuple[Tensor, Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = image_loss("ssim", *pair)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(image_loss("ssim", *pair).item(), abs=1e-6)


def test_unknown_loss() -> None:
    with pytest.raises(TachaError, match="'mse': there are l1, l2, ssim, ssim_l1"):
        residual_map("mse", torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


class Residual(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return residual_map("ssim_l1", images, images.square())


def test_the_map_is_a_graph_of_any_batch() -> None:
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Residual(),
            (torch.zeros(2, 3, 24, 24),),
            dynamo=True,
            optimize=False,
            input_names=["images"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    buffer = io.BytesIO(program.model_proto.SerializeToString())  # type: ignore[union-attr]
    session = onnxruntime.InferenceSession(buffer.getvalue())
    for count in (1, 3):
        images = torch.rand(count, 3, 24, 24)
        np.testing.assert_allclose(
            session.run(None, {"images": images.numpy()})[0], Residual()(images).numpy(), atol=1e-4
        )
