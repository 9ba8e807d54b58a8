from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tacha.data.holdout import hold_out
from tacha.data.sample import Sample
from tacha.errors import TachaError


@pytest.mark.parametrize(
    ("share", "minimum", "expected"),
    [(0.1, 0, 3), (0.5, 0, 15), (0.0, 0, 1), (0.1, 8, 8), (0.1, 59, 10), (0.5, 59, 15), (0.99, 0, 29)],
)
def test_how_many(good_samples: list[Sample], share: float, minimum: int, expected: int) -> None:
    train, validation = hold_out(good_samples, share, minimum)
    assert len(validation) == expected
    assert set(train) | set(validation) == set(good_samples)
    assert not set(train) & set(validation)


def test_seeded_and_independent_of_order(good_samples: list[Sample]) -> None:
    _, first = hold_out(good_samples, 0.3, seed=1)
    _, again = hold_out(good_samples[::-1], 0.3, seed=1)
    _, other = hold_out(good_samples, 0.3, seed=2)
    assert set(first) == set(again)
    assert set(first) != set(other)


def test_stable_when_images_are_added(good_samples: list[Sample]) -> None:
    _, before = hold_out(good_samples[:28], 0.25)
    _, after = hold_out(good_samples, 0.25)
    assert len(set(before) - set(after)) <= 2


@pytest.mark.parametrize("change", [{"split": "test"}, {"defect": "scratch"}])
def test_never_test_or_flawed(good_samples: list[Sample], change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="never be held out"):
        hold_out([*good_samples, replace(good_samples[0], **change)], 0.1)


@pytest.mark.parametrize("seed", range(8))
def test_copies_stay_together(good_samples: list[Sample], seed: int) -> None:
    copies = []
    for sample in good_samples[:10]:
        path = sample.path.with_name(f"copy_{sample.path.name}")
        shutil.copy(sample.path, path)
        copies.append(replace(sample, path=path))
    train, validation = hold_out([*good_samples, *copies], 0.3, seed=seed)
    assert 1 <= len(validation) <= 12
    assert not {s.path.read_bytes() for s in train} & {s.path.read_bytes() for s in validation}


def test_too_few(good_samples: list[Sample]) -> None:
    copy = good_samples[0].path.with_name("copy.png")
    shutil.copy(good_samples[0].path, copy)
    for samples in ([], good_samples[:1], [good_samples[0], replace(good_samples[0], path=copy)]):
        with pytest.raises(TachaError, match="at least 2"):
            hold_out(samples, 0.1)
    train, validation = hold_out(good_samples[:2], 0.1)
    assert (len(train), len(validation)) == (1, 1)
