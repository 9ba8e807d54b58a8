"""Every configuration composes, and names only what exists."""

from __future__ import annotations

import itertools
from importlib.resources import files
from pathlib import Path

import pytest

from tacha import TachaError
from tacha.calibration import calibrate
from tacha.configuration import compose
from tacha.features import NETS
from tacha.run import check_settings
from tacha.scorers import SCORERS

CONF = Path(str(files("tacha.conf")))
OPTIONS = {
    group.name: sorted(p.stem for p in group.glob("*.yaml")) for group in sorted(CONF.iterdir()) if group.is_dir()
}
OPTIONS.pop("__pycache__", None)


@pytest.mark.parametrize(
    ("group", "option"), list(itertools.chain(*([(g, o) for o in names] for g, names in OPTIONS.items())))
)
def test_every_option_composes_and_passes_the_checks(group: str, option: str) -> None:
    settings = compose([f"{group}={option}", *(["data.root=somewhere"] if group == "data" else [])])
    if option == "reconstruction":  # no net of this version has a residual
        with pytest.raises(TachaError, match="residual"):
            check_settings(settings)
    else:
        check_settings(settings)
    for kind, registry in (("model", NETS), ("scorer", SCORERS)):
        options = dict(settings[kind])
        assert registry.settings(options.pop("name"), **options) == options  # a config spells every setting out
    options = dict(settings["calibration"])
    calibrate(options.pop("name"), [1.0, 2.0, 3.0], **options)


@pytest.mark.parametrize(("group", "registry"), [("model", NETS), ("scorer", SCORERS)])
def test_every_registered_name_has_a_config(group: str, registry) -> None:  # type: ignore[no-untyped-def]
    assert OPTIONS[group] == registry.names()


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
