"""Pictures are drawn, whole, and leave the net as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tacha.data.sample import Sample
from tacha.features.cnn import CNN
from tacha.features.unet import UNet
from tacha.report.plots import embedding_map, error_histograms
from tacha.training import pictures
from tacha.training.data import LearningData
from tacha.training.grids import reconstruction_grid
from tacha.training.pictures import validation_pictures


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def data(train: list[Sample], validation: list[Sample]) -> LearningData:
    return LearningData(train, validation, size=32, batch_size=4)


def test_validation_pictures(data: LearningData, tmp_path: Path) -> None:
    net = UNet(32, 4, 4, 2).train()
    net.decoder.eval()
    before = [m.training for m in net.modules()]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    made = validation_pictures(net, data, tmp_path / "figures", suffix="_001")
    assert [p.name for p in made] == ["reconstructions_001.png", "tsne_001.png"]
    assert all(pixels(p).std() > 0 for p in made)
    assert [m.training for m in net.modules()] == before
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())  # batch statistics too


def test_a_net_without_reconstructions_has_its_embeddings(data: LearningData, tmp_path: Path) -> None:
    assert [p.name for p in validation_pictures(CNN(3), data, tmp_path)] == ["tsne.png"]


def test_every_category_is_among_the_images_shown(train: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SHOWN", 3)
    monkeypatch.setattr(pictures, "EMBEDDED", 9)
    data = LearningData(train[::2], train[1::2], size=32, batch_size=2)
    images, embeddings, names = pictures._seen(UNet(32, 4, 4, 2), data)
    assert sorted(images.mean((2, 3)).argmax(1).tolist()) == [0, 1, 2]  # the brightest channel is the category's
    assert embeddings.shape == (9, 4)
    assert set(names) == {"blue", "green", "red"}


def test_an_unreadable_image_is_passed_over(
    train: list[Sample], validation: list[Sample], broken: Sample, tmp_path: Path
) -> None:
    data = LearningData(train, [broken, *validation], size=32, batch_size=1)
    assert len(validation_pictures(UNet(32, 4, 4, 2), data, tmp_path)) == 2


def test_two_validation_images_are_too_few_for_a_map(
    train: list[Sample], validation: list[Sample], tmp_path: Path
) -> None:
    few = LearningData(train, validation[:2], size=32)
    assert [p.name for p in validation_pictures(UNet(32, 4, 4, 2), few, tmp_path)] == ["reconstructions.png"]


def test_the_original_stands_left_of_its_reconstruction(tmp_path: Path) -> None:
    class Inverts(UNet):
        def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
            return 1 - images

    red = torch.zeros(1, 3, 32, 32)
    red[:, 0] = 1
    seen = pixels(reconstruction_grid(Inverts(32, 4, 4, 2), red, tmp_path / "grid.png", ["good $1"]))
    left, right = (seen[:, : seen.shape[1] // 2], seen[:, seen.shape[1] // 2 :])
    assert (left == (255, 0, 0)).all(-1).mean() > 0.3
    assert (right == (0, 255, 255)).all(-1).mean() > 0.3
    assert not (right == (255, 0, 0)).all(-1).any()


@pytest.mark.parametrize("count", [1, 3, 16, 17])
def test_any_number_of_images(count: int, tmp_path: Path) -> None:
    assert pixels(reconstruction_grid(UNet(32, 4, 4, 2), torch.rand(count, 3, 32, 32), tmp_path / "g.png")).size


def test_an_embedding_map_repeats_itself(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(12, 5))
    names = ["a"] * 6 + ["b $x"] * 6
    first = pixels(embedding_map(points, names, tmp_path / "1.png"))
    assert np.array_equal(first, pixels(embedding_map(points, names, tmp_path / "2.png")))


@pytest.mark.parametrize(
    ("good", "by_defect"),
    [([0.1, 0.2], {"hole": [0.4], "cut $": [0.3, 0.9]}), ([0.1], {}), ([], {}), ([0.2, 0.2], {"hole": [0.2]})],
)
def test_error_histograms(good: list[float], by_defect: dict[str, list[float]], tmp_path: Path) -> None:
    assert pixels(error_histograms(good, by_defect, tmp_path / "errors.png")).std() > 0
