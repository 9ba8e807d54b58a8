"""trainer.profile: the operators of training steps, and the training that is the same without."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.features.autoencoder import Autoencoder
from tacha.features.featcae import FeatCAE
from tacha.training.data import LearningData
from tacha.training.learn import Learned, train_net


@pytest.fixture
def learn(train: list[Sample], validation: list[Sample], trainer: dict[str, Any], tmp_path: Path) -> Any:
    def call(folder: str, batch: int = 8, featcae: bool = False, **changes: Any) -> Learned:
        torch.manual_seed(0)
        net = FeatCAE(layers=(1,), latent=4) if featcae else Autoencoder(size=32, latent=4, width=4, depth=2)
        data = LearningData(train, validation, size=32, labels="none", batch_size=batch, seed=0)
        learner = "reconstruct_features" if featcae else "reconstruct"
        return train_net(net, learner, {}, data, trainer | changes, [], tmp_path / folder, 0)

    return call


def table(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {(row["stage"], row["name"]): row for row in csv.DictReader(stream)}


def test_each_operator_is_in_its_part_of_the_step(learn: Any, tmp_path: Path) -> None:
    ran = learn(
        "net", max_epochs=2, profile=4
    )  # 21 images, 3 steps an epoch: two to warm up, then the last and the next epoch's
    rows = table(tmp_path / "net" / "operators.csv")
    assert {stage for stage, _ in rows} == {"data", "forward", "backward", "optimiser"}
    layers = [m for m in ran.net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    assert float(rows["forward", "aten::convolution"]["calls"]) == len(layers)
    assert float(rows["backward", "aten::convolution_backward"]["calls"]) == len(layers)
    assert ("backward", "aten::convolution") not in rows
    assert ("forward", "aten::convolution_backward") not in rows
    assert not [name for stage, name in rows if stage != "backward" and "Backward" in name]
    assert any("lerp" in name or "addcdiv" in name for stage, name in rows if stage == "optimiser")  # Adam's
    assert float(rows.get(("forward", "aten::fill_"), {"calls": 0})["calls"]) < len(layers)  # no tensor filled in vain
    assert torch.utils.deterministic.fill_uninitialized_memory  # and the process is as it was
    assert all(0 <= float(row["self_ms"]) <= float(row["total_ms"]) + 1e-6 for row in rows.values())
    assert "net: 4 training steps under torch.profiler: operators.csv" in ran.notes


@pytest.mark.parametrize(("batch", "asked", "profiled"), [(8, 100, 4), (21, 9, 1), (8, 1, 1)])
def test_as_many_steps_as_there_are(learn: Any, tmp_path: Path, batch: int, asked: int, profiled: int) -> None:
    ran = learn("net", batch=batch, max_epochs=2, profile=asked)  # two epochs of 21 images; two steps warm up
    assert f"net: {profiled} training steps under torch.profiler: operators.csv" in ran.notes
    assert float(table(tmp_path / "net" / "operators.csv")["forward", "aten::convolution"]["calls"]) > 0


def test_features_that_are_learned_from_are_in_it(learn: Any, tmp_path: Path) -> None:
    learn("net", featcae=True, max_epochs=1, profile=1)
    rows = table(tmp_path / "net" / "operators.csv")
    forward = float(rows["forward", "aten::convolution"]["calls"])
    backward = float(rows["backward", "aten::convolution_backward"]["calls"])
    assert forward > backward > 0  # the frozen net before it runs forward only


def test_the_training_is_the_same_without(learn: Any, tmp_path: Path) -> None:
    with_it, without = learn("with", max_epochs=2, profile=3), learn("without", max_epochs=2)
    for name, tensor in with_it.net.state_dict().items():
        assert torch.equal(tensor, without.net.state_dict()[name]), name
    assert not (tmp_path / "without" / "operators.csv").exists()
    assert without.notes == ()


def test_what_was_trained_before_says_that_nothing_was_profiled(learn: Any, tmp_path: Path) -> None:
    learn("net", max_epochs=1)
    again = learn("net", max_epochs=1, profile=3)
    assert any("was trained before, so trainer.profile=3 had no step to profile" in note for note in again.notes)
    assert not (tmp_path / "net" / "operators.csv").exists()


@pytest.mark.parametrize("value", [-1, 1.5, True, "all"])
def test_a_number_of_steps_it_must_be(learn: Any, value: object) -> None:
    with pytest.raises(TachaError, match=r"trainer\.profile=.*give a whole number of at least 0"):
        learn("net", profile=value)
