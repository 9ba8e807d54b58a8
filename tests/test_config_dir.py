"""A user's own conf tree wins over the packaged one, file by file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tacha import TachaError
from tacha.cli import main
from tacha.configuration import compose

Tree = Callable[..., Path]
# Hydra's own logging would close the streams that a library opened while pytest had replaced them.
QUIET = "  - override hydra/job_logging: none\n  - override hydra/hydra_logging: none\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes {path inside the tree: text} to a folder whose name has a space."""

    def write(**texts: str) -> Path:
        folder = tmp_path / "my conf"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            path = folder / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return write


def test_a_file_of_the_same_name_wins_and_the_rest_is_the_packaged(tree: Tree) -> None:
    folder = tree(scorer__memory_bank="name: memory_bank\nsize: 7\n")
    packaged, own = compose(["scorer=memory_bank"]), compose(["scorer=memory_bank"], folder)
    assert own["scorer"] == {"name": "memory_bank", "size": 7}
    assert packaged["scorer"]["size"] != 7
    assert {k: v for k, v in own.items() if k != "scorer"} == {k: v for k, v in packaged.items() if k != "scorer"}
    assert compose(["scorer=memory_bank"]) == packaged  # nothing of it stays behind


def test_a_new_file_and_a_new_group_are_found(tree: Tree) -> None:
    folder = tree(
        scorer__mine="name: knn\nk: 3\n",
        line__north="camera: 4\n",
        experiment__ours="# @package _global_\ndefaults:\n  - /line: north\n  - override /scorer: mine\nseed: 5\n",
    )
    settings = compose(["experiment=ours"], folder)
    assert settings["scorer"] == {"name": "knn", "k": 3}
    assert settings["line"] == {"camera": 4}
    assert settings["seed"] == 5
    with pytest.raises(TachaError, match="mine"):
        compose(["scorer=mine"])
    with pytest.raises(TachaError, match=r"memory_bank, mine") as caught:  # both trees are searched, and both named
        compose(["scorer=nothing"], folder)
    assert "\n" not in str(caught.value)


def test_config_yaml_wins_too(tree: Tree) -> None:
    packaged = Path(str(files("tacha.conf"))) / "config.yaml"
    folder = tree(config=packaged.read_text(encoding="utf-8").replace("seed: 0", "seed: 11"))
    assert compose([], folder)["seed"] == 11


def test_the_command_prints_the_users_settings(tree: Tree, capfd, monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    folder = tree(runtime__default="engine: torch\nprecision: f32\nthreads: 1\n")
    for arguments in (["--cfg", "job", "--config-dir", folder.name], [f"--config-dir={folder.name}", "-c", "job"]):
        assert main(["train", *arguments]) == 0
        assert yaml.safe_load(capfd.readouterr().out)["runtime"] == {
            "engine": "torch",
            "precision": "f32",
            "threads": 1,
        }
    assert main(["train", "-cd", folder.name, "--cfg", "job"]) == 2  # Hydra's short form would let the packaged win
    assert "write --config-dir" in capfd.readouterr().err
    assert main(["train", "--cfg", "job"]) == 0
    assert yaml.safe_load(capfd.readouterr().out)["runtime"]["engine"] == "auto"


def test_a_sweep_uses_the_users_tree(tree: Tree, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    folder = tree(scorer__mine="name: no_such_scorer\n")
    arguments = ["--config-dir", str(folder), "-m", "scorer=mine", "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep"]
    assert main(["train", *arguments]) == 2
    error = capfd.readouterr().err
    assert "2 of 2 runs failed" in error
    assert "no_such_scorer" in error


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({}, "has no .yaml files"),
        ({"scorer__knn": "name: [1\n"}, "knn.yaml line"),
        ({"scorer__knn": "name: knn\nname: knn\n"}, "knn.yaml"),
        ({"scorer__knn": "- name\n"}, "knn.yaml: holds a list"),
        ({"scorer__knn": "3\n"}, "knn.yaml: cannot be read"),
        ({"trainer__default": "speed: 3\n"}, "trainer.accelerator is missing"),
        ({"scorer__mine": "k: 3\n"}, "scorer.name is missing"),
        ({"config": f"defaults:\n  - scorer: knn\n{QUIET}"}, "data is missing"),
        ({"scorer__mine": "defaults:\n  - nothing\nname: knn\n"}, "nothing"),
    ],
)
def test_a_bad_tree_is_one_line(texts: dict[str, str], says: str, tree: Tree, capfd, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tree(**texts)
    mine = ["scorer=mine"] if "scorer__mine" in texts else []
    with pytest.raises(TachaError) as caught:
        compose(mine, folder)
    assert says in str(caught.value)
    assert main(["train", "--config-dir", str(folder), *mine, f"hydra.run.dir={tmp_path}/run"]) == 2
    error = capfd.readouterr().err.strip()
    assert says in error
    assert error.count("\n") == 0


def test_a_yml_file_is_not_passed_over_in_silence(tree: Tree) -> None:
    folder = tree(scorer__knn="name: knn\n")
    (folder / "scorer" / "knn.yaml").rename(folder / "scorer" / "knn.yml")
    with pytest.raises(TachaError, match=r"knn\.yml: would not be read"):
        compose([], folder)


def test_a_missing_folder_is_one_line(tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert main(["train", "--config-dir", str(tmp_path / "nothing")]) == 2
    error = capfd.readouterr().err.strip()
    assert "nothing: no such folder; `tacha init" in error
    assert error.count("\n") == 0
