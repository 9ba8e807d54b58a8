"""Tiled detectors as their user meets them: a small flaw in a big image, and settings that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tacha import Inspector, TachaError, fit, load
from tacha.cli import main
from tacha.configuration import compose
from tacha.run import check_settings, train

SIZE = (4000, 3000)
FLAW = (2511, 1203, 2535, 1227)
SMALL = ["data.size=128", "scorer=memory_bank", "scorer.size=300", "runtime.engine=openvino"]
HALF = ["data.holdout_share=0.5", "data.holdout_minimum=0"]
TILED = ["data.tile=500", "data.overlap=0"]


def sheet(seed: int, flawed: bool = False) -> Image.Image:
    """The same woven texture, moved, of 4,000 x 3,000 pixels; on some a ring of 24 that leaves the mean as it is."""
    weave = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((500, 500)), 5, mode="wrap")
    weave = np.clip(np.rint(128 + 14 * weave / weave.std()), 0, 255).astype(np.uint8)
    pixels = np.tile(np.roll(weave, np.random.default_rng(seed).integers(0, 500, 2), (0, 1)), (6, 8))
    if flawed:
        left, top, right, bottom = FLAW
        y, x = np.mgrid[top:bottom, left:right]
        far = np.hypot(y - (top + bottom - 1) / 2, x - (left + right - 1) / 2)
        ring = np.where(far < 8, -1.0, np.where(far < 12, 1.0, 0.0))
        ring[ring > 0] *= -ring[ring < 0].sum() / (ring > 0).sum()
        place = pixels[top:bottom, left:right]
        place[:] = np.clip(place + 80 * ring, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sheets")
    (root / "good").mkdir()
    for seed in range(8):
        sheet(seed).save(root / "good" / f"{seed}.jpg", quality=95)
    sheet(8).save(root / "twin.jpg", quality=95)
    sheet(8, flawed=True).save(root / "flawed.jpg", quality=95)
    return root


@pytest.fixture(scope="module")
def tiled(sheets: Path) -> Inspector:
    return fit(sheets / "good", overrides=[*SMALL, *HALF, *TILED], name="sheet")


def test_a_small_flaw_in_a_big_image(sheets: Path, tiled: Inspector, tmp_path: Path) -> None:
    whole = fit(sheets / "good", overrides=[*SMALL, *HALF])
    again = load(tiled.save(tmp_path / "sheet"), "openvino")  # the artefact alone says that it sees tiles
    assert again.card["input"] == {
        "height": 128,
        "width": 128,
        "aspect": "keep",
        "tile": 500,
        "overlap": 0,
        "colour": "RGB",
        "range": [0, 1],
    }
    found, twin = (again.inspect(sheets / name) for name in ("flawed.jpg", "twin.jpg"))
    assert found.verdict == "flawed"
    assert twin.verdict == "good"
    assert found.p_value == 1 / 5  # above all four held-out images, each as abnormal as its worst tile
    assert found.size == SIZE
    left, top, right, bottom = found.regions[0].box
    assert left < FLAW[2] and right > FLAW[0] and top < FLAW[3] and bottom > FLAW[1]  # noqa: PT018
    assert (right - left) * (bottom - top) < 0.01 * SIZE[0] * SIZE[1]
    assert found.map is not None
    assert found.map.shape[1] / found.map.shape[0] == pytest.approx(4 / 3, rel=0.02)
    unseen = whole.inspect(sheets / "flawed.jpg")
    assert unseen.verdict == "good"
    assert unseen.p_value == whole.inspect(sheets / "twin.jpg").p_value > 1 / 5


def test_a_tile_as_large_as_the_image_changes_nothing(sample_root: Path) -> None:
    small = ["data.size=64", "scorer.size=100", "runtime.engine=openvino"]
    made = [
        fit(sample_root / "brick" / "train" / "good", overrides=[*small, *more]) for more in ([], ["data.tile=512"])
    ]
    assert made[0].artefact.weights == made[1].artefact.weights
    assert made[0].card["calibration"] == made[1].card["calibration"]
    assert made[0].card["map_scale"] == made[1].card["map_scale"]


def test_a_whole_run_in_tiles(sample_root: Path, tmp_path: Path) -> None:
    """Small images in smaller tiles: every part of a run under a scorer of places, then check of what it wrote."""
    root = sample_root / "brick"
    tiled = ["data.size=64", "data.tile=64", "data.overlap=0", "data.num_workers=1"]
    run = train(
        compose(["data=mvtec", f"data.root={root}", *tiled, "scorer=padim", "runtime.engine=openvino"]), tmp_path
    )
    assert {row["metric"]: row["value"] for row in run.rows}["image_auroc"] > 0.6
    path, tested = tmp_path / "brick.tacha", sorted((root / "test").glob("*/*.png"))[:5]
    assert main(["check", str(path), str(tested[0])]) == 0
    inspector = load(path, "openvino")
    together = [found.score for found in inspector.inspect_many(tested, batch=3)]
    assert together == pytest.approx([inspector.inspect(image).score for image in tested], rel=1e-5)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("data.tile=0", r"data\.tile=0: give a whole number of pixels from 32 to 16384"),
        ("data.tile=-64", r"data\.tile=-64: give"),
        ("data.tile=31", r"data\.tile=31: give"),
        ("data.tile=1e9", r"data\.tile=1000000000\.0: give"),
        ("data.tile=big", r"data\.tile='big': give"),
        ("data.tile=[512,512]", r"data\.tile=\[512, 512\]: give"),
        ("data.overlap=1", r"data\.overlap=1: give a share"),
        ("data.overlap=nan", r"data\.overlap=nan: give a share"),
        ("data.overlap=-0.5", r"data\.overlap=-0\.5: give a share"),
        ("data.overlap=null", r"data\.overlap=None: give a share"),
        ("model=unet", r"data\.tile=64: model=unet is trained on whole images"),
    ],
)
def test_settings_that_cannot_be(override: str, reason: str) -> None:
    with pytest.raises(TachaError, match=rf"^{reason}") as caught:
        check_settings(compose(["data.tile=64", override]))
    assert "\n" not in str(caught.value)


def test_an_image_with_too_many_pixels(tiled: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (10_001, 10_000)).save(tmp_path / "vast.png")
    with pytest.raises(TachaError, match=r"vast\.png: 10001x10000 pixels, more than the 100,000,000 allowed"):
        tiled.inspect(tmp_path / "vast.png")
