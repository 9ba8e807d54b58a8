"""The files in deploy/, each by the linter made for it, and their metrics beside those of the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/tacha.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
EXPRESSIONS = {
    **{f"panel {p['title']} {t['refId']}": t["expr"] for p in DASHBOARD["panels"] for t in p["targets"]},
    **{f"alert {rule['alert']}": rule["expr"] for rule in RULES},
}
YAMLLINT = "{extends: default, rules: {document-start: disable, line-length: {max: 120}, braces: disable}}"


def tool(name: str) -> str:
    """The tool's path, beside this Python or on PATH; skips where it is not installed."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def content(*command: str | Path, cwd: Path = DEPLOY) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dockerfile() -> None:
    content(tool("hadolint"), "Dockerfile")


def test_yaml() -> None:
    content(tool("yamllint"), "--strict", "-d", YAMLLINT, ".")


def test_compose_by_its_schema() -> None:
    content(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_compose_mounts_exist() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    here = [v.split(":")[0] for s in services.values() for v in s["volumes"] if v.startswith("./")]
    assert here
    assert all((DEPLOY / path).is_dir() for path in here)


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_unit(unit: Path, tmp_path: Path) -> None:
    """systemd wants the program to be there, so another stands in for it."""
    found = unit.read_text(encoding="utf-8").replace("/opt/tacha/bin/tacha", sys.executable)
    (tmp_path / unit.name).write_text(found, encoding="utf-8")
    content(tool("systemd-analyze"), "verify", "--man=no", tmp_path / unit.name)


def test_units_of_a_user_of_their_own_share_no_folder() -> None:
    """DynamicUser gives each instance another user, and systemd hands a shared folder to whoever starts last."""
    folders = [
        line.partition("=")[2]
        for unit in UNITS
        for line in unit.read_text(encoding="utf-8").splitlines()
        if line.startswith(("StateDirectory=", "CacheDirectory="))
    ]
    serve, *watch = sorted(set(folders))
    assert serve == "tacha-serve"
    assert watch == ["tacha-watch-%i"]


def test_prometheus_configuration(tmp_path: Path) -> None:
    """promtool wants the token's file to be there."""
    (tmp_path / "token").write_text("x", encoding="utf-8")
    config = (DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert "/run/tacha-token" in config
    (tmp_path / "prometheus.yml").write_text(config.replace("/run/tacha-token", str(tmp_path / "token")), "utf-8")
    shutil.copy(DEPLOY / "prometheus/alerts.yml", tmp_path)
    content(tool("promtool"), "check", "config", "prometheus.yml", cwd=tmp_path)


def test_alerts_fire_when_they_should() -> None:
    content(tool("promtool"), "test", "rules", "alerts_test.yml", cwd=DEPLOY / "prometheus")


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Names of the series that /metrics may have."""
    from tacha.server.limits import Limits
    from tacha.server.measures import Measures
    from tacha.server.shelf import Shelf

    def never(_: object) -> None:
        raise AssertionError("there is no artefact to open")

    measures = Measures()
    measures.of(Shelf([], never, Limits()))
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {f.name + end for f in measures.registry.collect() for end in endings[f.type]} | {"up"}


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_metrics_exist(where: str, exposed: set[str]) -> None:
    used = set(re.findall(r"\b(?:tacha|process)_\w+|\bup\b", EXPRESSIONS[where]))
    assert used
    assert used <= exposed


def test_panels_ask_the_datasource_that_is_there() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert {p["datasource"]["uid"] for p in DASHBOARD["panels"]} == {source["uid"]}
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_secret_stands_in_a_file() -> None:
    """Tokens and passwords are only ever named, as ${…} of the environment."""
    for path in (p for p in DEPLOY.rglob("*") if p.is_file()):
        for key, value in re.findall(r"(\w*(?:TOKEN|PASSWORD)\w*)\s*[:=]\s*(\S+)", path.read_text(encoding="utf-8")):
            assert value.startswith(("${", "…", "TACHA_TOKEN")), f"{path.name}: {key}"
