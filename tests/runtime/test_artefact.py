from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tacha import TachaError, load
from tacha.data.frame import Frame
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines import ENGINES
from tacha.runtime.engines.openvino import has_bf16


def test_reads_back_what_was_written(artefact_path: Path, tmp_path: Path) -> None:
    first = artefacts.read(artefact_path)
    copy = artefacts.write(first, tmp_path / "copy.tacha")
    assert copy.read_bytes() == artefact_path.read_bytes()


def test_any_flipped_byte_is_noticed(artefact_path: Path, tmp_path: Path) -> None:
    data = artefact_path.read_bytes()
    rng = np.random.default_rng(0)
    ends = [0, 1, 30, len(data) - 1, len(data) - 65, len(data) - 80]
    for position in [*ends, *rng.integers(0, len(data), 60).tolist()]:
        broken = bytearray(data)
        broken[position] ^= 1 << int(rng.integers(8))
        path = tmp_path / "broken.tacha"
        path.write_bytes(bytes(broken))
        with pytest.raises(TachaError, match=r"broken\.tacha"):
            artefacts.read(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "no such artefact"),
        (lambda p: p.write_bytes(b""), "not a tacha artefact"),
        (lambda p: p.write_bytes(b"PK\x03\x04 and no more"), "damaged"),
        (lambda p: p.write_text("hello"), "not a tacha artefact"),
        (lambda p: p.mkdir(), "cannot be read"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("card.json", "{}"), "not a tacha artefact"),
    ],
)
def test_foreign_files(tmp_path: Path, make, says: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.tacha"
    make(path)
    with pytest.raises(TachaError, match=says) as caught:
        artefacts.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_schema_says_to_update(artefact_path: Path, tmp_path: Path) -> None:
    newer = artefacts.read(artefact_path)
    newer = replace(newer, card={**newer.card, "schema": artefacts.SCHEMA + 1})
    with pytest.raises(TachaError, match=r"newer tacha.*update"):
        artefacts.read(artefacts.write(newer, tmp_path / "newer.tacha"))


def test_unzipped_it_is_an_ordinary_onnx_model(artefact_path: Path, tmp_path: Path) -> None:
    import onnxruntime as ort

    with zipfile.ZipFile(artefact_path) as bundle:
        bundle.extractall(tmp_path)
    session = ort.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    frame = Frame.of_card(json.loads((tmp_path / "card.json").read_text()))
    image = np.random.default_rng(0).random((1, *frame.shape), dtype=np.float32)
    expected = load(artefact_path, engine="onnxruntime").engine(image)
    for got, want in zip(session.run(None, {"images": image}), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_each_weight_is_stored_once(artefact_path: Path) -> None:
    with zipfile.ZipFile(artefact_path) as bundle:
        sizes = {i.filename: i.file_size for i in bundle.infolist()}
    assert sizes["graph.onnx"] < 0.2 * sizes["weights.safetensors"]


def test_nothing_of_this_machine_is_in_it(artefact_path: Path) -> None:
    stored = artefacts.read(artefact_path)
    text = stored.graph + json.dumps(stored.card).encode()
    for word in (str(Path.home()), str(Path.cwd()), "site-packages", str(artefact_path.parent)):
        assert word.encode() not in text


def test_engines_agree_on_every_test_image(artefact_path: Path, sample_root: Path) -> None:
    paths = sorted((sample_root / "brick" / "test").glob("*/*.png"))
    found = {e: [load(artefact_path, engine=e).inspect(p) for p in paths] for e in ENGINES.names()}
    for name in ("openvino", "onnxruntime"):
        for mine, reference in zip(found[name], found["torch"], strict=True):
            assert mine.verdict == reference.verdict
            assert mine.score == pytest.approx(reference.score, rel=1e-3)
            np.testing.assert_allclose(mine.map, reference.map, rtol=0.01, atol=1e-3)


def test_a_batch_gives_what_single_images_give(artefact_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ENGINES.names():
        inspector = load(artefact_path, engine=name)
        images = rng.random((3, *inspector.view.frame.shape), dtype=np.float32)
        together = inspector.engine(images)[0]
        alone = [float(inspector.engine(image[None])[0][0]) for image in images]
        np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_bf16_is_only_used_when_asked(artefact_path: Path) -> None:
    if not has_bf16():
        pytest.skip("this CPU has no bf16")
    rng = np.random.default_rng(0)
    plain, lower = load(artefact_path), load(artefact_path, precision="bf16")
    assert (plain.engine.precision, lower.engine.precision) == ("f32", "bf16")
    image = rng.random((1, *plain.view.frame.shape), dtype=np.float32)
    assert float(lower.engine(image)[0][0]) == pytest.approx(float(plain.engine(image)[0][0]), rel=0.2)


def test_a_signal_after_engines_came_and_went_is_survived(artefact_path: Path) -> None:
    code = """if True:
        import os, signal, sys, tacha
        met = []
        signal.signal(signal.SIGUSR1, lambda *_: met.append(1))
        first = tacha.load(sys.argv[1], engine="openvino")
        second = tacha.load(sys.argv[1], engine="openvino")
        del first
        del second
        os.kill(os.getpid(), signal.SIGUSR1)
        print("met", met)
    """
    done = subprocess.run([sys.executable, "-c", code, str(artefact_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "met [1]"), done.stderr


def test_onnxruntime_refuses_bf16(artefact_path: Path) -> None:
    with pytest.raises(TachaError, match="onnxruntime has no bf16"):
        load(artefact_path, engine="onnxruntime", precision="bf16")


def test_an_interrupted_write_leaves_the_old_file(artefact_path: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "kept.tacha"
    shutil.copy(artefact_path, path)
    before = path.read_bytes()

    def interrupted(self: Path, data: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        artefacts.write(artefacts.read(artefact_path), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept.tacha"]
