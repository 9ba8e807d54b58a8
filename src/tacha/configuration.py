"""Hydra at work: overrides in, a plain settings table out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tacha.config_dir import check_complete, searched
from tacha.errors import TachaError


def compose(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> dict[str, Any]:
    """The settings that a list of overrides gives, without running anything; configs in `config_dir` win.

    Raises TachaError naming the override or the config.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    folder, packaged = _tree(config_dir)
    GlobalHydra.instance().clear()
    try:
        with searched(folder), hydra.initialize_config_module("tacha.conf", version_base="1.3"):
            config = hydra.compose("config", overrides=list(overrides))
            check_complete(config, packaged, folder)
            return resolved(config)
    except Exception as error:
        reason = explained(error)
        if reason is error:  # an error must not be its own cause: whoever follows causes would never end
            raise
        raise reason from error


def options(group: str) -> list[str]:
    """Names of the packaged configs of a group, such as preset."""
    from importlib.resources import files

    found = (entry.name for entry in files("tacha.conf").joinpath(group).iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def _tree(config_dir: str | Path | None) -> tuple[Path | None, dict[str, Any]]:
    """The user's folder, and the packaged settings that what it composes to is measured against."""
    return (None, {}) if config_dir is None else (Path(config_dir), compose())


def quoted(path: str | Path) -> str:
    """A path as the value of an override, whatever characters it has."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{text}"'


def resolved(config: Any) -> dict[str, Any]:
    """An OmegaConf node as plain dicts and lists. Raises TachaError for a setting that must be given and is not."""
    from omegaconf import OmegaConf

    missing = sorted(k for k in OmegaConf.missing_keys(config) if not k.startswith("hydra"))
    if missing:
        raise TachaError(f"{missing[0]} is not set: add {missing[0]}=… to the command")
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def run_hydra(
    task: Callable[[dict[str, Any], Path], None], arguments: Sequence[str], config_dir: str | Path | None = None
) -> None:
    """`task(settings, run folder)` under hydra.main: overrides, -m sweeps, --cfg; configs in `config_dir` win.

    A job that fails does not stop the others of a sweep. Raises TachaError with one line for what Hydra would print
    as several; after a sweep, one that names the jobs that failed.
    """
    import sys

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    tree, packaged = _tree(config_dir)
    failed: list[tuple[Path, TachaError]] = []
    jobs = 0

    def job(config: DictConfig) -> None:
        nonlocal jobs
        jobs += 1
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            check_complete(config, packaged, tree)
            task(resolved(config), folder)
        except TachaError as error:  # kept from Hydra, which would print a traceback
            failed.append((folder, error))
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    # Hydra reads sys.argv and, unless told so, prints errors itself and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv, sys.argv = sys.argv, ["tacha train", *arguments]
    try:
        with searched(tree):
            hydra.main(config_path="pkg://tacha.conf", config_name="config", version_base="1.3")(job)()
    except TachaError:
        raise
    except Exception as error:
        reason = explained(error)
        if reason is error and isinstance(error, OSError) and not jobs:  # Hydra made no folder to run in
            reason = TachaError(
                f"{error.filename}: cannot be written ({error.strerror}); set hydra.run.dir, or for a sweep "
                "hydra.sweep.dir, to a folder that can"
            )
        if reason is error:
            raise
        raise reason from error
    finally:
        sys.argv = argv
    if len(failed) == 1 == jobs:
        raise failed[0][1]
    if failed:
        reasons = "; ".join(f"{folder}: {error}" for folder, error in failed)
        raise TachaError(f"{len(failed)} of {jobs} runs failed: {reasons}")


def explained(error: Exception) -> Exception:
    """One line in the user's terms for what Hydra and OmegaConf raise; anything else is a bug and stays itself."""
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, TachaError):
        return error
    cause = error.__cause__ or error.__context__
    if isinstance(cause, TachaError):
        return cause
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return error
    parsing = next((e for e in (error, cause) if isinstance(e, OverrideParseException)), None)
    if parsing is not None:
        return TachaError(
            f"{parsing.override!r} is not an override: write group=option or key=value, quoted where needed"
        )
    text = str(error).strip()
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    if "Could not override" in first and isinstance(cause, Exception) and "not in struct" in str(cause):
        first = first.removesuffix(".")
        return TachaError(f"{first}: there is no such setting; `tacha train --cfg job` prints those there are")
    if "Could not find" in first and rest:
        options = [line for line in rest if not line.startswith(("Available", "Config search", "provider", "main"))]
        listed = ", ".join(dict.fromkeys(options)) if options else ""
        return TachaError(f"{first.rstrip('.')}{': there are ' + listed if listed else ''}")
    return TachaError(" ".join([first, *rest[:1]]))
