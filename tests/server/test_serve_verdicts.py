"""What the service says is what `tacha inspect` says, whoever asks beside."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from serving import Serving

from tacha.cli import main
from tacha.client import Client, ServiceError
from tacha.errors import TachaError
from tacha.inspector import load


@pytest.fixture(scope="module")
def expected(artefact_path, parts, tmp_path_factory):
    out = tmp_path_factory.mktemp("inspect") / "all.json"
    assert (
        main(["inspect", str(artefact_path), *map(str, parts), "--json", str(out), "--quiet", "--engine", "openvino"])
        == 0
    )
    return {image["path"]: image for image in json.loads(out.read_text())["images"]}


def same(answer, wanted):
    assert answer["verdict"] == wanted["verdict"]
    assert answer["score"] == pytest.approx(wanted["score"], rel=1e-5)
    for key in ("threshold", "p_value", "width", "height"):
        assert answer[key] == wanted[key]
    assert [r["box"] for r in answer["regions"]] == [r["box"] for r in wanted["regions"]]


def test_sixteen_clients_get_what_inspect_says(service, parts, expected):
    client = Client(service.url)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(client.inspect, parts))
    assert {a["verdict"] for a in answers} == {"good", "flawed"}
    for path, answer in zip(parts, answers, strict=True):
        assert answer["name"] == path.name
        same(answer, expected[str(path)])


def test_they_go_through_the_engine_together(service, parts):
    client = Client(service.url)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(client.inspect, parts))
    text = service.http.get("/metrics").text
    count = float(text.split('tacha_batch_size_count{model="brick"} ')[1].split("\n")[0])
    images = float(text.split('tacha_batch_size_sum{model="brick"} ')[1].split("\n")[0])
    assert images > 1.2 * count


def test_many_in_one_request_and_raw_bytes(service, parts, expected):
    answer = Client(service.url).inspect_many(parts[:16])
    assert [i["index"] for i in answer["images"]] == list(range(16))
    for path, image in zip(parts[:16], answer["images"], strict=True):
        same(image, expected[str(path)])
    raw = service.http.post("/v1/inspect", content=parts[0].read_bytes(), headers={"Content-Type": "image/png"})
    same(raw.json()["images"][0], expected[str(parts[0])])
    assert raw.headers["x-request-id"] == raw.json()["request_id"]


def test_one_bad_image_does_not_cost_the_others(service, parts, expected):
    answer = Client(service.url).inspect_many([parts[0], b"no image", parts[1]])
    assert [i["index"] for i in answer["images"]] == [0, 2]
    same(answer["images"][1], expected[str(parts[1])])
    assert [(n["index"], n["code"]) for n in answer["not_judged"]] == [(1, "not_an_image")]


def test_the_map_is_the_inspectors(service, parts, artefact_path):
    answer = Client(service.url).inspect(parts[-1], with_map=True)["map"]
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["png"]))), dtype=np.float64)
    wanted = load(artefact_path, "openvino").inspect(parts[-1]).map
    assert grey.shape == wanted.shape
    low, high = answer["low"], answer["high"]
    assert low + grey / 255 * (high - low) == pytest.approx(np.clip(wanted, low, high), abs=(high - low) / 400)
    assert low < answer["threshold"] < high
    assert "map" not in Client(service.url).inspect(parts[-1])


def test_models_health_metrics_and_docs(service, artefact_path):
    import hashlib

    (model,) = Client(service.url).models()
    assert model["sha256"] == hashlib.sha256(artefact_path.read_bytes()).hexdigest()
    assert (model["name"], model["engine"], model["reload_error"]) == ("brick", "openvino", None)
    assert "false-alarm rate" in model["promise"]
    assert service.http.get("/healthz").json() == {"alive": True}
    assert service.http.get("/readyz").json() == {"ready": True, "models": ["brick"]}
    metrics = service.http.get("/metrics").text
    assert 'tacha_verdicts_total{model="brick",verdict="flawed"}' in metrics
    assert "process_resident_memory_bytes" in metrics
    page = service.http.get("/docs").text
    assert "http" not in page.replace("http-equiv", "").replace("https://json-schema.org", "").split("<body>")[1]
    assert service.http.get("/docs/static/swagger-ui-bundle.js").status_code == 200


def test_the_examples_have_the_shape_of_answers(service, parts):
    from tacha.server import spec

    real = Client(service.url).inspect_many([parts[-1]])
    example = spec.ANSWER_EXAMPLE
    assert set(example) == set(real)
    assert set(example["images"][0]) == set(real["images"][0])
    assert set(example["images"][0]["regions"][0]) == set(real["images"][0]["regions"][0])
    assert set(spec.MODEL["properties"]) == set(Client(service.url).models()[0])


def test_two_models_a_token_and_kept_images(artefact_path, other_run, parts, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine")
    other = next(other_run.glob("*.tacha"))
    one = Serving(artefact_path, f"second={other}", "--keep", kept, "--keep-mb", "1", env={"TACHA_TOKEN": "s3cret"})
    try:
        assert one.http.get("/healthz").status_code == 200
        for path in ("/v1/models", "/metrics"):
            assert one.http.get(path).status_code == 401
        with pytest.raises(ServiceError, match="send the service's token") as refused:
            Client(one.url, token="wrong").inspect(parts[0])
        assert refused.value.status == 401
        client = Client(one.url, token="s3cret")
        assert [m["name"] for m in client.models()] == ["brick", "second"]
        with pytest.raises(ServiceError, match="name a model with") as refused:
            client.inspect(parts[0])
        assert refused.value.status == 400
        with pytest.raises(ServiceError, match="no such model; there are: brick, second"):
            client.inspect(parts[0], model="../brick")
        flawed = [p for p in parts if client.inspect(p, model="brick")["verdict"] == "flawed"]
        for _ in range(3 + 2**20 // sum(p.stat().st_size for p in flawed)):
            client.inspect_many(flawed[:16], model="brick")
    finally:
        assert one.stop() == 0
    there = [p for p in kept.iterdir() if p.name != "mine.txt"]
    assert there
    assert {p.read_bytes() for p in there} <= {p.read_bytes() for p in flawed}
    assert sum(p.stat().st_size for p in there) <= 2**20
    assert (kept / "mine.txt").read_text() == "mine"
    logs = one.events()
    assert not any("s3cret" in line for line in one.lines)
    judged = [e for e in logs if e["event"] == "request" and e["status"] == 200]
    assert judged[0]["images"][0].keys() == {"name", "verdict", "score", "p_value"}
    assert all(len(e["request_id"]) == 16 for e in judged)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{a}", "{a}"], "a second artefact of the name brick"),
        (["none.tacha"], "no such artefact"),
        (["{a}", "--host", "0.0.0.0"], "set TACHA_TOKEN in the environment"),
        (["{a}"], "TACHA_TOKEN: has a space"),
        (["{a}", "--port", "99999"], "--port 99999: give 0 to 65535"),
        (["{a}", "--max-images", "0"], "--max-images 0: give a number above 0"),
        (["{a}", "--queue", "2"], "would never fit; raise it"),
    ],
)
def test_a_bad_start_is_one_line(arguments, said, artefact_path, capsys, monkeypatch):
    monkeypatch.delenv("TACHA_TOKEN", raising=False)
    if "TACHA_TOKEN: " in said:
        monkeypatch.setenv("TACHA_TOKEN", "abc \n")
    port = [] if "--port" in arguments else ["--port", "0"]
    assert main(["serve", *(a.format(a=artefact_path) for a in arguments), *port]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_client_says_what_is_wrong(tmp_path):
    with pytest.raises(TachaError, match="not a service's address"):
        Client("file:///etc")
    with pytest.raises(TachaError, match=r"is `tacha serve` running there\?"):
        Client("http://127.0.0.1:9").models()
    with pytest.raises(TachaError, match="cannot be read"):
        Client("http://127.0.0.1:9").inspect(tmp_path / "none.png")
