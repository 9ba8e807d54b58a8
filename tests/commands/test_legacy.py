"""The older way of working: one plain YAML file with a paths: block."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tacha import TachaError
from tacha.cli import main
from tacha.commands.legacy import artefact_path, overrides, read, test_samples, train_samples, write_table
from tacha.configuration import compose
from tacha.data.layouts import read_catalogue

SMALL = {"model": "backbone", "scorer": "mahalanobis", "image_size": 64, "batch_size": 16}
test_samples.__test__ = False  # type: ignore[attr-defined]  # a name that pytest would collect


@pytest.fixture(scope="module")
def parts(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training and test folders far apart: learn/OK, judge/2024/{ok,KO,scratch}."""
    root = tmp_path_factory.mktemp("parts")
    brick = sample_root / "brick"
    shutil.copytree(brick / "train" / "good", root / "learn" / "OK")
    shutil.copytree(brick / "test" / "good", root / "judge" / "2024" / "ok")
    flawed = [p for p in sorted((brick / "test").iterdir()) if p.name != "good"]
    for name, source in zip(("KO", "scratch"), flawed, strict=False):
        shutil.copytree(source, root / "judge" / "2024" / name)
    return root


def config(folder: Path, paths: dict[str, Any], **keys: Any) -> str:
    path = folder / "old.yaml"
    path.write_text(yaml.safe_dump({"paths": paths, **keys}))
    return str(path)


@pytest.fixture(scope="module")
def full(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run in the older way; its folder has out/ and models/bolt.tacha."""
    folder = tmp_path_factory.mktemp("full")
    paths = {
        "train_path": str(parts / "learn"),
        "test_path": str(parts / "judge" / "2024"),
        "output_path": str(folder / "out"),
        "model_save_path": str(folder / "models" / "bolt.pth"),
    }
    assert main(["train", "--config", config(folder, paths, **SMALL), "runtime.engine=torch"]) == 0
    return folder


def rows(folder: Path) -> dict[str, float]:
    return {r["metric"]: r["value"] for r in json.loads((folder / "metrics.json").read_text())["rows"]}


def test_full_fits_judges_and_saves(full: Path, parts: Path) -> None:
    assert (full / "models" / "bolt.tacha").read_bytes() == (full / "out" / "bolt.tacha").read_bytes()
    assert {"image_auroc", "fit_seconds"} <= set(rows(full / "out"))
    judged = list(csv.DictReader((full / "out" / "predictions.csv").open()))
    assert {Path(r["path"]) for r in judged} == set((parts / "judge").rglob("*.png"))
    assert {r["defect"] for r in judged} == {"good", "KO", "scratch"}
    settings = yaml.safe_load((full / "out" / "config.yaml").read_text())
    assert (settings["data"]["size"], settings["scorer"]["name"]) == (64, "mahalanobis")
    assert settings["runtime"]["engine"] == "torch"


def test_train_then_test_is_full(full: Path, parts: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    file = config(tmp_path, {"train_path": str(parts / "learn")}, **SMALL, name="bolt")
    ends = ["--model_path", str(tmp_path / "m.tacha"), "--output_dir", str(tmp_path / "out")]
    assert main(["train", "--config", file, "--mode", "train", *ends, "runtime.engine=torch"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "m.tacha")
    assert "image_auroc" not in rows(tmp_path / "out")
    test = ["--mode", "test", "--test_path", str(parts / "judge" / "2024")]
    assert main(["train", "--config", file, *test, *ends[:2], "--output_dir", str(tmp_path / "judged")]) == 0
    assert rows(tmp_path / "judged")["image_auroc"] == pytest.approx(rows(full / "out")["image_auroc"])
    assert (tmp_path / "judged" / "report.html").is_file()


def test_no_flawed_image_trains(full: Path, parts: Path, tmp_path: Path) -> None:
    """Whatever the folders are called: training takes good/ alone, or everything only where there are no folders."""
    root = tmp_path / "train"
    image = next((parts / "learn").rglob("*.png"))
    for name in ("good", "normal", "KO", "scratch"):
        (root / name).mkdir(parents=True)
        shutil.copy(image, root / name / "000.png")
    assert {s.path.parent.name for s in train_samples(root, "x")} == {"good", "normal"}
    for name in ("good", "normal", "scratch"):
        shutil.rmtree(root / name)
    for doubtful in ("KO", "line/ng", "test", "a/b/Defect", "folding marks"):
        shutil.rmtree(root)
        (root / doubtful).mkdir(parents=True)
        shutil.copy(image, root / doubtful / "000.png")
        with pytest.raises(TachaError, match="only good images train"):
            train_samples(root, "x")
    shutil.rmtree(root)
    root.mkdir()
    shutil.copy(image, root / "000.png")
    assert [s.label for s in train_samples(root, "x")] == [0]
    trained = [r for r in csv.DictReader((full / "out" / "data.csv").open()) if r["split"] == "train"]
    assert {Path(r["path"]).parent.name for r in trained} == {"OK"}


def test_the_table_reads_back_as_the_samples_and_finds_masks(sample_root: Path, tmp_path: Path) -> None:
    brick = sample_root / "brick"
    samples = [*train_samples(brick / "train", "brick"), *test_samples(brick / "test", "brick")]
    write_table(tmp_path / "t.csv", samples)
    found = {(s.path, s.split, s.defect, s.mask) for s in read_catalogue(tmp_path / "t.csv", "csv")}
    assert found == {(s.path, s.split, s.defect, s.mask) for s in read_catalogue(sample_root, categories=["brick"])}
    assert any(mask for *_, mask in found)


def test_featcae_under_reconstruction_unless_said_otherwise() -> None:
    settings = compose(overrides({"latent_dim": 32, "lr": "1e-3", "epochs": 5, "layers": "layer3"}))
    assert (settings["model"]["name"], settings["scorer"]["name"]) == ("featcae", "reconstruction")
    model, trainer = settings["model"], settings["trainer"]
    assert (model["latent"], model["lr"], model["layers"], trainer["max_epochs"]) == (32, 1e-3, [3], 5)
    assert overrides({"model": "cnn"}) == ['model="cnn"']
    assert compose(overrides({}, ["model=backbone", "scorer=knn"]))["scorer"]["name"] == "knn"


def test_a_backbone_without_weights_is_the_hubs() -> None:
    assert compose(overrides({"backbone": "resnet50"}))["model"]["weights"] == "hub"
    assert compose(overrides({"backbone": "resnet50", "weights": "none"}))["model"]["weights"] == "none"
    assert compose(overrides({"backbone": "tf_efficientnet_lite0"}))["model"]["weights"] == "packaged"


def test_every_key_reaches_its_setting(tmp_path: Path) -> None:
    keys = {
        "model": "backbone",
        "backbone": "resnet18",
        "weights": "some dir/w's.pth",
        "layers": ["layer1", "layer3"],
        "image_size": 96,
        "batch_size": 3,
        "seed": 4,
        "name": "left part",
        "scorer": "knn",
    }
    settings = compose(overrides(keys))
    assert settings["model"]["backbone"] == "resnet18"
    assert settings["model"]["weights"] == "some dir/w's.pth"
    assert settings["model"]["layers"] == [1, 3]
    assert (settings["data"]["size"], settings["data"]["batch_size"], settings["seed"]) == (96, 3, 4)
    assert (settings["name"], settings["scorer"]["name"]) == ("left part", "knn")


def test_hydra_s_way_is_untouched(capfd, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--cfg", "job", "seed=3"]) == 0
    assert yaml.safe_load(capfd.readouterr().out)["seed"] == 3
    assert main(["train", "seed=4", "-c", "job"]) == 0
    assert yaml.safe_load(capfd.readouterr().out)["seed"] == 4


def test_an_older_name_of_a_model_file_is_an_artefact() -> None:
    assert artefact_path("models/m.pth") == artefact_path("models/m") == Path("models/m.tacha")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train_path: a\n", "has no paths: block"),
        ("paths: {train_pth: a}\n", "unknown key 'paths.train_pth'"),
        ("paths: {train_path: a}\nspeed: 3\n", "unknown key 'speed'"),
        ("paths: {train_path: [a]}\n", "paths.train_path is ['a'], not a path"),
        ("paths: [\n", "is not YAML"),
        ("- a\n", "has no paths: block"),
    ],
)
def test_a_bad_file_is_one_line(text: str, says: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "old.yaml"
    path.write_text(text)
    assert main(["train", "--config", str(path)]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert error.count("\n") == 0
    with pytest.raises(TachaError):
        read(path)


@pytest.mark.parametrize(
    ("arguments", "keys", "says"),
    [
        (["--mode", "fast"], {}, "--mode fast: choose one of full, train, test"),
        (["--config", "nothing.yaml"], {}, "nothing.yaml: cannot be read"),
        ([], {"layers": ["deep"]}, "layers: ['deep'] are no layers"),
        ([], {"epochs": "many"}, "epochs: 'many' is not a number"),
        ([], {"model": "no_such_net", "scorer": "knn"}, "no_such_net"),
        ([], {"model": "backbone", "latent_dim": 3}, "model.latent"),
        (["--test_path", "nowhere"], {}, "nowhere: no such folder"),
        (["--test_path", "{learn}/OK"], {}, "no test images"),
        (["--test_path", "{learn}"], {}, "lies in both train_path and test_path"),
        (["--mode", "test"], {}, "no such artefact"),
        (["--mode", "test", "seed=3"], {}, "--mode test takes no overrides"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    arguments: list[str], keys: dict[str, Any], says: str, parts: Path, tmp_path: Path, capfd, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    paths = {
        "train_path": str(parts / "learn"),
        "test_path": str(parts / "judge" / "2024"),
        "output_path": "out",
        "model_save_path": "m.tacha",
    }
    file = config(tmp_path, paths, **{"model": "backbone", **keys})
    given = [a.format(learn=parts / "learn") for a in arguments]
    assert main(["train", "--config", file, *given]) == 2
    error = capfd.readouterr().err.strip()
    assert says in error
    assert error.count("\n") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.yaml"]


@pytest.mark.parametrize("flag", ["--mode", "--test_path", "--model_path", "--output_dir"])
def test_its_flags_without_a_file_say_so(flag: str, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["train", flag, "full"]) == 2
    assert f"{flag}: goes with --config FILE" in capsys.readouterr().err


def test_a_missing_path_names_its_key(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["train", "--config", config(tmp_path, {"output_path": "out"}, **SMALL)]) == 2
    assert "paths.train_path is not set" in capsys.readouterr().err
