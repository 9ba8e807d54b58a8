"""`tacha cluster` as its user meets it: a run, an artefact, bad input, and the page in a browser."""

import csv
import json
import re
import shutil

import pytest
from PIL import Image

from tacha.cli import main
from tacha.configuration import compose
from tacha.data.sample_set import write_sample_set
from tacha.run import train

COLUMNS = [f"{plane}_{what}" for plane in ("pca", "tsne") for what in ("x", "y", "cluster", "distance")]


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    return write_sample_set(tmp_path_factory.mktemp("cluster") / "sample")


@pytest.fixture(scope="session")
def finished(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "run"
    data = ["data=mvtec", f"data.root={sample}", "data.categories=[brick,grass]", "data.size=128"]
    train(compose([*data, "scorer=mahalanobis"]), folder)
    return folder


@pytest.fixture(scope="session")
def clustered(finished):
    assert main(["cluster", str(finished), "--language", "es"]) == 0
    return finished / "clusters"


def test_a_run_leaves_rows_points_page_and_pictures(clustered, sample):
    found = json.loads((clustered / "clusters.json").read_text())
    planes = {(r["category"], r["plane"]) for r in found["rows"]}
    assert planes == {(c, p) for c in ("brick", "grass") for p in ("pca", "tsne", "detector")}
    points = list(csv.DictReader((clustered / "points.csv").open()))
    assert list(points[0])[4:] == COLUMNS
    assert len(points) == sum(1 for c in ("brick", "grass") for _ in (sample / c / "test").rglob("*.png"))
    pictures = {p.name for p in (clustered / "figures").iterdir()}
    assert {"clusters_0_brick_pca_truth.svg", "clusters_1_grass_tsne_k_distances.png"} <= pictures


def test_noise_in_the_points_is_the_noise_of_the_rows(clustered):
    rows = json.loads((clustered / "clusters.json").read_text())["rows"]
    points = list(csv.DictReader((clustered / "points.csv").open()))
    for row in rows:
        if row["metric"] == "noise":
            mine = [p for p in points if p["category"] == row["category"]]
            assert sum(p[f"{row['plane']}_cluster"] == "-1" for p in mine) == row["value"]


def test_the_page_is_in_spanish_and_asks_for_nothing(clustered):
    page = (clustered / "clusters.html").read_text()
    assert '<html lang="es">' in page
    assert "nunca vio" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count('class="point"') == 4 * len(list(csv.DictReader((clustered / "points.csv").open())))


def test_an_artefact_by_itself_needs_data_and_takes_them(finished, sample, tmp_path, capsys):
    alone = shutil.copy(finished / "brick.tacha", tmp_path)
    assert main(["cluster", str(alone)]) == 2
    assert "has no config.yaml, which says where a run's images are: name them with --data" in capsys.readouterr().err
    assert main(["cluster", str(alone), "--data", str(sample), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "clusters.html").is_file()


def test_images_without_labels_are_clustered_without_figures_against_truth(finished, sample, tmp_path, capsys):
    images = str(sample / "brick" / "test" / "good")
    asked = ["cluster", str(finished / "brick.tacha"), "--images", images, "--out", str(tmp_path), "--min-samples", "3"]
    assert main(asked) == 0
    assert "no figures against truth" in capsys.readouterr().out
    metrics = {r["metric"] for r in json.loads((tmp_path / "clusters.json").read_text())["rows"]}
    assert metrics <= {"clusters", "noise", "eps", "silhouette"}
    assert "there are no figures against truth" in (tmp_path / "clusters.html").read_text()


def test_an_unreadable_image_is_named_and_passed(finished, sample, tmp_path, capsys):
    folder = tmp_path / "parts"
    shutil.copytree(sample / "brick" / "test" / "good", folder)
    (folder / "bad.png").write_bytes(b"no image")
    asked = ["cluster", str(finished / "brick.tacha"), "--images", str(folder), "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    assert "bad.png: not an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--min-samples", "1"], "--min-samples 1: give a whole number of at least 2"),
        (["--min-samples", "1000"], "images are too few to cluster with --min-samples 1000: give at least 1000"),
        (["--eps", "nan"], "--eps nan: give a number above 0"),
        (["--perplexity", "-1"], "--perplexity -1.0: give a number above 0"),
        (["--images", "x", "--data", "y"], "--images and --data name the same thing twice"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(finished, tmp_path, capsys, options, said):
    assert main(["cluster", str(finished), *options, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("gone", ["config.yaml", "brick.tacha"])
def test_a_run_folder_with_a_file_missing(finished, tmp_path, capsys, gone):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("clusters"))
    for path in [folder / gone] if gone == "config.yaml" else list(folder.glob("*.tacha")):
        path.unlink()
    assert main(["cluster", str(folder)]) == 2
    err = capsys.readouterr().err
    assert ("has no config.yaml" if gone == "config.yaml" else "has no artefact") in err


def test_a_16_bit_image_has_a_thumbnail(finished, sample, tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    for path in sorted((sample / "brick" / "test" / "good").iterdir())[:6]:
        with Image.open(path) as image:
            deep = image.convert("L").point(lambda v: v * 257, "I") if image.mode != "L" else image.convert("I")
            deep.convert("I;16").save(folder / path.name)
    asked = ["cluster", str(finished / "brick.tacha"), "--images", str(folder), "--out", str(tmp_path / "out")]
    assert main([*asked, "--min-samples", "3"]) == 0
