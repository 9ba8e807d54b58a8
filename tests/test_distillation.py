"""Students of a small detector: what they keep of it, where they run, and what has no student."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tacha import load
from tacha.distillation import Distilled, Teaching, distil
from tacha.material import material, probe, settings_in
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines import ENGINES

SMALL = Teaching(width=24, draws=2, epochs=6)
FLOOR = 0.75  # AUROC of drawn flaws; chance is .5, and the teacher has more


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def distilled(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    path = small_run / "brick.tacha"
    made = material(path, settings_in(small_run), small_run)
    return distil(path, made, SMALL, tmp_path_factory.mktemp("student"), test=True)


def test_a_student_finds_what_its_teacher_finds(distilled: Distilled, small_run: Path) -> None:
    teacher, student = distilled.auroc
    assert teacher >= student - 0.1
    assert student >= FLOOR
    assert distilled.score_correlation > 0.5
    assert distilled.map_correlation > 0.2
    assert 0 <= distilled.changed_verdicts <= distilled.images
    low, high = distilled.latency[1:]
    assert 0 < low <= distilled.latency[0] <= high
    said = json.loads(distilled.path.with_suffix(".json").read_text())
    assert said["auroc"] == list(distilled.auroc)
    assert {row["metric"] for row in said["test"]["student"]} >= {"image_auroc", "pixel_auroc"}
    card = artefacts.read(distilled.path).card
    assert card["variant"]["kind"] == "student"
    assert card["variant"]["distilled_from"] == said["teacher"]
    assert card["net"]["name"] == "student"
    assert all(p["changed_verdicts"] == 0 for p in card["parity"])
    assert (
        card["scorer"]["settings"]["share"]
        == artefacts.read(small_run / "brick.tacha").card["scorer"]["settings"]["share"]
    )


def test_engines_say_the_same_of_a_student(distilled: Distilled, small_run: Path) -> None:
    path = small_run / "brick.tacha"
    images = probe(material(path, settings_in(small_run), small_run).data, 64).images
    found = {name: load(distilled.path, engine=name) for name in ENGINES.names()}
    scores = {name: np.array([float(i.engine(x[None])[0][0]) for x in images]) for name, i in found.items()}
    limit = found["torch"].threshold
    for name in scores:
        np.testing.assert_allclose(scores[name], scores["torch"], rtol=1e-3, atol=1e-3, err_msg=name)
        np.testing.assert_array_equal(scores[name] > limit, scores["torch"] > limit)


def test_the_same_seed_makes_the_same_student(small_run: Path, tmp_path: Path) -> None:
    path = small_run / "brick.tacha"
    made = material(path, settings_in(small_run), small_run)
    few = Teaching(width=8, draws=1, epochs=2)
    first, again, other = (
        artefacts.read(distil(path, made, teaching, tmp_path / str(i)).path).tensors()
        for i, teaching in enumerate((few, few, Teaching(width=8, draws=1, epochs=2, seed=1)))
    )
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    assert any(not np.array_equal(values, other[name]) for name, values in first.items())
