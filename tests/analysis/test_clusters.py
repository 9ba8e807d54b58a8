"""Planes, clusters and their figures against naive references and known answers."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tacha.analysis.agreement import against_truth, detector_figures, shape_of, verdict_figures
from tacha.analysis.clusters import clustered, knee
from tacha.analysis.planes import neighbours, principal, standardised
from tacha.errors import TachaError

RNG = np.random.default_rng(0)
BLOBS = np.concatenate([RNG.normal(c, 0.1, (20, 2)) for c in ((0, 0), (4, 0))] + [[[2.0, 3.0]], [[-3.0, -3.0]]])
FLAWED = np.array([0] * 40 + [1, 1])


def naive_dbscan(points, eps, min_samples):
    """Noise and core points straight from the definitions of Ester et al. 1996."""
    near = cdist(points, points) <= eps
    core = near.sum(1) >= min_samples
    return ~(near & core).any(1), core


@pytest.mark.parametrize(("eps", "min_samples"), [(0.2, 3), (0.3, 5), (0.1, 4), (5.0, 5)])
def test_noise_is_what_no_core_point_reaches(eps, min_samples):
    found = clustered(BLOBS, min_samples, eps)
    noise, core = naive_dbscan(BLOBS, eps, min_samples)
    assert found.noise.tolist() == noise.tolist()
    assert (found.distances <= eps).tolist() == core.tolist()


def test_the_knee_parts_two_blobs_and_leaves_the_outliers_as_noise():
    found = clustered(BLOBS, 5)
    assert found.count == 2
    assert np.flatnonzero(found.noise).tolist() == [40, 41]


def test_the_k_distances_are_those_to_the_k_th_nearest_itself_the_first():
    expected = np.sort(cdist(BLOBS, BLOBS), 1)[:, 4]
    assert clustered(BLOBS, 5).distances == pytest.approx(expected)


@pytest.mark.parametrize(
    ("curve", "where"),
    [([0, 0, 0, 0, 10], 3), ([1, 1, 1], 2), ([0, 1, 2, 3], 0), ([0.0, 0.1, 0.2, 0.3, 5.0, 10.0], 3)],
)
def test_the_knee_of_known_curves(curve, where):
    assert knee(np.array(curve, dtype=float)) == where


def test_copies_of_one_image_are_one_cluster():
    found = clustered(np.zeros((10, 2)), 5)
    assert (found.count, int(found.noise.sum())) == (1, 0)


def test_points_that_are_all_far_apart_can_all_be_noise():
    found = clustered(np.arange(12.0)[:, None] * 100 * np.ones((1, 2)), 5, eps=1.0)
    assert found.noise.all()
    figures = {f.metric: f for f in verdict_figures(found.noise, np.array([0] * 6 + [1] * 6), 0)}
    assert figures["recall"].value == 1
    assert figures["false_alarm_rate"].value == 1
    assert {f.metric for f in shape_of(found, np.zeros((12, 2)))} == {"clusters", "noise", "eps"}


def test_fewer_points_than_min_samples_are_refused_with_both_numbers():
    with pytest.raises(TachaError, match=r"4 images are fewer than --min-samples 5"):
        clustered(BLOBS[:4], 5)


def test_figures_of_a_perfect_clustering():
    figures = {f.metric: f for f in against_truth(clustered(BLOBS, 5), FLAWED, ["a"] * 20 + ["b"] * 20 + ["x"] * 2, 0)}
    assert [figures[m].value for m in ("precision", "recall", "f1", "image_auroc", "adjusted_rand")] == [1, 1, 1, 1, 1]
    assert figures["false_alarm_rate"].value == 0
    assert figures["recall"].low < 0.2  # two flawed images say little
    assert figures["recall"].n == 2


def test_labels_permuted_give_chance():
    labels = np.random.default_rng(3).permutation(FLAWED.repeat(20))
    figures = {f.metric: f for f in detector_figures(np.arange(840.0), 420, labels, 0)}
    assert figures["image_auroc"].low < 0.5 < figures["image_auroc"].high


def test_images_of_one_class_have_no_figures_against_truth():
    assert against_truth(clustered(BLOBS, 5), np.zeros(42, dtype=int), ["good"] * 42, 0) == []
    assert detector_figures(np.arange(42.0), 3, np.ones(42, dtype=int), 0) == []


def test_precision_is_left_out_where_nothing_is_called_flawed():
    assert "precision" not in {f.metric for f in verdict_figures(np.zeros(42, dtype=bool), FLAWED, 0)}


def test_silhouette_against_the_definition():
    found = clustered(BLOBS, 5)
    inside, labels = BLOBS[~found.noise], found.labels[~found.noise]
    far = cdist(inside, inside)
    values = []
    for i, label in enumerate(labels):
        own = far[i][labels == label].sum() / ((labels == label).sum() - 1)
        other = far[i][labels != label].mean()
        values.append((other - own) / max(own, other))
    figure = next(f for f in shape_of(found, BLOBS) if f.metric == "silhouette")
    assert figure.value == pytest.approx(np.mean(values))


def test_principal_components_against_the_eigenvectors():
    vectors = standardised(RNG.normal(size=(30, 6)) @ RNG.normal(size=(6, 6)))
    plane = principal(vectors, 3)
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    assert plane.explained == pytest.approx(values[:3] / values.sum())
    assert plane.points.var(0, ddof=1) == pytest.approx(values[:3])


def test_dimensions_that_do_not_vary_are_left_out():
    vectors = np.stack([np.arange(5.0), np.full(5, 7.0)], 1)
    assert standardised(vectors).shape == (5, 1)
    assert standardised(np.ones((5, 3))).tolist() == [[0]] * 5
    assert principal(standardised(np.ones((5, 3)))).explained == (0, 0)


@pytest.mark.parametrize("count", [4, 7, 40])
def test_t_sne_takes_few_points_and_its_seed_decides(count):
    vectors = np.random.default_rng(1).normal(size=(count, 8))
    first, again = neighbours(vectors, seed=1), neighbours(vectors, seed=1)
    assert first.points.shape == (count, 2)
    assert np.isfinite(first.points).all()
    assert first.points.tolist() == again.points.tolist()
