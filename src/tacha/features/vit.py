"""A vision transformer under a small classifier."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn, tensor

from tacha.errors import TachaError
from tacha.features.base import FeatureNet, Features
from tacha.features.checks import check_classes, check_images, check_side, share, whole
from tacha.features.transformers import transformer


class ViT(FeatureNet):
    """A timm VisionTransformer (Dosovitskiy et al. 2021): dropout, linear, ReLU, dropout, linear on its class token.

    `backbone`: any of timm's that are plain vision transformers; `weights`: hub, a path or none; `size`: side of the
    images, to which pretrained position embeddings are resampled; `hidden`, `dropout`: of the classifier.
    embedding [B, C] is what timm pools (the class token), patches [B, C, h, w] the patch tokens after the last norm.
    """

    provides = frozenset({"embedding", "patches", "logits"})
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "vit_base_patch16_224",
        weights: str = "none",
        classes: int = 2,
        size: int = 224,
        hidden: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone, self.weights = backbone, weights
        self.classes = check_classes(classes)
        self.hidden, self.dropout = whole("hidden", hidden, 1), share("dropout", dropout)
        self.net = transformer(backbone, weights, "vit_base_patch16_224")
        patch = max(self.net.patch_embed.patch_size)
        self.size = check_side(size, patch, patch, f"{backbone}'s patches")
        self.net.set_input_size(img_size=(size, size))
        self.head = nn.Sequential(
            nn.Dropout(self.dropout),
            nn.Linear(self.net.num_features, self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, self.classes),
        )
        config = self.net.pretrained_cfg
        self.register_buffer("mean", tensor(config["mean"]).view(3, 1, 1))
        self.register_buffer("std", tensor(config["std"]).view(3, 1, 1))

    def forward(self, images: Tensor) -> Features:
        tokens = self._tokens(images)
        embedding = self.net.forward_head(tokens, pre_logits=True)
        patches = tokens[:, self.net.num_prefix_tokens :].transpose(1, 2).unflatten(2, self.net.patch_embed.grid_size)
        return Features(embedding, patches, logits=self.head(embedding))

    @torch.no_grad()
    def rollout(self, images: Tensor) -> Tensor:
        """Attention rollout [B, h, w]: how much each patch of the image flows into the class token.

        The product over blocks of the head-averaged attention matrices, each mixed half and half with the identity
        for the residual connection (Abnar & Zuidema 2020, sec. 3). A net without a class token: the mean over its
        patch tokens. TachaError for a net whose blocks do not show their attention matrices.
        """
        matrices: list[Tensor] = []  # of [B, heads, N, N], from the first block on
        blocks = [module for module in self.net.blocks.modules() if hasattr(module, "fused_attn")]
        with ExitStack() as undo:
            for block in blocks:
                undo.callback(setattr, block, "fused_attn", block.fused_attn)
                block.fused_attn = False  # the fused kernel never forms the matrix
                hook = block.attn_drop.register_forward_hook(lambda _, inputs, __: matrices.append(inputs[0]))
                undo.callback(hook.remove)
            self._tokens(images)
        if not blocks or len(matrices) != len(self.net.blocks):
            raise TachaError(f"model.backbone={self.backbone}: its attention cannot be read; choose a plain timm ViT")
        identity = torch.eye(matrices[0].shape[-1]).to(matrices[0])
        flow = identity.expand_as(matrices[0][:, 0])
        for matrix in matrices:
            flow = (matrix.mean(1) + identity) / 2 @ flow  # rows already sum to one
        first = self.net.num_prefix_tokens
        rows = flow[:, 0] if first else flow.mean(1)  # [B, N]
        heat: Tensor = rows[:, first:].unflatten(1, self.net.patch_embed.grid_size)
        return heat

    def _tokens(self, images: Tensor) -> Tensor:
        check_images(images, self.size)
        tokens: Tensor = self.net.forward_features((images - self.mean) / self.std)  # [B, prefix + h * w, C]
        return tokens
