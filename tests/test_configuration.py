"""Every configuration composes, and names only what exists."""

from __future__ import annotations

import inspect
import itertools
from importlib.resources import files
from pathlib import Path

import pytest

from tacha import TachaError
from tacha.calibration import calibrate
from tacha.configuration import compose
from tacha.features import NETS
from tacha.nets import model_of
from tacha.run import check_settings
from tacha.scorers import SCORERS
from tacha.training import LEARNERS

CONF = Path(str(files("tacha.conf")))
OPTIONS = {
    group.name: sorted(p.stem for p in group.glob("*.yaml")) for group in sorted(CONF.iterdir()) if group.is_dir()
}
OPTIONS.pop("__pycache__", None)
MODELS = {"confidence": "vit", "hybrid": "vit", "reconstruction": "unet"}  # for scorers that the default model lacks


@pytest.mark.parametrize(
    ("group", "option"), list(itertools.chain(*([(g, o) for o in names] for g, names in OPTIONS.items())))
)
def test_every_option_composes_and_passes_the_checks(group: str, option: str) -> None:
    model_for = option.removeprefix("for_") if option.startswith("for_") else MODELS.get(option, "backbone")
    rooted = ["data.root=somewhere"]
    more = {"data": rooted, "experiment": rooted, "scorer": [f"model={model_for}"]}.get(group, [])
    settings = compose([f"{group}={option}", *more])
    check_settings(settings)
    options = dict(settings["scorer"])
    assert SCORERS.settings(options.pop("name"), **options) == options  # a config spells every setting out
    model, given = model_of(settings["model"]), settings["model"]
    assert set(model.settings) <= set(given)
    if model.learner:
        learns = inspect.signature(LEARNERS.get(model.learner)).parameters
        assert set(learns) - {"net", "teacher_folder"} <= set(given)
    options = dict(settings["calibration"])
    calibrate(options.pop("name"), [1.0, 2.0, 3.0], **options)


@pytest.mark.parametrize(("group", "registry"), [("model", NETS), ("scorer", SCORERS)])
def test_every_registered_name_has_a_config(group: str, registry) -> None:  # type: ignore[no-untyped-def]
    # A student is made of a finished detector, by `tacha distill`, and by no run.
    made = set(registry.names()) - {"student"}
    assert {o for o in OPTIONS[group] if not o.startswith("for_")} - {"cnn_distilled"} == made


def test_every_model_has_a_scorer_of_its_own() -> None:
    assert {o.removeprefix("for_") for o in OPTIONS["scorer"] if o.startswith("for_")} == set(OPTIONS["model"])


def test_a_setting_that_neither_net_nor_learner_takes_is_named() -> None:
    settings = compose(["model=unet", "+model.depht=3"])
    with pytest.raises(TachaError, match="model 'unet' has no setting 'depht'"):
        check_settings(settings)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model=unet", "+model.labels=defect"], "the learner reconstruct reads no labels"),
        (["model=featcae", "+model.labels=category"], "the learner reconstruct_features reads no labels"),
        (["model=cnn", "model.together=false"], "has no other to be told from"),
        (["trainer.accelerator=gpu"], "trainer.accelerator='gpu'"),
        (["model=unet", "trainer.max_epochs=0"], "trainer.max_epochs=0"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_any_work(overrides: list[str], says: str) -> None:
    with pytest.raises(TachaError, match=says):
        check_settings(compose(overrides))


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["scorer=nothing"], "nothing"),
        (["scorer.sise=1"], "scorer.sise"),
        (["data=mvtec"], "data.root"),
        (["a b c"], "a b c"),
        (["seed=[1"], "seed"),
    ],
)
def test_bad_overrides_are_one_line(overrides: list[str], says: str) -> None:
    with pytest.raises(TachaError) as caught:
        compose(overrides)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
