"""The words of reports and pages in each language: one catalogue, `locale/LANGUAGE.po`, keyed by the English."""

from __future__ import annotations

import functools
import gettext
import io
from importlib.resources import files

from tacha.errors import TachaError

SOURCE = "en"  # what the code and the templates say
LANGUAGES = (SOURCE, "es")


@functools.cache
def words(language: str) -> gettext.NullTranslations:
    """What turns English into a language: its `gettext` and `ngettext`, as Jinja's i18n extension takes it.

    Raises TachaError where there is no such language. A message the catalogue lacks stays English.
    """
    if language not in LANGUAGES:
        raise TachaError(f"report.language={language!r}: there are {', '.join(LANGUAGES)}")
    if language == SOURCE:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    text = files("tacha.locale").joinpath(f"{language}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _(message: str) -> str:
    """Marks a message in code for the catalogue; it is turned into a language where it is shown."""
    return message
