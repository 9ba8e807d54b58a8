"""A video to its end; a camera that goes away and comes back."""

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from tacha.cli import main

cv2 = pytest.importorskip("cv2", reason="pip install opencv-python-headless")
FAST = ["--engine", "openvino"]


@pytest.fixture
def pictures(sample_root):
    found = sorted((sample_root / "brick" / "test" / "good").glob("*.png"))[:4]
    return [np.asarray(Image.open(p).convert("RGB")) for p in found]


def test_a_video_is_judged_all_along(artefact_path, pictures, tmp_path, capsys):
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (128, 128))
    for i in range(40):
        writer.write(np.ascontiguousarray(pictures[i % 4][..., ::-1]))
    writer.release()
    lines = tmp_path / "rows.jsonl"
    command = ["watch", str(artefact_path), str(path), *FAST, "--every", "1", "--jsonl", str(lines)]
    assert main([*command, "--overlays", str(tmp_path / "seen")]) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["line.avi#0", "line.avi#10", "line.avi#20", "line.avi#30"]
    assert all(np.isfinite(row["score"]) for row in rows)
    assert "4 images" in capsys.readouterr().out


class Mjpeg(BaseHTTPRequestHandler):
    """A camera as many are: JPEGs in one endless answer."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            while not self.server.away.is_set():
                for jpeg in self.server.jpegs:
                    self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
                    self.wfile.write(jpeg + b"\r\n")
                    time.sleep(0.02)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def camera(jpegs, port=0):
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Mjpeg)
    server.jpegs, server.away = jpegs, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def gone(server):
    server.away.set()
    server.shutdown()
    server.server_close()


def test_a_camera_that_goes_away_is_waited_for(pictures):
    from tacha.watching.stream import Camera

    jpegs = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    said = []
    server = camera(jpegs)
    port = server.server_port
    watched = Camera(f"http://user:secret@127.0.0.1:{port}/stream.mjpg", said.append)
    try:
        frame = watched.frame(20)
        assert frame is not None
        assert frame.pixels.shape == (128, 128, 3)
        assert frame.pixels.dtype == np.uint8
        nearest = min(np.abs(frame.pixels.astype(int) - p).mean() for p in pictures)
        assert nearest < 12  # RGB, not BGR
        assert "secret" not in frame.name
        time.sleep(1)
        assert watched.seen > watched.taken + 3  # the newest, not the next
        gone(server)
        until = time.monotonic() + 30
        while not said and time.monotonic() < until:
            time.sleep(0.1)
        assert "no picture; trying again" in said[0]
        server = camera(jpegs, port)
        while (watched.frame(1) is None or len(said) < 2) and time.monotonic() < until + 30:
            pass
        assert [text.split(": ")[-1] for text in said] == ["no picture; trying again until there is one", "there again"]
        assert not any("secret" in text for text in said)
    finally:
        watched.close()
        gone(server)
