"""A comparison of workers that hang, die and lie: what becomes of each, and that the others come to their end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from peers import worker
from peers.comparison import Plan, compare
from peers.contenders import RANDOM, Contender
from tacha.data.layouts import read_catalogue

PATIENCE = 4.0  # far more than a worker that is well takes for a step

# Fits, opens and judges at once; `does` says what goes wrong.
SCRIPT = f"""
import os, sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, {str(worker.WORKERS)!r})
import line
line.EVERY = 0.0
does, judged = "", 0

def fit(folder, out, settings, threads, seed, coreset, tacha):
    does = settings["does"]
    if does == "hang" and coreset != "tacha":
        for number in range(100):
            line.progress(number / 100)
            time.sleep(0.05)
        time.sleep(1000)
    if does == "no fit":
        raise ValueError(f"{{out}}/model: cannot be made")
    files = {{engine: out for engine in ("torch", "openvino") if does != "one export" or engine == "torch"}}
    mib = {{engine: 1.0 for engine in files}}
    notes = ["its export to openvino failed"] if does == "one export" else []
    return {{"seconds": 1.0, "peak_mib": 2.0, "files": files, "mib": mib, "notes": notes, "bank": [5, 2]}}

def open_model(file, engine, threads, settings):
    global does
    does = settings["does"]
    if does == "no opening":
        raise OSError("it is not there")
    return {{"precision": "f32"}}

def judge(path, map_file=None):
    global judged
    judged += 1
    if does == "die" and judged == 4:
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(3)
    if does == "slow to judge" and map_file:
        time.sleep(1000)
    flawed = "good" not in path
    if map_file:
        np.save(map_file, np.full((8, 8), flawed, dtype=np.float32))
    return {{"seconds": 0.001, "score": float("nan") if does == "nan" else float(flawed)}}

line.serve({{"fit": fit, "open": open_model, "judge": judge, "peak": line.peak_mib}})
"""


def _contender(does: str, coreset: str = "own", method: str = "patchcore") -> Contender:
    name = f"{does or 'good'}-{coreset}"
    engines = ("torch",) if does == "slow to judge" else ("torch", "openvino")
    return Contender(name, name, "fake", engines, {"does": does, "method": method}, coreset, why="why")


@pytest.fixture
def compared(sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(worker, "WORKERS", tmp_path)
    (tmp_path / "of_fake.py").write_text(SCRIPT)
    catalogue = read_catalogue(sample_root, "mvtec", categories=["brick"])
    train = catalogue.select(split="train", category="brick", label=0)
    test = catalogue.select(split="test", category="brick")

    def run(given_up: set[str], *contenders: Contender) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
        scratch = tmp_path / f"scratch{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        plan = Plan({"fake": Path(sys.executable)}, scratch, 2, 2, 1, PATIENCE, 2, train=3, test=6, seed=0)
        found = compare("brick", train, test, contenders, plan, given_up)
        json.dumps(found, allow_nan=False)
        return found, {(row["contender"], row["engine"]): row for row in found["rows"]}

    return run


def test_each_fails_for_itself(compared: Any) -> None:
    bad = ("no fit", "one export", "no opening", "die", "nan", "slow to judge")
    found, rows = compared(set(), _contender(""), *map(_contender, bad))
    good = rows["good-own", "torch"]
    assert "failed" not in good
    assert good["figures"]["image_auroc"][0] == 1
    assert good["round_p50_ms"] == [1, 1]
    assert "auroc_below_lead" not in good
    assert rows["good-own", "openvino"]["auroc_below_lead"] == [0, 0, 0]
    assert found["lead"] == "good-own"
    assert (found["train"], found["test"], found["timed"]) == (3, 6, 2)
    words = {
        "no fit": "ValueError: brick/no fit-own/fit0-own/model: cannot be made",
        "no opening": "being opened: OSError: it is not there",
        "die": "judging: its process ended (3): out of luck",
        "nan": ": its score is nan",
        "slow to judge": "judging: stopped after 4 s",
    }
    for does, said in words.items():
        mine = [row for (name, _), row in rows.items() if name == f"{does}-own"]
        assert mine
        assert all(said in row["failed"] for row in mine), does
    assert "failed" not in rows["one export-own", "torch"]
    assert rows["one export-own", "openvino"]["failed"] == "its export to openvino failed"
    assert "p50_ms" in rows["slow to judge-own", "torch"]
    assert "figures" not in rows["slow to judge-own", "torch"]


def test_a_fit_that_hangs_goes_on_with_another_coreset_and_is_not_tried_again(compared: Any) -> None:
    given_up: set[str] = set()
    hang = _contender("hang")
    found, rows = compared(given_up, hang)
    (fit,) = found["fits"]
    stopped = fit["stopped"]
    assert (fit["coreset"], fit["seconds"]) == ("tacha", [1.0])
    assert 0 < stopped["share"] < 1
    assert stopped["estimated_seconds"] > stopped["seconds"]
    assert "failed" not in rows["hang-own", "torch"]
    assert rows["hang-own", "torch"]["coreset"] == "tacha"
    assert given_up == {"hang-own"}
    found, _ = compared(given_up, hang)
    (fit,) = found["fits"]
    assert (fit["own"], fit["coreset"]) == ("not tried: it was stopped on an earlier category", "tacha")
    assert "stopped" not in fit


@pytest.mark.parametrize("contender", [_contender("hang", method="padim"), _contender("hang", RANDOM)])
def test_a_fit_that_hangs_and_has_no_other_coreset_fails(compared: Any, contender: Contender) -> None:
    found, rows = compared(set(), contender)
    assert found["lead"] is None
    for row in rows.values():
        assert row["failed"].startswith("its fit was stopped after 4 s at ")
        assert "p50_ms" not in row


def test_what_is_timed_only_has_no_figures(compared: Any) -> None:
    _, rows = compared(set(), _contender(""), _contender("", RANDOM))
    row = rows["good-random", "torch"]
    assert row["p50_ms"] == 1
    assert "failed" not in row
    assert not {"figures", "auroc_below_lead"} & set(row)
