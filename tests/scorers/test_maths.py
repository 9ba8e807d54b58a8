"""Each scorer against a naive or a library reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis
from scipy.special import softmax
from sklearn.covariance import EmpiricalCovariance
from sklearn.covariance import oas as sklearn_oas
from sklearn.decomposition import PCA
from torch.nn import functional as F

from tacha import scorers
from tacha.features.base import Features
from tacha.scorers import nearest
from tacha.scorers.base import Scorer
from tacha.scorers.coreset import CHUNK, ROOM, Coreset, greedy_k_centre
from tacha.scorers.moments import Moments
from tacha.scorers.padim import pooling_matrix
from tacha.scorers.pooling import MapPooling


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fit_embedding(name: str, good: torch.Tensor, **settings: object) -> Scorer:
    scorer = scorers.build(name, **settings)
    scorer.fit([Features(part) for part in good.split(10)])
    return scorer


def test_knn_against_a_loop() -> None:
    good, new = normal(30, 6) + 50, normal(5, 6, seed=1) + 50
    got = fit_embedding("knn", good, k=3)(Features(new)).image
    for x, score in zip(new.double(), got, strict=True):
        naive = sorted(float((x - y).norm()) for y in good.double())[:3]
        assert float(score) == pytest.approx(sum(naive) / 3, rel=1e-5)


def test_knn_of_fewer_images_than_neighbours() -> None:
    assert fit_embedding("knn", normal(2, 4))(Features(normal(3, 4))).image.shape == (3,)


def test_distance_to_itself_is_zero() -> None:
    good = normal(40, 6) + 1000
    assert float(fit_embedding("knn", good, k=1)(Features(good)).image.max()) == 0


@pytest.mark.parametrize("size", [1, 31, 32, 64, 65, 95, 96, 97, 160, 161])
def test_the_nearest_of_a_bank_of_any_size(size: int) -> None:
    rows, bank = normal(40, 5), normal(size, 5, seed=1)
    rows = torch.cat([rows, bank[-1:], bank[:1]])
    naive = torch.cdist(rows.double(), bank.double()).amin(1, keepdim=True).float()
    torch.testing.assert_close(nearest.nearest_distances(rows, bank, 1), naive, rtol=1e-5, atol=1e-6)


def test_chunked_search_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, bank = normal(50, 4), normal(20, 4, seed=1)
    whole = nearest.nearest_distances(rows, bank, 2)
    monkeypatch.setattr(nearest, "CHUNK", 7)
    torch.testing.assert_close(nearest.nearest_distances(rows, bank, 2), whole)


def test_memory_bank_map_against_a_loop() -> None:
    good, new = normal(4, 5, 3, 2), normal(2, 5, 3, 2, seed=1)
    scorer = scorers.build("memory_bank")
    scorer.fit([Features(good.mean((2, 3)), good)])
    scores = scorer(Features(new.mean((2, 3)), new))
    bank = good.permute(0, 2, 3, 1).reshape(-1, 5)
    for b in range(2):
        for y in range(3):
            for x in range(2):
                naive = min(float((new[b, :, y, x] - row).norm()) for row in bank)
                assert float(scores.map[b, y, x]) == pytest.approx(naive, rel=1e-5)
    torch.testing.assert_close(scores.image, scores.map.amax((1, 2)))


def test_channel_whitening_ignores_the_scale_of_a_channel() -> None:
    good, new = normal(50, 4), normal(5, 4, seed=1)
    stretch = torch.tensor([1.0, 5.0, 0.1, 7.0])
    plain = fit_embedding("knn", good, whiten="channel")(Features(new)).image
    torch.testing.assert_close(
        fit_embedding("knn", good * stretch, whiten="channel")(Features(new * stretch)).image, plain
    )


@pytest.mark.parametrize(("n", "d"), [(200, 6), (5, 20), (2, 3)])
def test_mahalanobis_against_sklearn_oas(n: int, d: int) -> None:
    good, new = normal(n, d) @ normal(d, d, seed=2) + 30, normal(4, d, seed=1) + 30
    X = good.double().numpy()
    precision = np.linalg.inv(sklearn_oas(X)[0])
    got = fit_embedding("mahalanobis", good)(Features(new)).image
    for x, score in zip(new.double().numpy(), got, strict=True):
        assert float(score) == pytest.approx(mahalanobis(x, X.mean(0), precision), rel=1e-4)


@pytest.mark.parametrize("name", ["mahalanobis", "euclidean", "knn", "cosine"])
def test_one_good_image_is_enough(name: str) -> None:
    good = normal(1, 5) + 3
    scorer = fit_embedding(name, good)
    assert float(scorer(Features(good)).image) == pytest.approx(0, abs=1e-6)
    assert float(scorer(Features(-good)).image) > 0.1


@pytest.mark.parametrize("settings", [{"components": 2}, {"variance": 0.8}])
def test_subspace_against_sklearn_pca(settings: dict[str, float]) -> None:
    good, new = normal(100, 6) * torch.tensor([5.0, 3, 1, 1, 0.5, 0.1]) + 9, normal(4, 6, seed=1) + 9
    X = good.double().numpy()
    pca = PCA(settings.get("components") or settings["variance"], svd_solver="full").fit(X)
    new64 = new.double().numpy()
    residual = new64 - pca.inverse_transform(pca.transform(new64))
    got = fit_embedding("subspace", good, reads="embedding", **settings)(Features(new)).image
    np.testing.assert_allclose(got, np.linalg.norm(residual, axis=1), rtol=1e-4)


def test_subspace_always_leaves_a_residual() -> None:
    scorer = fit_embedding("subspace", normal(20, 3), reads="embedding", variance=1.0)
    assert scorer.complement.shape == (3, 1)


def test_padim_against_scipy() -> None:
    good, new = normal(40, 5, 2, 3), normal(2, 5, 2, 3, seed=1)
    scorer = scorers.build("padim", channels=5, eps=0.02)
    scorer.fit([Features(part.mean((2, 3)), part) for part in good.split(8)])
    got = scorer(Features(new.mean((2, 3)), new)).map
    ridge = 0.02 * float(good.double().var(0).mean())
    for y in range(2):
        for x in range(3):
            X = good[:, :, y, x].double().numpy()
            precision = np.linalg.inv(np.cov(X.T) + ridge * np.eye(5))
            for b in range(2):
                naive = mahalanobis(new[b, :, y, x].double().numpy(), X.mean(0), precision)
                assert float(got[b, y, x]) == pytest.approx(naive, rel=1e-4)


@pytest.mark.parametrize(("size", "most"), [(6, 6), (6, 3), (7, 3), (5, 28)])
def test_pooling_matrix_is_adaptive_average_pooling(size: int, most: int) -> None:
    values = normal(1, 2, size)
    expected = F.adaptive_avg_pool1d(values, min(size, most))
    torch.testing.assert_close(values @ pooling_matrix(size, most).T, expected)


def test_euclidean_and_cosine_against_numpy() -> None:
    good, new = normal(20, 4) + 2, normal(3, 4, seed=1)
    X, N = good.numpy(), new.numpy()
    got = fit_embedding("euclidean", good)(Features(new)).image
    np.testing.assert_allclose(got, np.linalg.norm(N - X.mean(0), axis=1), rtol=1e-5)
    mean = (X / np.linalg.norm(X, axis=1, keepdims=True)).mean(0)
    cosine = N @ mean / np.linalg.norm(N, axis=1) / np.linalg.norm(mean)
    got = fit_embedding("cosine", good)(Features(new)).image
    np.testing.assert_allclose(got, 1 - cosine, rtol=1e-5)


@pytest.mark.parametrize(("normal_class", "given"), [(-1, 1), (0, 0), (2, 2)])
def test_confidence_is_what_the_softmax_leaves_over(normal_class: int, given: int) -> None:
    good, new = normal(30, 3), normal(5, 3, seed=1)
    good[:, 1] += 2
    scorer = scorers.build("confidence", normal=normal_class)
    scorer.fit([Features(part, logits=part) for part in good.split(7)])
    expected = 1 - softmax(new.double().numpy(), axis=1)[:, given]
    np.testing.assert_allclose(scorer(Features(new, logits=new)).image, expected, rtol=1e-5)


def test_confidence_tells_sure_from_surer() -> None:
    logits = torch.tensor([[40.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    scorer = scorers.build("confidence", normal=0)
    scorer.fit([Features(logits, logits=logits)])
    np.testing.assert_allclose(scorer(Features(logits, logits=logits)).image, 2 * np.exp([-40.0, -50.0]), rtol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_hybrid_weighs_cosine_and_confidence(weight: float) -> None:
    good, new, logits = normal(20, 4) + 1, normal(6, 4, seed=1), normal(6, 3, seed=2)
    scorer = scorers.build("hybrid", weight=weight, normal=1)
    scorer.fit([Features(part, logits=part[:, :3]) for part in good.split(6)])
    G, N = (rows.double().numpy() for rows in (good, new))
    direction = (G / np.linalg.norm(G, axis=1, keepdims=True)).mean(0)
    cosine = N @ direction / np.linalg.norm(N, axis=1) / np.linalg.norm(direction)
    doubt = 1 - softmax(logits.double().numpy(), axis=1)[:, 1]
    got = scorer(Features(new, logits=logits)).image
    np.testing.assert_allclose(got, weight * (1 - cosine) / 2 + (1 - weight) * doubt, rtol=1e-4)
    assert ((got >= 0) & (got <= 1)).all()


def test_moments_keep_their_digits_far_from_zero() -> None:
    rows = normal(300, 4).double() + 1e5
    moments = Moments()
    for part in rows.split(70):
        moments.add(part)
    reference = EmpiricalCovariance().fit(rows.numpy())
    np.testing.assert_allclose(moments.covariance, reference.covariance_, atol=1e-8)
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)


@pytest.mark.parametrize(("share", "count"), [(0.0, 1), (0.001, 1), (0.1, 2), (0.5, 10), (1.0, 20)])
def test_pooling_is_the_mean_of_the_top_share(share: float, count: int) -> None:
    values = normal(3, 4, 5)
    expected = values.flatten(1).sort(dim=1, descending=True).values[:, :count].mean(1)
    torch.testing.assert_close(MapPooling(share)(values).image, expected)


def test_smoothing_is_a_gaussian_filter() -> None:
    values = normal(2, 9, 11)
    expected = [gaussian_filter(v.numpy(), 1.5, mode="nearest", radius=5) for v in values]
    np.testing.assert_allclose(MapPooling(sigma=1.5)(values).map, np.stack(expected), rtol=1e-4, atol=1e-6)


def covering_radius(rows: torch.Tensor, centres: torch.Tensor) -> float:
    return float(torch.cdist(rows, centres).amin(1).max())


@pytest.mark.parametrize("projection", [64, 16])
def test_coreset_covers_almost_as_well_as_offline_greedy(projection: int) -> None:
    rows = normal(20_000, 4) @ normal(4, 24, seed=1) + 0.05 * normal(20_000, 24, seed=2)
    coreset = Coreset(150, projection=projection)
    for part in rows.split(777):
        coreset.add(part)
    chosen, _ = greedy_k_centre(rows - rows.mean(0), 150)
    centres = coreset.finish()
    assert centres.shape == (150, 24)
    assert covering_radius(rows, centres) <= 1.7 * covering_radius(rows, rows[chosen])
    assert set(map(tuple, centres.tolist())) <= set(map(tuple, rows.tolist()))


def test_greedy_k_centre_against_a_loop() -> None:
    points = normal(40, 3)
    chosen = [int(points.norm(dim=1).argmax())]
    while len(chosen) < 10:
        gaps = [min(float((p - points[c]).norm()) for c in chosen) for p in points]
        chosen.append(int(np.argmax(gaps)))
    got, radius2 = greedy_k_centre(points, 10)
    assert got.tolist() == chosen
    assert math.sqrt(radius2) == pytest.approx(covering_radius(points, points[chosen]), rel=1e-4)


def test_coreset_keeps_rare_clusters_wherever_they_come() -> None:
    rows = 0.1 * normal(15_000, 8)
    for i, place in enumerate((0, 7_000, 14_999)):
        rows[place] += 5 * F.one_hot(torch.tensor(i), 8)
    coreset = Coreset(20)
    for part in rows.split(1000):
        coreset.add(part)
    assert (torch.cdist(rows[[0, 7_000, 14_999]], coreset.finish()).amin(1) < 0.5).all()


def test_coreset_keeps_all_rows_under_budget_and_one_of_equal_rows() -> None:
    few = Coreset(100)
    few.add(normal(60, 5))
    assert torch.equal(few.finish(), normal(60, 5))
    same = Coreset(10)
    same.add(torch.ones(50, 3).cumsum(1))
    assert same.finish().shape == (1, 3)


def test_coreset_memory_is_flat() -> None:
    coreset = Coreset(30, projection=4)
    held = set()
    for seed in range(14):
        coreset.add(normal(3000, 6, seed=seed))
        held.add(sum(v.numel() for v in vars(coreset).values() if isinstance(v, torch.Tensor)))
    assert len(held) == 1
    assert held.pop() <= 2 * (ROOM + CHUNK) * (6 + 4 + 1) + CHUNK * 6
