"""Who is compared: one table. A new contender is a new row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tacha.errors import TachaError

BANK = 4000  # rows: what each of tacha's banks holds, and what PatchCore is given to be its equal
LITE0 = {"backbone": "tf_efficientnet_lite0", "pre_trained": False, "lite0": True}
PATCHCORE = {"method": "patchcore", "size": 256, "rows": 1024}  # rows: places an image, 32 x 32
PADIM = {"method": "padim", "size": 256}
# Stopped by patience, a PatchCore goes on with a bank of the same size that tacha chose from the same rows.
OWN, RANDOM, UNTRAINED = "own", "random", "untrained"


@dataclass(frozen=True)
class Contender:
    """What is fitted once, and judged by each of `engines`.

    `coreset` OWN: fitted whole. RANDOM: timed only, with a bank of random rows from the features of `images` images.
    UNTRAINED: timed only, without any fit. What is timed only has random weights: its own cannot be had offline.
    `quoted`: image AUROC that others published, by category, where none can be measured here.
    """

    name: str
    title: str
    peer: str
    engines: tuple[str, ...]
    settings: dict[str, Any] = field(hash=False)
    coreset: str = OWN
    images: int | None = None
    why: str = ""
    quoted: dict[str, float] = field(default_factory=dict, hash=False)

    @property
    def timed_only(self) -> bool:
        return self.coreset != OWN

    @property
    def weights(self) -> str:
        return "random" if self.timed_only else "shared"


def _tacha(name: str, *overrides: str) -> Contender:
    return Contender(
        f"tacha-{name.replace(' ', '-')}", f"tacha, {name}", "tacha", ("auto",), {"overrides": list(overrides)}
    )


RANDOM_WEIGHTS = "its pretrained weights need a download: random ones, and a bank of random rows, time the same work"
# image AUROC as anomalib's own pages state them, 256 px
PUBLISHED = {"screw": 0.960, "transistor": 1.000}

CONTENDERS = (
    _tacha("balanced"),  # the default
    _tacha("speed", "preset=speed"),
    _tacha("accuracy", "preset=accuracy"),
    # At the precision that the peers' OpenVINO takes by itself where the CPU has it.
    _tacha("balanced bf16", "runtime.precision=bf16"),
    _tacha("speed bf16", "preset=speed", "runtime.precision=bf16"),
    Contender(
        "anomalib-patchcore",
        "anomalib PatchCore, default (WRN50, 10 % coreset)",
        "anomalib",
        ("torch", "openvino"),
        {**PATCHCORE, "backbone": "wide_resnet50_2", "layers": ["layer2", "layer3"], "pre_trained": False},
        RANDOM,
        why=RANDOM_WEIGHTS,
        quoted=PUBLISHED,
    ),
    Contender(
        "anomalib-patchcore-resnet18",
        "anomalib PatchCore, ResNet-18, 4000 rows",
        "anomalib",
        ("torch", "openvino"),
        {**PATCHCORE, "backbone": "resnet18", "layers": ["layer2", "layer3"], "pre_trained": False, "bank": BANK},
        RANDOM,
        why=RANDOM_WEIGHTS,
        images=8,
    ),
    Contender(
        "anomalib-patchcore-lite0",
        "anomalib PatchCore, Lite0, 4000 rows",
        "anomalib",
        ("torch", "openvino"),
        {**PATCHCORE, **LITE0, "layers": ["blocks.2", "blocks.4"], "bank": BANK},
    ),
    Contender(
        "anomalib-padim-lite0",
        "anomalib PaDiM, Lite0",
        "anomalib",
        ("torch", "openvino"),
        {**PADIM, **LITE0, "layers": ["blocks.1", "blocks.2", "blocks.4"], "n_features": 100},
    ),
    Contender(
        "anomalib-efficient-ad",
        "anomalib EfficientAD-S",
        "anomalib",
        ("torch", "openvino"),
        {"method": "efficient_ad", "size": 256},
        UNTRAINED,
        why="its teacher and ImageNette need a download: random weights time the same work",
        quoted={"screw": 0.960, "transistor": 0.999},
    ),
    Contender(
        "anomavision-padim-lite0",
        "AnomaVision PaDiM, Lite0",
        "anomavision",
        ("onnxruntime", "openvino"),
        {"size": 256, "layers": [0, 1, 2], "features": 100, "lite0": True},
    ),
    Contender(
        "anomavision-padim",
        "AnomaVision PaDiM, default (ResNet-18)",
        "anomavision",
        ("onnxruntime", "openvino"),
        {"size": 224, "layers": [0, 1], "features": 50},
        RANDOM,
        images=64,
        why="its pretrained weights need a download: random ones time the same work",
    ),
)


def chosen(peers: Iterable[str], names: Iterable[str] | None = None) -> list[Contender]:
    """tacha's and those of `peers`, or of them the named ones, in the table's order."""
    known = [c.name for c in CONTENDERS]
    for name in names or ():
        if name not in known:
            raise TachaError(f"--only {name}: there is no such contender; there are {', '.join(known)}")
    wanted = {"tacha", *peers}
    found = [c for c in CONTENDERS if c.peer in wanted and (names is None or c.name in names)]
    if not found:
        raise TachaError(f"--only {','.join(names or ())}: of a peer that is not compared; name it in --against")
    return found
