"""A small classifier of product categories: the first half of ResNet-18."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn, tensor

from tacha.features.base import FeatureNet, Features
from tacha.features.checks import check_classes


class CNN(FeatureNet):
    """ResNet-18's conv1, conv2_x and conv3_x (He et al. 2016, table 1), average-pooled, under one linear layer.

    Initialised at random. patches [B, 128, H/8, W/8] are conv3_x, embedding [B, 128] their mean, logits [B, classes].
    """

    provides = frozenset({"embedding", "patches", "logits"})
    hint: ClassVar[int] = 128  # channels of `patches`, which a teacher's conv3_x can be compared with
    mean: Tensor
    std: Tensor

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        from torchvision.models import resnet18

        self.classes = check_classes(classes)
        whole = resnet18(weights=None)
        self.stem = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool)
        self.conv2_x, self.conv3_x = whole.layer1, whole.layer2
        self.head = nn.Linear(self.hint, self.classes)
        self.register_buffer("mean", tensor((0.485, 0.456, 0.406)).view(3, 1, 1))  # ImageNet's, as its teacher sees
        self.register_buffer("std", tensor((0.229, 0.224, 0.225)).view(3, 1, 1))

    def forward(self, images: Tensor) -> Features:
        patches = self.conv3_x(self.conv2_x(self.stem((images - self.mean) / self.std)))  # [B, 128, h, w]
        embedding = patches.mean((2, 3))
        return Features(embedding, patches, logits=self.head(embedding))
