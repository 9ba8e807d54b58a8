"""Names are data: a name, where its class lives, and what settings it takes, without importing it before use."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from tacha.errors import TachaError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from a name to "module:Class", which installed packages extend by entry points of `group`.

    Only names are stored in artefacts, so reading one can build nothing but what is listed here.
    """

    def __init__(self, kind: str, group: str, table: Mapping[str, str]) -> None:
        self.kind, self.group, self._table = kind, group, dict(table)

    def table(self) -> dict[str, str]:
        """name -> "module:Class", built-ins first, then plugins, which never replace one."""
        plugins = {e.name: e.value for e in entry_points(group=self.group)}
        return self._table | {name: value for name, value in plugins.items() if name not in self._table}

    def names(self) -> list[str]:
        return sorted(self.table())

    def get(self, name: str) -> type[T]:
        """The class of that name. Unknown: TachaError with the closest one."""
        table = self.table()
        if name not in table:
            close = difflib.get_close_matches(name, table, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise TachaError(f"unknown {self.kind} {name!r}: {hint}there are {', '.join(sorted(table))}")
        module, _, attribute = table[name].partition(":")
        try:
            found: type[T] = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise TachaError(f"{self.kind} {name!r} ({table[name]}) does not import: {error}") from error
        return found

    def settings(self, name: str, **given: Any) -> dict[str, Any]:
        """Every setting of that class: those given, and the defaults of the others.

        A setting its constructor does not take: TachaError naming it and those it does.
        """
        known = inspect.signature(self.get(name)).parameters
        if unknown := sorted(set(given) - set(known)):
            raise TachaError(
                f"{self.kind} {name!r} has no setting {', '.join(map(repr, unknown))}: "
                f"it takes {', '.join(sorted(known)) or 'none'}"
            )
        defaults = {k: p.default for k, p in known.items() if p.default is not p.empty}
        return {**defaults, **given}

    def build(self, name: str, **settings: Any) -> T:
        """An instance."""
        return self.get(name)(**self.settings(name, **settings))
