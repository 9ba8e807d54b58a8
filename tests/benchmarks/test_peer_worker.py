"""The line to a worker, with a real second process at its other end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.worker import WORKERS, StoppedError, Worker, WorkerError, environment

SCRIPT = f"""
import os, sys, time
sys.path.insert(0, {str(WORKERS)!r})
import line
line.EVERY = 0.0

def add(a, b):
    print("a library's chatter")
    os.system("echo a child says this")
    return a + b

def fail(words):
    raise ValueError(words)

def die(code):
    print("last words", file=sys.stderr, flush=True)
    os._exit(code)

def slow(steps, seconds):
    for number in range(steps):
        line.progress(number / steps)
        time.sleep(seconds)
    return steps

def sleep(seconds):
    time.sleep(seconds)

mine = {{"add": add, "fail": fail, "die": die, "slow": slow, "sleep": sleep}}
line.serve({{**mine, "peak": line.peak_mib, "pid": os.getpid}})
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    script = tmp_path / "worker.py"
    script.write_text(SCRIPT)
    with Worker("any", Path(sys.executable), tmp_path, tmp_path / "log.txt", script) as one:
        yield one


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_answers_and_keeps_the_line_clean(worker: Worker, tmp_path: Path) -> None:
    assert worker.ask("add", 60, a=2, b=3) == 5
    assert worker.ask("add", 60, a="ñ", b="×") == "ñ×"
    assert "a library's chatter" in (tmp_path / "log.txt").read_text()
    assert "a child says this" in (tmp_path / "log.txt").read_text()
    if sys.platform == "linux":
        assert worker.ask("peak", 60) > 1


@pytest.mark.parametrize(
    ("what", "arguments", "words"),
    [
        ("fail", {"words": "no such\n  file"}, "ValueError: no such file"),
        ("fail", {"words": "x" * 9000}, "ValueError: x"),
        ("nothing", {}, "KeyError: 'nothing'"),
        ("add", {"a": 1}, "TypeError: "),
    ],
)
def test_an_error_is_one_line_and_the_worker_goes_on(
    worker: Worker, what: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.ask(what, 60, **arguments)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert worker.ask("add", 60, a=1, b=1) == 2


def test_death_is_told_with_the_last_words_every_time(worker: Worker) -> None:
    for _ in range(2):
        with pytest.raises(WorkerError, match=r"its process ended \(7\): last words"):
            worker.ask("die", 60, code=7)


def test_progress_is_not_an_answer(worker: Worker) -> None:
    assert worker.ask("slow", 60, steps=5, seconds=0.0) == 5


def test_patience_ends_the_process(worker: Worker) -> None:
    pid = worker.ask("pid", 60)
    began = time.monotonic()
    with pytest.raises(StoppedError) as caught:
        worker.ask("sleep", 0.5, seconds=100)
    assert time.monotonic() - began < 60
    assert (caught.value.share, caught.value.estimate) == (None, None)
    with pytest.raises(WorkerError, match="its process ended"):
        worker.ask("add", 60, a=1, b=1)
    assert _gone(pid)


def test_what_was_stopped_says_how_far_it_was(worker: Worker) -> None:
    worker.ask("add", 60, a=1, b=1)  # it has started
    with pytest.raises(StoppedError, match=r"stopped after 2 s at \d+") as caught:
        worker.ask("slow", 2.0, steps=1000, seconds=0.01)
    share, estimate = caught.value.share, caught.value.estimate
    assert share is not None
    assert estimate is not None
    assert 0 < share < 1
    # Not before its last report, and about as long again for what is left: the pace was even.
    assert estimate == pytest.approx(caught.value.seconds / share, rel=0.3)


def test_the_way_to_the_first_report_is_no_part_of_the_pace() -> None:
    from peers.worker import _estimate

    cases: list[tuple[list[tuple[float, float]], float | None]] = [
        ([], None),
        ([(30.0, 0.0)], None),
        ([(30.0, 0.0), (31.0, 0.0)], None),
        ([(30.0, 0.0), (40.0, 0.1)], 130.0),
        ([(30.0, 0.5), (40.0, 0.75), (50.0, 1.0)], 50.0),
    ]
    for reports, seconds in cases:
        assert _estimate(reports) == (None if seconds is None else pytest.approx(seconds))


def test_a_peer_finds_neither_the_network_nor_anothers_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    assert environment("tacha")["PYTHONPATH"] == "somewhere"
    assert "PYTHONPATH" not in environment("anomalib")
    assert environment("anomalib")["HF_HUB_OFFLINE"] == "1"


def test_closing_ends_the_process(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(SCRIPT)
    with Worker("any", Path(sys.executable), tmp_path, tmp_path / "log.txt", script) as one:
        pid = one.ask("pid", 60)
    assert _gone(pid)
