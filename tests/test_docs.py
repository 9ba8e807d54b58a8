"""The documentation: the site builds, its snippets run, its generated parts are current, the two READMEs agree."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tacha.cli import main, parser

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)


def blocks(path, language):
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [
        "\n".join(line.removeprefix(indent) for line in body.splitlines())
        for indent, kind, body in found
        if kind == language
    ]


def commands(path):
    """Every `tacha …` line of a page's plain code blocks, without its comment."""
    lines = (line.split(" #")[0].strip() for block in blocks(path, "") for line in block.splitlines())
    parts = (part.strip() for line in lines for part in line.split("&&"))
    return [part for part in parts if part.startswith("tacha ")]


def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!squidfunk|hydra)[^"]*\.(?:css|js|woff2?)', page)


def test_generated_parts_are_current():
    import pages

    stale = [path.name for path, text in pages.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/pages.py"


def test_every_model_there_is_has_a_line():
    import pages

    assert set(pages.MODELS) == {path.stem for path in (ROOT / "src/tacha/conf/model").glob("*.yaml")}


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md", ROOT / "README.es.md"], ids=lambda p: p.name)
def test_commands_are_ones_that_tacha_takes(path):
    for command in commands(path):
        asked, rest = parser().parse_known_args(shlex.split(command)[1:])
        assert not rest or asked.verb == "train", command


@pytest.mark.parametrize("name", ["index.md", "empezar.md", "extending.md"])
def test_python_snippets_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = {}
    for block in blocks(ROOT / "docs" / name, "python"):
        exec(compile(block, name, "exec"), told)
    if name == "extending.md":
        scorer = told["FarFromMedian"]()
        import torch

        from tacha.features.base import Features

        good = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        scorer.fit([Features(good[:25]), Features(good[25:])])
        scores = scorer(Features(torch.tensor([[0.0, 0, 0, 0], [0, 9, 0, 0]]))).image
        expected = (9 - good[:, 1].median()) / (good[:, 1] - good[:, 1].median()).abs().median()
        assert scores[1] == pytest.approx(float(expected), rel=1e-5)
        assert scores[0] < scores[1]
    else:
        assert (told.get("found") or told["hallado"]).verdict in ("good", "flawed")


def test_cheap_commands_of_the_pages_do_run(tmp_path, monkeypatch, sample_root, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").symlink_to(sample_root)
    said = [c for c in commands(ROOT / "docs" / "index.md") if c.startswith("tacha data check")]
    assert said
    for command in said:
        assert main(shlex.split(command)[1:]) == 0
    assert (tmp_path / "parts.html").is_file()


def test_the_two_readmes_say_the_same():
    english, spanish = (ROOT / name for name in ("README.md", "README.es.md"))
    titles = [re.findall(r"^## ", p.read_text(encoding="utf-8"), re.M) for p in (english, spanish)]
    assert len(titles[0]) == len(titles[1])
    assert commands(english) == commands(spanish)
    assert blocks(english, "python") == blocks(spanish, "python")
    rows = [re.findall(r"^\| (`[^|]*) \|", p.read_text(encoding="utf-8"), re.M) for p in (english, spanish)]
    assert rows[0] == rows[1]
    assert "README.es.md" in english.read_text(encoding="utf-8")
    assert "README.md" in spanish.read_text(encoding="utf-8")
