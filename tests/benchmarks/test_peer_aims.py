"""The table of aims: what is said to be met follows from the files, and what no file says is not claimed."""

import copy

import pytest

from peers.aims import AUROC, aims, table


def row(contender, engine, ms, **more):
    return {"contender": contender, "engine": engine, "round_p50_ms": [ms] * 3, "p50_ms": ms, **more}


def figures(auroc, aupro, f1):
    return {"image_auroc": [auroc, 0.9, 1.0], "aupro_30": [aupro, 0.9, 1.0], "pixel_f1_max": [f1, 0.4, 0.5]}


SCREW = {
    "category": "screw",
    "fits": [
        {"contender": "tacha-balanced", "seconds": [20.0, 30.0]},
        {"contender": "anomalib-patchcore-lite0", "seconds": [750.0]},
    ],
    "rows": [
        row("tacha-balanced", "openvino", 10.0, mib=14.0, figures=figures(0.993, 0.95, 0.45)),
        row("tacha-speed", "openvino", 4.0),
        row("tacha-accuracy", "openvino", 16.0),
        row("anomalib-patchcore", "torch", 501.0),
        row("anomalib-patchcore-lite0", "torch", 60.0, figures=figures(0.96, 0.94, 0.42)),
        row("anomalib-patchcore-lite0", "openvino", 29.0, figures=figures(0.96, 0.94, 0.42)),
    ],
}
COSTS = {
    "start_up": [
        {"peer": "tacha", "statement": "import tacha", "import_seconds": [0.03, 0.03, 0.04], "help_seconds": [0.6] * 3},
        {"peer": "tacha", "statement": "from tacha import fit", "import_seconds": [3.0, 3.0, 3.0]},
    ],
    "memory": {"few": {"peak_mib": 1000.0}, "many": {"peak_mib": 1320.0}},
}


def test_what_is_met_and_what_is_not():
    assert [aim.met for aim in aims([SCREW], COSTS)] == [
        True,  # screw
        None,  # transistor was not measured
        None,
        True,  # AUPRO and pixel F1
        False,  # 16 ms
        True,  # 4 ms
        True,  # 50.1 times
        False,  # 2.9 times
        True,  # 30 times in 25 s
        False,  # 1.32
        True,  # 14 MiB are 14.7 MB
        True,  # .03 s, not the 3 s of the other statement
        False,  # .6 s
    ]


def test_without_measurements_nothing_is_claimed():
    found = aims([], None)
    assert {aim.met for aim in found} == {None}
    assert table(found).count("| not measured | – |") == len(found)


@pytest.mark.parametrize(("second", "verdict"), [(0.995, True), (0.9949, False)])
def test_each_category_has_its_own_aim(second, verdict):
    other = copy.deepcopy(SCREW) | {"category": "transistor"}
    other["rows"][0]["figures"]["image_auroc"][0] = second
    found = {aim.aim: aim.met for aim in aims([SCREW, other], None)}
    assert found[f"image AUROC, `transistor`, ≥ {AUROC['transistor']}"] is verdict


def test_an_aim_over_several_categories_is_met_where_all_meet_it():
    slow = copy.deepcopy(SCREW) | {"category": "transistor"}
    slow["rows"][1] = row("tacha-speed", "openvino", 6.0)
    found = next(aim for aim in aims([SCREW, slow], None) if "`speed`" in aim.aim)
    assert (found.measured, found.met) == ("screw 4.0 ms; transistor 6.0 ms", False)


def test_a_peers_fit_that_was_stopped_is_a_lower_bound():
    result = copy.deepcopy(SCREW)
    result["fits"][1] = {"contender": "anomalib-patchcore-lite0", "stopped": {"seconds": 900.0}, "seconds": [40.0]}
    found = next(aim for aim in aims([result], None) if aim.aim.startswith("fit"))
    assert (found.measured, found.met) == ("screw more than 36×, 25 s", True)
