"""Every image once, none half written, whatever happens in between."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tacha.cli import main
from tacha.inspector import load

FAST = ["--every", "0.05", "--settle", "0.2", "--give-up", "1", "--engine", "openvino"]


@pytest.fixture
def images(sample_root):
    return sorted((sample_root / "brick" / "test").rglob("*.png"))[:12]


@pytest.fixture
def line(tmp_path):
    folder = tmp_path / "line"
    folder.mkdir()
    return folder


def started(artefact, source, *arguments):
    command = [sys.executable, "-m", "tacha", "watch", str(artefact), str(source), *FAST, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(path):
    return list(csv.DictReader(path.open())) if path.exists() else []


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.05)


def test_what_is_there_is_judged_as_inspect_judges_it(artefact_path, images, line, tmp_path, capsys):
    for image in images:
        shutil.copy(image, line / f"{image.parent.name}_{image.name}")
    (line / "notes.txt").write_text("no image")
    (line / ".hidden.png").write_bytes(images[0].read_bytes())
    table, lines = tmp_path / "out" / "rows.csv", tmp_path / "rows.jsonl"
    command = ["watch", str(artefact_path), str(line), *FAST, "--once", "--csv", str(table), "--jsonl", str(lines)]
    assert main([*command, "--overlays", str(tmp_path / "flawed"), "--fail-on-flaw"]) == 1
    assert "12 images: " in capsys.readouterr().out
    found = {row["name"]: row for row in rows(table)}
    assert len(found) == len(rows(table)) == 12
    inspector = load(artefact_path, "openvino")
    for name, row in found.items():
        wanted = inspector.inspect(line / name)
        assert row["verdict"] == wanted.verdict
        assert float(row["score"]) == pytest.approx(wanted.score, rel=1e-6)
        assert int(row["regions"]) == len(wanted.regions)
    assert [json.loads(text)["name"] for text in lines.read_text().splitlines()] == [r["name"] for r in rows(table)]
    flawed = [name for name, row in found.items() if row["verdict"] == "flawed"]
    assert sorted(p.name for p in (tmp_path / "flawed").iterdir()) == sorted(f"{name}.png" for name in flawed)
    # Again: nothing is new, nothing is written.
    before = table.read_bytes()
    assert main(command) == 0
    assert "0 images" in capsys.readouterr().out
    assert table.read_bytes() == before
    # One that was written over is another image.
    shutil.copy(images[0], line / sorted(found)[5])
    os.utime(line / sorted(found)[5], (1, 1))
    assert main(command) == 0
    assert len(rows(table)) == 13


def test_a_kill_leaves_one_row_an_image(artefact_path, images, line, tmp_path):
    table = tmp_path / "rows.csv"
    for turn in range(3):
        for i, image in enumerate(images):
            shutil.copy(image, line / f"{turn}_{i}.png")
        process = started(artefact_path, line, "--csv", table)
        wait_for(lambda turn=turn: len(rows(table)) > 12 * turn + 4)
        process.kill()
        process.communicate()
    with table.open("ab") as file:
        file.write(b"2026-01-01T00:00:00+00:00,half a ro")
    process = started(artefact_path, line, "--csv", table, "--once", "--quiet")
    assert process.wait(60) == 0
    names = [row["name"] for row in rows(table)]
    assert sorted(names) == sorted(f"{turn}_{i}.png" for turn in range(3) for i in range(12))


def test_never_a_half_written_file(artefact_path, images, line, tmp_path):
    table = tmp_path / "rows.csv"
    process = started(artefact_path, line, "--csv", table, "--limit", "3")
    whole = images[0].read_bytes()
    with (line / "slow.png").open("wb") as slow:
        for part in (whole[:500], whole[500:1500]):
            slow.write(part)
            slow.flush()
            time.sleep(0.7)  # long enough to look at rest, and to be found damaged
        (line / "late.part").write_bytes(whole)
        (line / "late.part").rename(line / "late.png")
        wait_for(lambda: rows(table))
        slow.write(whole[1500:])
    (line / "broken.png").write_bytes(whole[:700])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    found = {row["name"]: row for row in rows(table)}
    assert len(rows(table)) == 3
    assert found["slow.png"]["verdict"] == found["late.png"]["verdict"] != "not judged"
    assert found["broken.png"]["verdict"] == "not judged"
    assert "damaged image" in found["broken.png"]["error"]
    assert err.count("not judged: ") == 1
    assert "1 not judged" in out


def test_a_signal_ends_it_well_and_the_folder_may_go_away(artefact_path, images, line, tmp_path):
    process = started(artefact_path, line, "--recursive")
    (line / "deep").mkdir()
    shutil.copy(images[0], line / "deep" / "a.png")
    first = process.stdout.readline()
    assert "deep/a.png" in first
    line.rename(tmp_path / "away")
    assert "cannot be read" in process.stderr.readline()
    (tmp_path / "away").rename(line)
    assert "there again" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.endswith("1 images: 0 flawed, 1 good, 0 not judged\n") or "1 flawed" in out
    assert "Traceback" not in err


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.tries += 1
        status = 503 if self.server.tries <= 2 else 200
        if status == 200:
            self.server.got.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_webhook_that_is_away_for_a_while_misses_nothing(artefact_path, images, line, capsys):
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.tries, server.got = 0, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for image in images[:4]:
        shutil.copy(image, line / f"{image.parent.name}_{image.name}")
    url = f"http://127.0.0.1:{server.server_port}/hook"
    assert main(["watch", str(artefact_path), str(line), *FAST, "--once", "--webhook", url]) == 0
    said = capsys.readouterr().err
    assert said.count("not taken (status 503); trying again") == 1
    assert "there again" in said
    assert sorted(row["name"] for row in server.got) == sorted(p.name for p in line.glob("*.png"))
    server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "none: no such folder or video; a camera is rtsp://"),
        (["rtsp2", "--every", "0"], "--every 0: give seconds above 0"),
        (["{line}", "--limit", "0"], "--limit 0: give a number above 0"),
        (["{line}", "--csv", "{other}"], "holds something else than verdicts; name another file"),
        (["{line}", "--jsonl", "{other}"], "holds something else than verdicts; name another file"),
        (["{line}", "--csv", "{line}"], "is a folder; name a file in it"),
        (["{line}", "--webhook", "ftp://a:b@c/d"], "ftp://c/d: not an address to send to"),
        (["{other}"], "not a video that can be read"),
    ],
)
def test_a_bad_start_says_so_in_one_line(arguments, said, artefact_path, line, tmp_path, capfd):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    named = [a.format(line=line, other=other) for a in arguments]
    assert main(["watch", str(artefact_path), *named, "--once", "--engine", "openvino"]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert other.read_text() == "a,b\n1,2\n"
