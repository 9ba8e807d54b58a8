"""Presets: a model, a scorer and their settings under one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tacha import TachaError, fit
from tacha.cli import main
from tacha.configuration import compose
from tacha.run import check_settings
from tacha.runtime.parity import TOLERANCE


def flat(settings: dict[str, object], prefix: str = "") -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in settings.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


def changed(*overrides: str) -> set[str]:
    """The settings in which a command differs from a bare one."""
    bare, given = flat(compose()), flat(compose(overrides))
    return {key for key in bare.keys() | given.keys() if bare.get(key) != given.get(key)}


def test_balanced_is_what_a_bare_command_does() -> None:
    assert compose(["preset=balanced"]) == compose()
    for model in ("unet", "vit", "cnn"):
        check_settings(compose(["preset=balanced", f"model={model}"]))


def test_a_preset_changes_what_its_file_says_and_nothing_else() -> None:
    own = {"preset.name", "preset.model", "preset.scorer"}
    assert changed("preset=speed") == own | {"scorer.views"}
    assert changed("preset=accuracy") == own | {"data.size", "model.halves", "scorer.views"}


@pytest.mark.parametrize("preset", ["speed", "accuracy", "foundation"])
def test_the_command_line_and_an_experiment_win_over_a_preset(preset: str, tmp_path: Path) -> None:
    settings = compose([f"preset={preset}", "data.size=112", "scorer.size=7"])
    check_settings(settings)
    assert (settings["data"]["size"], settings["scorer"]["size"]) == (112, 7)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "ours.yaml").write_text(
        f"# @package _global_\ndefaults:\n  - override /preset: {preset}\ndata: {{size: 96}}\n"
    )
    for more in ([], [f"preset={preset}"]):
        settings = compose(["experiment=ours", *more], tmp_path)
        assert (settings["preset"]["name"], settings["data"]["size"]) == (preset, 96)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["preset=speed", "model=unet"], "preset=speed is model=backbone under scorer=depth_banks, and model=unet"),
        (["preset=speed", "scorer=padim"], "preset=speed is model=backbone under scorer=depth_banks, and scorer=padim"),
        (["preset=accuracy", "experiment=tarea_05", "data.root=x"], "and model=autoencoder is asked for"),
        (["preset=foundation", "model=backbone"], "preset=foundation is model=foundation under .* model=backbone"),
        (["preset=fast"], "preset/fast.*accuracy, balanced, foundation, speed"),
    ],
)
def test_a_preset_beside_something_else(overrides: list[str], says: str) -> None:
    with pytest.raises(TachaError, match=says) as caught:
        check_settings(compose(overrides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("preset", ["speed", "accuracy"])
def test_a_preset_fits_and_the_engines_agree(preset: str, sample_root: Path) -> None:
    inspector = fit(sample_root / "brick", preset=preset, overrides=["data.size=128", "scorer.size=100"])
    parity = {p["engine"]: p for p in inspector.card["parity"]}
    assert set(parity) >= {"openvino", "onnxruntime"}
    assert all(p["changed_verdicts"] == 0 and p["largest_difference"] <= TOLERANCE for p in parity.values()), parity
    assert inspector.card["scorer"]["settings"]["size"] == 100


def test_fit_takes_a_preset(sample_root: Path) -> None:
    with pytest.raises(TachaError, match="preset=speed is model=backbone"):
        fit(sample_root, preset="speed", overrides=["model=unet", "pooled=true"])
    with pytest.raises(TachaError, match="preset/none"):
        fit(sample_root, preset="none")


def test_what_was_not_measured_is_said_at_run_time(sample_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TachaError, match=r"missing\.pth: no such weights file"):
        fit(sample_root, preset="foundation", overrides=["model.weights=missing.pth", "pooled=true"])
    assert "preset=foundation: its accuracy was not measured" in capsys.readouterr().err


def test_a_preset_by_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "preset=speed", "--cfg", "job"]) == 0
    assert "views: 1+0 unit:white:1@3 2" in capsys.readouterr().out
