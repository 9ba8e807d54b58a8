"""The command as its user meets it: a second process, its output, its exit code."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tacha.cli import main

HEAVY = ("torch", "timm", "lightning", "openvino", "onnx", "onnxruntime", "sklearn", "skimage", "scipy", "matplotlib",
         "hydra", "numpy", "PIL", "rich")  # fmt: skip


def tacha(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tacha", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "--help"], ["data", "check", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tacha.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as e: assert not e.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, tacha; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_verb_has_a_file() -> None:
    from tacha.cli import parser

    verbs = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for verb in verbs:
        assert (Path(sys.modules["tacha"].__path__[0]) / "commands" / f"{verb}.py").is_file(), verb


def test_inspect_writes_what_it_is_asked(artefact_path: Path, sample_root: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "parts"
    shutil.copytree(sample_root / "brick" / "test", folder)
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(next((folder / "good").glob("*.png")).read_bytes()[:300])
    out = [tmp_path / "v.csv", tmp_path / "v.json", tmp_path / "overlays"]
    arguments = ["--csv", out[0], "--json", out[1], "--overlays", out[2]]
    assert main(["inspect", str(artefact_path), str(folder), *map(str, arguments)]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(out[0].open()))
    report = json.loads(out[1].read_text())
    images = sorted(folder.rglob("*.png"))
    assert len(rows) == len(report["images"]) == len(images) - 2
    assert {Path(x["path"]).name for x in report["not_judged"]} == {"empty.png", "cut.png"}
    assert printed.err.count("not judged") == 2
    assert f"{len(images)} images" in printed.out.splitlines()[-1]
    assert "2 not judged" in printed.out.splitlines()[-1]
    assert [r["verdict"] for r in rows] == [r["verdict"] for r in report["images"]]
    pictures = list(out[2].iterdir())
    assert len(pictures) == len(rows)
    for picture in pictures:
        Image.open(picture).verify()
    for image in report["images"]:
        assert (image["verdict"] == "flawed") == (image["score"] > image["threshold"]) == bool(image["regions"])


def test_fail_on_flaw(artefact_path: Path, sample_root: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    from tacha import load

    test = sample_root / "brick" / "test"
    inspector = load(artefact_path)
    good = next(p for p in sorted((test / "good").glob("*.png")) if not inspector.inspect(p).flawed)
    flawed = next(p for p in sorted(test.glob("*/*.png")) if inspector.inspect(p).flawed)
    run = ["inspect", str(artefact_path), "--quiet"]
    assert main([*run, str(flawed)]) == 0
    assert main([*run, "--fail-on-flaw", str(flawed)]) == 1
    assert main([*run, "--fail-on-flaw", str(good)]) == 0
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert main([*run, "--fail-on-flaw", str(good), str(broken)]) == 1
    assert main([*run, str(broken)]) == 2
    assert "not judged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["inspect", "missing.tacha", "{image}"], "missing.tacha: no such artefact"),
        (["inspect", "{artefact}", "missing.png"], "missing.png: no such image"),
        (["inspect", "{artefact}", "{empty}"], "no images in this folder"),
        (["inspect", "{artefact}", "{image}", "--threads", "0"], "threads"),
        (["evaluate", "{artefact}", "{empty}"], "empty"),
        (["data", "check", "missing"], "missing"),
        (["train", "data=mvtec"], "data.root"),
        (["train", "data=mvtec", "data.root=missing"], "missing"),
        (["train", "data=mvtec", "data.root={empty}"], "empty"),
        (["train", "data=folder", "data.root={empty}"], "empty"),
        (["train", "scorer=memory_bnak"], "memory_bnak"),
        (["train", "scorer.sise=3"], "scorer.sise"),
        (["train", "+scorer.sise=3"], "sise"),
        (["train", "scorer="], "scorer"),
        (["train", "no_such_thing=1"], "no_such_thing"),
        (["train", "data.size=big"], "data.size"),
        (["train", "data.size=7"], "data.size"),
        (["train", "scorer=reconstruction"], "reconstruction"),
        (["train", "runtime.engine=abacus"], "abacus"),
        (["train", "runtime.precision=f8"], "f8"),
        (["train", "calibration.false_alarm_rate=2", "data.size=32", "scorer.size=50"], "false_alarm_rate"),
        (["train", "data=mvtec", "data.root={sample}", "data.categories=[brik]"], "brik"),
        (["train", "name=../x"], "plain name"),
        (["train", "trainer.accelerator=tpu"], "tpu"),
        (["train", "model.backbone=resnet81"], "resnet81"),
    ],
)
def test_a_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, artefact_path: Path, sample_root: Path, good_image: Path, tmp_path: Path,
    capfd, monkeypatch,
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(tmp_path)
    values = {"artefact": artefact_path, "image": good_image, "empty": empty, "sample": sample_root}
    assert main([a.format(**values) for a in arguments]) == 2
    error = capfd.readouterr().err.strip()
    assert error.count("\n") == 0, error
    assert error.startswith("tacha: ")
    assert says in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.tacha"))


def test_a_real_second_process(artefact_path: Path, good_image: Path, tmp_path: Path) -> None:
    done = tacha("inspect", artefact_path, good_image, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 images")
    bad = tacha("inspect", "nothing.tacha", good_image, cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.count("\n") == 1


def test_evaluate_and_check(artefact_path: Path, sample_root: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "run"
    assert (
        main(["evaluate", str(artefact_path), str(sample_root), "--out", str(out), "--oracle", "--engine", "openvino"])
        == 0
    )
    printed = capsys.readouterr().out
    assert "oracle" in printed
    rows = {r["metric"]: r["value"] for r in json.loads((out / "metrics.json").read_text())["rows"]}
    trained = json.loads((artefact_path.parent / "metrics.json").read_text())["rows"]
    assert rows["image_auroc"] == next(r["value"] for r in trained if r["metric"] == "image_auroc")
    assert (out / "report.html").is_file()
    assert main(["check", str(artefact_path), str(sample_root / "brick" / "test" / "good")]) == 0
    assert "0 changed verdicts" in capsys.readouterr().out


def test_data_sample_and_check(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    root = tmp_path / "sample"
    assert main(["data", "sample", str(root)]) == 0
    assert main(["data", "check", str(root), "--json", str(tmp_path / "found.json")]) == 0
    victim = next((root / "brick" / "test" / "good").glob("*.png"))
    shutil.copy(victim, root / "brick" / "train" / "good" / "copy.png")
    assert main(["data", "check", str(root)]) == 1
    assert "copy.png" in capsys.readouterr().out


def test_list(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "memory_bank" in out
    assert "openvino" in out
    assert "presets:   accuracy, balanced, foundation, speed\n" in out


def test_overlay_names_do_not_collide() -> None:
    from tacha.commands.inspect import overlay_name

    paths = [Path("a/good/000.png"), Path("a/crack/000.png"), Path("b/crack/000.png"), Path("b/crack/001.png")]
    names = [overlay_name(p, paths) for p in paths]
    assert len(set(names)) == 4
    assert names[3] == "001.png"


def test_an_interrupted_process_leaves_no_half_artefact(sample_root: Path, tmp_path: Path) -> None:
    import signal
    import time

    process = subprocess.Popen(
        [sys.executable, "-m", "tacha", "train", "data=mvtec", f"data.root={sample_root}", "data.size=64",
         f"hydra.run.dir={tmp_path / 'run'}"],
        stderr=subprocess.PIPE, text=True, env={**os.environ}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "run").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    for _ in range(3):  # one that lands in a destructor is lost: Python can only say so
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
            break
    _, error = process.communicate(timeout=20)
    # Python ends itself by the signal where C code that was running Python met it: a shell calls both 130.
    assert process.returncode in (130, -signal.SIGINT), error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.part"))
