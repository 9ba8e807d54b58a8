"""`python benchmarks/run.py`: tacha alone from images to page, and what keeps it from starting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import run
from peers.comparison import Plan, longest
from peers.contenders import CONTENDERS, chosen
from peers.environments import PEERS
from peers.page import BEGIN, END

SCRIPT = Path(run.__file__)


def test_tacha_alone_from_images_to_page(sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    for page in (tmp_path / "README.md", tmp_path / "docs" / "lead.md"):
        page.write_text(f"{BEGIN}\n{END}\n")
    out = tmp_path / "results"
    small = ["--train", "4", "--test", "6", "--limit", "1", "--rounds", "1", "--fits", "1", "--threads", "1"]
    small += ["--patience", "240"]
    which = ["--against", "", "--only", "tacha-speed", "--categories", "brick", "--data", str(sample_root)]
    command = [sys.executable, str(SCRIPT), *which, *small, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "1 contenders, brick; at most 0.3 h if every step took --patience 240 s" in done.stdout
    assert "in all" in done.stdout
    assert [p.name for p in out.iterdir()] == ["brick.json"]
    found = json.loads((out / "brick.json").read_text(encoding="utf-8"))
    assert (found["train"], found["test"], found["flawed"], found["timed"]) == (4, 6, 3, 1)
    (row,) = found["rows"]
    assert "failed" not in row
    assert set(row["figures"]) == {"image_auroc", "image_f1_max", "pixel_auroc", "pixel_f1_max", "aupro_30"}
    assert row["figures"]["pixel_auroc"][0] > 0.6
    assert row["p50_ms"] > 0
    assert len(row["round_p50_ms"]) == 1
    table = ["run.py", "table", "--out", str(out), "--root", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*table, "--check"])
    with pytest.raises(SystemExit, match=r"README\.md, .*lead\.md: not what .* says; run this without --check"):
        run.main()
    monkeypatch.setattr(sys, "argv", table)
    run.main()
    monkeypatch.setattr(sys, "argv", [*table, "--check"])
    run.main()
    assert "| tacha, speed | " in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_script_says_how_it_is_used() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--patience" in done.stdout


DATA = ["--data", "DATA"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no data set: add --data DIR"),
        ([*DATA, "--rounds", "0"], "--rounds 0: give 1 or more"),
        ([*DATA, "--threads", "-1"], "--threads -1: give 1 or more"),
        ([*DATA, "--test", "1"], "--test 1: give 2 or more"),
        ([*DATA, "--patience", "0"], "--patience 0.0: give 1 or more"),
        ([*DATA, "--patience", "nan"], "--patience nan: give 1 or more"),
        ([*DATA, "--categories", ","], "--categories: names none"),
        ([*DATA, "--categories", "nut"], "nut"),
        ([*DATA, "--against", "padim"], "--against padim: there is no such peer; there are anomalib, anomavision"),
        ([*DATA, "--only", "tacha-slow"], "--only tacha-slow: there is no such contender; there are tacha-balanced, "),
        (
            [*DATA, "--against", "", "--only", "anomalib-padim-lite0"],
            "--only anomalib-padim-lite0: of a peer that is not compared; name it in --against",
        ),
        (["--data", "NOWHERE"], "NOWHERE"),
        (["table"], "no results; measure them with"),
    ],
)
def test_what_keeps_it_from_starting(
    arguments: list[str],
    words: str,
    sample_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TACHA_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    against = [] if "--against" in arguments else ["--against", ""]
    brick = [] if "--categories" in arguments else ["--categories", "brick"]
    named = [str(sample_root) if a == "DATA" else a for a in arguments]
    monkeypatch.setattr(sys, "argv", ["run.py", *named, *against, *brick, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as caught:
        run.main()
    assert isinstance(caught.value.code, str)
    assert caught.value.code.startswith("error: ")
    assert words in caught.value.code
    assert "\n" not in caught.value.code
    assert not (tmp_path / "out").exists()


def test_every_contender_is_told_apart_and_of_a_known_peer() -> None:
    assert len({c.name for c in CONTENDERS}) == len({c.title for c in CONTENDERS}) == len(CONTENDERS)
    assert {c.peer for c in CONTENDERS} == {"tacha", *PEERS}
    assert all(c.why for c in CONTENDERS if c.timed_only)
    assert [c.name for c in chosen([])] == [
        *("tacha-balanced", "tacha-speed", "tacha-accuracy"),
        *("tacha-balanced-bf16", "tacha-speed-bf16"),
    ]
    assert [c.name for c in chosen(["anomalib"], ["anomalib-padim-lite0", "tacha-speed"])] == [
        "tacha-speed",
        "anomalib-padim-lite0",
    ]


def test_the_longest_that_a_category_may_take() -> None:
    plan = Plan({}, Path(), limit=1, rounds=1, threads=1, patience=10, fits=2, train=None, test=None, seed=0)
    cases = {
        "tacha-speed": 2 + 3,  # fits, and opening, rounds and judging on one engine
        "anomalib-patchcore-lite0": 1 + 1 + 6,  # its own coreset, then tacha's, two engines
        "anomalib-patchcore": 1 + 6,
        "anomavision-padim-lite0": 1 + 6,
    }
    for name, steps in cases.items():
        assert longest(chosen(PEERS, [name]), plan) == 10 * steps
    assert longest(chosen(PEERS, list(cases)), plan) == 10 * sum(cases.values())
