"""How every page is made: its template, in a language, nothing undefined and everything escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tacha.words import words

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, language: str = "en", **values: Any) -> str:
    """A template of this folder with its values. Raises TachaError for an unknown language."""
    return environment(language).get_template(template).render(language=language, **values)


def environment(language: str = "en") -> Environment:
    """What the templates of this folder are compiled in. Raises TachaError for an unknown language."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("tacha", "report"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["ext.i18n.trimmed"] = True
    # Jinja's newer style would look for "95 %% interval" where the catalogue, as it is extracted, has "95 % interval".
    made.install_gettext_translations(words(language))  # type: ignore[attr-defined]
    return made
