"""AUROC, AP, F1, AUPRO and rates, each with its interval, on raw scores."""

from tacha.metrics.bootstrap import exact_interval
from tacha.metrics.figure import Figure
from tacha.metrics.images import image_figures
from tacha.metrics.pixels import PixelFigures

__all__ = ["Figure", "PixelFigures", "exact_interval", "image_figures"]
