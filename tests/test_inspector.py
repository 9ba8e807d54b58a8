"""The inspector's ways in: a path, an array, a stream that is read ahead."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tacha import inspector as inspectors
from tacha.data import view
from tacha.data.frame import Frame
from tacha.data.image import load_prepared, read_image
from tacha.errors import TachaError
from tacha.inspector import Inspector
from tacha.runtime import artefact as artefacts


class Watched:
    """An engine that ends its call only when the image after the one it judges is being read."""

    name, precision = "watched", "f32"

    def __init__(self, images: int) -> None:
        self.left = images
        self.reading = threading.Semaphore(0)

    def __call__(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        self.left -= len(images)
        assert not self.left or self.reading.acquire(timeout=30), "the next image was not read meanwhile"
        return [images.mean((1, 2, 3)), images[:, 0]]


def test_the_next_image_is_read_while_one_is_judged(
    artefact_path: Path, sample_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted((sample_root / "brick" / "test").glob("*/*.png"))[:6]
    engine = Watched(len(paths))

    def load(path: Path, frame: Frame) -> object:
        if path != paths[0]:
            engine.reading.release()
        return load_prepared(path, frame)

    monkeypatch.setattr(view, "load_prepared", load)
    inspector = Inspector(artefacts.read(artefact_path), engine)
    assert [found.path for found in inspector.inspect_many(paths)] == paths


def test_a_file_and_its_pixels_are_judged_alike(artefact_path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (75, 130), dtype=np.uint8)
    inspector = inspectors.load(artefact_path, "torch")
    for pixels in (grey, np.stack([grey, grey[::-1], 255 - grey], -1)):
        path = tmp_path / "a.png"
        Image.fromarray(pixels).save(path)
        from_file = inspector.inspect(path)
        for array in (read_image(path), pixels):
            found = inspector.inspect(array)
            assert found.score == from_file.score
            assert found.size == from_file.size == (130, 75)
            assert found.regions == from_file.regions


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)]
)
def test_arrays_that_are_no_image(array: npt.NDArray[np.uint8], artefact_path: Path) -> None:
    with pytest.raises(TachaError, match="an image array must"):
        inspectors.load(artefact_path, "torch").inspect(array)
