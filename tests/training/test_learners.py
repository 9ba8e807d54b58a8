"""What each learner minimises, against the same sums written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tacha.data.sample import Sample
from tacha.errors import TachaError
from tacha.features.autoencoder import Autoencoder
from tacha.features.cnn import CNN
from tacha.features.unet import UNet
from tacha.features.vae import VAE
from tacha.losses import image_loss
from tacha.training import LEARNERS
from tacha.training.classify import Classify
from tacha.training.data import LearningData
from tacha.training.distil import Distil
from tacha.training.reconstruct import Reconstruct
from tacha.training.teacher import Teacher

SMALL = {"size": 32, "latent": 4, "width": 4, "depth": 2}


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 1])


def test_every_learner_is_listed_and_has_the_four_steps() -> None:
    assert LEARNERS.names() == ["classify", "distil", "reconstruct", "reconstruct_features"]
    for name in LEARNERS.names():
        learner = LEARNERS.get(name)
        for step in ("training_step", "validation_step", "test_step", "configure_optimizers"):
            assert getattr(learner, step) is not getattr(lightning.LightningModule, step)


def test_classify(batch: tuple[Tensor, Tensor]) -> None:
    images, targets = batch
    module = Classify(CNN(3), label_smoothing=0.1).eval()
    terms = module.loss(batch)
    p = module.net(images).logits.softmax(1).detach().numpy()
    wanted = 0.9 * np.eye(3)[targets] + 0.1 / 3
    assert terms["loss"].item() == pytest.approx(-(wanted * np.log(p)).sum(1).mean(), rel=1e-4)
    assert terms["accuracy"].item() == (p.argmax(1) == targets.numpy()).mean()


def test_distil(batch: tuple[Tensor, Tensor]) -> None:
    images, targets = batch
    module = Distil(CNN(3), teacher_weights="none", temperature=3.0, alpha=0.3, hint=2.0).eval()
    with torch.no_grad():
        terms = module.loss(batch)
        said, taught = module.net(images), module.teacher(images)
    t = (taught.logits / 3).softmax(1).double().numpy()
    s = (said.logits / 3).softmax(1).double().numpy()
    soft = 9 * (t * np.log(t / s)).sum(1).mean()
    hard = -np.log(said.logits.softmax(1).double().numpy()[range(4), targets]).mean()
    hint = ((said.patches - taught.patches).double().numpy() ** 2).mean()
    assert terms["soft"].item() == pytest.approx(soft, rel=1e-3, abs=1e-6)
    assert terms["hint"].item() == pytest.approx(hint, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(0.3 * soft + 0.7 * hard + 2 * hint, rel=1e-4)


def test_a_perfect_pupil_has_nothing_soft_left(batch: tuple[Tensor, Tensor]) -> None:
    module = Distil(CNN(3), teacher_weights="none").eval()
    module.teacher = module.net
    assert abs(module.loss(batch)["soft"].item()) < 1e-6


def test_the_teacher_stays_frozen_and_in_eval_mode(batch: tuple[Tensor, Tensor]) -> None:
    module = Distil(CNN(3), teacher_weights="none").train()
    before = {k: v.clone() for k, v in module.teacher.state_dict().items()}
    assert not any(part.training for part in module.teacher.modules())
    assert module.net.training
    optimizer = module.configure_optimizers()
    module.loss(batch)["loss"].backward()
    optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in module.teacher.state_dict().items())
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {id(p) for p in module.net.parameters()}


def test_the_teacher_is_a_whole_resnet18_seen_at_conv3_x(batch: tuple[Tensor, Tensor]) -> None:
    teacher = Teacher("resnet18", "none", 5).eval()
    said = teacher(batch[0])
    assert said.logits.shape == (4, 5)
    assert said.embedding.shape == (4, 512)
    x = teacher.net.maxpool(
        teacher.net.act1(teacher.net.bn1(teacher.net.conv1((batch[0] - teacher.mean) / teacher.std)))
    )
    torch.testing.assert_close(said.patches, teacher.net.layer2(teacher.net.layer1(x)))
    torch.testing.assert_close(said.logits, teacher.head(teacher.net((batch[0] - teacher.mean) / teacher.std)))


def test_a_teacher_from_a_file(tmp_path: Path) -> None:
    import timm

    source = timm.create_model("resnet18", num_classes=1000)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    teacher = Teacher("resnet18", str(tmp_path / "resnet18.pth"), 3)
    torch.testing.assert_close(teacher.net.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    torch.save(timm.create_model("resnet26").state_dict(), tmp_path / "resnet26.pth")
    torch.save({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name, words in {
        "missing.pth": r"missing\.pth: no such weights file; model.teacher_weights takes hub",
        "resnet26.pth": r"resnet26\.pth: 'layer1.0.conv1.weight' has shape .* check model.teacher$",
        "other.pth": r"other\.pth: .*conv1.weight",
        "text.pth": r"text\.pth: not a weights file",
    }.items():
        with pytest.raises(TachaError, match=words):
            Distil(CNN(3), teacher_weights=str(tmp_path / name))


@pytest.mark.parametrize("kind", ["l1", "l2", "ssim", "ssim_l1"])
def test_reconstruct_compares_with_the_clean_image(kind: str, batch: tuple[Tensor, Tensor]) -> None:
    module = Reconstruct(UNet(**SMALL), loss=kind, ssim_weight=0.5, noise=0.3, mask=0.5, mask_side=8).eval()
    clean = image_loss(kind, module.net.reconstruct(batch[0]), batch[0], 0.5)
    torch.testing.assert_close(module.loss(batch)["loss"], clean)  # validation is not spoilt
    module.net.eval()
    module.training = True
    torch.manual_seed(1)
    spoilt = module.spoilt(batch[0])
    torch.manual_seed(1)
    expected = image_loss(kind, module.net.reconstruct(spoilt), batch[0], 0.5)
    torch.testing.assert_close(module.loss(batch)["loss"], expected)


def test_masks_are_squares_and_noise_stays_an_image(batch: tuple[Tensor, Tensor]) -> None:
    images = torch.full((64, 3, 30, 30), 0.5)
    masked = Reconstruct(UNet(**SMALL), mask=0.25, mask_side=8).spoilt(images)
    assert set(masked.unique().tolist()) == {0.0, 0.5}
    for top, left in ((0, 0), (8, 16), (24, 24)):
        assert all(part.unique().numel() == 1 for part in masked[:, :, top : top + 8, left : left + 8])
    assert (masked == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
    noisy = Reconstruct(UNet(**SMALL), noise=0.1).spoilt(images)
    assert (noisy - images).std().item() == pytest.approx(0.1, rel=0.05)
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    assert torch.equal(Reconstruct(UNet(**SMALL)).spoilt(images), images)


def test_the_vae_pays_for_its_posterior(batch: tuple[Tensor, Tensor]) -> None:
    module = Reconstruct(VAE(**SMALL), kl_weight=0.01).eval()
    terms = module.loss(batch)
    made, mean, log_variance = module.net.sample(batch[0])
    kl = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(terms["kl"], kl)
    torch.testing.assert_close(terms["loss"], image_loss("l2", made, batch[0]) + 0.01 * kl)


def test_features_are_compared_with_features() -> None:
    class Halves(torch.nn.Module):
        provides = frozenset({"embedding", "residual"})

        def features(self, images: Tensor) -> Tensor:
            return 4 * images

        def decode(self, features: Tensor) -> Tensor:
            return features / 2

    module = LEARNERS.build("reconstruct_features", net=Halves())
    assert module.loss((torch.ones(2, 3, 4, 4), torch.zeros(2)))["loss"].item() == 4  # (4 - 2)²


@pytest.mark.parametrize(
    ("learner", "settings", "words"),
    [
        ("classify", {"lr": 0}, "model.lr=0: give a number above 0"),
        ("classify", {"lr": "fast"}, "model.lr='fast'"),
        ("classify", {"weight_decay": -1}, "model.weight_decay=-1"),
        ("classify", {"optimizer": "sgd"}, "model.optimizer='sgd': choose one of adam, adamw"),
        ("classify", {"schedule": "step"}, "model.schedule='step': choose one of none, cosine, plateau"),
        ("classify", {"momentum": 1}, "has no setting 'momentum'"),
        ("distil", {"temperature": 0, "teacher_weights": "none"}, "model.temperature=0"),
        ("distil", {"alpha": 1.5, "teacher_weights": "none"}, "model.alpha=1.5: give a number from 0 to 1"),
        ("distil", {"teacher": "vgg16", "teacher_weights": "none"}, "model.teacher='vgg16': timm has no such ResNet"),
        ("distil", {"teacher_epochs": 0, "teacher_weights": "none"}, "model.teacher_epochs=0"),
        ("distil", {"teacher": "resnet50", "hint": 1.0, "teacher_weights": "none"}, "has 512 channels"),
        ("reconstruct", {}, "CNN reconstructs no images: use unet"),
        ("reconstruct_features", {}, "CNN has no features to reconstruct: use featcae"),
    ],
)
def test_settings_that_cannot_be(learner: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TachaError, match=words):
        LEARNERS.build(learner, net=CNN(3), **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "mse"}, "model.loss='mse': choose one of l1, l2, ssim, ssim_l1"),
        ({"mask": 2}, "model.mask=2"),
        ({"noise": -0.1}, "model.noise=-0.1"),
        ({"mask_side": 0}, "model.mask_side=0"),
    ],
)
def test_reconstruction_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TachaError, match=words):
        Reconstruct(Autoencoder(**SMALL), **settings)


def test_an_autoencoder_learns_no_classes() -> None:
    with pytest.raises(TachaError, match="Autoencoder has no logits"):
        Classify(Autoencoder(**SMALL))


@pytest.mark.parametrize("schedule", ["none", "cosine", "plateau"])
def test_schedules_and_test_step(schedule: str, train: list[Sample], validation: list[Sample], tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = LearningData(train, validation, size=32, labels="category", batch_size=8)
    module = Classify(CNN(3), lr=1e-3, optimizer="adamw", weight_decay=0.01, schedule=schedule)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, datamodule=data)
    assert isinstance(trainer.optimizers[0], torch.optim.AdamW)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(0.0 if schedule == "cosine" else 1e-3, abs=1e-9)
    (tested,) = trainer.test(module, dataloaders=data.val_dataloader(), verbose=False)
    assert tested["test_loss"] == pytest.approx(float(trainer.validate(module, data, verbose=False)[0]["val_loss"]))
    assert set(tested) == {"test_loss", "test_accuracy"}
