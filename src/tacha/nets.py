"""The nets of a run: which are trained, on what, and which are only built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha.data.content import digest
from tacha.data.holdout import hold_out
from tacha.data.sample import Catalogue, Sample
from tacha.data.splits import part_classes
from tacha.errors import TachaError
from tacha.features import NETS
from tacha.tiling import Tiling

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from tacha.data.module import InspectionDataModule
    from tacha.data.view import View
    from tacha.features.base import FeatureNet
    from tacha.training.data import LearningData
    from tacha.training.learn import Learned

ALL = "all"  # the group of a net that all categories share
AUTO = "auto"
VALIDATION = 0.15  # of the good images a net learns from: tells when to stop, and calibrates nothing


@dataclass(frozen=True)
class Model:
    """A model configuration taken apart: what the net takes, what its learner takes, and for whom it is trained."""

    net: str
    settings: dict[str, Any]
    learner: str | None = None
    learner_settings: dict[str, Any] | None = None
    together: bool = False
    labels: str = "none"


@dataclass(frozen=True)
class Net:
    """A net ready to be fitted under scorers: its registered name and whole settings, and, if trained, how."""

    name: str
    settings: dict[str, Any]
    module: FeatureNet
    learned: Learned | None = None
    data: LearningData | None = None
    folder: Path | None = None
    loggers: Sequence[Logger] = ()


def model_of(configuration: Mapping[str, Any]) -> Model:
    """The flat table of conf/model parted by who takes each setting. TachaError for one that nobody takes."""
    options = dict(configuration)
    name = str(options.pop("name"))
    learner = options.pop("learner", None)
    together, labels = bool(options.pop("together", False)), str(options.pop("labels", "none"))
    if learner is None:
        return Model(name, NETS.settings(name, **options))
    from tacha.training import LEARNERS

    if labels != "none" and not LEARNERS.get(learner).needs_labels:
        # With labels of flaws, flawed images would be learned from.
        raise TachaError(f"model.labels={labels}: the learner {learner} reads no labels; leave it at none")
    if labels == "category" and not together:
        raise TachaError(
            "model.labels=category with model.together=false: one category alone has no other to be told from; "
            "set model.together=true"
        )
    nets = inspect.signature(NETS.get(name)).parameters
    learns = [p for p in inspect.signature(LEARNERS.get(learner)).parameters if p != "net"]
    if unknown := sorted(set(options) - set(nets) - set(learns)):
        raise TachaError(
            f"model {name!r} has no setting {', '.join(map(repr, unknown))}: "
            f"it takes {', '.join(sorted({*nets, *learns}))}"
        )
    return Model(
        name,
        NETS.settings(name, **{k: v for k, v in options.items() if k in nets}),
        str(learner),
        {k: v for k, v in options.items() if k in learns},
        together,
        labels,
    )


def aspect_of(settings: Mapping[str, Any]) -> str:
    """What a run does with images of another shape: "auto" keeps it where the net can. TachaError where it cannot."""
    from tacha.data.frame import ASPECTS

    asked, model = settings["data"]["aspect"], model_of(settings["model"])
    if asked not in (AUTO, *ASPECTS):
        raise TachaError(f"data.aspect={asked!r}: choose one of {AUTO}, {', '.join(ASPECTS)}")
    able = model.learner is None and NETS.get(model.net).keeps_aspect
    if asked == "keep" and not able:
        raise TachaError(f"data.aspect=keep: model={model.net} takes squares only; choose squash, or model=backbone")
    return str(asked) if asked != AUTO else "keep" if able else "squash"


def data_module(
    catalogue: Catalogue, category: str | None, settings: Mapping[str, Any], view: View | None = None
) -> InspectionDataModule:
    """The images of a category (None: of all pooled) as every part of a run sees them; `view`: a finished detector's.

    One place, so that what calibrates a detector is what no net of the run learns from.
    """
    from tacha.data.module import InspectionDataModule

    options = settings["data"]
    names = ("size", "batch_size", "num_workers", "holdout_share", "holdout_minimum")
    shape: dict[str, Any] = {"aspect": aspect_of(settings), "tiling": Tiling.of(options)} if view is None else {}
    chosen = {name: options[name] for name in names}
    return InspectionDataModule(catalogue, category, seed=settings["seed"], view=view, **chosen, **shape)


def untrained(configuration: Mapping[str, Any], seed: int = 0) -> Net:
    """The net of a model configuration as it is built, whatever its learner. Frozen nets are used so."""
    import torch

    model = model_of(configuration)
    settings = {**model.settings, **({"classes": 2} if model.settings.get("classes", 0) is None else {})}
    torch.manual_seed(seed)
    return Net(model.net, settings, NETS.build(model.net, **settings))


class Nets:
    """Every net of a run, trained when it is first asked for; one that categories share is trained once."""

    def __init__(self, settings: Mapping[str, Any], catalogue: Catalogue, folder: Path) -> None:
        self.model = model_of(settings["model"])
        self._settings, self._folder = settings, folder
        self._made: dict[str, Net] = {}
        self._loggers: list[Logger] = []
        self.catalogue, self._learning = catalogue, tuple[Sample, ...]()
        if self.model.labels == "defect":
            # What the classifier learns from is neither calibrated nor tested on.
            self.catalogue, self._learning = part_classes(catalogue, settings["seed"])
        # Kept in the artefact: who evaluates it elsewhere must leave these images out too.
        self.learned_flaws = sorted({digest(s.path) for s in self._learning})

    def of(self, category: str | None, held_out: Sequence[Sample] = ()) -> Net:
        """The net for a category (None: for all pooled). `held_out` are calibration's images, which it never sees."""
        group = ALL if category is None or self.model.together else category
        if self.model.learner is None:
            group = ALL
        if group not in self._made:
            self._made[group] = self._train(group) if self.model.learner else self._build()
        net = self._made[group]
        if net.data is not None:
            _apart(net.data, held_out)
        return net

    @property
    def made(self) -> Iterator[tuple[str, Net]]:
        """(group, net) of those trained so far."""
        return ((group, net) for group, net in self._made.items() if net.learned is not None)

    def _build(self) -> Net:
        return untrained(self._settings["model"], self._settings["seed"])

    def _train(self, group: str) -> Net:
        import torch

        from tacha.training.learn import train_net
        from tacha.training.loggers import make_loggers

        model, settings, seed = self.model, self._settings, self._settings["seed"]
        data = self._data(group)
        net_settings = dict(model.settings)
        if "classes" in net_settings and net_settings["classes"] is None:
            net_settings["classes"] = len(data.classes)
        folder = self._folder / "nets" / group
        torch.manual_seed(seed)
        module = NETS.build(model.net, **net_settings)
        self.close()  # each net has a W&B run of its own
        loggers: list[Logger] = make_loggers(settings.get("logger") or {}, folder, settings)
        self._loggers += loggers
        learned = train_net(
            module, str(model.learner), model.learner_settings or {}, data, settings["trainer"], loggers, folder, seed
        )
        return Net(model.net, net_settings, learned.net, learned, data, folder, loggers)

    def close(self) -> None:
        """Let the loggers write out what they hold."""
        if self._loggers:
            from tacha.training.loggers import finish

            finish(self._loggers)
            self._loggers.clear()

    def _data(self, group: str) -> LearningData:
        from tacha.training.data import LearningData

        options, seed = self._settings["data"], self._settings["seed"]
        train: list[Sample] = []
        validation: list[Sample] = []
        # Held out just as the detectors hold out: their calibration's images are the ones that no net sees.
        pooled = self._settings["pooled"] and len(self.catalogue.categories) > 1
        for category in (None,) if pooled else self.catalogue.categories if group == ALL else (group,):
            module = data_module(self.catalogue, category, self._settings)
            rest, held = hold_out(module.train_samples, VALIDATION, 1, seed + 1)
            flawed = [s for s in self._learning if category in (None, s.category)]
            train += [*rest, *(s for s in flawed if s.split == "train")]
            validation += [*held, *(s for s in flawed if s.split == "validation")]
        test = [s for s in self.catalogue.select(split="test") if group in (ALL, s.category)]
        return LearningData(
            train,
            validation,
            test if self.model.labels != "none" else (),
            size=options["size"],
            labels=self.model.labels,
            batch_size=options["batch_size"],
            num_workers=options["num_workers"],
            seed=seed,
        )


def _apart(data: LearningData, held_out: Sequence[Sample]) -> None:
    seen = {s.path for s in (*data.train_set.samples, *data.validation_set.samples)}
    both = [s.path for s in held_out if s.path in seen]
    if both:  # a bug of ours, which would break the threshold's promise
        raise AssertionError(f"{both[0]} was learned from and is to calibrate")
