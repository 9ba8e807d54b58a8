from __future__ import annotations

import numpy as np
import pytest

from tacha.data.flaws import FLAWS, NOTICEABLE, add_flaw


def surface(colour: bool, busy: float = 8) -> np.ndarray:
    shape = (128, 128, 3) if colour else (128, 128)
    return np.clip(np.random.default_rng(0).normal(120, busy, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "rgb"])
@pytest.mark.parametrize("kind", FLAWS)
def test_the_mask_is_what_changed(kind: str, colour: bool) -> None:
    image = surface(colour)
    source = 255 - surface(colour, 60)
    for seed in range(5):
        flawed, mask = add_flaw(kind, image, np.random.default_rng(seed), source)
        again, _ = add_flaw(kind, image, np.random.default_rng(seed), source)
        np.testing.assert_array_equal(flawed, again)
        change = np.abs(flawed.astype(int) - image)
        change = change.max(axis=-1) if colour else change
        assert flawed.shape == image.shape
        assert mask.shape == (128, 128)
        assert 0.0005 < mask.mean() < 0.35
        assert (change[mask] > NOTICEABLE).mean() > 0.7
        assert (change[~mask] > NOTICEABLE).mean() < 0.01
    assert (image == surface(colour)).all()


def test_a_patch_needs_no_other_picture() -> None:
    _, mask = add_flaw("patch", surface(False, 40), np.random.default_rng(0))
    assert mask.any()


def test_what_cannot_be_seen_is_refused() -> None:
    flat = np.full((64, 64), 100, np.uint8)
    with pytest.raises(ValueError, match="no visible patch"):
        add_flaw("patch", flat, np.random.default_rng(0), flat)
