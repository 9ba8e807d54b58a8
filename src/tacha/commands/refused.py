"""What of several artefacts could not be done, at the end, when all that could has been shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def refused(failed: Sequence[str]) -> int:
    """A line each on standard error, and the exit code: 2 where there is one, else 0."""
    for line in failed:
        print(f"tacha: {' '.join(line.split())}", file=sys.stderr)
    return 2 if failed else 0
