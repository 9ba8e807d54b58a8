"""A user's own tree of configs, searched before the packaged one."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tacha.errors import TachaError

# Groups whose every option has the same settings; those of a model, scorer or calibration depend on its name.
UNIFORM = ("data", "runtime", "trainer", "evaluation")

_user_tree: ContextVar[Path | None] = ContextVar("user_tree", default=None)


@contextlib.contextmanager
def searched(folder: Path | None) -> Iterator[None]:
    """While the block runs Hydra takes a config from `folder`, where it has one of that name, over the packaged one.

    Raises TachaError when the folder is missing, has no configs, or has a file that is none.
    """
    if folder is not None:
        _check(folder)
        _register()
    token = _user_tree.set(None if folder is None else folder.absolute())
    try:
        yield
    finally:
        _user_tree.reset(token)


def check_complete(config: Any, packaged: Mapping[str, Any], folder: Path | None) -> None:
    """Raise TachaError when the user's configs leave out a setting that the packaged defaults show is needed.

    A file replaces the packaged one of its name whole, so an older or shorter one can lack what the code reads.
    Unresolved settings will do.
    """
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.to_container(config, resolve=False)
    for key, value in packaged.items():
        if key not in settings:
            raise TachaError(f"{key} is missing: add it to {folder}/config.yaml, or remove that file")
        if not isinstance(value, Mapping) or not isinstance(settings[key], Mapping):
            continue
        needed = value if key in UNIFORM else {"name": None} if "name" in value else {}
        for inner in needed:
            if inner not in settings[key]:
                raise TachaError(f"{key}.{inner} is missing: add it to the config in {folder}, or remove that file")


def _check(folder: Path) -> None:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    remedy = f"`tacha init {folder}` writes one to edit"
    if not folder.is_dir():
        raise TachaError(f"--config-dir {folder}: no such folder; {remedy}")
    configs = sorted(folder.rglob("*.yaml"))
    ignored = next(iter(sorted(folder.rglob("*.yml"))), None)
    if ignored is not None:
        raise TachaError(f"{ignored}: would not be read; name it {ignored.with_suffix('.yaml').name}")
    if not configs:
        raise TachaError(f"--config-dir {folder}: has no .yaml files; {remedy}")
    for path in configs:
        try:
            if not OmegaConf.is_dict(OmegaConf.load(path)):
                raise TachaError(f"{path}: holds a list; write key: value lines")
        except OSError as error:
            # OmegaConf says OSError too of a file that holds a single word.
            reason = error.strerror or "it holds no settings"
            raise TachaError(f"{path}: cannot be read ({reason}); write key: value lines") from error
        except (yaml.YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
            mark = getattr(error, "problem_mark", None)
            line = "" if mark is None else f" line {mark.line + 1}"
            reason = str(getattr(error, "problem", None) or error).splitlines()[0]
            raise TachaError(f"{path}{line}: is not a YAML config ({reason}); correct it or remove it") from error


@functools.cache
def _register() -> None:
    """Hydra's own --config-dir goes after the packaged tree, where it can add but never win."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class UserTree(SearchPathPlugin):
        def manipulate_search_path(self, search_path: Any) -> None:
            folder = _user_tree.get()
            if folder is not None:
                search_path.prepend("--config-dir", f"file://{folder}", anchor="main")

    Plugins.instance().register(UserTree)
