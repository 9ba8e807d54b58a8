"""What may be learned from, as which class, in what order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tacha.data.frame import Frame
from tacha.data.module import ImageDataset
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.training.data import EpochShuffle, KeptImages, LearningData

SIZE = 32

Samples = list[Sample]


def build(train: Samples, validation: Samples, **options: Any) -> LearningData:
    return LearningData(train, validation, **{"size": SIZE, "batch_size": 4, **options})


@pytest.mark.parametrize("labels", ["none", "category"])
@pytest.mark.parametrize("where", ["train", "validation"])
@pytest.mark.parametrize("kind", [("train", "hole"), ("test", "hole"), ("test", "good")])
def test_no_flawed_or_test_image_is_learned_from(
    labels: str, where: str, kind: tuple[str, str], train: Samples, validation: Samples
) -> None:
    stranger = replace(train[0], path=train[0].path.with_name("stranger.png"), split=kind[0], defect=kind[1])
    splits = {"train": list(train), "validation": list(validation)}
    splits[where].append(stranger)
    with pytest.raises(TachaError, match=r"stranger\.png: a (train/hole|test/hole|test/good) image can never"):
        build(**splits, labels=labels)


def test_what_is_served_is_what_was_let_in(train: Samples, validation: Samples, squares: Samples) -> None:
    test = [s for s in squares if s.split == "test"]
    data = LearningData(train, validation, test, size=SIZE, labels="category", batch_size=4)
    for loader, samples in ((data.train_dataloader(), train), (data.val_dataloader(), validation)):
        assert set(loader.dataset.samples) == set(samples)
        served = torch.cat([images for images, _ in loader])
        assert len(served) == len(samples)
        assert served[:, :, 10:18, 10:18].mean((1, 2, 3)).min() > 0.2  # not one has the hole


def test_classes_are_the_categories_and_go_with_their_images(train: Samples, validation: Samples) -> None:
    data = build(train, validation, labels="category")
    assert data.classes == ("blue", "green", "red")
    for images, targets in data.train_dataloader():
        brightest = images.mean((2, 3)).argmax(1)  # 0 red, 1 green, 2 blue
        assert torch.equal(brightest, 2 - targets)


def test_defects_may_be_classes_good_first(squares: Samples) -> None:
    held = [s for s in squares if s.split == "train"][::5]
    train = [s for s in squares if s not in held]
    data = build(train, held, labels="defect")
    assert data.classes == ("good", "hole")
    assert {int(t) for _, targets in data.train_dataloader() for t in targets} == {0, 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda train, held: (train[:7], held[:3]), "'blue' is the only category"),
        (lambda train, held: (train[:9], held[:5]), "at least 3 training images a class and 'green' has 2"),
        (lambda train, held: (train[:14], held), "category 'red' has no training image"),
        (lambda train, held: (train, held + train[:1]), "in two of train, validation and test"),
        (lambda train, held: (train, []), "0 to validate on"),
        (lambda train, held: ([], held), "0 images to train on"),
    ],
)
def test_bad_input(change: Any, words: str, train: Samples, validation: Samples) -> None:
    with pytest.raises(TachaError, match=words):
        build(*change(train, validation), labels="category")


def test_one_category_is_enough_where_no_labels_are_read(train: Samples, validation: Samples) -> None:
    assert build(train[:7], validation[:3], labels="none").classes == ("blue",)
    with pytest.raises(TachaError, match="labels='both'"):
        build(train, validation, labels="both")


def test_an_unreadable_image_is_left_out_with_its_class(train: Samples, validation: Samples, broken: Sample) -> None:
    data = build([broken, *train], validation, labels="category")
    seen = [(images, targets) for images, targets in data.train_dataloader()]
    assert sum(len(images) for images, _ in seen) == len(train)
    for images, targets in seen:
        assert torch.equal(images.mean((2, 3)).argmax(1), 2 - targets)
    assert [path.name for path, _ in data.skipped] == ["broken.png"]


def test_kept_images_are_the_images(train: Samples) -> None:
    fresh, kept = ImageDataset(train, Frame.squashed(SIZE)), KeptImages(train, Frame.squashed(SIZE), keep_mb=1)
    for index in range(len(train)):
        expected = fresh[index][0]
        assert torch.equal(kept[index][0], expected)  # decoded
        assert torch.equal(kept[index][0], expected)  # from memory
    assert len(kept._kept) == len(train)


def test_memory_is_bounded(train: Samples) -> None:
    large = KeptImages(train, Frame.squashed(512), keep_mb=2)  # 0.75 MiB each
    for index in range(5):
        assert large[index][0].shape == (3, 512, 512)
    assert len(large._kept) == 2


def test_the_order_is_the_epochs_own() -> None:
    def order(epoch: int, seed: int = 0) -> list[int]:
        sampler = EpochShuffle(50, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0)) == list(range(50))
    assert order(3) == order(3)
    assert order(3) != order(4)
    assert order(3) != order(3, seed=1)


def test_the_digest_tells_data_apart(train: Samples, validation: Samples) -> None:
    same = build(train, validation).digest()
    assert build(train, validation).digest() == same
    assert build(train[:-1], validation).digest() != same
    assert build(train, validation, seed=1).digest() != same
