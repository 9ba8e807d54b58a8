"""A catalogue in batches: the data sets, their loader, and the LightningDataModule over both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tacha.data.frame import Frame
from tacha.data.holdout import hold_out
from tacha.data.image import load_prepared, upright_size
from tacha.data.sample import Catalogue, Sample
from tacha.data.view import Seen, View
from tacha.errors import TachaError
from tacha.tiling import Tiling

T = TypeVar("T")
Item = tuple[Tensor, int]
Batch = tuple[Tensor, Tensor]


class Unreadable(NamedTuple):
    """Stands in a batch for an image that could not be read."""

    position: int
    reason: str


class SampleDataset(Dataset[tuple[T, int]], Generic[T]):
    """Samples as (what a subclass reads of a file, index into `samples`).

    A single item raises TachaError when its file cannot be read; batches through `SkippingLoader` leave it out
    and list it in `skipped`.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = tuple(samples)
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[T, int]:
        raise NotImplementedError

    def __getitems__(self, indices: list[int]) -> list[tuple[T, int] | Unreadable]:
        """A batch's items, as torch's fetcher asks for them."""
        return [self._try(i) for i in indices]

    def _try(self, index: int) -> tuple[T, int] | Unreadable:
        try:
            return self[index]
        except TachaError as error:
            return Unreadable(index, str(error))


class ImageDataset(SampleDataset[Tensor]):
    """Samples as (image float32 [3, height, width] of the frame in 0..1, index into `samples`)."""

    def __init__(self, samples: Sequence[Sample], frame: Frame) -> None:
        super().__init__(samples)
        self.frame = frame

    def __getitem__(self, index: int) -> Item:
        return torch.from_numpy(load_prepared(self.samples[index].path, self.frame)[0]), index


class SeenDataset(SampleDataset[Seen]):
    """Samples as (the image as a detector sees it, index into `samples`)."""

    def __init__(self, samples: Sequence[Sample], view: View) -> None:
        super().__init__(samples)
        self.view = view

    def __getitem__(self, index: int) -> tuple[Seen, int]:
        return self.view.read(self.samples[index].path), index


def collate(items: list[Item | Unreadable]) -> tuple[Tensor, Tensor, list[Unreadable]]:
    """Images [B, 3, height, width], indices [B], and the items that could not be read."""
    read = [item for item in items if not isinstance(item, Unreadable)]
    failed = [item for item in items if isinstance(item, Unreadable)]
    images = torch.stack([image for image, _ in read]) if read else torch.empty(0)
    return images, torch.tensor([index for _, index in read], dtype=torch.long), failed


def gather(items: list[tuple[Seen, int] | Unreadable]) -> tuple[list[Seen], Tensor, list[Unreadable]]:
    """Images, which may differ in their pieces, their indices [B], and the items that could not be read."""
    read = [item for item in items if not isinstance(item, Unreadable)]
    failed = [item for item in items if isinstance(item, Unreadable)]
    return [seen for seen, _ in read], torch.tensor([index for _, index in read], dtype=torch.long), failed


class SkippingLoader(DataLoader[Any]):
    """A DataLoader over a SampleDataset that yields (images, indices) of what could be read.

    The rest is listed in the data set's `skipped`, in this process, whatever the number of workers. Raises
    TachaError when not one image could be read.
    """

    dataset: SampleDataset[Any]

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        empty = True
        failed: list[Unreadable] = []
        for images, indices, failed in super().__iter__():
            for position, reason in failed:
                self.dataset.skipped[self.dataset.samples[position].path] = reason
            if len(indices):
                empty = False
                yield images, indices
        if empty and failed:
            raise TachaError(f"none of {len(self.dataset)} images could be read, the last: {failed[-1].reason}")


def frame_for(samples: Sequence[Sample], size: int, aspect: str, tiling: Tiling | None = None) -> Frame:
    """The frame of about size² pixels for these images, or for their tiles; the headers are read."""
    if aspect != "keep":
        return Frame(size, size, aspect)
    sizes = []
    for sample in samples:
        with suppress(TachaError):  # the loader lists what cannot be read
            whole = upright_size(sample.path)
            sizes.append(whole if tiling is None else tiling.tile_size(whole))
    return Frame.fitting(sizes, size)


class InspectionDataModule(lightning.LightningDataModule):
    """Serves one category of a catalogue, or all pooled (`category=None`), as batches of (list of Seen, indices).

    `view` is how the detector sees an image: in one frame, or in tiles where `tiling` says so. Tiled images are big
    and come one at a time, for `batch_size` is how many pieces a net is to see at once.
    `train_samples` and `validation_samples` part the good training images (see `hold_out`; each category by
    itself); `test_samples` are never looked at for either. Indices point into the samples of the loader's split.
    `aspect` "keep" brings images to a frame of the good training images' shape (`Frame.fitting`), "squash" stretches
    them to a square of `size` pixels; a `view` that is given is taken as it is.
    Raises TachaError for an unknown category or too few good images.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        category: str | None = None,
        *,
        size: int = 256,
        aspect: str = "keep",
        tiling: Tiling | None = None,
        view: View | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        holdout_share: float = 0.1,
        holdout_minimum: int = 0,
        seed: int = 0,
        shuffle: bool = False,
    ) -> None:
        super().__init__()
        if category is not None and category not in catalogue.categories:
            raise TachaError(f"{catalogue.root}: no category {category!r}; there are {', '.join(catalogue.categories)}")
        self.catalogue = catalogue
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.shuffle = shuffle
        chosen = (category,) if category is not None else catalogue.categories
        train: list[Sample] = []
        validation: list[Sample] = []
        for name in chosen:
            good = catalogue.select(split="train", category=name, label=0)
            rest, held = hold_out(good, holdout_share, math.ceil(holdout_minimum / len(chosen)), seed)
            train += rest
            validation += held
        self.view = view or View(frame_for(train, size, aspect, tiling), tiling)
        self.train_set = SeenDataset(train, self.view)
        self.validation_set = SeenDataset(validation, self.view)
        self.test_set = SeenDataset(catalogue.select(split="test", category=category), self.view)

    @property
    def train_samples(self) -> tuple[Sample, ...]:
        """Good images to learn from."""
        return self.train_set.samples

    @property
    def validation_samples(self) -> tuple[Sample, ...]:
        """Good images held out of training."""
        return self.validation_set.samples

    @property
    def test_samples(self) -> tuple[Sample, ...]:
        """Good and flawed images to be judged."""
        return self.test_set.samples

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """(path, reason) of every image that the loaders have met so far and could not read."""
        sets = (self.train_set, self.validation_set, self.test_set)
        return [entry for images in sets for entry in sorted(images.skipped.items())]

    def train_dataloader(self) -> SkippingLoader:
        return self._loader(self.train_set, shuffle=self.shuffle)

    def val_dataloader(self) -> SkippingLoader:
        return self._loader(self.validation_set)

    def test_dataloader(self) -> SkippingLoader:
        return self._loader(self.test_set)

    def predict_dataloader(self) -> SkippingLoader:
        return self._loader(self.test_set)

    def _loader(self, images: SeenDataset, shuffle: bool = False) -> SkippingLoader:
        order: dict[str, Any] = {"shuffle": shuffle}
        if shuffle:
            order["generator"] = torch.Generator().manual_seed(self.seed)
        together = self.batch_size if self.view.tiling is None else 1
        return SkippingLoader(images, batch_size=together, num_workers=self.num_workers, collate_fn=gather, **order)
