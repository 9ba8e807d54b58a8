"""A small run folder, as a run leaves it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tacha.calibration import conformal
from tacha.metrics import PixelFigures, image_figures
from tacha.report.overlay import heat_overlay, side_by_side

HOSTILE = '<script>alert("x")</script>.png'


@pytest.fixture
def run_dir(tmp_path):
    """Two categories: `screw` with too few good images for its promise, and a hostile one with maths in its name."""
    rng = np.random.default_rng(0)
    rows, predictions, calibrations, gallery = [], [], {}, {}
    for category, held_out, shift in (("screw", 43, 3.0), ("<b>nut</b> $x_$", 80, 1.5)):
        calibration = conformal(rng.normal(10, 1, size=held_out))
        calibrations[category] = {**calibration.to_dict(), "sentence": calibration.guarantee()}
        defects = ["good"] * 30 + ["scratch"] * 15 + ["thread & <i>top</i>"] * 15
        labels = np.array([d != "good" for d in defects], int)
        scores = rng.normal(10, 1, size=60) + shift * labels
        pixels = PixelFigures()
        for i in range(4):
            mask = np.zeros((32, 32), bool)
            mask[8:14, 8:20] = i > 1
            pixels.add((rng.normal(size=(32, 32)) + 2 * mask).astype(np.float32), mask)
        figures = image_figures(scores, labels, calibration.threshold, resamples=50) + pixels.figures(resamples=20)
        about = {"category": category, "net": "backbone", "scorer": "memory_bank", "engine": "openvino", "seed": 0}
        rows += [{**about, **f.to_dict()} for f in figures]
        promised = {"value": calibration.promise.false_alarm_rate, "low": None, "high": None, "n": held_out}
        rows.append({**about, "metric": "promised_false_alarm_rate", **promised})
        rows.append({**about, "metric": "inspect_ms_p50", "value": 31.24, "low": 29.0, "high": 44.5, "n": 60})
        for i, (score, defect) in enumerate(zip(scores, defects, strict=True)):
            verdict = "flawed" if calibration.flawed(score) else "good"
            name = HOSTILE if i == 0 else f"/data/{category}/{i:03}.png"
            p = calibration.p_value(score)
            predictions.append([name, category, labels[i], defect, repr(float(score)), p, verdict])
        gallery[category] = [
            _entry(tmp_path, f"gallery_{held_out}_{number}.png", kind, rng)
            for number, kind in enumerate(["miss", "false alarm", "find", "find"])
        ]
    run = {
        "name": "demo <run>",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 41.5,
        "tacha": "0.1.0",
        "versions": {"tacha": "0.1.0", "numpy": "2.1.0"},
        "data": {"root": "data/sample", "layout": "mvtec", "digest": "ab" * 32},
        "notes": ["2 masks are empty"],
        "calibration": calibrations,
        "skipped": [[f"data/{HOSTILE}", "truncated image"]],
        "gallery": gallery,
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"rows": rows, "run": run}))
    with (tmp_path / "predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "category", "label", "defect", "score", "p_value", "verdict"])
        writer.writerows(predictions)
    (tmp_path / "config.yaml").write_text("model:\n  name: backbone\nseed: 0\n")
    return tmp_path


def _entry(folder, name, kind, rng):
    shape = (96, 128)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([(120 + 40 * np.sin(xx / 9) + 20 * np.cos(yy / 7))] * 3, axis=2).astype(np.uint8)
    anomaly_map = rng.uniform(0.3, 0.8, size=(12, 16)).astype(np.float32)
    mask = np.zeros(shape, bool)
    if kind != "miss":
        anomaly_map[4:7, 6:11] = 1.7
    if kind != "false alarm":
        mask[30:55, 50:90] = True
    overlay = heat_overlay(image, anomaly_map, 1.0, (0.4, 2.0))
    (folder / "figures").mkdir(exist_ok=True)
    Image.fromarray(side_by_side(image, overlay, mask if mask.any() else None)).save(folder / "figures" / name)
    return {
        "kind": kind,
        "image": f"figures/{name}",
        "path": f"data/{HOSTILE}",
        "defect": "good" if kind == "false alarm" else "scratch",
        "score": 12.5,
        "p_value": 0.0227,
        "verdict": "good" if kind == "miss" else "flawed",
    }
