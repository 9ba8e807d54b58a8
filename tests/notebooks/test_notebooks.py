"""Every notebook runs from a clean state on the sample set; its twin has the same code; both are current."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
NAMES = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("*.py"))


def cells(language, name):
    notebook = json.loads((ROOT / "notebooks" / language / f"{name}.ipynb").read_text(encoding="utf-8"))
    return notebook["cells"]


def test_the_five_are_there():
    assert NAMES == ["featcae", "inspector", "leather_vit", "proyecto_ii", "tarea_05"]


def test_what_is_built_is_current():
    import build

    stale = [path.name for path, text in build.built().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python notebooks/build.py"


@pytest.mark.parametrize("name", NAMES)
def test_the_twins_have_the_same_code_and_as_many_words(name):
    spanish, english = cells("es", name), cells("en", name)
    assert [c["cell_type"] for c in spanish] == [c["cell_type"] for c in english]
    for mine, other in zip(spanish, english, strict=True):
        if mine["cell_type"] == "code":
            assert "".join(mine["source"]).replace('LANGUAGE = "es"', 'LANGUAGE = "en"') == "".join(other["source"])
            assert mine["outputs"] == []
        else:
            assert mine["source"] != other["source"]


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_is_typed(name):
    """Words about results are computed; what is typed has no decimals."""
    for language in ("es", "en"):
        for cell in cells(language, name):
            if cell["cell_type"] == "markdown":
                assert not re.findall(r"\d[.,]\d", "".join(cell["source"]))


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_a_clean_state(name, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "notebooks" / "es" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert "data:image/" in shown
    assert "alt=" in shown
