"""`tacha init`: the packaged configs, to edit."""

from __future__ import annotations

import filecmp
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from tacha import TachaError
from tacha.cli import main
from tacha.commands.init import write_tree
from tacha.configuration import compose

CONF = Path(str(files("tacha.conf")))
NAMES = sorted(p.relative_to(CONF).as_posix() for p in CONF.rglob("*.yaml"))


def _names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix == ".yaml")


def test_writes_the_whole_tree_and_it_composes_to_the_same(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "new" / "conf"
    assert main(["init", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)
    assert _names(folder) == NAMES
    assert filecmp.cmpfiles(CONF, folder, NAMES, shallow=False)[0] == NAMES
    assert compose(["experiment=demo"], folder) == compose(["experiment=demo"])
    assert not list(folder.rglob("*.part*"))


def test_an_empty_folder_will_do_even_the_current_one(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert write_tree(Path()) == (len(NAMES), 0)
    assert _names(tmp_path) == NAMES


def test_again_adds_what_is_missing_and_keeps_what_was_edited(tmp_path: Path) -> None:
    write_tree(tmp_path / "conf")
    edited, gone = tmp_path / "conf" / "config.yaml", tmp_path / "conf" / "scorer" / "knn.yaml"
    edited.write_text("seed: 3\n")
    gone.unlink()
    assert write_tree(tmp_path / "conf") == (1, len(NAMES) - 1)
    assert edited.read_text() == "seed: 3\n"
    assert gone.read_text() == (CONF / "scorer" / "knn.yaml").read_text()


def test_a_folder_of_somebody_elses_is_refused_and_left_alone(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["init", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(TachaError, match="is a file"):
        write_tree(tmp_path / "letter.txt")
    with pytest.raises(TachaError, match="cannot be written"):
        write_tree(tmp_path / "letter.txt" / "conf")


@pytest.mark.parametrize("there_before", [False, True])
def test_a_full_disk_leaves_nothing(there_before: bool, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "a" / "conf"
    if there_before:
        write_tree(folder)
        shutil.rmtree(folder / "scorer")
        before = _names(folder)
    replace, moved = Path.replace, []

    def full(self: Path, target: Path) -> Path:
        if len(moved) == 3:
            raise OSError(28, "No space left on device")
        moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TachaError, match="No space left on device"):
        write_tree(folder)
    assert len(moved) == 3
    if there_before:
        assert _names(folder) == before
        assert not (folder / "scorer").exists()
    else:
        assert not (tmp_path / "a").exists()
