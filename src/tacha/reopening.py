"""A finished run opened again: its settings, and its images as its config.yaml finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha.data.sample import Catalogue, Sample
from tacha.data.view import View
from tacha.errors import TachaError
from tacha.runtime import artefact as artefacts

if TYPE_CHECKING:
    from tacha.data.module import InspectionDataModule

NEEDED = {"data", "model", "scorer", "calibration", "seed", "runtime", "name", "pooled"}


@dataclass(frozen=True)
class Material:
    """What a detector was made of."""

    data: InspectionDataModule
    calibration: Mapping[str, Any]
    runtime: Mapping[str, Any]


@dataclass(frozen=True)
class Reopened:
    """A run's settings and the images that it saw; `categories` are its detectors' by name, None for all pooled."""

    folder: Path
    settings: dict[str, Any]
    catalogue: Catalogue
    categories: dict[str, str | None]

    def data(self, artefact: Path) -> InspectionDataModule:
        """The images that an artefact of the run was fitted, calibrated and tested on, each in its part.

        Raises TachaError where it is of another product or the images are not what they were.
        """
        from tacha.nets import data_module

        view = View.of_card(artefacts.read(artefact).card)
        return data_module(self.catalogue, self._category(artefact)[1], self.settings, view)

    def material(self, artefact: Path) -> Material:
        """What an artefact of the run was made of. Raises TachaError as `data` does."""
        return Material(self.data(artefact), self.settings["calibration"], self.settings["runtime"])

    def test_samples(self, artefact: Path) -> tuple[Sample, ...]:
        """The images that an artefact of the run was tested on. Raises TachaError as `data` does."""
        name, category = self._category(artefact)
        samples = self.catalogue.select(split="test", category=category)
        return samples if category is None else tuple(replace(s, category=name) for s in samples)

    def _category(self, path: Path) -> tuple[str, str | None]:
        card = artefacts.read(path).card
        name = str(card["name"])
        if name not in self.categories:
            raise TachaError(
                f"{path}: is of {name!r}, which the run's settings do not name ({', '.join(self.categories)}); "
                "leave it in the folder of its own run"
            )
        if card["data"]["digest"] != self.catalogue.digest():
            raise TachaError(
                f"{self.catalogue.root}: is not what {path.name} was fitted on (files were added, removed or renamed), "
                "so its held-out and test images cannot be told; train again"
            )
        return name, self.categories[name]


def sources(source: Path, verb: str) -> tuple[list[Path], Path]:
    """The artefacts that a run folder or a path names, variants left out, and their run folder.

    `verb` is what errors call the work. Raises TachaError for a variant, or a folder without an artefact.
    """
    if source.is_dir():
        # A variant says of itself that it is one.
        paths = [p for p in sorted(source.glob(f"*{artefacts.SUFFIX}")) if "variant" not in artefacts.read(p).card]
        if not paths:
            raise TachaError(f"{source}: has no artefact; name a run folder of `tacha train`, or a .tacha file in one")
        return paths, source
    if "variant" in artefacts.read(source).card:
        raise TachaError(f"{source}: is a variant already; {verb} the artefact that it was made from")
    return [source], source.parent


def reopen(folder: Path) -> Reopened:
    """Open a run folder again. Raises TachaError where its settings or its data cannot be read or are gone."""
    from tacha.nets import Nets
    from tacha.run import catalogue_of, detectors

    path = folder / "config.yaml"
    settings = _settings(path)
    root = settings["data"].get("root")
    if root is not None and not Path(root).expanduser().exists():
        raise TachaError(
            f"{root}: the run's data are not there any more; put them back, or write where they are now under "
            f"data.root in {path}"
        )
    catalogue = Nets(settings, catalogue_of(settings["data"]), folder).catalogue
    return Reopened(folder, settings, catalogue, dict(detectors(settings, catalogue)))


def _settings(path: Path) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TachaError(
            f"{path}: cannot be read, and the run's settings are needed to find its images again; name the run folder, "
            "or an artefact inside it"
        ) from error
    if not isinstance(settings, dict) or not set(settings) >= NEEDED or not isinstance(settings["data"], dict):
        raise TachaError(f"{path}: is not the configuration of a run; run `tacha train` again")
    return settings
