"""The user's cache folder: what is kept there can be made again."""

from __future__ import annotations

import os
from pathlib import Path

from tacha.errors import TachaError


def cache_folder() -> Path:
    """`$TACHA_CACHE`, or the platform's place (`$XDG_CACHE_HOME`/tacha or ~/.cache/tacha on Linux); not made here.

    Raises TachaError where the user has no home folder and none is named.
    """
    from platformdirs import user_cache_path

    named = os.environ.get("TACHA_CACHE")
    folder = Path(named).expanduser() if named else user_cache_path("tacha", appauthor=False)
    if not named and not folder.is_absolute():
        raise TachaError("this user has no home folder to keep a cache in: set TACHA_CACHE to a folder")
    return folder
