"""What `data check` measures without training, against naive references and planted findings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from data_sets import WRITERS, Writer, picture, save, square_mask, write_mvtec
from PIL import Image

from tacha.data.alike import LEVEL, nearly_alike
from tacha.data.check import check
from tacha.data.sample import Sample
from tacha.data.separation import LABELS, SPLITS
from tacha.data.thumbnails import Album, small
from tacha.data.traits import TRAITS, laplacian, measure
from tacha.data.unusual import FAR, nearest_distances

UInt8 = npt.NDArray[np.uint8]


def _smooth(seed: int, size: int = 48) -> UInt8:
    """A soft picture [size, size, 3], unlike that of any other seed, mid-grey so that levels can be added."""
    coarse = np.random.default_rng(seed).integers(60, 190, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def _brighter(image: UInt8, levels: int) -> UInt8:
    return np.clip(image.astype(np.int16) + levels, 0, 255).astype(np.uint8)


def _set(folder: Path, lift: int = 0, spot: int = 0, masks: bool = True) -> Path:
    """30 train, 20 test good, 20 flawed: `lift` brightens whole flawed images, `spot` only what their masks cover."""
    for i in range(50):
        where = folder / "train/good" if i < 30 else folder / "test/good"
        save(where / f"{i:03d}.png", _smooth(i))
    for i in range(20):
        pixels = _brighter(_smooth(100 + i), lift)
        mask = square_mask(48)
        mask[20:30, 20:40] = 255
        pixels[mask > 0] = _brighter(pixels[mask > 0], spot)
        save(folder / "test/bad" / f"{i:03d}.png", pixels)
        if masks:
            save(folder / "ground_truth/bad" / f"{i:03d}_mask.png", mask)
    return folder


# --- traits -------------------------------------------------------------------------------------------------------


def test_traits_are_those_of_a_naive_loop() -> None:
    pixels = picture(3, 17)
    image = Image.fromarray(pixels)
    found = measure(image, laplacian(image), 1000)
    grey = np.asarray(image.convert("L")).astype(float)
    edges = []
    for y in range(1, 16):
        for x in range(1, 16):
            around = grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1]
            edges.append(min(255, max(0, 4 * grey[y, x] - around + 128)))
    rgb = pixels.astype(float)
    wanted = {
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "saturation": (rgb.max(axis=2) - rgb.min(axis=2)).mean(),
        "warmth": (rgb[..., 0] - rgb[..., 2]).mean(),
        "sharpness": np.std(edges),
        "clipped": 100 * np.isin(grey, (0, 255)).mean(),
        "aspect": 1.0,
        "pixels": 289 / 1e6,
        "bits": 8000 / 289,
    }
    assert list(found) == [t.name for t in TRAITS]
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (1, 40), (3, 3)])
def test_the_smallest_images_have_traits(shape: tuple[int, int]) -> None:
    image = Image.fromarray(np.full(shape, 7, np.uint8))
    found = measure(image, laplacian(image), 10)
    assert (found["brightness"], found["contrast"], found["sharpness"], found["saturation"]) == (7, 0, 0, 0)


# --- nearly the same ----------------------------------------------------------------------------------------------


def test_nearly_alike_agrees_with_a_loop_over_all_pairs() -> None:
    rng = np.random.default_rng(5)
    base = [small(Image.fromarray(_smooth(i))) for i in range(6)]
    images = [*base]
    for i in range(8):  # near copies in every turn, off by up to five levels: some fall out
        turned = np.rot90(base[i % 6][:, ::-1] if i % 2 else base[i % 6], i % 4)
        noise = rng.integers(-(1 + i % 5), 2 + i % 5, turned.shape)
        images.append(np.clip(turned.astype(int) + noise, 0, 255).astype(np.uint8))
    seen = [(Sample(Path(f"{i:02d}.png"), "part", "train"), image) for i, image in enumerate(images)]
    wanted = set()
    for i, one in enumerate(images):
        for j in range(i + 1, len(images)):
            other = images[j].astype(int)
            turns = [np.rot90(v, k) for v in (other, other[:, ::-1]) for k in range(4)]
            close = min(int(np.abs(one.astype(int) - t).max()) for t in turns)
            if close <= LEVEL and abs(one.mean() - other.mean()) <= 1:
                wanted.add(j)
    found = nearly_alike(seen)
    assert {int(a.second.stem) for a in found} == wanted
    assert 3 < len(wanted) < 8
    assert all(a.difference <= LEVEL for a in found)


def test_a_leak_is_found_though_saved_again_smaller_and_mirrored_and_comes_first(tmp_path: Path) -> None:
    root = _set(tmp_path / "part")
    train = root / "train/good"
    save(train / "twin.png", _brighter(_smooth(4), 1))
    save(train / "007.png", _smooth(7, 192))
    leaked = Image.fromarray(_smooth(7, 192)[:, ::-1]).resize((128, 128), Image.Resampling.BILINEAR)
    leaked.save(root / "test/good/leaked.jpg", quality=95)
    result = check(root)
    kinds = [(a.kind, a.first.name, a.second.name, a.turned) for a in result.exploration.alike]
    assert kinds == [("leak", "007.png", "leaked.jpg", True), ("repeat", "004.png", "twin.png", False)]
    said = [str(p) for p in result.problems]
    assert "nearly the same image in train and test, mirrored or turned" in said[0]
    assert said[0].startswith("warning")


def test_a_flawed_copy_of_a_good_image_is_said(tmp_path: Path) -> None:
    root = _set(tmp_path / "part")
    pixels = _smooth(35).copy()
    pixels[5, 5] += 3  # a flaw of one pixel
    save(root / "test/bad/same.png", pixels)
    assert [(a.kind, a.first.name, a.second.name) for a in check(root).exploration.alike] == [
        ("labels", "035.png", "same.png")
    ]


# --- what simple measurements tell apart --------------------------------------------------------------------------


def test_light_that_gives_the_labels_away_is_a_warning_also_outside_the_flaws(tmp_path: Path) -> None:
    result = check(_set(tmp_path / "part", lift=25))
    told = result.exploration.told[0]
    assert (told.between, told.trait, told.counts) == (LABELS, "brightness", (20, 20))
    assert told.auroc.value > 0.9
    assert told.outside is not None
    assert told.outside.value > 0.9
    assert not told.of_flaws
    warning = next(p for p in result.problems if "tells flawed from good" in p.message)
    assert warning.severity == "warning"
    assert "brightness alone tells flawed from good (AUROC 0.9" in warning.message or "AUROC 1.00" in warning.message


def test_flaws_that_are_bright_themselves_are_a_note(tmp_path: Path) -> None:
    result = check(_set(tmp_path / "part", spot=65))
    told = {s.trait: s for s in result.exploration.told}
    assert told["contrast"].of_flaws
    assert told["contrast"].outside is not None
    assert abs(told["contrast"].outside.value - 0.5) < 0.2
    assert {p.severity for p in result.problems if "tells flawed from good" in p.message} == {"note"}


def test_without_masks_it_cannot_be_known_and_is_a_warning(tmp_path: Path) -> None:
    result = check(_set(tmp_path / "part", spot=65, masks=False))
    assert any(p.severity == "warning" and "tells flawed from good" in p.message for p in result.problems)


def test_equal_sets_are_not_told_apart(tmp_path: Path) -> None:
    result = check(_set(tmp_path / "part"))
    assert result.exploration.told == []
    assert {s.between for s in result.exploration.separations} == {LABELS, SPLITS}
    assert [p for p in result.problems if p.severity != "note"] == []


def test_a_test_set_taken_otherwise_is_said(tmp_path: Path) -> None:
    root = _set(tmp_path / "part")
    for path in (root / "test/good").iterdir():
        Image.fromarray(_brighter(np.asarray(Image.open(path)), -25)).save(path)
    drifted = [s for s in check(root).exploration.told if s.between == SPLITS]
    assert [s.trait for s in drifted] == ["brightness"]
    assert drifted[0].auroc.high < 0.3


def test_without_flaws_is_a_loop_over_pairs() -> None:
    from tacha.data.separation import without_flaws

    rng = np.random.default_rng(1)
    good, flawed = rng.integers(0, 255, (4, 32, 32), np.uint8), rng.integers(0, 255, (3, 32, 32), np.uint8)
    masks = np.zeros((3, 32, 32), np.uint8)
    masks[0, :4], masks[1, 5:9, 3:30], masks[2, :30] = 255, 9, 255  # of the last too little is left
    left = np.ones((2, 32, 32), bool)
    left[0, :5], left[1, 4:10, 2:31] = False, False  # a cell beside a mask does not count either
    wins = [float(flawed[i][left[i]].mean() > image[left[i]].mean()) for i in (0, 1) for image in good]
    found = without_flaws(good, flawed, masks, "brightness")
    assert found is not None
    assert found.value == pytest.approx(np.mean(wins))
    assert found.low <= found.value <= found.high
    assert without_flaws(good, flawed[2:], masks[2:], "brightness") is None


# --- unusual good images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trait", "spoil"),
    [
        ("brightness", lambda p: _brighter(p, 60)),
        ("sharpness", lambda p: np.where(np.indices(p.shape).sum(0) % 2 == 0, p, _brighter(p, 25))),
        ("warmth", lambda p: np.stack([_brighter(p[..., 0], 40), p[..., 1], _brighter(p[..., 2], -40)], axis=2)),
        ("aspect", lambda p: p[:, :30]),
        ("clipped", lambda p: np.where(np.indices(p.shape)[0] < 10, np.uint8(255), p)),
    ],
)
def test_a_strange_good_image_is_named_with_its_reason(tmp_path: Path, trait: str, spoil: object) -> None:
    root = _set(tmp_path / "part")
    save(root / "train/good/strange.png", spoil(_smooth(60)))  # type: ignore[operator]
    found = [u for u in check(root).exploration.unusual if u.path.name == "strange.png"]
    assert len(found) == 1
    reason = {r.trait: r for r in found[0].reasons}[trait]
    assert abs(reason.z) > FAR
    assert not reason.low <= reason.value <= reason.high


def test_few_good_images_say_nothing_of_what_is_usual(part: Path) -> None:
    save(part / "train/good/strange.png", np.zeros((24, 24, 3), np.uint8))
    assert check(part).exploration.unusual == []


@pytest.mark.parametrize("n", [2, 9, 2300])
def test_nearest_distances_are_those_of_a_loop(n: int) -> None:
    thumbnails = np.random.default_rng(n).integers(0, 255, (n, 32, 32), np.uint8)
    found = nearest_distances(thumbnails)
    pooled = thumbnails.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(n, -1)
    for i in range(0, n, max(1, n // 7)):
        others = np.delete(pooled, i, axis=0)
        wanted = np.sqrt(((others - pooled[i]) ** 2).mean(axis=1)).min()
        assert found[i] >= wanted - 1e-6
        if n <= 2000:
            assert found[i] == pytest.approx(wanted)
    assert np.isfinite(found).all()


# --- every layout, and what is odd about files --------------------------------------------------------------------


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_is_explored(tmp_path: Path, layout: str) -> None:
    writer: Writer = WRITERS[layout]
    result = check(writer(tmp_path))
    found = result.exploration
    assert len(found.seen) == result.images
    assert {s.trait for s in found.spreads} == {t.name for t in TRAITS}
    assert sum(s.n for s in found.spreads if s.trait == "brightness") == result.images
    assert bool(found.shares) == any(s.sample.mask for s in found.seen)


def test_a_single_image(tmp_path: Path) -> None:
    save(tmp_path / "part/good/only.png", picture(1))
    found = check(tmp_path / "part", "folder").exploration
    assert len(found.seen) == 1
    assert (found.separations, found.unusual, found.alike) == ([], [], [])


def test_sixteen_bits_and_grey_mean_the_same_as_eight(tmp_path: Path) -> None:
    grey = np.asarray(Image.fromarray(_smooth(1)).convert("L"))
    folder = tmp_path / "part"
    save(folder / "eight.png", grey)
    save(folder / "sixteen.png", (grey.astype(np.uint16) * 257))  # type: ignore[arg-type]
    eight, sixteen = check(folder, "folder").exploration.seen
    assert sixteen.traits["brightness"] == eight.traits["brightness"]
    assert sixteen.traits["sharpness"] == eight.traits["sharpness"]
    assert eight.traits["saturation"] == 0


def test_what_cannot_be_read_is_counted_and_not_measured(part: Path) -> None:
    (part / "train/good/broken.png").write_bytes(b"\x89PNG")
    result = check(part)
    assert result.images == 12
    assert len(result.exploration.seen) == 11
    assert [p.name for p, _ in result.unreadable] == ["broken.png"]


def test_mask_areas_are_shares_of_the_image(part: Path) -> None:
    shares = check(part).exploration.shares
    assert [(s.defect, s.n) for s in shares] == [("bad", 3)]
    assert shares[0].quartiles == pytest.approx([100 * 25 / 24**2] * 5)


def test_a_mask_of_another_size_is_not_measured(part: Path) -> None:
    save(part / "ground_truth/bad/000_mask.png", square_mask(12))
    assert [s.n for s in check(part).exploration.shares] == [2]


def test_every_file_is_read_once(tmp_path: Path) -> None:
    """A second process counts the opens of each image and mask."""
    root = write_mvtec(tmp_path / "part")
    code = (
        "import sys, collections, os\n"
        "seen = collections.Counter()\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('.png'): seen[os.path.basename(str(args[0])) +"
        " os.path.dirname(str(args[0]))] += 1\n"
        "from tacha.data.check import check\n"
        "from tacha.data.thumbnails import Album\n"
        "sys.addaudithook(hook)\n"
        "check(sys.argv[1], album=Album())\n"
        "print(len(seen), max(seen.values()))\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["14", "1"]


def test_an_album_keeps_pictures_small_and_outside_memory() -> None:
    with Album() as album:
        album.add(Path("a"), Image.fromarray(picture(1, 700)))
        album.add(Path("b"), Image.fromarray(np.zeros((900, 3, 3), np.uint8)))
        data = album.get(Path("a"))
        assert data is not None
        assert data.startswith(b"\xff\xd8")
        assert len(data) < 40_000
        assert album.get(Path("b")) is not None
        assert album.get(Path("c")) is None
