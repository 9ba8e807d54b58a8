"""Strips from files to verdicts: their own frame, and pictures of any other shape beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tacha.configuration import compose
from tacha.data.frame import Frame
from tacha.data.image import load_prepared
from tacha.errors import TachaError
from tacha.inspector import Inspector, load
from tacha.nets import aspect_of
from tacha.reopening import reopen
from tacha.runtime import artefact as artefacts
from tacha.runtime.banks import with_fewer_rows
from tacha.runtime.engines import ENGINES
from tacha.runtime.quantise import Plan, in_int8

WIDTH, HEIGHT = 480, 80
FLAW = (300, 20, 340, 60)  # left, top, right, bottom


def strip(rng: np.random.Generator, flawed: bool = False) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = 128 + 50 * np.sin(x / 5 + rng.uniform(0, 6)) * np.sin(y / 5) + rng.normal(0, 8, (HEIGHT, WIDTH))
    if flawed:
        left, top, right, bottom = FLAW
        waves[top:bottom, left:right] = 10
    return np.clip(waves, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strips, every sixth of them a half as long (which fills half of the frame), learned at their own shape."""
    from tacha.run import train

    root, folder = tmp_path_factory.mktemp("strips"), tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    for part, count in (("train/good", 30), ("test/good", 4), ("test/hole", 4)):
        (root / "wire" / part).mkdir(parents=True)
        for i in range(count):
            pixels = strip(rng, part == "test/hole")
            pixels = pixels[:, : WIDTH // 2] if part == "train/good" and i % 6 == 0 else pixels
            Image.fromarray(pixels).save(root / "wire" / part / f"{i:02d}.png")
    masks = root / "wire" / "ground_truth" / "hole"
    masks.mkdir(parents=True)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[FLAW[1] : FLAW[3], FLAW[0] : FLAW[2]] = 255
    for i in range(4):
        Image.fromarray(mask).save(masks / f"{i:02d}_mask.png")
    small = ["data.size=96", "scorer.size=100", "runtime.engine=openvino", "evaluation.gallery=1"]
    train(compose(["data=mvtec", f"data.root={root}", *small]), folder)
    return folder


@pytest.fixture(scope="module")
def inspector(run: Path) -> Inspector:
    return load(run / "wire.tacha", "openvino")


def test_the_frame_is_that_of_most_images(run: Path, inspector: Inspector) -> None:
    assert inspector.card["input"] == {"height": 32, "width": 224, "aspect": "keep", "colour": "RGB", "range": [0, 1]}
    material = reopen(run).material(run / "wire.tacha")
    assert material.data.view.frame == inspector.view.frame == Frame(32, 224)


def test_a_flaw_is_where_it_is_whatever_lies_around(inspector: Inspector) -> None:
    flawed = strip(np.random.default_rng(5), flawed=True)
    shorter = flawed[:, 200:440]  # fills half of the frame
    for pixels, off in ((flawed, 0), (shorter, 200)):
        found = inspector.inspect(pixels)
        assert found.flawed
        assert found.map is not None
        assert found.map.shape[1] / found.map.shape[0] == pytest.approx(pixels.shape[1] / pixels.shape[0], rel=0.25)
        row, column = np.unravel_index(found.map.argmax(), found.map.shape)
        cell = pixels.shape[1] / found.map.shape[1]
        assert FLAW[0] - off - cell <= (column + 0.5) * cell <= FLAW[2] - off + cell
        assert 0 < row < found.map.shape[0] - 1
        left, top, right, bottom = found.regions[0].box
        assert 0 <= left <= (column + 0.5) * cell <= right <= pixels.shape[1]
        assert 0 <= top < bottom <= pixels.shape[0]


def test_half_a_good_strip_is_about_as_good_as_a_whole_one(inspector: Inspector) -> None:
    rng = np.random.default_rng(6)
    whole = [inspector.inspect(strip(rng)).score for _ in range(6)]
    half = [inspector.inspect(strip(rng)[:, 120:360]).score for _ in range(6)]
    flawed = [inspector.inspect(strip(rng, True)[:, 200:440]).score for _ in range(6)]
    assert min(flawed) > 2 * max(*half, *whole)
    assert np.median(half) < np.median(whole) + 0.25 * (min(flawed) - np.median(whole))


@pytest.mark.parametrize("shape", [(480, 80), (100, 100), (1, 900), (900, 1), (20, 5000), (5000, 20), (1, 1)])
def test_pictures_of_any_shape_are_judged_alike_by_all_engines(shape: tuple[int, int], run: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    found = [load(run / "wire.tacha", engine).inspect(pixels) for engine in ENGINES.names()]
    for each in found:
        assert np.isfinite(each.score)
        assert each.size == shape[::-1]
        assert each.score == pytest.approx(found[0].score, rel=1e-3)
        for region in each.regions:
            left, top, right, bottom = region.box
            assert 0 <= left < right <= shape[1]
            assert 0 <= top < bottom <= shape[0]


def test_smaller_banks_and_int8_know_padding(run: Path) -> None:
    material = reopen(run).material(run / "wire.tacha")
    fewer = with_fewer_rows(artefacts.read(run / "wire.tacha"), 60)
    images = [load_prepared(s.path, material.data.view.frame)[0] for s in material.data.train_samples]
    assert any(image.min() < 0 for image in images)
    variant = in_int8(fewer, images, Plan(("MatMul",)), "onnxruntime")
    flawed = strip(np.random.default_rng(5), flawed=True)[:, 200:440]
    for engine in ("openvino", "onnxruntime"):
        one, other = (Inspector(a, engine).inspect(flawed) for a in (fewer, variant))
        assert one.score == pytest.approx(other.score, rel=0.1)  # int8 clips what lies beyond all good images
        assert one.map is not None
        assert other.map is not None
        assert one.map.shape == other.map.shape


def test_an_older_artefact_squashes(run: Path, artefact_path: Path, tmp_path: Path) -> None:
    stored = artefacts.read(artefact_path)
    card = {**stored.card, "schema": 1, "input": {"size": 64, "colour": "RGB", "range": [0, 1]}}
    old = load(artefacts.write(replace(stored, card=card), tmp_path / "old.tacha"), "torch")
    assert old.view.frame == Frame.squashed(64)
    image = np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8)
    squashed = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR))
    assert old.inspect(image).score == pytest.approx(load(artefact_path, "torch").inspect(squashed).score, rel=1e-5)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [([], "keep"), (["data.aspect=squash"], "squash"), (["model=unet"], "squash"), (["model=cnn"], "squash")],
)
def test_nets_that_take_squares_get_them(overrides: list[str], expected: str) -> None:
    assert aspect_of(compose(overrides)) == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=featcae", "data.aspect=keep"], "data.aspect=keep: model=featcae takes squares only; choose squash"),
        (["data.aspect=crop"], "data.aspect='crop': choose one of auto, keep, squash"),
    ],
)
def test_aspects_that_cannot_be(overrides: list[str], message: str) -> None:
    with pytest.raises(TachaError, match=message):
        aspect_of(compose(overrides))
