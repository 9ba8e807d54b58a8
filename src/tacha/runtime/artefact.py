"""NAME.tacha: one zip of graph.onnx, weights.safetensors and card.json, read without executing anything.

The graph's weights are external data inside weights.safetensors, so each number is stored once and an unzipped
artefact is an ordinary ONNX model. The zip's comment holds the SHA-256 of everything before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError
from tacha.files import written

SCHEMA = 2  # 1 had one `size` for input, to which images were stretched
SUFFIX = ".tacha"
GRAPH, WEIGHTS, CARD = "graph.onnx", "weights.safetensors", "card.json"
SCALE = "/scale"  # of a tensor stored as int8: the name of its scale, a number a column
_MARK = b"sha256:"


@dataclass(frozen=True)
class Artefact:
    """A detector at rest: the ONNX graph, its weights as one safetensors file, and the card that says what it is."""

    graph: bytes
    weights: bytes
    card: dict[str, Any]

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The weights by name."""
        from safetensors.numpy import load

        return load(self.weights)

    def onnx(self) -> bytes:
        """One ONNX model that holds its weights."""
        import onnx

        model = onnx.load_model_from_string(self.graph)
        for tensor in model.graph.initializer:
            if tensor.external_data:
                where = {e.key: e.value for e in tensor.external_data}
                start = int(where["offset"])
                tensor.raw_data = self.weights[start : start + int(where["length"])]
                del tensor.external_data[:]
                tensor.data_location = onnx.TensorProto.DEFAULT
        data: bytes = model.SerializeToString()
        return data


def pack(graph: bytes, tensors: dict[str, npt.NDArray[Any]], card: dict[str, Any]) -> Artefact:
    """Bind a graph without weights (`export_graph`) to its tensors; a tensor it does not name stays in the file."""
    import onnx
    from safetensors.numpy import save

    weights = save({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    model = onnx.load_model_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.name in header:
            begin, end = header[tensor.name]["data_offsets"]
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS), ("offset", 8 + length + begin), ("length", end - begin)):
                tensor.external_data.add(key=key, value=str(value))
    return Artefact(model.SerializeToString(), weights, {"schema": SCHEMA, **card})


def repack(model: Any, tensors: dict[str, npt.NDArray[Any]], card: dict[str, Any]) -> Artefact:
    """A model that holds its weights, as an artefact: `tensors` are stored apart, the others stay in the graph."""
    from tacha.runtime.export import strip

    for tensor in model.graph.initializer:
        if tensor.name in tensors:
            for name in ("raw_data", "float_data", "int32_data", "int64_data", "external_data", "data_location"):
                tensor.ClearField(name)
    strip(model)
    return pack(model.SerializeToString(), tensors, card)


def write(artefact: Artefact, path: Path) -> Path:
    """Write atomically; the same artefact gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        card = json.dumps(artefact.card, indent=1, allow_nan=False).encode()
        for name, data in ((CARD, card), (GRAPH, artefact.graph), (WEIGHTS, artefact.weights)):
            info = zipfile.ZipInfo(name)  # fixed date: no clock in the bytes
            info.compress_type = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
            bundle.writestr(info, data)
        bundle.comment = _MARK + b"0" * 64
    body = buffer.getvalue()[:-64]
    with written(path) as part:
        part.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    return path


def read(path: Path | str) -> Artefact:
    """Read and verify. Raises TachaError for a missing, foreign, damaged or newer file."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TachaError(f"{path}: no such artefact; `tacha train` writes one") from error
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); give the path of a {SUFFIX} file") from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            names = set(bundle.namelist())
            card = json.loads(bundle.read(CARD)) if CARD in names else None
            schema = card.get("schema") if isinstance(card, dict) else None
            if not isinstance(card, dict) or not isinstance(schema, int):
                raise TachaError(f"{path}: not a tacha artefact (it has no {CARD}); `tacha train` writes one")
            if schema > SCHEMA:
                raise TachaError(
                    f"{path}: written by a newer tacha (schema {schema}, this one reads up to {SCHEMA}): "
                    "update with `pip install -U tacha`"
                )
            _verify(path, data)
            return Artefact(bundle.read(GRAPH), bundle.read(WEIGHTS), card)
    except TachaError:
        raise
    except Exception as error:  # zipfile and json raise many kinds for the same cause
        if not data.startswith(b"PK"):
            raise TachaError(f"{path}: not a tacha artefact; `tacha train` writes one") from error
        raise TachaError(f"{path}: damaged ({type(error).__name__}); copy it again or train again") from error


def _verify(path: Path, data: bytes) -> None:
    body, digest = data[:-64], data[-64:]
    if not body.endswith(_MARK) or hashlib.sha256(body).hexdigest().encode() != digest:
        raise TachaError(f"{path}: damaged (its checksum does not match); copy it again or train again")
