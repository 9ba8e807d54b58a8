"""Every logger is told the same."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.features.autoencoder import Autoencoder
from tacha.training.data import LearningData
from tacha.training.learn import train_net
from tacha.training.loggers import finish, make_loggers, send_picture

CONFIG = {"model": {"name": "autoencoder", "layers": [1, 2]}, "seed": 3}


def fit(loggers: Any, train: list[Sample], validation: list[Sample], trainer: dict[str, Any], folder: Path) -> Any:
    torch.manual_seed(0)
    data = LearningData(train, validation, size=32, batch_size=8)
    net = Autoencoder(32, 4, 4, 2)
    learned = train_net(net, "reconstruct", {}, data, trainer | {"pictures_every": 2}, loggers, folder, 0)
    finish(loggers)
    return learned


def test_csv(train: list[Sample], validation: list[Sample], trainer: dict[str, Any], tmp_path: Path) -> None:
    learned = fit(make_loggers({"csv": {}}, tmp_path, CONFIG), train, validation, trainer, tmp_path)
    (written,) = tmp_path.glob("logs/csv/*/metrics.csv")
    with written.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["val_loss"]]
    assert [float(row["val_loss"]) for row in rows] == pytest.approx([row["val_loss"] for row in learned.history])
    hparams = yaml.safe_load((written.parent / "hparams.yaml").read_text())
    assert hparams["model"] == CONFIG["model"]


def test_tensorboard(train: list[Sample], validation: list[Sample], trainer: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    learned = fit(make_loggers({"tensorboard": {}}, tmp_path, CONFIG), train, validation, trainer, tmp_path)
    events = EventAccumulator(str(tmp_path / "logs" / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    for name in ("train_loss", "val_loss"):
        assert [e.value for e in events.Scalars(name)] == pytest.approx([row[name] for row in learned.history])
    assert set(events.Tags()["images"]) == {"reconstructions", "tsne"}
    assert [e.step for e in events.Images("tsne")] == [6, 9]  # after the second epoch, and at the end
    hparams = yaml.safe_load((tmp_path / "logs" / "tensorboard" / "hparams.yaml").read_text())
    assert hparams["model"] == CONFIG["model"]


def test_wandb_offline_without_a_key(
    train: list[Sample],
    validation: list[Sample],
    trainer: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    learned = fit(make_loggers({"wandb": {"project": "tests"}}, tmp_path, CONFIG), train, validation, trainer, tmp_path)
    (run,) = tmp_path.glob("logs/wandb/offline-run-*")
    written = next(run.glob("*.wandb")).read_bytes()
    for word in (b"val_loss", b"train_loss", b"autoencoder"):
        assert word in written
    pictures = {p.name.rsplit("_", 2)[0] for p in run.rglob("*.png")}
    assert pictures == {"reconstructions", "tsne"}
    assert len(learned.history) == 3
    assert "wandb" not in "".join(capfd.readouterr())


def test_wandb_online_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(TachaError, match="offline=false needs a key: set WANDB_API_KEY"):
        make_loggers({"wandb": {"offline": False}}, tmp_path, CONFIG)


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(TachaError, match=r'logger=wandb needs .* pip install "tacha\[wandb\]"'):
        make_loggers({"wandb": {}}, tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mlflow": {}}, "logger=mlflow: there are csv, tensorboard, wandb"),
        ({"csv": {"colour": 1}}, "logger.csv has no setting 'colour'"),
        ({"wandb": {"colour": 1}}, "logger.wandb has no setting 'colour'"),
    ],
)
def test_settings_of_loggers(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TachaError, match=words):
        make_loggers(settings, tmp_path, CONFIG)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(TachaError, match="logs: cannot be written"):
        make_loggers({"csv": {}}, tmp_path, CONFIG)


def test_later_pictures_are_taken_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = tmp_path / "p.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    loggers = make_loggers({"csv": {}, "tensorboard": {}}, tmp_path, CONFIG)
    send_picture(loggers, "errors", path, 7)
    finish(loggers)
    send_picture(loggers, "after", path)
    finish(loggers)
    events = EventAccumulator(str(tmp_path / "logs" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["images"]) == {"errors", "after"}
