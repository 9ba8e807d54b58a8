"""Students of a small detector: what they keep of it, where they run, and what has no student."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tacha import load
from tacha.cli import main
from tacha.configuration import compose
from tacha.data.frame import Frame
from tacha.distillation import Distilled, Teaching, distil, teach
from tacha.features.student import Student
from tacha.probe import probe
from tacha.reopening import reopen, sources
from tacha.run import train
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines import ENGINES, start

SMALL = Teaching(rows=128, draws=2, epochs=3)
FLOOR = 0.75  # AUROC of drawn flaws; chance is .5, and the teacher has more


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def distilled(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    path = small_run / "brick.tacha"
    made = reopen(small_run).material(path)
    return distil(path, made, SMALL, tmp_path_factory.mktemp("student"), test=True)


def test_a_student_finds_what_its_teacher_finds(distilled: Distilled, small_run: Path) -> None:
    teacher, student = distilled.auroc
    assert teacher >= student - 0.1
    assert student >= FLOOR
    assert distilled.score_correlation > 0.5
    assert distilled.map_correlation > 0.2
    assert 0 <= distilled.changed_verdicts <= distilled.images
    low, high = distilled.latency[1:]
    assert 0 < low <= distilled.latency[0] <= high
    said = json.loads(distilled.path.with_suffix(".json").read_text())
    assert said["auroc"] == list(distilled.auroc)
    assert {row["metric"] for row in said["test"]["student"]} >= {"image_auroc", "pixel_auroc"}
    card = artefacts.read(distilled.path).card
    assert card["variant"]["kind"] == "student"
    assert card["variant"]["distilled_from"] == said["teacher"]
    assert card["net"]["name"] == "student"
    assert all(p["changed_verdicts"] == 0 for p in card["parity"])
    teachers = artefacts.read(small_run / "brick.tacha").card["scorer"]["settings"]
    assert card["scorer"]["settings"]["share"] == teachers["share"]


def test_engines_say_the_same_of_a_student(distilled: Distilled, small_run: Path) -> None:
    path = small_run / "brick.tacha"
    images = probe(reopen(small_run).material(path).data, Frame(64, 64)).images
    found = {name: load(distilled.path, engine=name) for name in ENGINES.names()}
    scores = {name: np.array([float(i.engine(x[None])[0][0]) for x in images]) for name, i in found.items()}
    limit = found["torch"].threshold
    for name in scores:
        np.testing.assert_allclose(scores[name], scores["torch"], rtol=1e-3, atol=1e-3, err_msg=name)
        np.testing.assert_array_equal(scores[name] > limit, scores["torch"] > limit)


def test_the_same_seed_makes_the_same_student(small_run: Path) -> None:
    path = small_run / "brick.tacha"
    data = reopen(small_run).material(path).data
    teacher = artefacts.read(path)
    engine = start(teacher)
    few = Teaching(rows=16, draws=1, epochs=2)
    first, again, other = (
        teach(path, teacher, engine, data, teaching).net.module.state_dict()
        for teaching in (few, few, replace(few, seed=1))
    )
    for name, values in first.items():
        assert torch.equal(values, again[name]), name
    assert any(not torch.equal(values, other[name]) for name, values in first.items())


def test_the_trunk_stays_and_the_rows_learn(small_run: Path) -> None:
    path = small_run / "brick.tacha"
    data = reopen(small_run).material(path).data
    teacher = artefacts.read(path)
    net, shorter = (
        teach(path, teacher, start(teacher), data, Teaching(rows=16, draws=1, epochs=n)).net.module for n in (2, 1)
    )
    given = Student(rows=16).trunk.state_dict()
    assert isinstance(net, Student)
    assert isinstance(shorter, Student)
    assert all(torch.equal(values, given[name]) for name, values in net.trunk.state_dict().items())
    for view, before in zip(net.views, shorter.views, strict=True):
        assert not torch.equal(view.rows, before.rows)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--draws", "0"], "--draws 0: give a whole number of at least 1"),
        (["--seed", "99999999999999999999999"], "give one below 2**32"),
        (["--lr", "0"], "--lr 0.0: give a number above 0"),
        (["--lr", "1e30", "--draws", "1", "--epochs", "2"], "lower --lr 1e+30"),
        (["--layers", "two"], "--layers two: give numbers such as 2,3"),
        (["--layers", "2,9"], "--layers=[2, 9]"),
        (["--backbone", "no_such_net"], "--backbone='no_such_net'"),
        (["--rows", "-3"], "--rows -3"),
    ],
)
def test_settings_that_cannot_be(
    small_run: Path, tmp_path: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["distill", str(small_run / "brick.tacha"), "--out", str(tmp_path), *more], says, capsys)
    assert not list(tmp_path.iterdir())


def test_a_student_has_no_student(
    distilled: Distilled, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    student = shutil.copy(distilled.path, run / "brick.student.tacha")
    refused(["distill", str(student)], "distill the artefact that it was made from", capsys)
    assert [p.name for p in sources(run, "distill")[0]] == ["brick.tacha"]


def test_a_teacher_without_a_map(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = reopen(small_run).settings
    settings["scorer"] = {"name": "euclidean"}
    train(settings, tmp_path / "run")
    refused(["distill", str(tmp_path / "run")], "its scorer euclidean gives no map", capsys)


def test_an_artefact_away_from_its_run(artefact_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(artefact_path, tmp_path / "alone.tacha")
    refused(["distill", str(tmp_path / "alone.tacha")], "run's settings", capsys)


def test_a_folder_that_cannot_be_written(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    out = str(tmp_path / "file" / "under")
    refused(["distill", str(small_run / "brick.tacha"), "--out", out], "cannot be written", capsys)


def test_too_few_good_images(sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "set" / "brick" / "train" / "good"
    good.mkdir(parents=True)
    for path in sorted((sample_root / "brick" / "train" / "good").glob("*.png"))[:9]:
        shutil.copy(path, good)
    train(compose(["data=mvtec", f"data.root={tmp_path / 'set'}", "data.size=64", "scorer.size=50"]), tmp_path / "run")
    refused(["distill", str(tmp_path / "run")], "good images to teach a student with, and 10 are needed", capsys)


def test_data_that_changed_since(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    settings = reopen(run).settings
    shutil.copytree(settings["data"]["root"], tmp_path / "set")
    settings["data"]["root"] = str(tmp_path / "set")
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    next((tmp_path / "set" / "brick" / "train" / "good").glob("*.png")).unlink()
    refused(["distill", str(run)], "is not what brick.tacha was fitted on", capsys)


def refused(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error that says so, and 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
