"""How every page is made: its template, in a language, nothing undefined and everything escaped."""

from __future__ import annotations

from typing import Any

from tacha.words import words


def render(template: str, language: str = "en", **values: Any) -> str:
    """A template of this folder with its values. Raises TachaError for an unknown language."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tacha", "report"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(words(language), newstyle=True)  # type: ignore[attr-defined]
    return environment.get_template(template).render(language=language, **values)
