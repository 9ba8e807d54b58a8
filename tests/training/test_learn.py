"""A training from data to weights: resumed, finished, replaced, stopped."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tacha.data.frame import Frame
from tacha.data.module import ImageDataset
from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.features.autoencoder import Autoencoder
from tacha.features.base import FeatureNet
from tacha.features.cnn import CNN
from tacha.features.featcae import FeatCAE
from tacha.features.vae import VAE
from tacha.features.vit import ViT
from tacha.training.data import LearningData
from tacha.training.history import best_row, read_history
from tacha.training.learn import Learned, train_net

SMALL = {"size": 32, "latent": 4, "width": 4, "depth": 2}
NOISY = {"noise": 0.1, "mask": 0.1, "mask_side": 8, "lr": 0.01, "schedule": "cosine"}


class Stops(Autoencoder):
    """Raises, or gives NaN, at the n-th training batch of its life."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(**SMALL)
        self.left, self.what = at, what

    def reconstruct(self, images: Tensor) -> Tensor:
        self.left -= self.training
        if self.left == 0 and self.what == "interrupt":
            raise KeyboardInterrupt
        out = super().reconstruct(images)
        return out * float("nan") if self.left <= 0 and self.what == "nan" else out


@pytest.fixture
def learn(train: list[Sample], validation: list[Sample], trainer: dict[str, Any], tmp_path: Path) -> Any:
    def call(
        net: FeatureNet,
        learner: str = "reconstruct",
        settings: dict[str, Any] | None = None,
        *,
        labels: str = "none",
        folder: str = "net",
        seed: int = 0,
        extra: tuple[Sample, ...] = (),
        **changes: Any,
    ) -> Learned:
        data = LearningData([*train, *extra], validation, size=32, labels=labels, batch_size=8, seed=seed)
        return train_net(net, learner, settings or {}, data, trainer | changes, [], tmp_path / folder, seed)

    return call


def seeded(kind: type[FeatureNet], *arguments: Any, **settings: Any) -> FeatureNet:
    torch.manual_seed(0)
    return kind(*arguments, **settings)


@pytest.mark.parametrize(
    ("net", "learner", "settings", "labels"),
    [
        (lambda: CNN(3), "classify", {}, "category"),
        (lambda: CNN(3), "distil", {"teacher_weights": "none", "teacher_epochs": 1, "hint": 0.1}, "category"),
        (lambda: ViT("vit_tiny_patch16_224", classes=3, size=32), "classify", {"optimizer": "adamw"}, "category"),
        (lambda: VAE(**SMALL), "reconstruct", {"loss": "ssim_l1"}, "none"),
        (lambda: FeatCAE(layers=(1,), latent=4), "reconstruct_features", {}, "none"),
    ],
    ids=["classify", "distil", "vit", "vae", "featcae"],
)
def test_every_learner_trains_and_says_nothing(
    net: Any, learner: str, settings: dict[str, Any], labels: str, learn: Any, capfd: Any, recwarn: Any
) -> None:
    torch.manual_seed(0)
    learned = learn(net(), learner, {"lr": 1e-3, **settings}, labels=labels, max_epochs=2)
    losses = [row["train_loss"] for row in learned.history]
    assert len(losses) == 2
    assert losses[1] < losses[0]
    assert not learned.net.training
    assert not any(p.requires_grad for p in learned.net.parameters())
    assert capfd.readouterr() == ("", "")
    assert [str(w.message) for w in recwarn if "lightning" in w.filename] == []


def test_classes_are_learned(learn: Any) -> None:
    learned = learn(seeded(CNN, 3), "classify", {"lr": 3e-3}, labels="category", max_epochs=6)
    assert learned.figures["val_accuracy"] >= 0.9


def test_the_best_epoch_is_what_is_handed_back(learn: Any, validation: list[Sample], tmp_path: Path) -> None:
    learned = learn(seeded(Autoencoder, **SMALL), settings={"lr": 0.3}, max_epochs=5)  # a rate at which it jumps about
    history = read_history(tmp_path / "net" / "history.csv")
    assert history == learned.history
    assert list(history[0])[:4] == ["net", "epoch", "train_loss", "val_loss"]
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4]
    images = torch.stack([image for image, _ in ImageDataset(validation, Frame.squashed(32))])
    loss = (learned.net.reconstruct(images) - images).square().mean().item()
    assert loss == pytest.approx(min(row["val_loss"] for row in history), rel=1e-4)
    assert learned.figures["val_loss"] == pytest.approx(loss, rel=1e-4)


def test_resumed_is_as_if_never_cut_off(learn: Any, tmp_path: Path) -> None:
    whole = learn(seeded(Autoencoder, **SMALL), settings=NOISY, folder="whole")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        learn(seeded(Stops, 6, "interrupt"), settings=NOISY, folder="cut")  # in the second of three epochs
    assert signal.getsignal(signal.SIGINT) is handler
    mark = tmp_path / "cut" / "training.json"
    about = json.loads(mark.read_text())
    assert not about["finished"]
    about["of"] |= {"net": "Autoencoder", "net_settings": json.loads(json.dumps(SMALL | {"residual": "l2"}))}
    mark.write_text(json.dumps(about))  # the same net, but for being cut off
    torch.manual_seed(5)
    resumed = learn(Autoencoder(**SMALL), settings=NOISY, folder="cut")
    timed = ("seconds", "net")
    assert [{k: v for k, v in row.items() if k not in timed} for row in resumed.history] == [
        {k: v for k, v in row.items() if k not in timed} for row in whole.history
    ]
    for name, value in whole.net.state_dict().items():
        assert torch.equal(resumed.net.state_dict()[name], value), name


def test_what_is_finished_is_not_trained_again(learn: Any) -> None:
    first = learn(seeded(Autoencoder, **SMALL))
    written = first.checkpoint.stat().st_mtime_ns
    torch.manual_seed(9)
    again = learn(Autoencoder(**SMALL))
    assert again.history == first.history
    assert again.checkpoint.stat().st_mtime_ns == written
    for name, value in first.net.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], value)


@pytest.mark.parametrize("change", [{"settings": {"loss": "l1"}}, {"max_epochs": 1}, {"seed": 1}])
def test_other_settings_start_anew(change: dict[str, Any], learn: Any) -> None:
    learn(seeded(Autoencoder, **SMALL), max_epochs=2)
    learned = learn(seeded(Autoencoder, **SMALL), **{"max_epochs": 2, **change})
    assert any("other settings has been replaced" in note for note in learned.notes)
    assert len(learned.history) == change.get("max_epochs", 2)


def test_pictures_and_accelerator_are_no_other_training(learn: Any) -> None:
    first = learn(seeded(Autoencoder, **SMALL))
    again = learn(seeded(Autoencoder, **SMALL), pictures_every=1, accelerator="auto", deterministic=False)
    assert again.history == first.history
    assert again.notes == first.notes


def test_it_stops_when_validation_no_longer_improves(learn: Any) -> None:
    learned = learn(seeded(Autoencoder, **SMALL), settings={"lr": 1e-12}, max_epochs=30, patience=2)
    assert len(learned.history) < 30
    assert learned.figures["epochs"] == len(learned.history)


@pytest.mark.parametrize(("at", "kept"), [(1, False), (5, True)])
def test_nan_names_its_step_and_keeps_the_best(at: int, kept: bool, learn: Any, tmp_path: Path) -> None:
    # Three batches an epoch: the fifth is the second of epoch 1, after four steps.
    where = f"epoch {(at - 1) // 3}, step {at - 1}"
    with pytest.raises(TachaError, match=f"the train loss is nan at {where}: lower model.lr=0.001") as caught:
        learn(seeded(Stops, at, "nan"))
    assert "\n" not in str(caught.value)
    best = tmp_path / "net" / "checkpoints" / "best.ckpt"
    assert best.is_file() is kept
    if kept:
        assert str(best) in str(caught.value)
        state = torch.load(best, weights_only=True)["state_dict"]
        assert all(torch.isfinite(v).all() for v in state.values())


def test_a_full_disk_is_one_line(learn: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # room for the tables, not for a checkpoint
    try:
        with pytest.raises(TachaError, match=r"could not be written .*free some space and run the same") as caught:
            learn(seeded(Autoencoder, **SMALL))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert len(learn(seeded(Autoencoder, **SMALL)).history) == 3


def test_a_damaged_checkpoint_is_named(learn: Any, tmp_path: Path) -> None:
    learned = learn(seeded(Autoencoder, **SMALL))
    learned.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(TachaError, match=r"best\.ckpt: a damaged checkpoint .*delete"):
        learn(seeded(Autoencoder, **SMALL))


def test_unreadable_images_do_not_end_an_epoch_early(learn: Any, broken: Sample) -> None:
    learned = learn(seeded(Autoencoder, **SMALL), extra=(broken,))
    assert [("val_loss" in row, row["step"]) for row in learned.history] == [(True, 3), (True, 6), (True, 9)]


def test_teachers_are_shared_where_a_folder_is_named(learn: Any, tmp_path: Path) -> None:
    shared = {"teacher_weights": "none", "teacher_epochs": 1, "teacher_folder": str(tmp_path / "shared")}
    first = learn(seeded(CNN, 3), "distil", shared, labels="category", folder="a", max_epochs=1)
    checkpoint = tmp_path / "shared" / "checkpoints" / "best.ckpt"
    written = checkpoint.stat().st_mtime_ns
    second = learn(seeded(CNN, 3), "distil", {**shared, "alpha": 0.9}, labels="category", folder="b", max_epochs=1)
    assert checkpoint.stat().st_mtime_ns == written
    assert first.figures["teacher_val_accuracy"] == second.figures["teacher_val_accuracy"]
    assert "teacher resnet18: trained from scratch: no pretrained weights" in second.notes
    assert any(note.startswith("teacher's validation accuracy: ") for note in second.notes)
    state = torch.load(second.checkpoint, weights_only=True)["state_dict"]
    assert not any(name.startswith("teacher.") for name in state)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_epochs": 0}, "trainer.max_epochs=0: give a whole number of at least 1"),
        ({"patience": None}, "trainer.patience=None"),
        ({"gradient_clip": -1}, "trainer.gradient_clip=-1"),
        ({"precision": "8-bit"}, "trainer.precision=8-bit"),
        ({"accelerator": "abacus"}, "trainer.accelerator=abacus"),
        ({"deterministic": "perhaps"}, "trainer.deterministic='perhaps'"),
    ],
)
def test_trainer_settings_that_cannot_be(changes: dict[str, Any], words: str, learn: Any) -> None:
    with pytest.raises(TachaError, match=words):
        learn(seeded(Autoencoder, **SMALL), **changes)


def test_a_classifier_and_its_data_must_agree(learn: Any) -> None:
    with pytest.raises(TachaError, match=r"model.classes=4: the data has 3 \(blue, green, red\)"):
        learn(CNN(4), "classify", labels="category")
    with pytest.raises(TachaError, match="labels must be category or defect"):
        learn(CNN(3), "classify", labels="none")


def test_nothing_to_train(learn: Any) -> None:
    net = Autoencoder(**SMALL).requires_grad_(False)
    with pytest.raises(TachaError, match="nothing to train"):
        learn(net)


def test_the_process_is_left_as_it_was(learn: Any) -> None:
    learn(seeded(Autoencoder, **SMALL), deterministic=True, max_epochs=1)
    assert not torch.are_deterministic_algorithms_enabled()


def test_best_row_is_the_first_of_equals() -> None:
    rows = [{"epoch": i, "val_loss": v} for i, v in enumerate((3.0, 1.0, 1.0, 2.0))]
    assert best_row(rows)["epoch"] == 1
