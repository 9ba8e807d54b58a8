from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tacha.data.check import check
from tacha.data.flaws import FLAWS
from tacha.data.sample_set import CATEGORIES, default_root, write_sample_set
from tacha.errors import TachaError


@pytest.fixture(scope="module")
def sample_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample_set(tmp_path_factory.mktemp("samples") / "new" / "set")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_sound_data_set(sample_set: Path) -> None:
    result = check(sample_set)
    assert [p for p in result.problems if p.severity != "note"] == []
    test = {"good": 20, **dict.fromkeys(FLAWS, 5)}
    assert result.counts == {c: {"train": {"good": 44}, "test": test} for c in CATEGORIES}
    assert set(result.sizes) == {(128, 128)}
    assert not [p for p in sample_set.parent.iterdir() if p != sample_set]


def test_deterministic_and_seeded(sample_set: Path, tmp_path: Path) -> None:
    assert contents(write_sample_set(tmp_path)) == contents(sample_set)
    other = contents(write_sample_set(tmp_path, seed=1))
    assert set(other) == set(contents(sample_set))
    assert other != contents(sample_set)


def test_reused_when_whole_and_mended_when_not(sample_set: Path) -> None:
    before = contents(sample_set)
    one = sample_set / "brick" / "train" / "good" / "000.png"
    other = sample_set / "brick" / "train" / "good" / "001.png"
    stamp = other.stat().st_mtime_ns
    write_sample_set(sample_set)
    assert other.stat().st_mtime_ns == stamp
    one.unlink()
    assert contents(write_sample_set(sample_set)) == before


def test_other_folders_are_left_alone(sample_set: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(TachaError, match="not empty and not a sample set"):
        write_sample_set(tmp_path)
    with pytest.raises(TachaError, match="a file is in the way"):
        write_sample_set(tmp_path / "mine.txt")
    with pytest.raises(TachaError, match="cannot be written"):
        write_sample_set(tmp_path / "mine.txt" / "below")
    mine = sample_set / "brick" / "mine.png"
    mine.write_text("keep")
    try:
        with pytest.raises(TachaError, match=r"brick/mine\.png, which is not of the sample set"):
            write_sample_set(sample_set, seed=1)
        assert mine.exists()
    finally:
        mine.unlink()


def test_default_root_follows_the_cache_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TACHA_CACHE", str(tmp_path / "named"))
    assert default_root() == tmp_path / "named" / "sample"
    monkeypatch.delenv("TACHA_CACHE")
    if sys.platform != "linux":
        return
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "tacha" / "sample"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_root().parts[-3:] == (".cache", "tacha", "sample")
