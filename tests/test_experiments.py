"""The four bodies of work, each run whole on the sample set; and what no path may let in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tacha import load
from tacha.cli import main
from tacha.configuration import compose
from tacha.data.layouts import read_catalogue
from tacha.nets import Nets, data_module
from tacha.run import train

FAST = ["data=sample", "trainer.max_epochs=2", "data.size=64", "evaluation.gallery=1", "data.categories=[brick,grass]"]
SMALL = {
    "proyecto_ii": ["model=cnn_distilled"],
    "tarea_05": ["model=unet", "model.width=8", "model.loss=ssim_l1"],
    "featcae": ["model.weights=none", "model.latent=8", "data.categories=[brick]"],
    "leather_vit": ["model.weights=none", "model.backbone=vit_tiny_patch16_224", "logger=csv"],
}
SCORERS = {
    "proyecto_ii": {"mahalanobis", "euclidean", "knn"},
    "tarea_05": {"reconstruction", "mahalanobis"},
    "featcae": {"reconstruction"},
    "leather_vit": {"hybrid", "cosine", "confidence", "memory_bank"},
}
PICTURES = {
    "proyecto_ii": {"nets/all/figures/confusion.png", "nets/all/figures/tsne.png"},
    "tarea_05": {
        "nets/all/figures/reconstructions.png",
        "figures/reconstructions_brick.png",
        "figures/errors_grass.png",
    },
    "featcae": {"figures/errors_brick.png"},
    "leather_vit": {"nets/all/figures/confusion.png", "figures/attention_brick.png"},
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_an_experiment_runs_whole(name: str, sample_root: Path, tmp_path: Path) -> None:
    settings = compose([f"experiment={name}", *FAST, f"data.root={sample_root}", *SMALL[name]])
    run = train(settings, tmp_path)
    rows = json.loads((tmp_path / "metrics.json").read_text())["rows"]
    judged = [r for r in rows if r["metric"] == "image_auroc"]
    assert {r["scorer"] for r in judged} == SCORERS[name]
    assert len(judged) == len(SCORERS[name]) * len(run.inspectors)
    assert all(r["low"] <= r["value"] <= r["high"] for r in judged)
    assert any(r["metric"] == "train_seconds" for r in rows)
    for picture in PICTURES[name]:
        assert (tmp_path / picture).is_file(), picture
    for history in tmp_path.glob("nets/*/history.csv"):
        lines = list(csv.DictReader(history.open()))
        assert [line["epoch"] for line in lines] == ["0", "1"]
        assert all(float(line["train_loss"]) > 0 and float(line["val_loss"]) > 0 for line in lines)
    if name == "proyecto_ii":
        assert any(r["metric"] == "teacher_val_accuracy" for r in rows)
        assert any(
            "from scratch" in note for note in json.loads((tmp_path / "metrics.json").read_text())["run"]["notes"]
        )
    if name == "leather_vit":
        assert {r["metric"] for r in rows} >= {"test_accuracy", "class_recall/good", "class_f1/good"}
        command = ["evaluate", str(tmp_path / "brick.tacha"), str(sample_root), "--out", str(tmp_path / "again")]
        assert main(command) == 0
        judged_then = {r["path"] for r in csv.DictReader((tmp_path / "predictions.csv").open())}
        judged_now = {r["path"] for r in csv.DictReader((tmp_path / "again" / "predictions.csv").open())}
        assert judged_now == {path for path in judged_then if "brick" in path}
    for artefact in tmp_path.glob("*.tacha"):
        load(artefact).inspect(sample_root / "brick" / "test" / "good" / "000.png")


@pytest.mark.parametrize("model", ["cnn", "cnn_distilled", "unet", "autoencoder", "vae", "featcae", "vit"])
def test_what_a_net_learns_from(model: str, sample_root: Path, tmp_path: Path) -> None:
    settings = compose([f"model={model}", "data=mvtec", f"data.root={sample_root}", "data.size=64"])
    catalogue = read_catalogue(sample_root)
    nets = Nets(settings, catalogue, tmp_path)
    data = nets._data("all" if nets.model.together else "brick")
    learned = [*data.train_set.samples, *data.validation_set.samples]
    assert learned
    if model == "vit":  # a classifier of kinds of flaw learns from some: those are then in no test
        assert {s.path for s in learned}.isdisjoint(s.path for s in nets.catalogue.select(split="test"))
    else:
        assert {s.label for s in learned} == {0}
        assert {s.split for s in learned} == {"train"}


def test_what_calibrates_was_not_learned_from(sample_root: Path, tmp_path: Path) -> None:
    settings = compose(["model=unet", "data=mvtec", f"data.root={sample_root}", "data.size=64"])
    nets = Nets(settings, read_catalogue(sample_root), tmp_path)
    data = nets._data("all")
    learned = {s.path for s in (*data.train_set.samples, *data.validation_set.samples)}
    for category in nets.catalogue.categories:
        module = data_module(nets.catalogue, category, settings)
        assert learned.isdisjoint(s.path for s in module.validation_samples)
