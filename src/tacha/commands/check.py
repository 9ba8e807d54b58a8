"""tacha check"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from tacha.commands.images import expand
from tacha.data.frame import Frame
from tacha.data.image import Prepared, prepare
from tacha.data.view import View
from tacha.runtime import artefact as artefacts
from tacha.runtime.artefact import Artefact
from tacha.runtime.choice import to_judge
from tacha.runtime.engines import ENGINES
from tacha.runtime.parity import compare, reference_of


def run(asked: argparse.Namespace) -> int:
    """0 when every engine agrees with the reference, 1 when one does not, 2 when the file is damaged.

    At bf16 and in int8 scores may differ, and verdicts alone must agree.
    """
    artefact = artefacts.read(asked.artefact)
    card = artefact.card
    view = View.of_card(card)
    print(
        f"{asked.artefact}: whole. {card['name']}: {card['net']['name']} under {card['scorer']['name']}, "
        f"{view}, fitted on {card['data']['train']} images, calibrated on {card['data']['held_out']}"
    )
    if asked.probe:
        return _probe(artefact)
    pieces = (piece for path in expand(asked.images) for piece in view.read(path).pieces)
    images = pieces if asked.images else _made_up(view.frame)
    precision = asked.precision or card["calibrated_on"]["precision"]
    names = [e for e in ENGINES.names() if e != "torch" and (precision == "f32" or e == "openvino")]
    refused: list[str] = []
    results = compare(artefact, images, names, precision, refused=refused)
    against = reference_of(artefact)
    for r in results:
        print(
            f"{r.engine} {r.precision} against {against} f32: {r.changed_verdicts} changed verdicts of {r.images}, "
            f"scores within {r.largest_difference:.2g} of the largest of good images"
        )
    for line in refused:
        print(f"note: {line}")
    exact = precision == "f32" and "arithmetic" not in card
    return int(not all(r.agrees if exact else r.changed_verdicts == 0 for r in results))


def _probe(artefact: Artefact) -> int:
    """Measure anew which engine judges here, and print it."""
    found = to_judge(artefact, anew=True)
    for label, milliseconds in found.milliseconds.items():
        print(f"{label}: {milliseconds:.1f} ms an image")
    for label in found.refused:
        print(f"{label}: does not take this artefact; `tacha inspect --engine` says why")
    if found.note:
        print(f"note: {found.note}")
    print(f"here it is judged by {found.engine.name} {found.engine.precision}")
    return 0


def _made_up(frame: Frame) -> Iterator[Prepared]:
    """Noise from bright to black, and a strip, which is padded where images are."""
    rng = np.random.default_rng(0)
    for level in (1.0, 0.5, 0.1, 0.0):
        yield rng.random(frame.shape, dtype=np.float32) * np.float32(level)
    yield prepare(rng.integers(0, 256, (100, 300, 3), dtype=np.uint8), frame)
