from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from tacha import TachaError
from tacha.features.cnn import CNN


def test_it_is_the_first_half_of_resnet18() -> None:
    whole = resnet18(weights=None).eval()
    half = create_feature_extractor(whole, ["layer2"])
    net = CNN(classes=3).eval()
    mine = [p for part in (net.stem, net.conv2_x, net.conv3_x) for p in part.state_dict().values()]
    theirs = list(half.state_dict().values())
    assert [v.shape for v in mine] == [v.shape for v in theirs]
    for to, origin in zip(mine, theirs, strict=True):
        to.copy_(origin)
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        features = net(images)
        expected = half((images - net.mean) / net.std)["layer2"]
        logits = net.head(features.embedding)
    torch.testing.assert_close(features.patches, expected)
    assert expected.shape == (2, 128, 28, 28)
    torch.testing.assert_close(features.embedding, expected.mean((2, 3)))
    torch.testing.assert_close(features.logits, logits)
    assert net.hint == 128


def test_it_starts_at_random_and_all_of_it_learns() -> None:
    torch.manual_seed(1)
    one = CNN(classes=4)
    torch.manual_seed(1)
    same, other = CNN(classes=4), CNN(classes=4)
    assert torch.equal(one.stem[0].weight, same.stem[0].weight)
    assert not torch.equal(one.stem[0].weight, other.stem[0].weight)
    one(torch.rand(2, 3, 32, 32)).logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in one.parameters())


@pytest.mark.parametrize("classes", [1, 0, None, True])
def test_one_class_is_no_classifier(classes: object) -> None:
    with pytest.raises(TachaError, match=r"model\.classes=.*at least two classes"):
        CNN(classes=classes)  # type: ignore[arg-type]
