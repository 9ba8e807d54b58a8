"""Where a training's curves, pictures and settings are sent besides its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from tacha.errors import TachaError

LOGGERS: dict[str, tuple[str, ...]] = {  # name -> the settings it takes
    "csv": (),
    "tensorboard": (),
    "wandb": ("offline", "project", "name", "group", "tags"),
}


def make_loggers(settings: Mapping[str, Mapping[str, Any]], folder: Path, config: Mapping[str, Any]) -> list[Logger]:
    """The loggers that `settings` names (name -> its settings), writing under folder/logs, each given the config.

    Close them with `finish`. Raises TachaError for an unknown one, a package that is missing, and W&B online
    without a key.
    """
    made: list[Logger] = []
    for name, options in settings.items():
        if name not in LOGGERS:
            raise TachaError(f"logger={name}: there are {', '.join(LOGGERS)}")
        if unknown := [option for option in options or {} if option not in LOGGERS[name]]:
            raise TachaError(f"logger.{name} has no setting {', '.join(map(repr, unknown))}")
        try:
            logger = _make(name, dict(options or {}), folder / "logs")
            logger.log_hyperparams(dict(config))
        except ModuleNotFoundError as error:
            raise TachaError(f'logger={name} needs a package that is not here: pip install "tacha[{name}]"') from error
        except OSError as error:
            raise TachaError(
                f"{folder / 'logs'}: cannot be written ({error.strerror or error}); free some space or choose another "
                "folder"
            ) from error
        made.append(logger)
    return made


def send_picture(loggers: Sequence[Logger], name: str, path: Path, step: int = 0) -> None:
    """Give a PNG to every logger that takes pictures; the others' readers find it at `path`."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, [str(path)], step=step)
        elif isinstance(logger, TensorBoardLogger):
            import numpy as np
            from PIL import Image

            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            logger.experiment.add_image(name, pixels, step, dataformats="HWC")


def finish(loggers: Sequence[Logger]) -> None:
    """Write out what is pending, and let the next training of this process have a W&B run of its own."""
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _make(name: str, options: dict[str, Any], folder: Path) -> Logger:
    if name == "wandb":
        return _wandb(folder, **options)
    if name == "csv":
        return CSVLogger(folder, name="csv", flush_logs_every_n_steps=1)
    return TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)


def _wandb(
    folder: Path,
    offline: bool = True,
    project: str = "tacha",
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
) -> Logger:
    if find_spec("wandb") is None:
        raise ModuleNotFoundError("wandb")
    import wandb

    if not offline and wandb.api.api_key is None:
        raise TachaError("logger.wandb.offline=false needs a key: set WANDB_API_KEY, or leave it offline")
    wandb.setup(wandb.Settings(silent=True))  # it prints warnings before it reads a run's own settings
    folder.mkdir(parents=True, exist_ok=True)  # wandb would fall back on a temporary folder
    return WandbLogger(
        save_dir=folder,
        project=project,
        name=name,
        group=group,
        tags=list(tags),
        # Lightning's own `offline` would set an environment variable for the whole process.
        mode="offline" if offline else "online",
        settings=wandb.Settings(silent=True, console="off"),
    )
