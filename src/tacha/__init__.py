"""Learn what good parts look like, find every flaw, know how sure you are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacha.api import fit as fit
    from tacha.errors import TachaError as TachaError
    from tacha.inspection import Inspection as Inspection
    from tacha.inspection import Region as Region
    from tacha.inspector import Inspector as Inspector
    from tacha.inspector import load as load

__version__ = "0.1.0"

_WHERE = {
    "fit": "tacha.api",
    "load": "tacha.inspector",
    "Inspector": "tacha.inspector",
    "Inspection": "tacha.inspection",
    "Region": "tacha.inspection",
    "TachaError": "tacha.errors",
}
__all__ = ["Inspection", "Inspector", "Region", "TachaError", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    # Nothing heavy is imported before it is used.
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'tacha' has no attribute {name!r}")
