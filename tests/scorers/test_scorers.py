"""What every registered scorer must do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from tacha import scorers
from tacha.errors import TachaError
from tacha.features.base import Features
from tacha.scorers.base import Scorer

D, C, H, W = 8, 12, 6, 5

CASES: list[tuple[str, dict[str, object]]] = [
    ("confidence", {}),
    ("confidence", {"normal": 2}),
    ("cosine", {}),
    ("cosine", {"reads": "patches"}),
    ("depth_banks", {"views": "0", "size": 200}),
    ("depth_banks", {"views": "0+1 unit:0 unit:white:1", "share": 0.1}),
    ("euclidean", {}),
    ("euclidean", {"reads": "patches", "share": 0.1}),
    ("hybrid", {}),
    ("hybrid", {"weight": 0.2, "normal": 2}),
    ("knn", {}),
    ("knn", {"reads": "patches", "size": 50, "k": 2}),
    ("mahalanobis", {}),
    ("mahalanobis", {"reads": "patches"}),
    ("memory_bank", {"size": 200}),
    ("memory_bank", {"size": 200, "neighbours": 3, "share": 0.1, "sigma": 1.0, "whiten": "channel"}),
    ("padim", {"channels": 10}),
    ("padim", {"channels": 10, "grid": 4}),
    ("reconstruction", {}),
    ("reconstruction", {"share": 0.05, "sigma": 1.5}),
    ("subspace", {}),
    ("subspace", {"reads": "embedding", "components": 3}),
]
IDS = [name + "".join(f"-{k}={v}" for k, v in settings.items()) for name, settings in CASES]
every_scorer = pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)


MIXING = torch.randn(4, C, generator=torch.Generator().manual_seed(9))


def draw(count: int, seed: int, bad: bool = False) -> Features:
    """Gaussian features round a mean, patches near a subspace of 4 of their dimensions.

    A bad image's embedding, and a window of its places, lie far away; the classifier says 2 of the good, 0 of the bad.
    """
    g = torch.Generator().manual_seed(seed)
    embedding = 2 + 0.3 * torch.randn(count, D, generator=g)
    patches = 2 + torch.einsum("bkhw,kc->bchw", 0.3 * torch.randn(count, 4, H, W, generator=g), MIXING)
    patches += 0.05 * torch.randn(count, C, H, W, generator=g)
    residual = torch.rand(count, 3 * H, 3 * W, generator=g)
    logits = torch.randn(count, 4, generator=g)
    logits[:, 0 if bad else 2] += 6
    if bad:
        embedding[:, ::2] -= 4
        patches[:, ::2, 2:4, 1:4] -= 4
        residual[:, 2:10, 3:12] += 4
    return Features(embedding, patches, residual, logits, (patches, F.avg_pool2d(patches, 2, ceil_mode=True)))


def split(features: Features, size: int) -> list[Features]:
    *fields, levels, _ = features
    deep = zip(*(level.split(size) for level in levels), strict=True)
    return [Features(*parts) for parts in zip(*(field.split(size) for field in fields), deep, strict=True)]


GOOD, NEW, BAD = draw(96, 0), draw(20, 1), draw(20, 2, bad=True)


def fitted(name: str, settings: dict[str, object], batch: int = 16) -> Scorer:
    scorer = scorers.build(name, **settings)
    scorer.fit(split(GOOD, batch))
    return scorer


def test_cases_cover_the_registry() -> None:
    table = scorers.SCORERS.table().items()
    assert {name for name, _ in CASES} == {name for name, where in table if where.startswith("tacha.")}


@every_scorer
def test_detects_what_is_far_from_good(name: str, settings: dict[str, object]) -> None:
    scorer = fitted(name, settings)
    good, bad = scorer(NEW), scorer(BAD)
    scores = torch.cat([good.image, bad.image])
    assert scores.shape == (40,)
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    assert roc_auc_score([0] * 20 + [1] * 20, scores) >= 0.99
    if bad.map is None:
        assert scorer.needs <= {"embedding", "logits"}
    else:
        assert torch.isfinite(bad.map).all()
        peak = bad.map.flatten(1).argmax(1)
        height, width = bad.map.shape[1:]
        row, column = (peak // width) / height, (peak % width) / width
        assert ((row >= 0.1) & (row < 0.7) & (column >= 0.1) & (column < 0.8)).all()  # inside the flaw


@every_scorer
def test_fit_is_deterministic_and_ignores_the_batch_split(name: str, settings: dict[str, object]) -> None:
    first, again, other = fitted(name, settings), fitted(name, settings), fitted(name, settings, batch=7)
    for key, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    torch.testing.assert_close(first(BAD).image, other(BAD).image, rtol=1e-4, atol=1e-5)


@every_scorer
def test_state_and_settings_rebuild_the_scorer(name: str, settings: dict[str, object]) -> None:
    scorer = fitted(name, settings)
    rebuilt = scorers.build(name, **scorer.settings)
    rebuilt.load_state_dict(scorer.state_dict())
    assert rebuilt.settings == scorer.settings
    assert scorer.settings.items() >= settings.items()
    assert all(type(value) in (int, float, str) for value in scorer.settings.values())
    assert torch.equal(rebuilt(BAD).image, scorer(BAD).image)
    assert rebuilt.needs == scorers.needs(name, **settings)


@every_scorer
def test_scores_of_an_image_do_not_depend_on_its_batch(name: str, settings: dict[str, object]) -> None:
    scorer = fitted(name, settings)
    one_by_one = torch.cat([scorer(image).image for image in split(BAD, 1)])
    torch.testing.assert_close(one_by_one, scorer(BAD).image, rtol=1e-4, atol=1e-6)


class Graph(torch.nn.Module):
    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer, self.fields = scorer, sorted(scorer.needs)

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = (values,) if self.fields == ["levels"] else values
        fields = {"embedding": values[0][:, :1], **dict(zip(self.fields, given, strict=True))}
        return tuple(part for part in self.scorer(Features(**fields)) if part is not None)

    def inputs(self, features: Features) -> tuple[torch.Tensor, ...]:
        found = [getattr(features, field) for field in self.fields]
        return found[0] if self.fields == ["levels"] else tuple(found)


@every_scorer
def test_engines_agree(name: str, settings: dict[str, object], tmp_path: Path) -> None:
    import onnxruntime

    from tacha.runtime.engines.openvino import core

    scorer = fitted(name, settings)
    graph, path = Graph(scorer).eval(), tmp_path / "scorer.onnx"
    example = graph.inputs(draw(2, 3))
    shapes = (tuple({0: torch.export.Dim.DYNAMIC} for _ in example),)
    torch.onnx.export(graph, example, path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core().compile_model(str(path), "CPU", precise)
    for features in (NEW, BAD, draw(1, 4)):
        values = [value.numpy() for value in graph.inputs(features)]
        expected = [part.numpy() for part in graph(*map(torch.from_numpy, values))]
        for got in (
            session.run(None, {i.name: v for i, v in zip(session.get_inputs(), values, strict=True)}),
            list(compiled(values).values()),
        ):
            for theirs, ours in zip(got, expected, strict=True):
                np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@every_scorer
def test_refuses_what_it_cannot_use(name: str, settings: dict[str, object]) -> None:
    scorer = scorers.build(name, **settings)
    with pytest.raises(TachaError, match="no good images"):
        scorer.fit([])
    if name != "reconstruction":
        with pytest.raises(TachaError, match="not fitted"):
            scorer(NEW)
    if missing := scorer.needs - {"embedding"}:
        with pytest.raises(TachaError, match=f"needs {next(iter(missing))}, which this net does not provide"):
            scorer.fit([Features(GOOD.embedding)])


def test_refuses_features_that_are_not_finite() -> None:
    with pytest.raises(TachaError, match="not finite"):
        scorers.build("euclidean").fit([Features(torch.full((2, 3), torch.nan))])
    with pytest.raises(TachaError, match="logits that are not finite"):
        scorers.build("confidence").fit([Features(torch.zeros(2, 3), logits=torch.full((2, 3), torch.inf))])


def test_refuses_another_net_or_image_size() -> None:
    with pytest.raises(TachaError, match="fitted on 8 features a row and was given 5"):
        fitted("knn", {})(Features(torch.zeros(1, 5)))
    with pytest.raises(TachaError, match="fitted on 4 classes and was given 2"):
        fitted("confidence", {})(Features(torch.zeros(1, 5), logits=torch.zeros(1, 2)))
    with pytest.raises(TachaError, match="normal=4, but the net tells 4 classes apart"):
        fitted("hybrid", {"normal": 4})
    with pytest.raises(TachaError, match="fitted on 30 places"):
        fitted("padim", {})(Features(torch.zeros(1, 5), torch.zeros(1, C, H, H)))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("memory_bnak", {}, "unknown scorer 'memory_bnak': did you mean 'memory_bank'"),
        ("knn", {"kk": 1}, "scorer 'knn' has no setting 'kk': it takes k, reads"),
        ("knn", {"k": 0}, "setting k=0: give a whole number of at least 1"),
        ("memory_bank", {"size": 2.5}, "size=2.5: give a whole number"),
        ("memory_bank", {"share": 1.5}, "share=1.5: give a number from 0 to 1"),
        ("memory_bank", {"sigma": float("nan")}, "sigma=nan: give a number at least 0"),
        ("memory_bank", {"whiten": "zca"}, "whiten='zca': choose one of none, channel"),
        ("cosine", {"reads": "logits"}, "reads='logits': choose one of embedding, patches"),
        ("confidence", {"normal": "good"}, "normal='good': give a whole number of at least -1"),
        ("hybrid", {"weight": 1.1}, "weight=1.1: give a number from 0 to 1"),
        ("padim", {"eps": 0}, "eps=0: give a number at least"),
        ("subspace", {"variance": "95"}, "variance='95': give a number"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(TachaError, match=message):
        scorers.build(name, **settings)


def test_installed_packages_may_add_scorers(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from tacha import registry

    point = metadata.EntryPoint("mine", "tacha.scorers.euclidean:Euclidean", "tacha.scorers")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "tacha.scorers" else [])
    assert "mine" in scorers.names()
    assert scorers.build("mine").needs == {"embedding"}


def test_fit_walks_a_lazy_stream() -> None:
    class Stream:
        passes = 0

        def __iter__(self) -> Iterator[Features]:
            self.passes += 1
            yield from split(GOOD, 16)

    stream = Stream()
    scorers.build("memory_bank", whiten="channel").fit(stream)
    assert stream.passes == 2
