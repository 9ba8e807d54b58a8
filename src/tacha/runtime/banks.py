"""The same detector with smaller memory banks: fewer rows, or fewer dimensions a row."""

from __future__ import annotations

from torch import Tensor

from tacha.data.frame import Frame
from tacha.detector import Detector
from tacha.errors import TachaError
from tacha.runtime.artefact import Artefact, pack
from tacha.runtime.engines.torch import detector_of
from tacha.runtime.export import export_graph
from tacha.scorers import SCORERS
from tacha.scorers.coreset import Coreset
from tacha.scorers.reduction import principal_axes


def with_fewer_rows(artefact: Artefact, size: int) -> Artefact:
    """At most `size` rows in each bank, chosen to cover what it held. Raises TachaError where no bank is larger."""
    detector = detector_of(artefact)
    banks = _banks(artefact, detector)
    if not any(len(rows) > size for rows in banks.values()):
        raise TachaError(
            f"{artefact.card['name']}: its banks hold {max(map(len, banks.values()))} rows, so {size} makes nothing "
            "smaller; give fewer"
        )
    state = detector.state_dict()
    for name, rows in banks.items():
        coreset = Coreset(size, seed=0)
        coreset.add(rows)
        state[f"scorer.{name}"] = coreset.finish()
    return _rebuilt(artefact, detector, state, size=size)


def with_fewer_dimensions(artefact: Artefact, dimensions: int) -> Artefact:
    """Bank rows, and what is compared with them, on at most that many principal axes of each bank.

    Raises TachaError where no bank has more.
    """
    detector = detector_of(artefact)
    banks = _banks(artefact, detector)
    settings = artefact.card["scorer"]["settings"]
    if "dimensions" not in settings:
        raise TachaError(
            f"{artefact.card['name']}: scorer {artefact.card['scorer']['name']} compares whole rows; leave out "
            "--dimensions"
        )
    if not any(rows.shape[1] > dimensions for rows in banks.values()):
        raise TachaError(
            f"{artefact.card['name']}: its banks have {max(r.shape[1] for r in banks.values())} dimensions, so "
            f"{dimensions} makes nothing smaller; give fewer"
        )
    state = detector.state_dict()
    for name, rows in banks.items():
        axes, known = principal_axes(rows, dimensions), name.replace("bank", "axes")
        state[f"scorer.{name}"] = rows @ axes
        state[f"scorer.{known}"] = state[f"scorer.{known}"] @ axes if f"scorer.{known}" in state else axes
    return _rebuilt(artefact, detector, state, dimensions=dimensions)


def _banks(artefact: Artefact, detector: Detector) -> dict[str, Tensor]:
    banks = {name: rows for name, rows in detector.scorer.named_buffers() if name.split("_")[0] == "bank"}
    if not banks:
        raise TachaError(f"{artefact.card['name']}: {artefact.card['scorer']['name']} has no bank to make smaller")
    return banks


def _rebuilt(artefact: Artefact, detector: Detector, state: dict[str, Tensor], **changed: int) -> Artefact:
    scorer = artefact.card["scorer"]
    settings = {**scorer["settings"], **changed}
    card = {**artefact.card, "scorer": {**scorer, "settings": settings}}
    smaller = Detector(detector.net, SCORERS.build(scorer["name"], **settings), detector.padded)
    smaller.load_state_dict(state)
    graph = export_graph(smaller, Frame.of_card(card), {"net": card["net"], "scorer": card["scorer"]})
    return pack(graph, {k: v.numpy() for k, v in smaller.state_dict().items()}, card)
