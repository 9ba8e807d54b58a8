"""Vision transformers of timm by name, with weights, or one line that says why not."""

from __future__ import annotations

import difflib
from typing import Any

from tacha.errors import TachaError
from tacha.features.weights import load_weights


def transformer(name: str, weights: str, example: str) -> Any:
    """A plain vision transformer of timm without its classifier; `weights` are hub, a path or none.

    Raises TachaError for a name that timm does not have, a net of another kind (naming `example` as one to choose),
    and weights that cannot be had or do not fit.
    """
    import timm
    from timm.models.vision_transformer import VisionTransformer

    plain = name.partition(".")[0]  # what follows the dot says which of its weights
    if plain not in timm.list_models():
        close = difflib.get_close_matches(plain, timm.list_models("*vit*"), n=3)
        hint = f"; close ones: {', '.join(close)}" if close else ""
        raise TachaError(f"model.backbone={name!r}: timm has no such model{hint}")
    try:
        net = timm.create_model(name, pretrained=weights == "hub", num_classes=0)
    except (OSError, RuntimeError) as error:
        raise TachaError(
            f"model.weights=hub: the weights of {name} could not be fetched ({type(error).__name__}); "
            "give a path to a file, or none"
        ) from error
    if not isinstance(net, VisionTransformer):
        raise TachaError(f"model.backbone={name}: not a plain vision transformer; choose one such as {example}")
    if weights not in ("hub", "none"):
        load_weights(net, name, weights)
    return net
