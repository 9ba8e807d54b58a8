"""Variants of real artefacts: what they keep, where they run, and what cannot be compressed."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from tacha import TachaError, load
from tacha.cli import main
from tacha.data.frame import Frame
from tacha.reopening import reopen
from tacha.run import train
from tacha.runtime import artefact as artefacts
from tacha.runtime.banks import with_fewer_dimensions, with_fewer_rows
from tacha.runtime.engines import start
from tacha.runtime.engines.openvino import has_bf16
from tacha.runtime.quantise import Plan, candidates, in_int8
from tacha.runtime.storage import banks_in_bytes, halved


@pytest.fixture(scope="module")
def images(sample_root: Path, artefact_path: Path) -> list[np.ndarray]:
    from tacha.data.image import prepare, read_image

    frame = Frame.of_card(artefacts.read(artefact_path).card)
    return [
        prepare(read_image(p), frame) for p in sorted((sample_root / "brick" / "train" / "good").glob("*.png"))[:20]
    ]


def test_half_precision_stores_half_and_computes_as_float16_weights_would(
    artefact_path: Path, images: list[np.ndarray]
) -> None:
    original = artefacts.read(artefact_path)
    half = halved(original)
    assert len(half.weights) < 0.55 * len(original.weights)
    rounded = {k: v.astype(np.float16).astype(np.float32) if v.dtype == np.float32 and v.size >= 256 else v
               for k, v in original.tensors().items()}  # fmt: skip
    for name, values in half.tensors().items():
        np.testing.assert_array_equal(values.astype(rounded[name].dtype), rounded[name])
    scores = {e: float(start(half, e)(images[0][None])[0][0]) for e in ("torch", "openvino", "onnxruntime")}
    for score in scores.values():
        assert score == pytest.approx(scores["torch"], rel=1e-3)


def test_smaller_banks_hold_rows_of_the_old_ones(artefact_path: Path, images: list[np.ndarray]) -> None:
    original = artefacts.read(artefact_path)
    small = with_fewer_rows(original, 50)
    old, new = original.tensors(), small.tensors()
    banks = [name for name in new if name.startswith("scorer.bank")]
    assert banks
    for name in banks:
        assert len(new[name]) == 50
        assert {row.tobytes() for row in new[name]} <= {row.tobytes() for row in old[name]}
    # Fewer neighbours to choose from: no place is nearer than it was.
    before, after = (start(a)(np.stack(images))[1] for a in (original, small))
    assert (after > before - 1e-3).all()
    with pytest.raises(TachaError, match="hold 50"):
        with_fewer_rows(small, 50)


def test_banks_in_bytes_keep_each_number_to_half_a_step(artefact_path: Path, images: list[np.ndarray]) -> None:
    original = artefacts.read(artefact_path)
    small = banks_in_bytes(original)
    old, new = original.tensors(), small.tensors()
    banks = [name for name in new if new[name].dtype == np.int8]
    assert banks
    for name in banks:
        step = np.abs(old[name]).max(0) / 127
        assert (np.abs(new[name] * new[f"{name}/scale"] - old[name]) <= 0.5001 * step).all()
    expected = float(start(original)(images[0][None])[0][0])
    for engine in ("torch", "openvino", "onnxruntime"):
        assert float(start(small, engine)(images[0][None])[0][0]) == pytest.approx(expected, rel=0.02, abs=0.02)


def test_fewer_dimensions_shorten_rows_and_no_distance_grows(artefact_path: Path, images: list[np.ndarray]) -> None:
    original = artefacts.read(artefact_path)
    small = with_fewer_dimensions(original, 24)
    state = small.tensors()
    assert all(v.shape[1] == 24 for k, v in state.items() if k.startswith("scorer.bank"))
    before, after = (start(a)(np.stack(images))[1] for a in (original, small))
    assert (after < before + 1e-3).all()
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9
    for engine in ("torch", "onnxruntime"):
        np.testing.assert_allclose(start(small, engine)(np.stack(images))[1], after, rtol=1e-3, atol=1e-3)
    # The subspace of a subspace is the one found at once.
    maps = [start(with_fewer_dimensions(a, 12))(np.stack(images))[1] for a in (original, small)]
    np.testing.assert_allclose(*maps, rtol=1e-3, atol=1e-3)
    with pytest.raises(TachaError, match="nothing smaller"):
        with_fewer_dimensions(original, 9999)


@pytest.mark.parametrize("quantiser", ["nncf", "onnxruntime"])
def test_int8_spares_the_first_layers_that_it_is_told_to(
    artefact_path: Path, images: list[np.ndarray], quantiser: str
) -> None:
    import onnx

    original = artefacts.read(artefact_path)
    plans = candidates(original)
    assert plans[0].spared == 0
    assert plans[-1].operators == ("MatMul",)
    spared, whole = (in_int8(original, images, plan, quantiser) for plan in (Plan(spared=6), Plan()))
    assert spared.card["arithmetic"] == {"int8": ["Conv", "Gemm", "MatMul"], "spared": 6, "quantiser": quantiser}

    def held(artefact: artefacts.Artefact) -> int:
        graph = onnx.load_model_from_string(artefact.graph).graph
        made = {name: node for node in graph.node for name in node.output}
        convs = [node for node in graph.node if node.op_type == "Conv"]
        return sum(made[n.input[1]].op_type != "DequantizeLinear" if n.input[1] in made else True for n in convs)

    assert held(spared) == 6
    assert held(whole) == 0
    expected = np.array([float(start(original)(i[None])[0][0]) for i in images])
    errors = {}
    for name, variant in (("spared", spared), ("whole", whole)):
        found = np.array([float(start(variant, "onnxruntime")(i[None])[0][0]) for i in images])
        errors[name] = float(np.abs(found - expected).mean())
    assert errors["spared"] < errors["whole"]


def test_a_matrix_a_place_stays_as_it_is(small_run: Path, tmp_path: Path, images: list[np.ndarray]) -> None:
    """ONNX Runtime takes a stack of int8 matrices when it loads the graph, and fails when it runs it."""
    settings = reopen(small_run).settings
    settings["scorer"] = {"name": "padim", "channels": 16}
    train(settings, tmp_path / "run")
    variant = in_int8(artefacts.read(tmp_path / "run" / "brick.tacha"), images)
    for engine in ("openvino", "onnxruntime"):
        assert np.isfinite(start(variant, engine)(images[0][None])[0]).all()


def test_a_missing_quantiser_names_the_extra(
    small_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nncf" else find(name, *more))
    assert main(["compress", str(small_run), "--quantiser", "nncf"]) == 2
    assert 'pip install "tacha[quantize]"' in capsys.readouterr().err


def test_int8_runs_on_both_engines_alike_and_is_refused_by_torch(
    artefact_path: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    original = artefacts.read(artefact_path)
    variant = in_int8(original, images, Plan(("MatMul",)))
    path = artefacts.write(variant, tmp_path / "small.tacha")
    assert any(values.dtype == np.int8 for values in artefacts.read(path).tensors().values())
    expected = np.array([float(start(original)(i[None])[0][0]) for i in images])
    for engine in ("openvino", "onnxruntime"):
        found = np.array([load(path, engine=engine).engine(i[None])[0][0] for i in images])
        np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05)
    with pytest.raises(TachaError, match=r"torch has no int8.*openvino or onnxruntime"):
        load(path, engine="torch")
    assert main(["check", str(path)]) == 0
    with pytest.raises(TachaError, match="at least 16 good images and there are 3"):
        in_int8(original, images[:3])


def test_int8_of_what_torch_calibrated_runs_where_int8_is_had(
    other_run: Path, good_image: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(other_run, tmp_path / "run")
    assert artefacts.read(run / "brick.tacha").card["calibrated_on"]["engine"] == "torch"
    assert main(["compress", str(run), "--budget", "100", "--kinds", "int8"]) == 0
    assert artefacts.read(run / "brick.int8.tacha").card["calibrated_on"] == {"engine": "openvino", "precision": "f32"}
    assert load(run / "brick.int8.tacha").inspect(good_image).verdict in ("good", "flawed")


def test_no_budget_no_int8_and_what_it_would_cost(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    monkeypatch.setattr("tacha.compression.candidates", lambda artefact: candidates(artefact)[-1:])
    falling = itertools.count(1)  # whatever is asked later is judged worse
    monkeypatch.setattr("tacha.probe.Probe.auroc", lambda probe, scores: 1 / next(falling))
    assert main(["compress", str(run), "--kinds", "int8"]) == 0
    said = capsys.readouterr().out
    assert "AUROC points on drawn flaws, and 0.5 are allowed" in said
    assert "no int8 variant keeps the budget on both engines" in said
    assert not (run / "brick.int8.tacha").exists()


def test_an_artefact_that_cannot_be_compressed_does_not_stop_the_others(
    small_run: Path, other_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    shutil.copy(other_run / "brick.tacha", run / "brick.aaa.tacha")
    assert main(["compress", str(run), "--kinds", "bank8"]) == 2
    said = capsys.readouterr()
    assert (run / "brick.bank8.tacha").is_file()
    assert str(run / "brick.bank8.tacha") in said.out
    assert said.err.count("\n") == 1
    assert "mahalanobis" in said.err


def test_a_run_is_compressed_and_its_variants_judge(
    small_run: Path, good_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    kinds = ["f16", *(["bf16"] if has_bf16() else []), "bank8", "int8"]
    assert main(["compress", str(run), "--bank", "100", "--budget", "100", "--kinds", ",".join(kinds)]) == 0
    capsys.readouterr()
    made = sorted(p.name for p in run.glob("*.tacha"))
    stems = [f"brick.bank100{kind}" for kind in (*(f".{kind}" for kind in sorted(kinds)), "")]
    assert made == [f"{stem}.tacha" for stem in (*stems, "brick")]
    for kind in kinds:
        precision = artefacts.read(run / f"brick.bank100.{kind}.tacha").card["calibrated_on"]["precision"]
        assert precision == ("bf16" if kind == "bf16" else "f32")
    for name in made[:-1]:
        card = artefacts.read(run / name).card
        about = card["variant"]
        assert about["recalibrated"]
        assert about["images"] > 0
        assert 0 <= about["changed_verdicts"] <= about["images"]
        assert (about["between_engines"] is None) == ("bf16" in name)
        assert "metrics" not in card  # they were the original's
        assert (run / name).stat().st_size < (run / "brick.tacha").stat().st_size
        assert load(run / name).inspect(good_image).verdict in ("good", "flawed")
    # Again: the variants are no artefacts to compress.
    assert main(["compress", str(run), "--kinds", "f16"]) == 0
    assert (run / "brick.f16.tacha").is_file()
    assert main(["compress", str(run / "brick.f16.tacha")]) == 2
    assert "variant already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--kinds", "int3"], "int3"),
        (["--bank", "0"], "at least 1"),
        (["--dimensions", "0"], "at least 1"),
        (["--dimensions", "9999"], "nothing smaller"),
        (["--quantiser", "magic"], "nncf, onnxruntime"),
        (["--bank", "99999999"], "nothing smaller"),
        (["--budget", "-1"], "0 or more"),
        (["--budget", "nan"], "0 or more"),
        (["--kinds", ","], "names none"),
    ],
)
def test_what_cannot_be_compressed(
    small_run: Path, tmp_path: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", str(small_run / "brick.tacha"), "--out", str(tmp_path), *more]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_artefact_away_from_its_run(artefact_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(artefact_path, tmp_path / "alone.tacha")
    assert main(["compress", str(tmp_path / "alone.tacha")]) == 2
    assert "run's settings" in capsys.readouterr().err


def test_data_that_changed_since_is_refused(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    shutil.copytree(settings["data"]["root"], tmp_path / "set")
    settings["data"]["root"] = str(tmp_path / "set")
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    extra = next((tmp_path / "set" / "brick" / "train" / "good").glob("*.png"))
    extra.unlink()
    assert main(["compress", str(run)]) == 2
    assert "is not what brick.tacha was fitted on" in capsys.readouterr().err
