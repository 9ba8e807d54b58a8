"""The whole net that a small one is distilled from."""

from __future__ import annotations

import timm
from torch import Tensor, nn, tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.features.weights import load_weights

HINT_REDUCTION = 8  # pixels between two places of a ResNet's conv3_x


class Teacher(FeatureNet):
    """A timm ResNet of any depth under a new linear layer for `classes`.

    `weights`: hub (timm's own), none (random), or a path to a .safetensors or .pth state dict of that very
    architecture, whose classifier is left out. patches [B, C, H/8, W/8] are conv3_x, embedding the pooled features.
    Raises TachaError naming the file, or the tensor in it that does not fit.
    """

    provides = frozenset({"embedding", "patches", "logits"})
    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str, classes: int) -> None:
        super().__init__()
        if name not in timm.list_models("resnet*"):
            raise TachaError(f"model.teacher={name!r}: timm has no such ResNet; the usual one is resnet18")
        try:
            # Without a classifier, so that a file's own, of other classes, is not asked for.
            self.net = timm.create_model(name, pretrained=weights == "hub", num_classes=0)
        except (OSError, RuntimeError) as error:
            raise TachaError(
                f"model.teacher_weights=hub: the weights of {name} could not be fetched ({type(error).__name__}); "
                "give a path to a file, or none to train the teacher from scratch"
            ) from error
        if weights not in ("hub", "none"):
            _load(self.net, name, weights)
        self.depth, self.hint = next(
            (i, level["num_chs"])
            for i, level in enumerate(self.net.feature_info)
            if level["reduction"] == HINT_REDUCTION
        )
        self.head = nn.Linear(self.net.num_features, classes)
        config = timm.get_pretrained_cfg(name)
        self.register_buffer("mean", tensor(config.mean).view(3, 1, 1))
        self.register_buffer("std", tensor(config.std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Features:
        last, (hint,) = self.net.forward_intermediates((images - self.mean) / self.std, indices=[self.depth])
        embedding = self.net.forward_head(last, pre_logits=True)
        return Features(embedding, hint, logits=self.head(embedding))


def _load(net: nn.Module, name: str, weights: str) -> None:
    try:
        load_weights(net, name, weights)
    except TachaError as error:  # written for a detector's own backbone, which has the same two settings
        text = str(error).replace("model.backbone", "model.teacher").replace("model.weights", "model.teacher_weights")
        raise TachaError(text.replace("takes packaged, hub", "takes hub")) from error
