"""Names for files."""

from __future__ import annotations

import re


def plain(name: str) -> str:
    """A name of any characters as part of a file's name, at most 60 long; two names may become one."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
