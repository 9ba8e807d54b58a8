"""A timm net cut to the outputs of named modules."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tacha.errors import TachaError


@dataclass(frozen=True)
class Cut:
    """`net(images)` is a table from each of `layers` to its output; layers are fine to coarse, ties as they are run."""

    net: nn.Module
    layers: tuple[str, ...]
    channels: list[int]
    reductions: list[int]  # pixels between two places


def cut(net: nn.Module, name: str, layers: Sequence[str], side: int) -> Cut:
    """The part of a timm net that `layers`, modules as in `net.named_modules()`, depend on; weights and names stay.

    Channels and reductions are seen in one pass over an image of `side`, in which `net` is put to eval.
    Raises TachaError naming the module that does not exist, is not used exactly once, or whose output is no
    [B, C, h, w].
    """
    modules = dict(net.named_modules())
    for layer in layers:
        if not layer or layer not in modules:
            close = difflib.get_close_matches(layer, modules, n=3)
            hint = f"; close ones: {', '.join(close)}" if close else ""
            raise TachaError(f"model.layers: {name} has no module {layer!r}{hint}")
    outputs = _outputs(net.eval(), [(layer, modules[layer]) for layer in layers], side)
    for layer in layers:
        shapes = [_shape(output) for output in outputs if output[0] == layer]
        if len(shapes) != 1:
            raise TachaError(
                f"model.layers: {name}'s {layer} is used {len(shapes)} times in a pass: name a module used once, "
                "such as the block around it"
            )
        shape = shapes[0]
        if shape is None or len(shape) != 4 or shape[2] != shape[3]:  # channels last would not be square
            gives = "no tensor" if shape is None else f"[{', '.join(map(str, shape))}]"
            raise TachaError(
                f"model.layers: {name}'s {layer} gives {gives} for a square image, not a map [B, C, h, w]: "
                "name a module that does"
            )
    maps = sorted(outputs, key=lambda output: -output[1].shape[-1])  # stable: ties stay as they are run
    order = tuple(layer for layer, _ in maps)
    return Cut(
        _traced(net, name, order),
        order,
        [output.shape[1] for _, output in maps],
        [round(side / output.shape[-1]) for _, output in maps],
    )


def _outputs(net: nn.Module, modules: Sequence[tuple[str, nn.Module]], side: int) -> list[tuple[str, Any]]:
    """(layer, output) of every call, in the order in which they end."""
    seen: list[tuple[str, Any]] = []
    hooks = [m.register_forward_hook(lambda _, __, out, layer=layer: seen.append((layer, out))) for layer, m in modules]
    try:
        with torch.no_grad():
            net(torch.zeros(1, 3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _shape(output: tuple[str, Any]) -> tuple[int, ...] | None:
    return tuple(output[1].shape) if isinstance(output[1], Tensor) else None


def _traced(net: nn.Module, name: str, layers: Sequence[str]) -> nn.Module:
    from timm.models import create_feature_extractor

    try:
        traced: nn.Module = create_feature_extractor(net, list(layers))
    except Exception as error:  # tracing runs the net's own code on stand-ins for tensors
        reason = " ".join(str(error).split())[:100]
        raise TachaError(
            f"model.layers={list(layers)}: {name} cannot be cut there ({type(error).__name__}: {reason}); "
            "give timm's feature indices instead"
        ) from error
    return traced
