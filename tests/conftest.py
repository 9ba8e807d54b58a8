"""Shared by every test: the sample set, and one small detector fitted on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# A thread for each of pytest's processes: many small things run faster side by side than each on every core.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

# The engine is named, so that what is fitted does not depend on how busy the machine is.
SMALL = ["data.size=64", "scorer.size=300", "data.batch_size=16", "runtime.engine=openvino"]


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own cache is neither read nor written, by second processes either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TACHA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tacha.data.sample_set import write_sample_set

    return write_sample_set(tmp_path_factory.mktemp("sample") / "set")


@pytest.fixture(scope="session")
def small_run(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the default detector, made small, on one category."""
    from tacha.configuration import compose
    from tacha.run import train

    folder = tmp_path_factory.mktemp("run")
    overrides = ["data=mvtec", f"data.root={sample_root}", "data.categories=[brick]", *SMALL]
    train(compose(overrides), folder)
    return folder


@pytest.fixture(scope="session")
def other_run(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder beside `small_run`: the same images under mahalanobis, calibrated on torch."""
    from tacha.configuration import compose
    from tacha.run import train

    folder = tmp_path_factory.mktemp("other_run")
    small = ["data.size=64", "data.batch_size=16", "evaluation.pixels=false", "runtime.engine=torch"]
    train(
        compose(["data=mvtec", f"data.root={sample_root}", "data.categories=[brick]", "scorer=mahalanobis", *small]),
        folder,
    )
    return folder


@pytest.fixture(scope="session")
def artefact_path(small_run: Path) -> Path:
    return small_run / "brick.tacha"


@pytest.fixture(scope="session")
def good_image(sample_root: Path) -> Path:
    return sorted((sample_root / "brick" / "test" / "good").glob("*.png"))[0]
