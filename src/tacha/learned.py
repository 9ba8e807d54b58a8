"""What a run says of a net that was trained: its figures, how well it tells classes apart, its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tacha.evaluation import Evaluation, Prediction
from tacha.metrics import Figure
from tacha.metrics.bootstrap import exact_interval

if TYPE_CHECKING:
    import torch

    from tacha.data.frame import Frame
    from tacha.nets import Net

Rows = list[dict[str, Any]]


def learning_rows(group: str, net: Net, seed: int) -> Rows:
    """Tidy rows of a training: seconds, epochs, the best epoch's losses and metrics."""
    assert net.learned is not None
    figures = {("train_seconds" if k == "seconds" else k): v for k, v in net.learned.figures.items()}
    return [_row(group, net, seed, Figure(name, float(value), None, None, 1)) for name, value in figures.items()]


def class_report(group: str, net: Net, seed: int, language: str = "en") -> Rows:
    """How a classifier names the test images: accuracy, and precision, recall and F1 a class.

    Draws the confusion matrix and examples into the net's figures. Nothing for nets without classes or test images.
    """
    import torch

    from tacha.report.plots import confusion_plot
    from tacha.training.grids import SHOWN, class_grid, spread
    from tacha.training.loggers import send_picture

    data = net.data
    if data is None or net.folder is None or data.labels == "none" or not data.test_set.samples:
        return []
    confusion = _confusion(net)
    classes = data.classes
    figures = net.folder / "figures"
    made = [confusion_plot(confusion, classes, figures / "confusion.png", language)]
    readable = [i for i, x in enumerate(data.test_set.samples) if x.path not in data.test_set.skipped]
    shown = spread(readable, SHOWN)
    images = torch.stack([data.test_set[i][0] for i in shown])
    truths = [data.class_of(data.test_set.samples[i]) for i in shown]
    made.append(class_grid(net.module, images, truths, classes, figures / "classes.png"))
    for path in made:
        send_picture(net.loggers, path.stem, path)
    hits, total = int(np.trace(confusion)), int(confusion.sum())
    rows = [_row(group, net, seed, _rate("test_accuracy", hits, total))]
    for i, name in enumerate(classes):
        true, said, both = int(confusion[i].sum()), int(confusion[:, i].sum()), int(confusion[i, i])
        if true:
            rows.append(_row(group, net, seed, _rate(f"class_recall/{name}", both, true)))
        if said:
            rows.append(_row(group, net, seed, _rate(f"class_precision/{name}", both, said)))
        if true + said:
            f1 = 2 * both / (true + said)
            rows.append(_row(group, net, seed, Figure(f"class_f1/{name}", f1, None, None, true)))
    return rows


def test_pictures(
    net: Net, name: str, scorer: str, result: Evaluation, frame: Frame, folder: Path, language: str
) -> list[Path]:
    """Reconstructions or attention of good and flawed test images, and the errors of each kind of flaw.

    `result` is what the scorer of that name said; only reconstruction's scores are errors.
    """
    from tacha.report.plots import error_histograms
    from tacha.training.grids import SHOWN, attention_grid, reconstruction_grid, spread
    from tacha.training.loggers import send_picture

    made = []
    chosen = spread([p for p in result.predictions if not p.label], SHOWN // 2)
    chosen += spread([p for p in result.predictions if p.label], SHOWN // 2)
    figures, captions = folder / "figures", [p.defect for p in chosen]
    grids = {"reconstruct": (reconstruction_grid, "reconstructions"), "rollout": (attention_grid, "attention")}
    for method, (grid, kind) in grids.items():
        if chosen and hasattr(net.module, method):
            made.append(grid(net.module, _images(chosen, frame), figures / f"{kind}_{name}.png", captions))
    if result.predictions and scorer == "reconstruction":
        by_defect: dict[str, list[float]] = {}
        for p in result.predictions:
            by_defect.setdefault(p.defect, []).append(p.score)
        good = by_defect.pop("good", [])
        made.append(error_histograms(good, by_defect, figures / f"errors_{name}.png", language))
    for path in made:
        send_picture(net.loggers, path.stem, path)
    return made


def _confusion(net: Net) -> npt.NDArray[np.int64]:
    import torch

    assert net.data is not None
    K = len(net.data.classes)
    counts = np.zeros((K, K), dtype=np.int64)
    with torch.inference_mode():
        for images, targets in net.data.test_dataloader():
            logits = net.module(images.to(next(net.module.parameters()).device)).logits
            assert logits is not None
            np.add.at(counts, (targets.numpy(), logits.argmax(1).cpu().numpy()), 1)
    return counts


def _images(chosen: Sequence[Prediction], frame: Frame) -> torch.Tensor:
    import torch

    from tacha.data.image import load_prepared

    return torch.stack([torch.from_numpy(load_prepared(p.path, frame)[0]) for p in chosen])


def _rate(metric: str, hits: int, n: int) -> Figure:
    return Figure(metric, hits / n, *exact_interval(hits, n), n)


def _row(group: str, net: Net, seed: int, figure: Figure) -> dict[str, Any]:
    about = {"category": group, "net": net.name, "scorer": None, "engine": "torch", "precision": "f32", "seed": seed}
    return {**about, **asdict(figure)}
