"""The catalogue: no message without a Spanish one, none left over, placeholders alike."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from babel.util import pathmatch

from tacha.errors import TachaError
from tacha.report.environment import environment
from tacha.words import LANGUAGES, SOURCE, words

ROOT = Path(__file__).parents[1]
PLACEHOLDER = re.compile(r"%\([a-z_0-9]+\)[a-z]|\{[a-z_0-9.:]*\}|</?[a-z]+")


def _said() -> set[str | tuple[str, ...]]:
    """Every message that code and templates mark."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found: set[str | tuple[str, ...]] = set()
    for path in sorted((ROOT / "src").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        for pattern, method in methods:
            if path.is_file() and pathmatch(pattern, name):
                found |= {m[1] for m in extract_from_file(method, path, options=options.get(pattern, {}))}
    return found


def _catalogue(language: str) -> dict[str | tuple[str, ...], str | tuple[str, ...]]:
    path = ROOT / "src/tacha/locale" / f"{language}.po"
    return {m.id: m.string for m in read_po(io.BytesIO(path.read_bytes()), locale=language) if m.id and not m.fuzzy}


def _forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("language", [c for c in LANGUAGES if c != SOURCE])
def test_every_message_has_its_words_and_no_word_is_left_over(language: str) -> None:
    said, known = _said(), _catalogue(language)
    assert sorted(map(str, said - {k for k, v in known.items() if all(_forms(v))})) == [], "without a translation"
    assert sorted(map(str, set(known) - said)) == [], "said nowhere"


@pytest.mark.parametrize("language", [c for c in LANGUAGES if c != SOURCE])
def test_a_message_is_written_once(language: str) -> None:
    text = (ROOT / "src/tacha/locale" / f"{language}.po").read_text(encoding="utf-8")
    entries = [entry.split("\nmsgstr")[0] for entry in re.split(r"\n(?=msgid )", text)]
    assert sorted(e for e in set(entries) if entries.count(e) > 1) == []


@pytest.mark.parametrize("language", [c for c in LANGUAGES if c != SOURCE])
def test_placeholders_and_tags_are_those_of_the_source(language: str) -> None:
    for source, told in _catalogue(language).items():
        for form in _forms(told):
            assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(_forms(source)[-1])), source


def test_the_catalogue_is_what_speaks() -> None:
    for source, told in _catalogue("es").items():
        if isinstance(source, str):
            assert words("es").gettext(source) == told
            assert words("en").gettext(source) == source


def test_templates_ask_for_their_messages_as_the_catalogue_has_them() -> None:
    """A per cent sign is where the two could differ, and a message would stay English without a sign of it."""
    folder = ROOT / "src/tacha/report"
    asked = 0
    for path in sorted(folder.glob("*.j2")):
        code = str(environment().compile(path.read_text(encoding="utf-8"), raw=True))
        options = {"trimmed": "true"}
        for message in extract_from_file("jinja2", path, options=options):
            for form in _forms(message[1]):
                assert repr(form)[1:-1] in code, f"{path.name}: {form}"
                asked += 1
    assert asked


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(TachaError, match=r"report\.language='xx': there are en, es"):
        words("xx")
