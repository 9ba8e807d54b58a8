"""Feedback: what is kept, what replaces what, and what a name cannot do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tacha.errors import TachaError
from tacha.feedback import JOURNAL, Feedback, feedback_folder, keep_feedback, read_feedback


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    path = tmp_path / "part.tacha"
    path.write_bytes(b"an artefact")
    return path


def _keep(artefact: Path, image: bytes = b"pixels", name: str = "a.png", label: str = "good") -> Feedback:
    return keep_feedback(artefact, image, name, label, score=1.5, verdict="flawed", threshold=1.25)


def test_bytes_under_their_digest_and_a_line(artefact: Path) -> None:
    said = _keep(artefact)
    digest = hashlib.sha256(b"pixels").hexdigest()
    folder = artefact.parent / "part.feedback"
    assert feedback_folder(artefact) == folder
    assert (folder / "good" / f"{digest}.png").read_bytes() == b"pixels"
    row = json.loads((folder / JOURNAL).read_text())
    assert row["artefact"] == hashlib.sha256(b"an artefact").hexdigest()
    assert (row["score"], row["verdict"], row["threshold"], row["name"]) == (1.5, "flawed", 1.25, "a.png")
    assert read_feedback(artefact) == [said]


def test_the_later_label_replaces_the_earlier(artefact: Path) -> None:
    _keep(artefact)
    other = _keep(artefact, b"other", "b.jpg")
    again = _keep(artefact, label="flawed")
    assert read_feedback(artefact) == [other, again]
    folder = feedback_folder(artefact)
    assert len((folder / JOURNAL).read_text().splitlines()) == 3  # appended, never rewritten
    assert [p.name for p in (folder / "good").iterdir()] == [Path(other.file).name]
    assert (folder / again.file).read_bytes() == b"pixels"


def test_the_same_bytes_under_another_suffix_are_one_file(artefact: Path) -> None:
    _keep(artefact, name="a.png")
    said = _keep(artefact, name="a.jpg")
    assert [p.name for p in (feedback_folder(artefact) / "good").iterdir()] == [Path(said.file).name]


@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/passwd", "a\nb.png", "x.tacha", "..", "", "a.png/../../b", "ñ.PNG"]
)
def test_names_stay_in_the_journal(artefact: Path, name: str) -> None:
    said = _keep(artefact, name=name)
    folder = feedback_folder(artefact)
    assert sorted(p.name for p in artefact.parent.iterdir()) == ["part.feedback", "part.tacha"]
    assert (folder / said.file).parent == folder / "good"
    assert (folder / said.file).suffix in {".png", ".img"}
    assert [x.name for x in read_feedback(artefact)] == [name]


def test_no_feedback_is_empty(artefact: Path) -> None:
    assert read_feedback(artefact) == []


def test_half_a_last_line_is_passed_over_and_then_cut(artefact: Path) -> None:
    first = _keep(artefact)
    with (feedback_folder(artefact) / JOURNAL).open("a") as stream:
        stream.write('{"time": "2026-')
    assert read_feedback(artefact) == [first]
    second = _keep(artefact, b"other")
    assert read_feedback(artefact) == [first, second]


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", "{}", '"x"', "null"],
)
def test_a_damaged_line_is_named(artefact: Path, line: str) -> None:
    _keep(artefact)
    with (feedback_folder(artefact) / JOURNAL).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(TachaError, match="line 2 is damaged; remove it"):
        read_feedback(artefact)


def test_a_journal_that_points_outside_is_damaged(artefact: Path) -> None:
    said = _keep(artefact)
    journal = feedback_folder(artefact) / JOURNAL
    journal.write_text(journal.read_text().replace(said.file, "../../secret.png"))
    with pytest.raises(TachaError, match="line 1"):
        read_feedback(artefact)


def test_another_label_is_refused_and_leaves_nothing(artefact: Path) -> None:
    with pytest.raises(TachaError, match="good, flawed"):
        _keep(artefact, label="../good")
    assert not feedback_folder(artefact).exists()


def test_an_artefact_that_went_away(artefact: Path) -> None:
    artefact.unlink()
    with pytest.raises(TachaError, match="open the artefact again"):
        _keep(artefact)
    assert not feedback_folder(artefact).exists()
