"""Why an engine does not take a detector: the operator it lacks, and the engines that have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tacha.errors import TachaError

if TYPE_CHECKING:
    from tacha.runtime.artefact import Artefact

# Where ONNX Runtime (the first three) and OpenVINO name the operators that they cannot run.
_NAMED = (
    re.compile(r"(\S+) is not a registered function"),
    re.compile(r"No Op registered for (\S+)"),
    re.compile(r"Could not find an implementation for (\S+)"),
    re.compile(r"No conversion rule found for operations: (.+)"),
    re.compile(r"Conversion is failed for: (.+)"),
)
_FRAME = re.compile(r"(Exception from |Check |FrontEnd API ).*|\[ONNXRuntimeError\] : \d+ : \w+ : ")


def refusal(artefact: Artefact, engine: str, able: Sequence[str], error: Exception) -> TachaError:
    """One line for what an engine raised when it was given the artefact; `able` are the engines that take it."""
    lacking = unsupported(artefact.graph, str(error))
    if lacking:
        what = f"the operator{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
    else:
        what = f"this detector ({reason(error)})"
    remedy = f"use engine {' or '.join(able)}" if able else "no other engine here can, so train with another scorer"
    return TachaError(f"{artefact.card['name']}: engine {engine} cannot run {what}: {remedy}")


def unsupported(graph: bytes, message: str) -> list[str]:
    """The operators of an ONNX graph that an engine's message names, those of other domains as DOMAIN.NAME."""
    import onnx

    words = {word for pattern in _NAMED for found in pattern.findall(message) for word in re.findall(r"\w+", found)}
    model = onnx.load_model_from_string(graph)
    nodes = [*_nodes(model.graph), *(node for function in model.functions for node in function.node)]
    lacking = {(node.domain, node.op_type) for node in nodes if node.op_type in words}
    return sorted(f"{domain}.{name}" if domain else name for domain, name in lacking)


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def reason(error: Exception) -> str:
    """The first line that is about more than where in the engine the error was raised."""
    lines = (_FRAME.sub("", line).strip() for line in str(error).splitlines())
    return next((line.rstrip(".") for line in lines if line), type(error).__name__)
