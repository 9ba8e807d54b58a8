"""The page from small results made by hand: each thing that may have happened is said, and nothing else changes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from peers.page import BEGIN, END, ROOT, read, write
from tacha.errors import TachaError


def _row(contender: str, engine: str, **more: Any) -> dict[str, Any]:
    peer = contender.split("-")[0]
    row = {"contender": contender, "title": f"The {contender}", "peer": peer, "engine": engine, "precision": "f32"}
    row |= {"weights": "shared", "coreset": "own", "mib": 12.34, "start_seconds": 1.0, "peak_mib": 300.0}
    row |= {"round_p50_ms": [20.0, 30.0], "p50_ms": 25.0, "p95_ms": 40.0}
    figures = {"image_auroc": [0.95, 0.9, 0.99], "pixel_f1_max": [0.5, 0.4, 0.6], "aupro_30": [0.8, 0.7, 0.9]}
    return {**row, "figures": figures, **more}


def _fit(contender: str, **more: Any) -> dict[str, Any]:
    fit = {"contender": contender, "title": f"The {contender}", "peer": contender.split("-")[0], "weights": "shared"}
    return {**fit, "coreset": "own", "seconds": [9.0, 11.0], "fit_peak_mib": [500.0], "bank": [4000, 64], **more}


RESULT: dict[str, Any] = {
    "started": "2020-02-03T04:05:06+00:00",
    "revision": "abc1234",
    "machine": {"cpu": "A CPU", "flags": ["avx2"], "cores": 4, "threads": 2, "load": 0.1},
    "versions": {"tacha": "9.8.7"},
    "plan": {"against": "anomalib", "limit": 3, "rounds": 2, "threads": 2, "patience": 900.0, "fits": 2, "train": None,
             "test": 40, "seed": 0},
    "category": "bolt",
    "train": 30,
    "test": 40,
    "flawed": 15,
    "timed": 3,
    "lead": "tacha-balanced",
    "fits": [
        _fit("tacha-balanced", bank=[[4000, 64], [512, 8]]),
        _fit("anomalib-x", versions={"anomalib": "2.7.0"}),
    ],
    "rows": [
        _row("tacha-balanced", "openvino"),
        _row("anomalib-x", "torch", round_p50_ms=[40.0, 90.0], p50_ms=123.4, auroc_below_lead=[0.02, 0.01, 0.03]),
    ],
}  # fmt: skip
COSTS = {
    "started": "2020-02-04T04:05:06+00:00",
    "machine": RESULT["machine"],
    "category": "bolt",
    "start_up": [{"peer": "tacha", "statement": "from tacha import fit", "import_seconds": [1.5, 1.25, 2.0]}],
    "memory": {
        "contender": "tacha-balanced",
        "few": {"images": 30, "peak_mib": 700.4, "seconds": 9.0},
        "many": {"images": 300, "peak_mib": 800.4, "seconds": 90.0},
    },
}
RANDOM = {"weights": "random", "coreset": "random"}
STOPPED = {"seconds": 900.2, "share": 0.2, "estimated_seconds": 4400.0}


def _with(row: dict[str, Any] | None = None, fit: dict[str, Any] | None = None, drop: str = "") -> dict[str, Any]:
    """The result with the peer's row and fit changed; `drop` names keys that its row does not have."""
    result = deepcopy(RESULT)
    result["rows"][1] |= row or {}
    result["fits"][1] |= fit or {}
    for key in drop.split():
        del result["rows"][1][key]
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for path in (tmp_path / "README.md", tmp_path / "docs" / "lead.md"):
        path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    return tmp_path


def _results(root: Path, *results: dict[str, Any], costs: dict[str, Any] | None = None) -> Path:
    folder = root / "results"
    folder.mkdir(exist_ok=True)
    for result in results:
        (folder / f"{result['category']}.json").write_text(json.dumps(result), encoding="utf-8")
    if costs:
        (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")
    return folder


def _pages(root: Path, *results: dict[str, Any], costs: dict[str, Any] | None = None) -> tuple[str, str]:
    write(_results(root, *results, costs=costs), False, root)
    return tuple((root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/lead.md"))  # type: ignore[return-value]


def test_a_row_of_each_contender(root: Path) -> None:
    readme, lead = _pages(root, RESULT, costs=COSTS)
    rows = [line for line in readme.splitlines() if line.startswith("| The")]
    assert rows == [
        "| The tacha-balanced | openvino f32 | 4000 + 512 | 0.950 [0.900–0.990] | 0.500 [0.400–0.600] "
        "| 0.800 [0.700–0.900] | 25.0 [20.0–30.0] | 1 | 10 [9–11] | 300 | 12.3 |",
        "| The anomalib-x | torch f32 | 4000 | 0.950 [0.900–0.990] | 0.500 [0.400–0.600] | 0.800 [0.700–0.900] "
        "| 123 [40.0–90.0] | 2.50 [2.00–3.00] | 10 [9–11] | 300 | 12.3 |",
    ]
    for text in (readme, lead):
        assert text.startswith(f"before\n{BEGIN}\n### ")
        assert "### bolt\n" in text
        assert text.endswith(f"{END}\nafter\n")
        assert "\nold\n" not in text
        assert "30 good images to learn from, 40 to judge, 15 of them flawed. Times: 3 images, 2 rounds" in text
        assert "A CPU (avx2), 4 cores, 2 threads, load 0.1 at the start, 2020-02-03, revision abc1234" in text
        assert "tacha 9.8.7; anomalib 2.7.0" in text
        assert (
            "python benchmarks/run.py --against anomalib --data DIR --categories bolt --limit 3 --rounds 2 --threads 2 "
            "--patience 900 --fits 2 --test 40 --seed 0`" in text
        )
    assert "| The anomalib-x | torch f32 | +0.020 [+0.010, +0.030] | above it |" in lead
    assert "| tacha: `from tacha import fit` | 1.50 [1.25–2.00] | – |" in lead
    assert "load 0.1 at the start, 2020-02-04, revision unknown." in lead
    assert "30 images took 9 s and at most 700 MiB, 300 images took 90 s and at most 800 MiB (each image ten" in lead


CASES = {
    "failed before it was judged": (
        _with(
            {"failed": "ValueError: it has `no` such\nlayer"}, drop="figures p50_ms p95_ms round_p50_ms peak_mib mib"
        ),
        "| The anomalib-x | torch f32 | 4000 | failed | – | – | – | – | 10 [9–11] | – | – |",
        "- **Failed**: The anomalib-x (torch) on bolt: `ValueError: it has 'no' such layer`\n",
    ),
    "failed with its fit": (
        _with(
            {"failed": "its process ended (-9): killed"},
            {"failed": "its process ended (-9): killed", "bank": None},
            drop="figures p50_ms p95_ms round_p50_ms peak_mib mib precision",
        ),
        "| The anomalib-x | torch | – | failed | – | – | – | – |",
        "- **Failed**: The anomalib-x (torch) on bolt: `its process ended (-9): killed`\n",
    ),
    "failed after it was timed": (
        _with({"failed": "judging: stopped after 900 s"}, drop="figures peak_mib"),
        "| failed | – | – | 123 [40.0–90.0] | 2.50 [2.00–3.00] | 10 [9–11] | – | 12.3 |",
        "`judging: stopped after 900 s`",
    ),
    "timed only": (
        _with(RANDOM, {**RANDOM, "own": "not tried: its weights need a download"}, drop="figures"),
        "| timed only | – | – | 123 [40.0–90.0] | 2.50 [2.00–3.00] | – | 300 | 12.3 |",
        "- **Timed only**, with random weights: The anomalib-x; its weights need a download.\n",
    ),
    "timed only, published by others": (
        _with({**RANDOM, "quoted_auroc": 0.96}, {**RANDOM, "own": "not tried: its weights"}, drop="figures"),
        "| timed only, published 0.960 |",
        "its weights. Its own documentation publishes an image AUROC of 0.960 on bolt, not measured here.\n",
    ),
    "its own fit given up": (
        _with({"coreset": "tacha"}, {"coreset": "tacha", "own": "stopped after 900 s at 20.0%", "stopped": STOPPED}),
        "| 10 [9–11] with tacha's coreset |",
        "- **Given up**: The anomalib-x: its own fit on bolt was stopped after 900 s with 20.0% of its coreset chosen; "
        "at that pace the whole would have taken about 73 min (an estimate). Its rows have as many bank rows, which "
        "tacha's coreset chose from the same vectors.\n",
    ),
    "its own fit given up before it said how far it was": (
        _with({"coreset": "tacha"}, {"coreset": "tacha", "own": "", "stopped": {"seconds": 5.0, "share": None}}),
        "| 10 [9–11] with tacha's coreset |",
        "own fit on bolt was stopped after 5 s. Its rows",
    ),
    "not tried again": (
        _with({"coreset": "tacha"}, {"coreset": "tacha", "own": "not tried: it was stopped on an earlier category"}),
        "with tacha's coreset |",
        "own fit on bolt was not tried: it was stopped on an earlier category. Its rows",
    ),
}


@pytest.mark.parametrize(("result", "cell", "words"), CASES.values(), ids=CASES.keys())
def test_what_may_have_happened(root: Path, result: dict[str, Any], cell: str, words: str) -> None:
    for text in _pages(root, result):
        (row,) = [line for line in text.splitlines() if line.startswith("| The anomalib-x | torch")][:1]
        assert cell in row
        assert words in text
        assert text.count(words) == 1
        assert "None" not in text
        assert "nan" not in text


def test_nobody_could_be_timed(root: Path) -> None:
    result = _with()
    for row in result["rows"]:
        for key in ("figures", "p50_ms", "p95_ms", "round_p50_ms"):
            del row[key]
        row["failed"] = "out of memory"
    readme, _ = _pages(root, result)
    assert "![" not in readme
    assert "The tacha-balanced (openvino) on bolt: `out of memory`" in readme
    assert not (root / "docs" / "images").exists()


def test_without_the_default_there_are_no_ratios(root: Path) -> None:
    result = _with()
    del result["rows"][0]
    readme, _ = _pages(root, result)
    assert "| 123 [40.0–90.0] | – | 10 [9–11] |" in readme


def test_costs_are_missing_or_failed(root: Path) -> None:
    assert "Start-up and the memory of many images: not measured." in _pages(root, RESULT)[1]
    failed = {
        "category": "bolt",
        "start_up": [{"peer": "anomalib", "statement": "import anomalib", "failed": "no `such` thing"}],
        "memory": {"contender": "tacha-balanced", "few": COSTS["memory"]["few"], "failed": "many: stopped after 9 s"},  # type: ignore[index]
    }
    _, lead = _pages(root, RESULT, costs=failed)
    assert "| anomalib: `import anomalib` | – | – |" in lead
    assert "anomalib failed: `no 'such' thing`" in lead
    assert "30 images took 9 s and at most 700 MiB." in lead
    assert "`many: stopped after 9 s`" in lead


def test_categories_stand_in_the_order_of_measuring(root: Path) -> None:
    first = {**RESULT, "category": "zip", "started": "2019-01-01T00:00:00+00:00"}
    readme, _ = _pages(root, RESULT, first)
    assert readme.index("### zip") < readme.index("### bolt")
    assert "**Versions** (zip, bolt)" in readme
    assert "--categories zip,bolt " in readme


def test_the_picture_is_the_same_every_time_and_shown(root: Path) -> None:
    results = _with(RANDOM, RANDOM, drop="figures")
    readme, lead = _pages(root, results)
    picture = root / "docs" / "images" / "lead_bolt.svg"
    first = picture.read_bytes()
    picture.unlink()
    assert write(root / "results", False, root) == [picture]
    assert picture.read_bytes() == first
    ElementTree.fromstring(first)
    assert b"<dc:date>" not in first
    alt = "Image AUROC against milliseconds on bolt, a mark for each row of the table below"
    assert f"![{alt}](docs/images/lead_bolt.svg)" in readme
    assert f"![{alt}](images/lead_bolt.svg)" in lead


def test_check_writes_nothing_and_names_what_would_change(root: Path) -> None:
    folder = _results(root, RESULT)
    everything = [root / "docs" / "images" / "lead_bolt.svg", root / "README.md", root / "docs" / "lead.md"]
    assert write(folder, True, root) == everything
    assert "\nold\n" in (root / "README.md").read_text()
    assert write(folder, False, root) == everything
    assert write(folder, True, root) == []
    readme = root / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("0.950", "0.990"), encoding="utf-8")
    assert write(folder, True, root) == [readme]
    readme.write_text(readme.read_text(encoding="utf-8").replace("0.990 [", "0.950 ["), encoding="utf-8")
    readme.write_text("A word outside the marks is the author's own.\n" + readme.read_text(encoding="utf-8"))
    write(folder, False, root)
    assert readme.read_text(encoding="utf-8").startswith("A word outside")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no results; measure them with `python benchmarks/run.py --data DIR`"),
        ({"costs.json": "{}"}, "no results"),
        ({"bolt.json": "{"}, "bolt.json: not JSON"),
        ({"bolt.json": "[]"}, "bolt.json: has no 'category'"),
        ({"other.json": '{"category": "bolt"}'}, "other.json: has no 'rows'"),
    ],
)
def test_results_that_cannot_be_used(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(TachaError) as caught:
        read(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "no marks", f"{END}\n{BEGIN}\n", f"{BEGIN}\n"])
def test_a_page_without_a_place(root: Path, text: str | None) -> None:
    lead = root / "docs" / "lead.md"
    lead.unlink() if text is None else lead.write_text(text)
    with pytest.raises(TachaError, match=r"lead\.md: no place for the results; put the lines"):
        write(_results(root, RESULT), False, root)
    assert "\nold\n" in (root / "README.md").read_text()


def test_the_projects_own_pages_say_what_its_results_say() -> None:
    results = ROOT / "benchmarks" / "results"
    if not list(results.glob("*.json")):
        pytest.skip("nothing was measured yet")
    # The pictures' bytes are those of one version of matplotlib.
    assert [path for path in write(results, True) if path.suffix == ".md"] == []
