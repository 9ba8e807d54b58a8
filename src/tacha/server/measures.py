"""What Prometheus sees at /metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from tacha.server.shelf import Shelf

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Measures:
    """Counters and histograms in a registry of their own; `of` adds what a shelf knows when it is asked."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self.requests = Counter("tacha_requests", "Requests answered", ("path", "status"), registry=r)
        self.seconds = Histogram(
            "tacha_request_seconds", "From a request's head to its answer", ("path",), buckets=_SECONDS, registry=r
        )
        self.judging = Histogram(
            "tacha_judging_seconds",
            "An image's wait and its turn in the engine",
            ("model",),
            buckets=_SECONDS,
            registry=r,
        )
        self.verdicts = Counter("tacha_verdicts", "Images judged", ("model", "verdict"), registry=r)
        self.p_values = Histogram("tacha_p_value", "p-values of verdicts", ("model",), buckets=_SHARES, registry=r)
        self.batches = Histogram(
            "tacha_batch_size", "Images through the engine at once", ("model",), buckets=(1, 2, 4, 8, 16), registry=r
        )
        self.refused = Counter("tacha_refused", "Images and requests refused", ("code",), registry=r)
        self.reloads = Counter("tacha_reloads", "Changed artefacts", ("model", "outcome"), registry=r)
        self.waiting = Gauge("tacha_waiting_images", "Images taken and not yet answered", registry=r)

    def of(self, shelf: Shelf) -> None:
        self.registry.register(_OfShelf(shelf))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _OfShelf:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def collect(self) -> Iterable[GaugeMetricFamily]:
        depth = GaugeMetricFamily("tacha_queue_depth", "Images waiting for the engine", labels=["model"])
        for name, waiting in self._shelf.depths().items():
            depth.add_metric([name], waiting)
        yield depth
        info = GaugeMetricFamily(
            "tacha_model_info", "The artefact being served", labels=["model", "sha256", "engine", "precision"]
        )
        stale = GaugeMetricFamily("tacha_reload_failed", "1 where a changed file could not be loaded", labels=["model"])
        for about in self._shelf.about():
            info.add_metric([about["name"], about["sha256"], about["engine"], about["precision"]], 1)
            stale.add_metric([about["name"]], float(about["reload_error"] is not None))
        yield info
        yield stale
