"""Detectors with an operator that an engine really lacks: named, with the engines that have it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tacha import TachaError, load
from tacha.cli import main
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.engines import start
from tacha.runtime.engines.refusal import unsupported
from tacha.runtime.parity import compare

# Operators whose result, multiplied to the score, leaves it as it is: (domain, operator, its input).
DET = ("", "Det", np.eye(3, dtype=np.float32))  # OpenVINO has none
SWISH = ("org.openvinotoolkit", "Swish", np.full(1, 1.2784645, np.float32))  # x·sigmoid(x) = 1; OpenVINO's own
NOBODYS = ("acme.ops", "Frobnicate", np.ones(1, np.float32))


def with_operator(artefact: Artefact, operator: tuple[str, str, np.ndarray]) -> Artefact:
    domain, name, value = operator
    model = onnx.load_model_from_string(artefact.graph)
    for node in model.graph.node:
        node.output[:] = ["bare" if output == "score" else output for output in node.output]
    model.graph.initializer.append(numpy_helper.from_array(value, "given"))
    model.graph.node.append(helper.make_node(name, ["given"], ["one"], domain=domain))
    model.graph.node.append(helper.make_node("Mul", ["bare", "one"], ["score"]))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return replace(artefact, graph=model.SerializeToString())


@pytest.fixture(params=[DET, SWISH, NOBODYS], ids=["Det", "Swish", "Frobnicate"])
def case(request: pytest.FixtureRequest, artefact_path: Path) -> tuple[str, Artefact]:
    return request.param[1], with_operator(artefacts.read(artefact_path), request.param)


LACKING = {"Det": ["openvino"], "Swish": ["onnxruntime"], "Frobnicate": ["openvino", "onnxruntime"]}


def test_the_operator_and_the_engines_that_have_it_are_named(case: tuple[str, Artefact]) -> None:
    name, artefact = case
    for engine in LACKING[name]:
        with pytest.raises(TachaError) as caught:
            start(artefact, engine)
        said = str(caught.value)
        assert "\n" not in said
        full = {"Swish": "org.openvinotoolkit.Swish", "Frobnicate": "acme.ops.Frobnicate"}.get(name, name)
        assert f"brick: engine {engine} cannot run the operator {full}: use engine " in said
        able = [e for e in ("openvino", "onnxruntime", "torch") if e not in LACKING[name]]
        assert said.endswith(f"use engine {' or '.join(able)}")


def test_auto_passes_over_what_cannot_run_it(
    case: tuple[str, Artefact], artefact_path: Path, good_image: Path, tmp_path: Path, capsys, monkeypatch
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    name, artefact = case
    monkeypatch.setenv("TACHA_CACHE", str(tmp_path / "cache"))
    path = artefacts.write(artefact, tmp_path / "x.tacha")
    code = main(["inspect", str(path), str(good_image)])
    said = capsys.readouterr()
    if name == "Frobnicate":
        assert code == 2
        assert "engine openvino cannot run the operator acme.ops.Frobnicate: use engine torch" in said.err
        assert said.err.count("\n") == 1
        return
    assert (code, said.err) == (0, "")
    expected = load(artefact_path, engine="torch").inspect(good_image).score
    for _ in range(2):  # measured, then remembered
        found = load(path)
        assert found.engine.name not in LACKING[name]
        assert found.inspect(good_image).score == pytest.approx(expected, rel=1e-3)
    assert main(["check", str(path), "--probe"]) == 0
    assert f"{LACKING[name][0]} f32: does not take this artefact" in capsys.readouterr().out


def test_fitting_compares_the_engines_that_can(case: tuple[str, Artefact], good_image: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    name, artefact = case
    image = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    refused: list[str] = []
    found = compare(artefact, [image], refused=refused)
    assert [p.engine for p in found] == [e for e in ("openvino", "onnxruntime") if e not in LACKING[name]]
    assert all(p.agrees for p in found)
    assert len(refused) == len(LACKING[name])
    with pytest.raises(TachaError, match=name):
        compare(artefact, [image])


def test_a_graph_that_is_none_is_one_line(artefact_path: Path) -> None:
    artefact = artefacts.read(artefact_path)
    model = onnx.load_model_from_string(artefact.graph)
    model.graph.node[0].input[0] = "nowhere"
    with pytest.raises(TachaError, match=r"engine onnxruntime cannot run this detector \(.*\): use engine") as caught:
        start(replace(artefact, graph=model.SerializeToString()), "onnxruntime")
    assert "\n" not in str(caught.value)


def test_only_operators_of_the_graph_are_named_those_in_branches_too() -> None:
    def graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph(nodes, "g", [], [])

    inner = graph(helper.make_node("Det", ["a"], ["b"]))
    branch = helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
    model = helper.make_model(graph(branch, helper.make_node("Relu", ["d"], ["e"]))).SerializeToString()
    for message, expected in [
        ("-- No conversion rule found for operations: Det-20, Other-3\nmore of If", ["Det"]),
        ("Could not find an implementation for Relu(14) node with name 'If'", ["Relu"]),
        ("No Op registered for If with domain_version of 20", ["If"]),
        ("out of memory in Det", []),
    ]:
        assert unsupported(model, message) == expected
