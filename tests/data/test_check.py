from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_sets import picture, save, square_mask
from PIL import Image
from rich.console import Console

from tacha.data.check import SEVERITIES, check, render
from tacha.errors import TachaError


def test_a_sound_set(part: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = check(part, progress=lambda done, total: seen.append((done, total)))
    assert result.problems == []
    assert result.counts == {"part": {"train": {"good": 6}, "test": {"bad": 3, "good": 2}}}
    assert result.images == 11
    assert result.sizes == {(24, 24): 11}
    assert result.smallest == result.largest == (24, 24)
    assert result.modes == {"RGB": 11}
    assert seen[-1] == (11, 11)


def test_a_leak_is_found_by_its_pixels(part: Path) -> None:
    """The copy has another name, another format and other bytes."""
    leaked, source = part / "test" / "good" / "leak.bmp", part / "train" / "good" / "002.png"
    Image.open(source).save(leaked)
    result = check(part)
    assert result.leaks == [(source, leaked)]
    assert "two splits" in str(result.problems[0])
    assert result.problems[0].severity == "error"


def test_copies_within_train(part: Path) -> None:
    good = part / "train" / "good"
    shutil.copy(good / "000.png", good / "copy.png")
    smooth = np.kron(picture(7, 8), np.ones((16, 16, 1), np.uint8))
    save(good / "smooth.png", smooth)
    Image.fromarray(smooth).save(good / "smooth.jpg", quality=97, subsampling=0)
    result = check(part)
    assert result.duplicates == [(good / "000.png", good / "copy.png")]
    assert result.near_duplicates == [(good / "smooth.jpg", good / "smooth.png")]
    assert not result.leaks


def test_masks(part: Path) -> None:
    truth, bad = part / "ground_truth" / "bad", part / "test" / "bad"
    save(truth / "000_mask.png", square_mask(filled=False))
    save(truth / "001_mask.png", square_mask(12))
    (truth / "002_mask.png").unlink()
    save(truth / "099_mask.png", square_mask())
    result = check(part)
    assert result.empty_masks == [truth / "000_mask.png"]
    assert result.mismatched_masks == [(truth / "001_mask.png", "mask 12x12, image 24x24")]
    assert result.missing_masks == [bad / "002.png"]
    assert result.orphan_masks == [truth / "099_mask.png"]
    assert [p.severity for p in result.problems] == ["error", "warning", "warning", "warning"]


def test_a_hostile_folder(part: Path) -> None:
    good = part / "train" / "good"
    (good / "zero.png").touch()
    (good / "text.png").write_text("no image")
    (good / "cut.png").write_bytes((good / "000.png").read_bytes()[:200])
    (good / "readme.txt").write_text("")
    (part / "ground_truth" / "bad" / "000_mask.png").write_text("no image")
    (good / "loop").symlink_to(good)
    result = check(part)
    assert {path.name for path, _ in result.unreadable} == {"zero.png", "text.png", "cut.png", "000_mask.png"}
    assert all("\n" not in str(p) and p.severity in SEVERITIES for p in result.problems)
    assert result.problems[-1].severity == "note"
    saved = json.loads(json.dumps(result.to_dict()))
    assert saved["images"] == 14
    assert len(saved["unreadable"]) == 4


def test_no_good_images_is_a_finding(part: Path) -> None:
    shutil.rmtree(part / "train")
    assert "no good training images" in str(check(part).problems[0])


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(TachaError, match="no images"):
        check(tmp_path)


def test_render(part: Path) -> None:
    console = Console(width=160, record=True)
    render(check(part), console)
    (part / "train" / "good" / "[red].png").touch()
    render(check(part), console)
    text = console.export_text()
    for said in ("no problems found", "24x24", "RGB", "train", "[red].png", "0 bytes"):
        assert said in text
