"""What a detector was made of, found again by its run's settings: for what is made out of a finished detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tacha.data.flaws import FLAWS, add_flaw
from tacha.data.image import prepare, read_image
from tacha.errors import TachaError
from tacha.progress import track
from tacha.run import catalogue_of, detectors
from tacha.runtime import artefact as artefacts
from tacha.runtime.engines import Engine

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

PROBED = 64  # held-out good images, and as many with a flaw drawn on them

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """What a detector was made of, as its run's settings find it again."""

    data: InspectionDataModule
    calibration: Mapping[str, Any]
    runtime: Mapping[str, Any]


@dataclass(frozen=True)
class Probe:
    """Prepared images [3, S, S]: held-out good ones, then the same with flaws drawn."""

    images: list[Image]
    labels: npt.NDArray[np.bool_]

    def scores(self, engine: Engine) -> npt.NDArray[np.float64]:
        """One image at a time [N]."""
        return np.array([float(engine(image[None])[0][0]) for image in self.images])


def sources(source: Path, work: str) -> tuple[list[Path], Path]:
    """The artefacts that a run folder or a path names, variants left out, and their run folder.

    `work` is the verb that errors use. Raises TachaError for a variant, or a folder without an artefact.
    """
    if source.is_dir():
        # A variant says of itself that it is one.
        paths = [p for p in sorted(source.glob(f"*{artefacts.SUFFIX}")) if "variant" not in artefacts.read(p).card]
        if not paths:
            raise TachaError(f"{source}: has no artefact; name a run folder of `tacha train`, or a .tacha file in one")
        return paths, source
    if "variant" in artefacts.read(source).card:
        raise TachaError(f"{source}: is a variant already; {work} the artefact that it was made from")
    return [source], source.parent


def settings_in(folder: Path) -> dict[str, Any]:
    """The settings of a run. Raises TachaError where they cannot be read."""
    import yaml

    path = folder / "config.yaml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TachaError(
            f"{path}: cannot be read, and the run's settings are needed to find its good images again; "
            "name the run folder, or an artefact inside it"
        ) from error
    if not isinstance(settings, dict) or not {"data", "model", "calibration", "seed", "runtime"} <= set(settings):
        raise TachaError(f"{path}: is not the configuration of a run; run `tacha train` again")
    return settings


def material(path: Path, settings: Mapping[str, Any], folder: Path) -> Material:
    """What the artefact at `path` was made of. Raises TachaError where the data are not what they were."""
    from tacha.nets import Nets, data_module

    card = artefacts.read(path).card
    catalogue = Nets(settings, catalogue_of(settings["data"]), folder).catalogue
    categories = dict(detectors(settings, catalogue))
    name = card["name"]
    if name not in categories:
        raise TachaError(f"{path}: is of {name!r}, which the run's settings do not name ({', '.join(categories)})")
    if card["data"]["digest"] != catalogue.digest():
        raise TachaError(
            f"{catalogue.root}: is not what {path.name} was fitted on (files were added, removed or renamed), so its "
            "held-out images cannot be told; train again"
        )
    return Material(data_module(catalogue, categories[name], settings), settings["calibration"], settings["runtime"])


def probe(data: InspectionDataModule, size: int, strength: float = 1.0) -> Probe:
    """Held-out good images and a flaw drawn on each, its kind in turn, fainter than it is drawn below a strength of 1.

    Raises TachaError where not one image can be read.
    """
    rng = np.random.default_rng(0)
    kinds = sorted(FLAWS)
    good: list[Image] = []
    flawed: list[Image] = []
    for sample in track(data.validation_samples[:PROBED], min(PROBED, len(data.validation_samples)), "drawing flaws"):
        try:
            pixels = read_image(sample.path)
        except TachaError:  # listed when the detector was fitted
            continue
        for turn in range(len(kinds)):
            try:
                drawn, _ = add_flaw(kinds[(len(flawed) + turn) % len(kinds)], pixels, rng)
            except ValueError:  # this kind cannot be seen on this image
                continue
            good.append(prepare(pixels, size))
            flawed.append(good[-1] + np.float32(strength) * (prepare(drawn, size) - good[-1]))
            break
    if not good:
        raise TachaError(f"{data.catalogue.root}: not one held-out image could be read and drawn on; check the files")
    return Probe([*good, *flawed], np.repeat([False, True], len(good)))
