from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data_sets import picture, save, write_mvtec

from tacha.data.frame import Frame
from tacha.data.layouts import read_catalogue
from tacha.data.module import ImageDataset, InspectionDataModule
from tacha.errors import TachaError


def test_items(part: Path) -> None:
    catalogue = read_catalogue(part)
    image, index = ImageDataset(catalogue.samples, Frame.squashed(16))[3]
    assert image.shape == (3, 16, 16)
    assert image.dtype == torch.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert index == 3


def test_splits_and_batches(part: Path) -> None:
    module = InspectionDataModule(read_catalogue(part), size=16, batch_size=2, holdout_minimum=2)
    assert [len(s) for s in (module.train_samples, module.validation_samples, module.test_samples)] == [4, 2, 5]
    assert not set(module.train_samples) & set(module.validation_samples)
    assert all(s.label == 0 and s.split == "train" for s in module.train_samples + module.validation_samples)
    batches = list(module.train_dataloader())
    assert [[seen.pieces[0].shape for seen in images] for images, _ in batches] == [[(3, 16, 16)] * 2] * 2
    assert torch.cat([indices for _, indices in batches]).tolist() == [0, 1, 2, 3]
    for loader, n in ((module.val_dataloader(), 2), (module.test_dataloader(), 5), (module.predict_dataloader(), 5)):
        assert sum(len(indices) for _, indices in loader) == n
    assert module.skipped == []


def test_shuffle_is_seeded(part: Path) -> None:
    def order(seed: int) -> list[int]:
        module = InspectionDataModule(read_catalogue(part), size=8, batch_size=1, shuffle=True, seed=seed)
        return [int(i) for _, indices in module.train_dataloader() for i in indices]

    assert order(1) == order(1)
    assert sorted(order(1)) == list(range(5))


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_skipped_and_listed(part: Path, workers: int) -> None:
    broken = part / "train" / "good" / "broken.png"
    broken.write_text("no image")
    empty = part / "test" / "bad" / "empty.png"
    empty.touch()
    module = InspectionDataModule(read_catalogue(part), size=8, batch_size=1, num_workers=workers, holdout_share=0.3)
    for _ in range(2):
        read = [module.train_samples[i].path for _, indices in module.train_dataloader() for i in indices.tolist()]
        read += [module.validation_samples[i].path for _, indices in module.val_dataloader() for i in indices.tolist()]
    assert len(read) == 6
    assert sum(len(indices) for _, indices in module.test_dataloader()) == 5
    assert {path for path, _ in module.skipped} == {broken, empty}
    assert len(module.skipped) == 2
    assert all(str(path) in reason for path, reason in module.skipped)
    with pytest.raises(TachaError, match="not an image"):
        ImageDataset(read_catalogue(part).samples, Frame.squashed(8))[6]


def test_nothing_readable(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_text(f"no image {i}")
    module = InspectionDataModule(read_catalogue(tmp_path), size=8)
    with pytest.raises(TachaError, match="none of 2 images could be read"):
        list(module.train_dataloader())


def test_pooled_categories_hold_out_from_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        root = write_mvtec(tmp_path / name)
        save(root / "train" / "good" / "x.png", picture(ord(name)))
    catalogue = read_catalogue(tmp_path)
    pooled = InspectionDataModule(catalogue, holdout_minimum=4, size=8)
    assert [s.category for s in pooled.validation_samples] == ["a", "a", "b", "b"]
    alone = InspectionDataModule(catalogue, "b", size=8)
    assert {s.category for s in alone.train_samples + alone.test_samples} == {"b"}
    with pytest.raises(TachaError, match="no category 'c'; there are a, b"):
        InspectionDataModule(catalogue, "c")
