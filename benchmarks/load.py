"""The service under load, beside a loop that judges one request at a time.

`python benchmarks/load.py ARTEFACT IMAGE… --out OUT.json` starts both on this machine's loopback address, lets 1, 4, 16
and 64 clients ask in turns (round by round, so that whatever else the machine does falls on both), holds every answer
against `tacha inspect`, and then sends --soak requests to see what memory does. `… --table OUT.json` prints the tables
of docs/serving.md. All of it is bounded, and nothing leaves the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tacha.runtime.machine import available_cores, cpu
from tacha.versions import versions

CLIENTS = (1, 4, 16, 64)
NAIVE, SERVE = "one request, one inference", "tacha serve"


def naive(artefact: str, engine: str) -> None:
    """A server as one would write it in an afternoon: each request is read and judged in turn, on one thread."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from io import BytesIO

    from tacha.inspector import load
    from tacha.judging import judge

    inspector = load(artefact, engine)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            seen = inspector.view.read(BytesIO(data))
            ((score, anomaly_map),) = judge(inspector.engine, [seen], 1)
            found = inspector.judged(None, seen.size, score, anomaly_map).to_dict()
            said = json.dumps({"images": [found]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            # One thread: a connection that stayed open would keep everyone else out.
            self.send_header("Connection", "close")
            self.close_connection = True
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    class Patient(HTTPServer):
        request_queue_size = 256

    server = Patient(("127.0.0.1", 0), Handler)
    print(f"tacha: serving on http://127.0.0.1:{server.server_port} ", flush=True)
    server.serve_forever()


class Server:
    """One of the two in a process of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://\S+", first)
        if found is None:
            self.log.seek(0)
            raise SystemExit(f"{' '.join(command)} did not start: {self.log.read().decode()[-2000:]}")
        self.url = found[0]

    def rss(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(90)


def expected(artefact: str, images: Sequence[str], engine: str) -> list[dict[str, Any]]:
    """What `tacha inspect` says of each image, by the command itself."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.json"
        command = [sys.executable, "-m", "tacha", "inspect", artefact, *images, "--json", str(out), "--quiet"]
        subprocess.run([*command, "--engine", engine], check=True, stdout=subprocess.DEVNULL)
        found = {image["path"]: image for image in json.loads(out.read_text())["images"]}
    return [found[image] for image in images]


def agrees(answer: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """The same verdict, p-value and places; the score to five digits, as batches of other sizes round."""
    same = all(answer[key] == wanted[key] for key in ("verdict", "p_value", "width", "height"))
    places = [r["box"] for r in answer["regions"]] == [r["box"] for r in wanted["regions"]]
    return same and places and bool(np.isclose(answer["score"], wanted["score"], rtol=1e-5, atol=0))


async def asked(
    url: str, bodies: Sequence[bytes], wanted: Sequence[dict[str, Any]], clients: int, requests: int
) -> Any:
    """So many requests by so many clients, each with its next once it has its answer: seconds, lost, wrong, in all."""
    seconds: list[float] = []
    lost = wrong = busy = 0
    turns = iter(range(requests))

    async def client(http: httpx.AsyncClient) -> None:
        nonlocal lost, wrong, busy
        for turn in turns:
            at, began = turn % len(bodies), time.perf_counter()
            while True:
                try:
                    answer = await http.post("/v1/inspect", content=bodies[at], headers={"Content-Type": "image/png"})
                except httpx.HTTPError:
                    lost += 1
                    break
                if answer.status_code == 503:
                    busy += 1
                    await asyncio.sleep(float(answer.headers["Retry-After"]))
                    continue
                if answer.status_code != 200:
                    lost += 1
                elif not agrees(answer.json()["images"][0], wanted[at]):
                    wrong += 1
                break
            seconds.append(time.perf_counter() - began)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        began = time.perf_counter()
        await asyncio.gather(*(client(http) for _ in range(clients)))
        took = time.perf_counter() - began
    return {"seconds": seconds, "took": took, "lost": lost, "wrong": wrong, "busy": busy}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    bodies = [Path(image).read_bytes() for image in options.images]
    wanted = expected(options.artefact, options.images, options.engine)
    me = str(Path(__file__).resolve())
    serve = [sys.executable, "-m", "tacha", "serve", options.artefact, "--port", "0", "--engine", options.engine]
    serve += ["--together", str(options.together), "--window-ms", str(options.window_ms)]
    servers = {
        SERVE: Server(serve),
        NAIVE: Server([sys.executable, me, options.artefact, "--naive", "--engine", options.engine]),
    }
    rows: list[dict[str, Any]] = []
    try:
        for server in servers.values():
            asyncio.run(asked(server.url, bodies, wanted, 2, 16))  # both warm
        found: dict[tuple[str, int], list[Any]] = {}
        for turn in range(options.rounds):
            for clients in CLIENTS:
                for name in list(servers)[:: 1 if turn % 2 else -1]:
                    outcome = asyncio.run(asked(servers[name].url, bodies, wanted, clients, options.requests))
                    found.setdefault((name, clients), []).append(outcome)
        for (name, clients), rounds in found.items():
            rates = [len(r["seconds"]) / r["took"] for r in rounds]
            all_ms = 1e3 * np.array([s for r in rounds for s in r["seconds"]])
            p50, p95, p99 = (float(np.percentile(all_ms, p)) for p in (50, 95, 99))
            counts = {key: sum(r[key] for r in rounds) for key in ("lost", "wrong", "busy")}
            rate = {"median": statistics.median(rates), "low": min(rates), "high": max(rates)}
            rows.append(
                {"server": name, "clients": clients, "rate": rate, "p50": p50, "p95": p95, "p99": p99, **counts}
            )
        soak: dict[str, Any] = {}
        if options.soak:
            before = servers[SERVE].rss()
            outcome = asyncio.run(asked(servers[SERVE].url, bodies, wanted, 8, options.soak))
            soak = {"requests": options.soak, "before_mib": before, "after_mib": servers[SERVE].rss()}
            soak |= {"lost": outcome["lost"], "wrong": outcome["wrong"], "rate": options.soak / outcome["took"]}
    finally:
        for server in servers.values():
            server.stop()
    about = {
        "artefact": Path(options.artefact).stem,
        "images": len(bodies),
        "requests": options.requests,
        "rounds": options.rounds,
        "engine": options.engine,
        "together": options.together,
        "window_ms": options.window_ms,
        "machine": {"cpu": cpu(), "cores": available_cores(), "load": os.getloadavg()[0]},
        "versions": versions(),
    }
    return {**about, "rows": rows, "soak": soak}


def table(found: dict[str, Any]) -> str:
    lines = [
        "| clients | server | requests a second | p50 ms | p95 ms | p99 ms | lost | wrong | told to come back |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(found["rows"], key=lambda r: (r["clients"], r["server"] != SERVE)):
        rate = row["rate"]
        lines.append(
            f"| {row['clients']} | {row['server']} | {rate['median']:.1f} [{rate['low']:.1f}–{rate['high']:.1f}] | "
            f"{row['p50']:.0f} | {row['p95']:.0f} | {row['p99']:.0f} | {row['lost']} | {row['wrong']} | {row['busy']} |"
        )
    soak = found["soak"]
    if soak:
        lines += [
            "",
            f"Memory: {soak['before_mib']:.0f} MiB before and {soak['after_mib']:.0f} MiB after {soak['requests']} "
            f"more requests of eight clients, {soak['lost']} lost and {soak['wrong']} wrong among them.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", nargs="?")
    parser.add_argument("images", nargs="*")
    parser.add_argument("--naive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--requests", type=int, default=200, help="a round, of all clients together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=10_000)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--window-ms", type=float, default=3)
    parser.add_argument("--out")
    parser.add_argument("--table", metavar="FILE", help="print the tables of a measurement")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(Path(options.table).read_text())))
    elif options.naive:
        naive(options.artefact, options.engine)
    else:
        found = measured(options)
        if options.out:
            Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
        print(table(found))


if __name__ == "__main__":
    main()
