"""One net trained: data in; the best weights, their history and checkpoint out. Cut off, it goes on where it was."""

from __future__ import annotations

import contextlib
import inspect
import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger

from tacha.errors import TachaError
from tacha.features.base import FeatureNet
from tacha.training import LEARNERS
from tacha.training.base import Learner, NotFiniteError
from tacha.training.data import LearningData
from tacha.training.folder import TrainingFolder
from tacha.training.history import History, Row, best_row
from tacha.training.pictures import Pictures, validation_pictures
from tacha.training.profile import StepProfile

Settings = Mapping[str, Any]

TEACHER = "teacher"  # folder of a teacher's own training, and what its figures' names begin with
SHAPE_WEIGHTS = ("patience", "precision", "gradient_clip")  # those of the trainer's settings that do


@dataclass(frozen=True)
class Learned:
    """A trained net in eval mode, frozen, with the weights of its best epoch.

    `history`: a row an epoch; `figures`: epochs, seconds, best_epoch and the best epoch's losses and metrics
    (val_loss, val_accuracy, teacher_val_accuracy, ...); `notes`: remarks for the report.
    """

    net: FeatureNet
    history: list[Row]
    checkpoint: Path
    figures: dict[str, float]
    notes: tuple[str, ...]


def train_net(
    net: FeatureNet,
    learner: str,
    settings: Settings,
    data: LearningData,
    trainer: Settings,
    loggers: Sequence[Logger],
    folder: Path,
    seed: int,
) -> Learned:
    """Train `net` in place by the learner of that name and leave checkpoints/, history.csv and figures/ in `folder`.

    `trainer` is conf/trainer's table. The same call again goes on from the last epoch's checkpoint, or returns at
    once what has been trained. What was trained there with other settings is replaced. Seed before building the net:
    its initial weights are the caller's. Raises TachaError for settings that do not fit, a loss that is not finite
    (the best checkpoint is kept), a full disk, a damaged checkpoint, too little GPU memory.
    """
    check_trainer(trainer)
    with _plain_errors(folder), process_kept():
        lightning.seed_everything(seed, verbose=False)
        module = LEARNERS.build(learner, net=net, **settings)
        _check_classes(module, data)
        return _learned(module, data, trainer, loggers, folder, seed)


def _learned(
    module: Learner, data: LearningData, trainer: Settings, loggers: Sequence[Logger], path: Path, seed: int
) -> Learned:
    notes, figures = module.notes(), {}
    first = module.teacher_learner()
    if first is not None:
        place = Path(module.teacher_folder).expanduser() if module.teacher_folder else path / TEACHER
        taught = _learned(first, data, trainer, (), place, seed)
        figures = {f"{TEACHER}_{name}": value for name, value in taught.figures.items()}
        notes += [f"{TEACHER}: {note}" for note in taught.notes]
        if "val_accuracy" in taught.figures:
            notes.append(f"{TEACHER}'s validation accuracy: {taught.figures['val_accuracy']:.3f}")
    folder = TrainingFolder(path, _identity(module, data, trainer, seed))
    if folder.replaced:
        notes.append(f"{path}: what was trained there with other settings has been replaced")
    if not folder.finished:
        notes += _fit(module, data, trainer, loggers, folder, seed)
        folder.finish()
    elif trainer["profile"]:
        notes.append(f"{path}: was trained before, so trainer.profile={trainer['profile']} had no step to profile")
    module.to(memory_format=torch.contiguous_format)  # as one read back from its folder
    folder.load_best(module.net)
    history = folder.history()
    best = best_row(history)
    figures |= {name: value for name, value in best.items() if name not in ("net", "epoch", "step", "lr", "seconds")}
    figures |= {"epochs": len(history), "best_epoch": best["epoch"], "seconds": sum(r["seconds"] for r in history)}
    if not (folder.figures / "tsne.png").is_file():
        validation_pictures(module.net, data, folder.figures, loggers, history[-1]["step"])
    return Learned(module.net, history, folder.best, figures, tuple(notes))


def _fit(
    module: Learner,
    data: LearningData,
    settings: Settings,
    loggers: Sequence[Logger],
    folder: TrainingFolder,
    seed: int,
) -> list[str]:
    """Train, and return notes."""
    epochs = module.epochs or settings["max_epochs"]
    bar = sys.stderr.isatty()
    watched: dict[str, Any] = {"monitor": "val_loss", "mode": "min"}
    saved: dict[str, Any] = {"dirpath": folder.checkpoints, "enable_version_counter": False}
    profile = StepProfile(folder.path / "operators.csv", settings["profile"]) if settings["profile"] else None
    callbacks: list[Callback] = [
        _EpochSeed(seed),
        History(folder.history_file, folder.path.name),
        Pictures(data, folder.figures / "epochs", settings["pictures_every"]),
        EarlyStopping(patience=settings["patience"], **watched),
        # Two of them, for Lightning's save_last leaves out the epochs that are not the best. Best comes first, so
        # that what goes on from the last knows of it.
        ModelCheckpoint(filename="best", **watched, **saved),
        ModelCheckpoint(filename="last", **saved),
        *([profile] if profile else []),
        *([RichProgressBar(console_kwargs={"stderr": True})] if bar else []),
    ]
    try:
        trainer = lightning.Trainer(
            accelerator=settings["accelerator"],
            devices=1,
            precision=_precision(settings),
            max_epochs=epochs,
            gradient_clip_val=settings["gradient_clip"],
            deterministic=settings["deterministic"],
            logger=list(loggers),
            callbacks=callbacks,
            default_root_dir=folder.path,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_model_summary=False,
            enable_progress_bar=bar,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise TachaError(
            f"trainer.accelerator={settings['accelerator']}, trainer.precision={settings['precision']}: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    last = folder.check_last()
    module.train()
    module.to(memory_format=torch.channels_last)  # convolutions take about two thirds of the time, on a CPU too
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    except NotFiniteError as error:
        kept = f"; the best weights so far are in {folder.best}" if folder.best.is_file() else ""
        raise TachaError(f"{error}{kept}") from error
    if profile is None:
        return []
    where = f": {profile.path.name}" if profile.profiled else ", for none was left"
    return [f"{folder.path.name}: {profile.profiled} training steps under torch.profiler{where}"]


class _EpochSeed(Callback):
    """Noise, masks, dropout and samples depend on the seed and the epoch alone, whether resumed or not."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            torch.manual_seed(self.seed * 100_003 + trainer.current_epoch)


def check_trainer(trainer: Settings) -> None:
    """Raise TachaError naming the setting of conf/trainer that cannot be."""
    for name, least in (("max_epochs", 1), ("patience", 1), ("pictures_every", 0), ("profile", 0)):
        value = trainer[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise TachaError(f"trainer.{name}={value!r}: give a whole number of at least {least}")
    clip = trainer["gradient_clip"]
    if clip is not None and (not isinstance(clip, int | float) or clip <= 0):
        raise TachaError(f"trainer.gradient_clip={clip!r}: give a number above 0, or null")
    if trainer["deterministic"] not in (True, False, "warn"):
        raise TachaError(f"trainer.deterministic={trainer['deterministic']!r}: choose one of warn, true, false")


def _check_classes(module: Learner, data: LearningData) -> None:
    if not module.needs_labels:
        return
    if data.labels == "none":
        raise TachaError(f"{type(module).__name__} learns classes: labels must be category or defect, not none")
    known = getattr(module.net, "classes", len(data.classes))
    if known != len(data.classes):
        raise TachaError(
            f"model.classes={known}: the data has {len(data.classes)} ({', '.join(data.classes)}); set it to that"
        )


def _precision(settings: Settings) -> Any:
    if settings["precision"] != "auto":
        return settings["precision"]
    on_cuda = settings["accelerator"] in ("auto", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


def _identity(module: Learner, data: LearningData, trainer: Settings, seed: int) -> dict[str, Any]:
    """What makes a training what it is: all that its weights depend on."""
    names = inspect.signature(type(module.net)).parameters  # a net keeps its constructor's arguments as attributes
    return {
        "net": type(module.net).__name__,
        "net_settings": {name: getattr(module.net, name, None) for name in names},
        "learner": type(module).__name__,
        "learner_settings": dict(module.hparams),
        "trainer": {name: trainer[name] for name in SHAPE_WEIGHTS},
        "epochs": module.epochs or trainer["max_epochs"],
        "classes": data.classes,
        "data": data.digest(),
        "seed": seed,
    }


@contextlib.contextmanager
def process_kept() -> Iterator[None]:
    """Lightning's chatter is left out, and what it sets for the whole process is put back."""
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    # Else deterministic kernels have every new tensor filled before it is written, which changes no result.
    memory.fill_uninitialized_memory = False
    interrupt = signal.getsignal(signal.SIGINT)
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    except SystemExit as error:  # Lightning's answer to Ctrl-C
        signal.signal(signal.SIGINT, interrupt)
        raise (KeyboardInterrupt if isinstance(error.__context__, KeyboardInterrupt) else error) from None
    finally:
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        memory.fill_uninitialized_memory = filled
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TachaError(
            f"{folder}: could not be written ({error.strerror or error}); free some space and run the same command "
            "again with hydra.run.dir set to this run's folder: the training goes on from its last checkpoint"
        ) from error
    except torch.OutOfMemoryError as error:
        raise TachaError(f"{folder.name}: not enough GPU memory; lower data.batch_size or data.size") from error
