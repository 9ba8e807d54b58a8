"""PyTorch: the detector rebuilt from the card and the weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError

if TYPE_CHECKING:
    from tacha.detector import Detector
    from tacha.runtime.artefact import Artefact


def detector_of(artefact: Artefact) -> Detector:
    """The detector rebuilt, in float32. Raises TachaError where its weights are of another version, or int8."""
    import torch

    from tacha.data.frame import Frame
    from tacha.detector import Detector
    from tacha.features import NETS
    from tacha.runtime.storage import as_float32
    from tacha.scorers import SCORERS

    card = artefact.card
    net, scorer = card["net"], card["scorer"]
    if "arithmetic" in card:
        raise TachaError(f"{card['name']}: torch has no int8 for this artefact: use engine openvino or onnxruntime")
    # Every weight comes from the artefact: nothing is fetched.
    settings = {**net["settings"], **({"weights": "none"} if "weights" in net["settings"] else {})}
    parts = NETS.build(net["name"], **settings), SCORERS.build(scorer["name"], **scorer["settings"])
    detector = Detector(*parts, Frame.of_card(card).pads)
    state = {k: torch.from_numpy(v) for k, v in as_float32(artefact.tensors()).items()}
    try:
        detector.load_state_dict(state)
    except RuntimeError as error:
        raise TachaError(
            f"the artefact's weights do not fit {net['name']} under {scorer['name']} of this version: "
            "use engine openvino or onnxruntime, or train again"
        ) from error
    return detector


class Torch:
    """Eager mode on the CPU. `threads` is torch's own setting, shared by the whole process."""

    name = "torch"

    def __init__(self, artefact: Artefact, precision: str = "f32", threads: int | None = None) -> None:
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        self.precision = precision
        self._detector = detector_of(artefact)

    def __call__(self, images: npt.NDArray[np.float32]) -> Sequence[npt.NDArray[np.float32]]:
        import torch

        lower = torch.autocast("cpu", torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with torch.inference_mode(), lower:
            outputs = self._detector(torch.from_numpy(np.ascontiguousarray(images)))
        return [o.float().numpy() for o in outputs]
