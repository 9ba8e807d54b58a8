"""Which libraries made a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import tacha

_LIBRARIES = ("torch", "torchvision", "timm", "lightning", "openvino", "onnx", "onnxruntime", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Library name -> version, tacha and Python first."""
    found = {"tacha": tacha.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
