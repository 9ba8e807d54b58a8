"""One detector's embeddings studied: two planes, clusters on each, figures of both and of the detector."""

from __future__ import annotations

from dataclasses import dataclass

from tacha.analysis.agreement import against_truth, detector_figures, shape_of
from tacha.analysis.clusters import Clusters, clustered
from tacha.analysis.embedding import Embedded
from tacha.analysis.planes import Plane, neighbours, principal, standardised
from tacha.errors import TachaError
from tacha.metrics import Figure

LEAST = 4  # images: fewer have no neighbourhoods


@dataclass(frozen=True)
class Settings:
    """`eps` None: the knee of the k-distances. `components`: principal components that are clustered."""

    min_samples: int = 5
    eps: float | None = None
    components: int = 2
    perplexity: float = 30.0
    seed: int = 0


@dataclass(frozen=True)
class Side:
    """A plane, its clusters and their figures."""

    plane: Plane
    clusters: Clusters
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Study:
    """`labelled`: the images are of two classes, so that there are figures against truth, and the detector's own."""

    embedded: Embedded
    sides: tuple[Side, ...]
    detector: tuple[Figure, ...]
    labelled: bool


def study(embedded: Embedded, settings: Settings, labelled: bool = True) -> Study:
    """Raises TachaError naming the detector where there are too few images."""
    count = len(embedded.samples)
    if count < max(LEAST, settings.min_samples):
        raise TachaError(
            f"{embedded.name}: {count} images are too few to cluster with --min-samples {settings.min_samples}: "
            f"give at least {max(LEAST, settings.min_samples)}"
        )
    labels, kinds = embedded.labels, embedded.kinds
    labelled = labelled and len(set(labels.tolist())) == 2
    vectors = standardised(embedded.vectors)
    sides = []
    for plane in (
        principal(vectors, settings.components, settings.seed),
        neighbours(vectors, settings.perplexity, settings.seed),
    ):
        found = clustered(plane.points, settings.min_samples, settings.eps)
        truth = against_truth(found, labels, kinds, settings.seed) if labelled else []
        sides.append(Side(plane, found, (*truth, *shape_of(found, plane.points))))
    own = detector_figures(embedded.scores, embedded.threshold, labels, settings.seed) if labelled else []
    return Study(embedded, tuple(sides), tuple(own), labelled)
