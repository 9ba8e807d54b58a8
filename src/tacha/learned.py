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

    from tacha.nets import Net

SHOWN = 16  # test images in a picture, half of them good

Rows = list[dict[str, Any]]


def learning_rows(group: str, net: Net, seed: int) -> Rows:
    """Tidy rows of a training: seconds, epochs, the best epoch's losses and metrics."""
    assert net.learned is not None
    figures = {("train_seconds" if k == "seconds" else k): v for k, v in net.learned.figures.items()}
    return [_row(group, net, seed, Figure(name, float(value), None, None, 1)) for name, value in figures.items()]


def class_report(group: str, net: Net, seed: int) -> Rows:
    """How a classifier names the test images: accuracy, and precision, recall and F1 a class.

    Draws the confusion matrix into the net's figures. Nothing for nets without classes or without test images.
    """
    data = net.data
    if data is None or net.folder is None or data.labels == "none" or not data.test_set.samples:
        return []
    confusion = _confusion(net)
    classes = data.classes
    confusion_plot(confusion, classes, net.folder / "figures" / "confusion.png")
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


def test_pictures(net: Net, name: str, scorer: str, result: Evaluation, size: int, folder: Path) -> list[Path]:
    """Reconstructions or attention of good and flawed test images, and the errors of each kind of flaw.

    `result` is what the scorer of that name said; only reconstruction's scores are errors.
    """
    from tacha.training.loggers import send_picture
    from tacha.training.pictures import error_histograms, reconstruction_grid

    module: Any = net.module
    made = []
    chosen = _spread([p for p in result.predictions if not p.label], SHOWN // 2)
    chosen += _spread([p for p in result.predictions if p.label], SHOWN // 2)
    figures = folder / "figures"
    if chosen and hasattr(module, "reconstruct"):
        captions = [p.defect for p in chosen]
        made.append(
            reconstruction_grid(module, _images(chosen, size), figures / f"reconstructions_{name}.png", captions)
        )
    if chosen and hasattr(module, "rollout"):
        made.append(_rollout_grid(module, chosen, size, figures / f"attention_{name}.png"))
    if result.predictions and scorer == "reconstruction":
        by_defect: dict[str, list[float]] = {}
        for p in result.predictions:
            by_defect.setdefault(p.defect, []).append(p.score)
        good = by_defect.pop("good", [])
        made.append(error_histograms(good, by_defect, figures / f"errors_{name}.png"))
    for path in made:
        send_picture(net.loggers, path.stem, path)
    return made


def confusion_plot(confusion: npt.NDArray[np.int64], classes: Sequence[str], path: Path) -> Path:
    """Counts [true, named] as a PNG, coloured by the share of the true class."""
    from matplotlib.figure import Figure as Canvas

    from tacha.files import written

    side = 2.2 + 0.62 * len(classes)
    figure = Canvas(figsize=(side + 0.6, side), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(confusion):
        axes.text(j, i, str(count), ha="center", va="center", color="white" if share[i, j] > 0.55 else "#222222")
    axes.set(xticks=range(len(classes)), yticks=range(len(classes)), xlabel="named", ylabel="true")
    for labels in (axes.set_xticklabels(classes, rotation=35, ha="right"), axes.set_yticklabels(classes)):
        for text in labels:
            text.set_parse_math(False)
    axes.set_title("Test images by their class", loc="left", fontsize=11)
    with written(path) as part:
        figure.savefig(part, format="png")
    return path


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


def _rollout_grid(module: Any, chosen: Sequence[Prediction], size: int, path: Path) -> Path:
    from matplotlib.figure import Figure as Canvas

    from tacha.files import written
    from tacha.regions import upsample

    images = _images(chosen, size)
    maps = module.rollout(images.to(next(module.parameters()).device)).float().cpu().numpy()
    columns = 4
    rows = -(-len(chosen) // columns)
    figure = Canvas(figsize=(3.2 * columns, 1.85 * rows), dpi=150, layout="constrained")
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if number < len(chosen):
            picture = images[number].permute(1, 2, 0).numpy()
            heat = upsample(maps[number], (size, size))
            axes.imshow(np.concatenate([picture, picture], 1))
            axes.imshow(heat, extent=(size, 2 * size, size, 0), alpha=0.6, cmap="inferno")
            axes.set(xlim=(0, 2 * size), ylim=(size, 0))
            axes.set_title(chosen[number].defect, fontsize=8).set_parse_math(False)
    with written(path) as part:
        figure.savefig(part, format="png")
    return path


def _images(chosen: Sequence[Prediction], size: int) -> torch.Tensor:
    import torch

    from tacha.data.image import prepare, read_image

    return torch.stack([torch.from_numpy(prepare(read_image(p.path), size)) for p in chosen])


def _spread(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """`count` of them, from the first to the last: the classes of flaw come in order."""
    if len(predictions) <= count:
        return list(predictions)
    return [predictions[i] for i in np.linspace(0, len(predictions) - 1, count).round().astype(int)]


def _rate(metric: str, hits: int, n: int) -> Figure:
    return Figure(metric, hits / n, *exact_interval(hits, n), n)


def _row(group: str, net: Net, seed: int, figure: Figure) -> dict[str, Any]:
    about = {"category": group, "net": net.name, "scorer": None, "engine": "torch", "precision": "f32", "seed": seed}
    return {**about, **asdict(figure)}
