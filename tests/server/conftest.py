from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Serving


@pytest.fixture(scope="session")
def service(artefact_path: Path) -> Iterator[Serving]:
    """One service for all tests that leave it as it was."""
    one = Serving(
        artefact_path, "--max-mb", "4", "--max-images", "16", "--max-megapixels", "1", "--upload-timeout", "2"
    )
    yield one
    assert one.stop() == 0


@pytest.fixture(scope="session")
def parts(sample_root: Path) -> list[Path]:
    return sorted((sample_root / "brick" / "test").rglob("*.png"))
