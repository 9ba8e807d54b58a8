"""Whatever is sent gets a plain sentence, and the next good request its verdict."""

import socket
import struct
import time
import zipfile
import zlib

import pytest
from serving import MULTIPART, inspect, multipart


def header_only(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


def zipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.png", "w") as z:
        z.writestr("a.png", b"0" * 1000)
    return (tmp_path / "z.png").read_bytes()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(autouse=True)
def alive_after(service, parts):
    yield
    answer = service.http.post("/v1/inspect", content=parts[0].read_bytes(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 200


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert "\n" not in error["message"]
    assert "Traceback" not in answer.text
    assert error["request_id"] == answer.headers["x-request-id"]
    return error["message"]


def send(service, data, name="part.png"):
    return service.http.post("/v1/inspect", content=multipart((name, data)), headers={"Content-Type": MULTIPART})


def test_files_that_are_no_sound_images(service, parts, tmp_path):
    whole = parts[0].read_bytes()
    refused(send(service, whole[: len(whole) // 2]), 422, "damaged_image")
    refused(send(service, b""), 422, "empty")
    refused(send(service, zipped(tmp_path)), 415, "not_an_image")
    refused(send(service, SVG, "x.svg"), 415, "not_an_image")
    refused(send(service, b"%!PS-Adobe-3.0 EPSF-3.0\n"), 415, "not_an_image")
    before = service.rss()
    for size in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (1001, 1000)):
        assert "1,000,000 allowed" in refused(send(service, header_only(*size)), 413, "too_many_pixels")
    assert service.rss() < before + 50


def test_names_are_echoed_clean(service):
    for name, said in (("../../etc/passwd", "passwd: "), ("<script>x", "_script_x: "), ("a\\b\\c.png", "c.png: ")):
        assert refused(send(service, b"x", name), 415, "not_an_image").startswith(said)
    body = multipart(("?", b"x")).replace(b'"?"', b'"\xff\xfe\x00.png"')
    message = refused(
        service.http.post("/v1/inspect", content=body, headers={"Content-Type": MULTIPART}), 415, "not_an_image"
    )
    assert message.isprintable()


def test_bodies_that_are_no_requests(service, parts):
    post, png = service.http.post, parts[0].read_bytes()
    refused(post("/v1/inspect", content=png, headers={"Content-Type": "text/plain"}), 415, "unsupported_type")
    refused(post("/v1/inspect", content=png), 415, "unsupported_type")
    refused(post("/v1/inspect", content=b"", headers={"Content-Type": "image/png"}), 400, "no_image")
    refused(post("/v1/inspect", content=png, headers={"Content-Type": MULTIPART}), 400, "bad_multipart")
    refused(post("/v1/inspect", content=b"--x--\r\n", headers={"Content-Type": MULTIPART}), 400, "no_image")
    refused(post("/v1/inspect", content=png, headers={"Content-Type": "multipart/form-data"}), 400, "bad_multipart")
    cut = multipart(("a.png", png))[:-20]
    refused(post("/v1/inspect", content=cut, headers={"Content-Type": MULTIPART}), 400, "bad_multipart")
    two = multipart(("a.png", png), ("b.png", png))[:-20]
    refused(post("/v1/inspect", content=two, headers={"Content-Type": MULTIPART}), 400, "bad_multipart")
    fields = multipart(("a.png", png)).replace(b'; filename="a.png"', b"")
    answer = post("/v1/inspect", content=fields, headers={"Content-Type": MULTIPART})
    refused(answer, 400, "no_image")
    refused(post("/v1/inspect?map=svg", content=png, headers={"Content-Type": "image/png"}), 400, "bad_map")
    refused(post("/v1/inspect?model=../x", content=png, headers={"Content-Type": "image/png"}), 404, "no_such_model")
    refused(service.http.get("/v1/inspect"), 405, "wrong_method")
    refused(service.http.get("/docs/static/../../../../etc/passwd"), 404, "not_found")
    refused(service.http.get("/%2e%2e/etc/passwd"), 404, "not_found")


def test_a_web_page_elsewhere_cannot_ask(service, parts):
    png = parts[0].read_bytes()
    for header in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        answer = service.http.post("/v1/inspect", content=png, headers={"Content-Type": "image/png", **header})
        refused(answer, 403, "foreign")
    own = {"Content-Type": "image/png", "Origin": service.url, "Host": f"localhost:{service.port}"}
    assert service.http.post("/v1/inspect", content=png, headers=own).status_code == 200


def test_too_much(service, parts):
    png = parts[0].read_bytes()
    many = multipart(*((f"{i}.png", b"x") for i in range(10_000)))
    refused(service.http.post("/v1/inspect", content=many, headers={"Content-Type": MULTIPART}), 413, "too_many_images")
    before = service.rss()
    huge = b"0" * (5 * 2**20)
    refused(service.http.post("/v1/inspect", content=huge, headers={"Content-Type": "image/png"}), 413, "too_large")
    chunks = (b"0" * 65536 for _ in range(100))  # says no length
    refused(service.http.post("/v1/inspect", content=chunks, headers={"Content-Type": "image/png"}), 413, "too_large")
    status, body = service.raw(inspect(png, "Content-Length: 99999999999999999999"))
    assert status in (0, 400, 413)  # 0: it went away itself before it was told
    assert "Traceback" not in body
    assert service.rss() < before + 50


def test_requests_that_are_no_http(service, parts):
    png = parts[0].read_bytes()
    for data in (b"\x16\x03\x01\x02\x00hello", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"A" * 200_000):
        status, body = service.raw(data)
        assert status in (0, 400, 404), (data[:20], status)
        assert "Traceback" not in body
    status, _ = service.raw(inspect(png, f"Content-Length: {len(png) + 10}"))  # ends before it said it would
    assert status in (0, 400)
    status, _ = service.raw(inspect(b"5\r\nabc", "Transfer-Encoding: chunked"))
    assert status in (0, 400)


def test_dawdlers(service, parts):
    """A body that trickles is answered 408; others are served meanwhile."""
    png = parts[0].read_bytes()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as slow:
        slow.sendall(inspect(png, f"Content-Length: {len(png)}")[: -len(png)] + png[:10])
        began = time.monotonic()
        answer = service.http.post("/v1/inspect", content=png, headers={"Content-Type": "image/png"})
        assert answer.status_code == 200
        said = slow.recv(65536)
    assert b" 408 " in said.split(b"\r\n")[0]
    assert b"did not come in within 2 s" in said
    assert time.monotonic() - began < 15


def test_headers_that_trickle_are_cut_off(artefact_path):
    """uvicorn alone would wait for ever."""
    import asyncio

    import uvicorn

    from tacha.server.guard import protocol

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def tried():
        config = uvicorn.Config(app, http=protocol(0.3), lifespan="off", log_config=None, port=0)
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")  # the second request of the same connection dawdles
        assert await asyncio.wait_for(reader.read(), 5) == b""
        server.should_exit = True
        await asyncio.wait_for(task, 10)

    asyncio.run(tried())
