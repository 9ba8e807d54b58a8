from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tacha
from tacha import Inspection, TachaError, fit, load
from tacha.configuration import compose
from tacha.run import train


def metrics(folder: Path) -> dict[str, dict[str, float]]:
    return {r["metric"]: r for r in json.loads((folder / "metrics.json").read_text())["rows"]}


def test_the_run_folder_holds_what_it_should(small_run: Path) -> None:
    found = {p.name for p in small_run.iterdir()}
    assert found == {"metrics.json", "predictions.csv", "config.yaml", "figures", "report.html", "brick.tacha"}
    rows = metrics(small_run)
    for name in ("image_auroc", "image_ap", "image_f1", "balanced_accuracy", "false_alarm_rate", "pixel_auroc",
                 "aupro_30", "aupro_05", "promised_false_alarm_rate", "fit_seconds", "inspect_ms_p50"):  # fmt: skip
        assert name in rows, name
    for name in ("image_auroc", "pixel_auroc"):
        assert rows[name]["low"] <= rows[name]["value"] <= rows[name]["high"]
    predictions = list(csv.DictReader((small_run / "predictions.csv").open()))
    assert len(predictions) == 45
    card = load(small_run / "brick.tacha").card
    for row in predictions:
        assert (row["verdict"] == "flawed") == (float(row["score"]) > card["calibration"]["threshold"])


def test_it_detects(small_run: Path) -> None:
    assert metrics(small_run)["image_auroc"]["value"] >= 0.7  # at 64 px with 300 vectors


def test_metrics_agree_with_the_predictions(small_run: Path) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rows = list(csv.DictReader((small_run / "predictions.csv").open()))
    labels, scores = [int(r["label"]) for r in rows], [float(r["score"]) for r in rows]
    found = metrics(small_run)
    assert found["image_auroc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["image_ap"]["value"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_the_test_set_chooses_nothing(sample_root: Path, tmp_path: Path) -> None:
    """Other test images, same artefact: weights, thresholds and all."""
    import shutil

    from tacha.runtime import artefact as artefacts

    other = tmp_path / "other"
    shutil.copytree(sample_root / "brick", other / "brick")
    for path in (other / "brick" / "test").glob("*/*.png"):
        Image.fromarray(np.full((40, 40), 7, np.uint8)).save(path)
    made = []
    for root in (sample_root, other):
        overrides = ["data=mvtec", f"data.root={root}", "data.categories=[brick]", "data.size=64", "scorer.size=100"]
        overrides.append("runtime.engine=openvino")
        folder = tmp_path / root.name / "run"
        train(compose([*overrides, "evaluation.pixels=false"]), folder)
        made.append(artefacts.read(folder / "brick.tacha"))
    assert made[0].weights == made[1].weights
    assert made[0].card["calibration"] == made[1].card["calibration"]


def test_fit_from_a_plain_folder_of_good_images(sample_root: Path, tmp_path: Path, good_image: Path) -> None:
    small = ["data.size=64", "scorer.size=200", "runtime.engine=openvino"]
    inspector = fit(sample_root / "brick" / "train" / "good", overrides=small, name="b")
    found = inspector.inspect(good_image)
    assert isinstance(found, Inspection)
    again = load(inspector.save(tmp_path / "b"), engine="openvino").inspect(np.asarray(Image.open(good_image)))
    assert again.score == pytest.approx(found.score, rel=1e-5)
    assert inspector.name == "b"


def test_fit_asks_which_of_several_categories(sample_root: Path) -> None:
    with pytest.raises(TachaError, match=r"brick, grass, gravel.*data\.categories"):
        fit(sample_root)


def test_pooled_makes_one_detector(sample_root: Path, tmp_path: Path) -> None:
    overrides = ["data=mvtec", f"data.root={sample_root}", "pooled=true", "data.size=64", "scorer.size=200"]
    run = train(compose(overrides), tmp_path / "run")
    assert list(run.inspectors) == ["pooled"]
    assert (tmp_path / "run" / "pooled.tacha").is_file()


def test_unreadable_training_images_are_listed(sample_root: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "brick"
    shutil.copytree(sample_root / "brick", root)
    for name, data in (("a.png", b""), ("z.png", b"nonsense")):
        (root / "train" / "good" / name).write_bytes(data)
    train(compose(["data=mvtec", f"data.root={root}", "data.size=64", "scorer.size=100"]), tmp_path / "run")
    skipped = json.loads((tmp_path / "run" / "metrics.json").read_text())["run"]["skipped"]
    assert {Path(p).name for p, _ in skipped} == {"a.png", "z.png"}
    assert "a.png" in (tmp_path / "run" / "report.html").read_text()


def test_an_inspection(artefact_path: Path, sample_root: Path) -> None:
    inspector = load(artefact_path)
    found = [inspector.inspect(p) for p in sorted((sample_root / "brick" / "test").glob("*/*.png"))]
    many = list(inspector.inspect_many([f.path for f in found if f.path]))
    assert [m.score for m in many] == [f.score for f in found]
    for f in found:
        assert f.flawed == (f.score > f.threshold) == (f.verdict == "flawed") == bool(f.regions)
        assert 0 < (f.p_value or 0) <= 1
        for region in f.regions:
            left, top, right, bottom = region.box
            assert 0 <= left < right <= f.size[0]
            assert 0 <= top < bottom <= f.size[1]
        json.dumps(f.to_dict())


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)],
)
def test_arrays_that_are_no_image(artefact_path: Path, image: np.ndarray) -> None:
    with pytest.raises(TachaError, match="image array"):
        load(artefact_path).inspect(image)


def test_a_stream_stops_at_an_unreadable_image_unless_told(
    artefact_path: Path, good_image: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    inspector = load(artefact_path)
    with pytest.raises(TachaError, match=r"bad\.png"):
        list(inspector.inspect_many([good_image, bad]))
    skipped: list[tuple[Path, str]] = []
    assert len(list(inspector.inspect_many([good_image, bad, good_image], skipped))) == 2
    assert [p for p, _ in skipped] == [bad]


def test_public_names() -> None:
    for name in tacha.__all__:
        assert getattr(tacha, name) is not None
    with pytest.raises(AttributeError):
        _ = tacha.nothing
