"""tacha train --config FILE: the older way of working, one plain YAML file, mapped to the same code.

    paths:
      train_path: parts/train      # good/ (ok/, normal/) inside, or the good images themselves
      test_path: parts/test        # good/ and a folder a defect (bad/, ko/, scratch/ …)
      output_path: out             # the run folder
      model_save_path: bolt.tacha  # where the artefact goes
    # and, where the defaults will not do, any of the keys of KEYS

--mode train fits on train_path, test judges test_path with the artefact, full does both. --test_path, --model_path and
--output_dir stand in for the paths of the file; overrides (`data.size=128`) come last and win.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tacha.data.layouts.mvtec import read_category
from tacha.data.layouts.names import is_good
from tacha.data.layouts.table import COLUMNS
from tacha.data.layouts.walk import subfolders, walk
from tacha.data.sample import GOOD, Sample
from tacha.errors import TachaError
from tacha.files import check_file, check_folder, write_text, written

MODES = ("full", "train", "test")
PATHS = ("train_path", "test_path", "output_path", "model_save_path")
KEYS = {
    "name": "name",
    "model": "model",
    "scorer": "scorer",
    "backbone": "model.backbone",
    "weights": "model.weights",
    "layers": "model.layers",  # layer2 is 2: timm counts a ResNet's stem as 0
    "latent_dim": "model.latent",
    "lr": "model.lr",
    "epochs": "trainer.max_epochs",
    "image_size": "data.size",
    "batch_size": "data.batch_size",
    "seed": "seed",
}
WORDS = ("name", "model", "scorer", "backbone", "weights")
TABLE = "data.csv"


def is_asked(asked: argparse.Namespace) -> bool:
    """Whether a `tacha train` is meant in the older way. Raises TachaError for one half in it."""
    flags = {f"--{key}": getattr(asked, key, None) for key in ("mode", "test_path", "model_path", "output_dir")}
    given = next((flag for flag, value in flags.items() if value is not None), None)
    if getattr(asked, "config", None) is None and given:
        raise TachaError(f"{given}: goes with --config FILE; without a file, train takes overrides such as data.root=…")
    return getattr(asked, "config", None) is not None


def run(asked: argparse.Namespace) -> int:
    """What --mode says; prints what `tacha train` or `tacha evaluate` would."""
    mode = asked.mode or "full"
    if mode not in MODES:
        raise TachaError(f"--mode {mode}: choose one of {', '.join(MODES)}")
    paths, keys = read(Path(asked.config))
    stand_ins = {
        "test_path": asked.test_path,
        "model_save_path": asked.model_path,
        "output_path": asked.output_dir,
    }
    paths |= {key: value for key, value in stand_ins.items() if value is not None}
    if mode == "test":
        return _test(asked, paths)
    return _train(asked, mode, paths, keys)


def read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The paths and the other keys of a file. Raises TachaError naming the key that is unknown or no path."""
    import yaml

    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TachaError(f"{path}: cannot be read ({error.strerror}); --config names a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TachaError(f"{path}: is not YAML ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(table, Mapping) or not isinstance(table.get("paths"), Mapping):
        raise TachaError(f"{path}: has no paths: block; it takes {', '.join(PATHS)}")
    keys = {str(k): v for k, v in table.items() if k != "paths" and v is not None}
    for key in keys:
        if key not in KEYS:
            raise TachaError(f"{path}: unknown key {key!r}; there are paths, {', '.join(KEYS)}")
    paths: dict[str, str] = {}
    for key, value in table["paths"].items():
        if key not in PATHS:
            raise TachaError(f"{path}: unknown key {f'paths.{key}'!r}; there are {', '.join(PATHS)}")
        if value is not None and (not isinstance(value, str) or not value):
            raise TachaError(f"{path}: paths.{key} is {value!r}, not a path; write one")
        if value is not None:
            paths[key] = value
    return paths, keys


def overrides(keys: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
    """The Hydra overrides that a file's keys mean; those in `more` come last, in place of what they repeat."""
    from tacha.features.weights import PACKAGED

    keys = {"model": "featcae", **keys}
    if keys["model"] == "featcae":
        keys = {"scorer": "reconstruction", **keys}
    if keys.get("backbone") not in (None, *PACKAGED):
        keys = {"weights": "hub", **keys}  # an older file names a pretrained net and says no more
    mapped = {KEYS[key]: _value(key, value) for key, value in keys.items() if value is not None}
    repeated = {re.split(r"[=@]", override.lstrip("+~"), maxsplit=1)[0] for override in more}
    return [*(f"{key}={value}" for key, value in mapped.items() if key not in repeated), *more]


def _value(key: str, value: Any) -> str:
    from tacha.configuration import quoted

    if key == "layers":
        numbers = value if isinstance(value, list) else [value]
        numbers = [re.sub(r"^layer(?=\d+$)", "", str(n)) for n in numbers]
        if not all(re.fullmatch(r"\d+", n) for n in numbers):
            raise TachaError(f"layers: {value!r} are no layers; write [layer2, layer3] or [2, 3]")
        return f"[{','.join(numbers)}]"
    if key not in WORDS:
        try:
            float(value)  # YAML reads 1e-3 as a word
        except (TypeError, ValueError):
            raise TachaError(f"{key}: {value!r} is not a number; write one") from None
        return str(value)
    if isinstance(value, list | dict):
        raise TachaError(f"{key}: {value!r} is not a single value; write one")
    return quoted(str(value))


def _train(asked: argparse.Namespace, mode: str, paths: Mapping[str, str], keys: dict[str, Any]) -> int:
    from tacha.commands.tables import print_run
    from tacha.configuration import compose, quoted
    from tacha.run import check_settings, train
    from tacha.runtime.artefact import SUFFIX

    folder = _path(paths, "output_path", asked.config)
    target = artefact_path(paths["model_save_path"]) if "model_save_path" in paths else None
    keys = {"name": target.stem if target else folder.resolve().name, **keys}
    name = str(keys["name"])
    samples = train_samples(_path(paths, "train_path", asked.config), name)
    if mode == "full":
        tested = test_samples(_path(paths, "test_path", asked.config), name)
        _check_apart(samples, tested)
        samples += tested
    table = folder / TABLE
    settings = compose(["data=csv", f"data.root={quoted(table)}", *overrides(keys, asked.rest)], asked.config_dir)
    check_settings(settings)
    check_folder(folder)
    if target is not None:
        check_file(target)
    write_table(table, samples)
    done = train(settings, folder)
    print_run(done)
    if target is not None:
        _copy(folder / f"{name}{SUFFIX}", target)
        print(target)
    return 0


def _test(asked: argparse.Namespace, paths: Mapping[str, str]) -> int:
    from tacha.commands import evaluate

    if asked.rest:
        raise TachaError(f"{asked.rest[0]}: --mode test takes no overrides; the artefact holds its settings")
    target = artefact_path(str(_path(paths, "model_save_path", asked.config)))
    folder = _path(paths, "output_path", asked.config)
    if not target.is_file():
        raise TachaError(f"{target}: no such artefact; --mode train writes it, --model_path names another")
    samples = test_samples(_path(paths, "test_path", asked.config), target.stem)
    write_table(folder / TABLE, samples)
    return evaluate.run(
        argparse.Namespace(
            artefact=str(target), data=str(folder / TABLE), layout="csv", category=None, out=str(folder), oracle=False,
            seed=0, engine="auto", precision="auto", threads=None, language="en",
        )
    )  # fmt: skip


def artefact_path(name: str) -> Path:
    """Where an artefact of that name lies: model.pth, as older files have it, is model.tacha."""
    from tacha.runtime.artefact import SUFFIX

    path = Path(name).expanduser()
    return path if path.suffix == SUFFIX else path.with_suffix(SUFFIX)


def train_samples(folder: Path, category: str) -> list[Sample]:
    """The good images of a training folder: those in good/ (ok/, normal/), or all where it has no folders of classes.

    Raises TachaError where flawed ones might be among them, or there is none.
    """
    _check_folder(folder)
    good = [p for p in subfolders(folder) if is_good(p.name)]
    images = [path for group in good or [folder] for path in walk(group).images]
    for path in [] if good else images:
        if inside := path.relative_to(folder).parts[:-1]:  # its name may be a flaw's
            raise TachaError(f"{folder}: has a folder {inside[0]!r} and no good/; only good images train, so add one")
    if not images:
        raise TachaError(f"{folder}: no good images to train on; put them into {folder / GOOD}")
    return [Sample(path, category, "train") for path in images]


def test_samples(folder: Path, category: str) -> list[Sample]:
    """The test images of a folder of class folders, with the masks of ground_truth/ where it lies beside test/.

    Raises TachaError where there is none.
    """
    _check_folder(folder)
    beside = read_category(folder.parent, category)[0] if folder.name.lower() == "test" else []
    masks = {sample.path: sample.mask for sample in beside}
    for group in subfolders(folder):
        if group.name in ("0", "1"):
            raise TachaError(f"{group}: does not say which it is; name the folder good or after the defect")
    samples = [
        Sample(path, category, "test", GOOD if is_good(group.name) else group.name, masks.get(path))
        for group in subfolders(folder)
        for path in walk(group).images
    ]
    if not samples:
        raise TachaError(f"{folder}: no test images; put them into {folder / GOOD} and a folder a defect, such as bad/")
    return samples


def write_table(path: Path, samples: Iterable[Sample]) -> None:
    """The samples as a table for data=csv, with absolute paths: the two folders may lie anywhere."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in samples:
        writer.writerow([s.path.absolute(), s.split, s.defect, s.category, s.mask.absolute() if s.mask else ""])
    write_text(path, buffer.getvalue())


def _path(paths: Mapping[str, str], key: str, config: str) -> Path:
    if key not in paths:
        raise TachaError(f"{config}: paths.{key} is not set; add it to the file or give it on the command line")
    return Path(paths[key]).expanduser()


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise TachaError(f"{folder}: no such folder; correct the paths: block")


def _check_apart(train: Iterable[Sample], test: Iterable[Sample]) -> None:
    both = {s.path.resolve() for s in train} & {s.path.resolve() for s in test}
    if both:
        raise TachaError(f"{min(both)}: lies in both train_path and test_path; name two folders that share no image")


def _copy(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    with written(target) as part:
        shutil.copyfile(source, part)
