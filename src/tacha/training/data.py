"""What a net is trained on: samples as batches of images and classes, and the refusal of what must not be in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import Sampler

from tacha.data.frame import Frame
from tacha.data.module import ImageDataset, Item, SkippingLoader, collate
from tacha.data.sample import GOOD, Sample
from tacha.errors import TachaError
from tacha.training.base import Batch

LABELS = ("none", "category", "defect")
FEWEST = 3  # training images a class


class LearningData(lightning.LightningDataModule):
    """Batches (images [B, 3, size, size] in 0..1, class indices [B]) of the samples given; unreadable ones left out.

    `labels` says what a sample's class is: its category, or its defect ("good" first). "none" is for learners that
    read no labels: the class is the category still, for pictures to colour by. With "none" and "category" only good
    training images may be learned from. The order is shuffled anew each epoch by `seed` and the epoch's number.
    Decoded images are kept in memory, up to `keep_mb` a split, while `num_workers` is 0.

    Raises TachaError for a flawed or test image among train or validation unless `labels` is "defect", for one image
    in two splits, for an empty split, and with labels for a single class or one with fewer than 3 training images.
    """

    def __init__(
        self,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        test: Sequence[Sample] = (),
        *,
        size: int,
        labels: str = "none",
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
        keep_mb: int = 1024,
    ) -> None:
        super().__init__()
        if labels not in LABELS:
            raise TachaError(f"labels={labels!r}: choose one of {', '.join(LABELS)}")
        self.labels, self.size, self.seed = labels, size, seed
        self.batch_size, self.num_workers = batch_size, num_workers
        if not train or not validation:
            raise TachaError(
                f"{len(train)} images to train on and {len(validation)} to validate on: both are needed; add good "
                "training images, or raise data.holdout_share"
            )
        if labels != "defect":
            _refuse_flaws(train, validation)
        _refuse_copies(train, validation, test)
        self.classes: tuple[str, ...] = _in_order({self.class_of(s) for s in train})
        self._check_classes(train, (*validation, *test))
        frame = Frame.squashed(size)
        self.train_set = KeptImages(train, frame, keep_mb if num_workers == 0 else 0)
        self.validation_set = KeptImages(validation, frame, keep_mb if num_workers == 0 else 0)
        self.test_set = ImageDataset(test, frame)

    def class_of(self, sample: Sample) -> str:
        """The name that is to be learned for a sample."""
        return sample.defect if self.labels == "defect" else sample.category

    def digest(self) -> str:
        """SHA-256 of which images are learned and validated on, as which classes, at which size."""
        lines = [f"{self.size}|{self.batch_size}|{self.seed}"]
        for name, images in (("train", self.train_set), ("validation", self.validation_set)):
            lines += [f"{name}|{s.path}|{self.class_of(s)}" for s in images.samples]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """(path, reason) of every image that was met so far and could not be read."""
        sets = (self.train_set, self.validation_set, self.test_set)
        return [entry for images in sets for entry in sorted(images.skipped.items())]

    def train_dataloader(self) -> LabelledLoader:
        # A training that goes on fetches its first batch before Lightning calls set_epoch, with this very number.
        progress: Any = self.trainer.fit_loop.epoch_progress.current if self.trainer is not None else None
        epoch = progress.processed if progress is not None else 0
        return self._loader(self.train_set, sampler=EpochShuffle(len(self.train_set), self.seed, epoch))

    def val_dataloader(self) -> LabelledLoader:
        return self._loader(self.validation_set)

    def test_dataloader(self) -> LabelledLoader:
        return self._loader(self.test_set)

    def _loader(self, images: ImageDataset, **order: Any) -> LabelledLoader:
        numbers = {name: i for i, name in enumerate(self.classes)}
        targets = torch.tensor([numbers[self.class_of(s)] for s in images.samples], dtype=torch.long)
        workers = {"num_workers": self.num_workers, "persistent_workers": self.num_workers > 0}
        return LabelledLoader(images, targets, batch_size=self.batch_size, collate_fn=collate, **workers, **order)

    def _check_classes(self, train: Sequence[Sample], others: Sequence[Sample]) -> None:
        if self.labels == "none":
            self.classes = _in_order({self.class_of(s) for s in (*train, *others)})
            return
        what = {"category": "category", "defect": "class of defect"}[self.labels]
        if len(self.classes) < 2:
            remedy = {"category": "add another to data.categories", "defect": "add images of flaws, in class folders"}
            raise TachaError(
                f"a classifier needs at least two classes and {self.classes[0]!r} is the only {what}: "
                f"{remedy[self.labels]}, or choose a model that needs no labels (unet, featcae)"
            )
        counts = Counter(self.class_of(s) for s in train)
        few = [f"{name!r} has {counts[name]}" for name in self.classes if counts[name] < FEWEST]
        if few:
            raise TachaError(
                f"a classifier needs at least {FEWEST} training images a class and {', '.join(few)}: "
                "add images, or leave the class out"
            )
        for sample in others:
            if self.class_of(sample) not in counts:
                raise TachaError(
                    f"{sample.path}: {what} {self.class_of(sample)!r} has no training image; there are "
                    f"{', '.join(self.classes)}"
                )


class KeptImages(ImageDataset):
    """An ImageDataset that decodes a file once, as long as what it keeps fits in `keep_mb` MiB.

    What is kept is the resized image's bytes, so that an image is the same number for number every time; the frame
    squashes, for bytes hold no mark of padding.
    """

    def __init__(self, samples: Sequence[Sample], frame: Frame, keep_mb: int) -> None:
        super().__init__(samples, frame)
        self._kept: dict[int, Tensor] = {}
        self._room = keep_mb * 2**20 // (3 * frame.height * frame.width)

    def __getitem__(self, index: int) -> Item:
        if index in self._kept:
            return self._kept[index].to(torch.float32) / 255, index
        image, _ = super().__getitem__(index)
        if len(self._kept) < self._room:
            self._kept[index] = (image * 255).round().to(torch.uint8)
        return image, index


class LabelledLoader(SkippingLoader):
    """A SkippingLoader that yields (images, the classes of those images) by a table of `targets`, one a sample."""

    def __init__(self, images: ImageDataset, targets: Tensor, **options: Any) -> None:
        super().__init__(images, **options)
        self.targets = targets

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for images, indices in super().__iter__():
            yield images, self.targets[indices]

    def __len__(self) -> int:
        # Lightning would take the last batch for another if a whole one were left out on the way.
        raise TypeError("the number of batches is not known: images that cannot be read are left out")


class EpochShuffle(Sampler[int]):
    """A permutation that depends on the seed and the epoch alone, so that a resumed training goes on as it would have.

    Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, seed: int, epoch: int = 0) -> None:
        self.length, self.seed, self.epoch = length, seed, epoch

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        order = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        yield from torch.randperm(self.length, generator=order).tolist()


def _refuse_flaws(train: Sequence[Sample], validation: Sequence[Sample]) -> None:
    for sample in (*train, *validation):
        if sample.label != 0 or sample.split != "train":
            raise TachaError(
                f"{sample.path}: a {sample.split}/{sample.defect} image can never be learned from; only train/good, "
                "unless the classes are the defects"
            )


def _refuse_copies(*splits: Sequence[Sample]) -> None:
    seen: dict[Path, int] = {}
    for number, samples in enumerate(splits):
        for sample in samples:
            if seen.setdefault(sample.path, number) != number:
                raise TachaError(f"{sample.path}: in two of train, validation and test; list it once")


def _in_order(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name != GOOD, name)))
