"""Full queues, changed files, the end."""

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import Serving

from tacha.client import Client, ServiceError
from tacha.data.view import Seen
from tacha.inspector import load
from tacha.server.worker import Worker


def wait_for(what, seconds=30):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.05)


def test_a_changed_file_takes_its_place_without_a_lost_request(artefact_path, other_run, parts, tmp_path):
    served = tmp_path / "part.tacha"
    shutil.copy(artefact_path, served)
    one = Serving(served, "--reload-seconds", "0.2")
    try:
        client = Client(one.url)
        first, ended, lost, answers = client.models()[0]["sha256"], threading.Event(), [], []

        def ask():
            while not ended.is_set():
                try:
                    answers.append(client.inspect_many([parts[0]])["sha256"])
                except Exception as error:
                    lost.append(error)

        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(ask)
            try:
                wait_for(lambda: len(answers) > 10)
                shutil.copy(next(other_run.glob("*.tacha")), served.with_suffix(".new"))
                served.with_suffix(".new").replace(served)
                wait_for(lambda: answers[-1] != first)
                served.write_bytes(served.read_bytes()[:1000])  # half of one: the one before it stays
                wait_for(lambda: client.models()[0]["reload_error"])
            finally:
                ended.set()
        assert lost == []
        assert len(set(answers)) == 2
        model = client.models()[0]
        assert model["sha256"] != first
        assert "damaged" in model["reload_error"]
        assert str(tmp_path) not in json.dumps(model)
        assert 'tacha_reloads_total{model="brick",outcome="refused"} 1.0' in one.http.get("/metrics").text
        assert client.inspect(parts[0])["verdict"] in ("good", "flawed")
    finally:
        assert one.stop() == 0
    assert [e["outcome"] for e in one.events() if e["event"] == "reload"] == ["loaded", "refused"]


def test_beyond_the_queue_it_says_when_to_come_back(artefact_path, parts):
    one = Serving(artefact_path, "--queue", "4", "--max-images", "4", "--window-ms", "200", "--together", "2")
    try:
        impatient, patient = Client(one.url, patience=0), Client(one.url, patience=60)

        def ask(client):
            try:
                return client.inspect(parts[0])["verdict"]
            except ServiceError as error:
                return error.status

        with ThreadPoolExecutor(24) as pool:
            found = list(pool.map(ask, [impatient] * 24))
            assert 503 in found
            assert set(found) - {503}
            assert all(isinstance(v, str) for v in pool.map(ask, [patient] * 8))
        assert 'tacha_refused_total{code="busy"}' in one.http.get("/metrics").text
    finally:
        assert one.stop() == 0


def test_what_was_taken_is_answered_before_the_end(artefact_path, parts):
    one = Serving(artefact_path, "--window-ms", "1500", "--together", "64")
    client = Client(one.url)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.inspect_many, parts[:4]) for _ in range(8)]
        wait_for(lambda: "tacha_waiting_images 32.0" in one.http.get("/metrics").text)
        one.http.close()
        assert one.stop() == 0
        assert all(len(a.result()["images"]) == 4 for a in asked)
    with pytest.raises(Exception, match="no answer"):
        client.models()


def test_one_image_that_fails_does_not_cost_its_batch(artefact_path, parts, monkeypatch):
    inspector = load(artefact_path, "openvino")
    judged = inspector.judged

    def moody(path, size, score, anomaly_map):
        if size == (1, 1):
            raise ValueError("not this one")
        return judged(path, size, score, anomaly_map)

    monkeypatch.setattr(inspector, "judged", moody)
    worker = Worker(inspector, together=4, window=0.2)
    good = inspector.view.read(parts[0])
    other = Seen(good.pieces, good.boxes, (1, 1))
    futures = [worker.submit(s) for s in (good, other, good)]
    worker.stop()
    assert futures[0].result(30).found.score == futures[2].result(30).found.score
    with pytest.raises(Exception, match="not this one"):
        futures[1].result(30)
    worker.join(10)
