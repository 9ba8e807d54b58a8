"""Every command that writes, into a folder that cannot be written: one line, exit code 2, and nothing left there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tacha import TachaError, cli
from tacha.cli import main
from tacha.files import check_file, check_folder

COMMANDS = {
    "train": ["train", "data=mvtec", "data.root={set}", "hydra.run.dir={out}/run"],
    "a trained net": ["train", "model=unet", "data=mvtec", "data.root={set}", "hydra.run.dir={out}/run"],
    "a sweep": ["train", "-m", "seed=1,2", "data=mvtec", "data.root={set}", "hydra.sweep.dir={out}/sweep"],
    "demo": ["demo", "--out", "{out}/demo"],
    "compress": ["compress", "{run}", "--out", "{out}/small"],
    "inspect --csv": ["inspect", "{artefact}", "{image}", "--csv", "{out}/v.csv"],
    "inspect --json": ["inspect", "{artefact}", "{image}", "--json", "{out}/v.json"],
    "inspect --overlays": ["inspect", "{artefact}", "{image}", "--overlays", "{out}/seen"],
    "evaluate": ["evaluate", "{artefact}", "{set}", "--out", "{out}/again"],
    "bench": ["bench", "{artefact}", "--data", "{set}", "--out", "{out}/bench"],
    "compare": ["compare", "{run}", "{run}", "--out", "{out}/compare"],
    "init": ["init", "{out}/conf"],
    "data sample": ["data", "sample", "{out}/set"],
    "data check": ["data", "check", "{set}", "--json", "{out}/found.json"],
    "data check --page": ["data", "check", "{set}", "--page", "{out}/page.html"],
    "data download": ["data", "download", "mvtec_ad/screw", "--to", "{out}", "--accept-licence"],
    "--config": ["train", "--config", "{config}", "--mode", "train"],
    "--config, model": ["train", "--config", "{config}", "--mode", "train", "--output_dir", "{free}/run"],
}


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("kept")
    return folder / "file" / "below"


def nowhere(folder: Path) -> Path:
    if not Path("/proc/self").is_dir():
        pytest.skip("has no /proc")
    return Path("/proc/tacha")  # where not even root makes a folder


def read_only(folder: Path) -> Path:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    out = folder / "out"
    out.mkdir()
    out.chmod(0o500)
    return out


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long must not have begun."""

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    for name in ("run.catalogue_of", "runtime.bench._worker", "commands.inspect.load", "commands.evaluate.load",
                 "commands.compress.compress", "commands.compare.compare", "data.check.check"):  # fmt: skip
        monkeypatch.setattr(f"tacha.{name}", begun)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("place", [below_a_file, nowhere, read_only])
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_said_before_the_work(
    command: str, place: Callable[[Path], Path], artefact_path: Path, small_run: Path, sample_root: Path,
    good_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    out = place(tmp_path)
    config = tmp_path / "run.yaml"
    train = sample_root / "brick" / "train"
    config.write_text(f"paths: {{train_path: {train}, output_path: {out}/run, model_save_path: {out}/x.tacha}}\n")
    before = sorted(tmp_path.rglob("*"))
    values = {"artefact": artefact_path, "image": good_image, "set": sample_root, "run": small_run, "out": out,
              "config": config, "free": tmp_path / "free"}  # fmt: skip
    assert main([a.format(**values) for a in COMMANDS[command]]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1, error
    assert str(out) in error
    assert "cannot be written" in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_where_a_file_is_to_be(
    artefact_path: Path, good_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(artefact_path), str(good_image), "--csv", str(tmp_path)]) == 2
    assert f"{tmp_path}: is a folder; name a file in it" in capsys.readouterr().err


def test_trying_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_folder(Path("a") / "b")
    check_folder(tmp_path)
    check_file(tmp_path / "a" / "x.csv")
    check_file(Path("x.csv"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(TachaError, match="cannot be written"):
        check_folder(tmp_path / ("x" * 300))


def test_a_bug_inside_a_run_ends_it(sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that was its own cause had `main` look for a Ctrl-C among its causes for ever."""

    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("tacha.run.train", bug)
    with pytest.raises(ZeroDivisionError):
        main(["train", f"hydra.run.dir={tmp_path}/run"])
    circle = ValueError()
    circle.__cause__ = circle
    assert not cli._came_of_ctrl_c(circle)
    circle.__context__ = circle.__cause__ = KeyboardInterrupt()
    assert cli._came_of_ctrl_c(circle)


def test_a_read_only_cache_stops_nothing_but_the_sample_set(
    artefact_path: Path, good_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("TACHA_CACHE", str(below_a_file(tmp_path)))
    assert main(["inspect", str(artefact_path), str(good_image)]) == 0
    assert capsys.readouterr().err.count("\n") == 1
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    assert main(["train", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert "TACHA_CACHE" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
