"""Variants of real artefacts: what they keep, where they run, and what cannot be compressed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tacha import TachaError, load
from tacha.cli import main
from tacha.runtime import artefact as artefacts
from tacha.runtime.compress import halved, in_int8, with_smaller_banks
from tacha.runtime.engines import start


@pytest.fixture(scope="module")
def images(sample_root: Path, artefact_path: Path) -> list[np.ndarray]:
    from tacha.data.image import prepare, read_image

    size = artefacts.read(artefact_path).card["input"]["size"]
    return [prepare(read_image(p), size) for p in sorted((sample_root / "brick" / "train" / "good").glob("*.png"))[:20]]


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
    small = with_smaller_banks(original, 50)
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
        with_smaller_banks(small, 50)


def test_int8_runs_on_both_engines_alike_and_is_refused_by_torch(
    artefact_path: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    original = artefacts.read(artefact_path)
    variant = in_int8(original, images, ["MatMul"])
    path = artefacts.write(variant, tmp_path / "small.tacha")
    assert any(values.dtype == np.int8 for values in artefacts.read(path).tensors().values())
    expected = np.array([float(start(original)(i[None])[0][0]) for i in images])
    for engine in ("openvino", "onnxruntime"):
        found = np.array([load(path, engine=engine).engine(i[None])[0][0] for i in images])
        np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05)
    with pytest.raises(TachaError, match=r"torch has no int8.*openvino or onnxruntime"):
        load(path, engine="torch")
    assert main(["check", str(path)]) in (0, 1)
    with pytest.raises(TachaError, match="at least 16 good images and there are 3"):
        in_int8(original, images[:3])


def test_a_run_is_compressed_and_its_variants_judge(
    small_run: Path, good_image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    assert main(["compress", str(run), "--bank", "100", "--budget", "100"]) == 0
    capsys.readouterr()
    made = sorted(p.name for p in run.glob("*.tacha"))
    assert made == ["brick.bank100.f16.tacha", "brick.bank100.int8.tacha", "brick.bank100.tacha", "brick.tacha"]
    for name in made[:3]:
        card = artefacts.read(run / name).card
        about = card["variant"]
        assert about["recalibrated"]
        assert about["images"] > 0
        assert 0 <= about["changed_verdicts"] <= about["images"]
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
        (["--bank", "99999999"], "nothing smaller"),
        (["--budget", "-1"], "0 or more"),
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
