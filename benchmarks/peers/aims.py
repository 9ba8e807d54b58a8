"""What was aimed at, and what the measured files say of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

Result = dict[str, Any]

AUROC = {"screw": 0.992, "transistor": 0.995, "magnetic_tile": 0.985}
P50_MS = {"tacha-accuracy": 15.0, "tacha-speed": 5.0}
LIGHTEST = "anomalib-patchcore-lite0"
MIB_OF_ARTEFACT = 15e6 / 2**20


class Aim(NamedTuple):
    """`measured` is None where no file says it; `met` is about the middle of what was measured, not its interval."""

    aim: str
    measured: str | None
    met: bool | None


def aims(results: Sequence[Result], costs: Result | None) -> list[Aim]:
    """Every aim, those of a category once a category."""
    found: list[Aim] = []
    for category, least in AUROC.items():
        figures = _row(_of(results, category), "tacha-balanced", "figures").get("image_auroc")
        said = None if figures is None else f"{figures[0]:.3f} [{figures[1]:.3f}–{figures[2]:.3f}]"
        found.append(
            Aim(f"image AUROC, `{category}`, ≥ {least}", said, None if figures is None else figures[0] >= least)
        )
    found += _by_category(results, _figures_beside, "AUPRO@.30 and pixel F1 beside PatchCore's")
    for name, most in P50_MS.items():
        preset = name.removeprefix("tacha-")
        found += _by_category(results, partial(_p50, name, most), f"p50, `{preset}`, ≤ {most:.0f} ms")
    found += _by_category(results, _against_default, "per image against PatchCore's default, ≥ 50×")
    found += _by_category(results, _against_lightest, "per image against the lightest PatchCore with OpenVINO, ≥ 3×")
    found += _by_category(results, _fit, "fit against PatchCore's of the same bank size, ≥ 30×, and ≤ 30 s")
    found.append(_memory(costs))
    found += _by_category(results, _size, "artefact ≤ 15 MB")
    found.append(_start(costs, "import tacha", "import_seconds", "`import tacha` ≤ .3 s", 0.3))
    found.append(_start(costs, "import tacha", "help_seconds", "`tacha --help` ≤ .5 s", 0.5))
    return found


def table(found: Iterable[Aim]) -> str:
    lines = ["| aim | measured | met |", "|---|---|---|"]
    for aim in found:
        met = "–" if aim.met is None else "yes" if aim.met else "**no**"
        lines.append(f"| {aim.aim} | {aim.measured or 'not measured'} | {met} |")
    return "\n".join(lines)


def _of(results: Sequence[Result], category: str) -> Result:
    return next((r for r in results if r["category"] == category), {"rows": [], "fits": []})


def _row(result: Result, contender: str, needed: str, engine: str = "") -> dict[str, Any]:
    """The first row of a contender that has what is needed; of `figures` these themselves."""
    rows = [r for r in result["rows"] if r["contender"] == contender and r["engine"].startswith(engine)]
    row: dict[str, Any] = next((r for r in rows if needed in r), {})
    return dict(row.get("figures", {})) if needed == "figures" else row


def _by_category(results: Sequence[Result], of: Callable[[Result], Aim | None], title: str) -> list[Aim]:
    """One line for all categories: what each measured, and met only where each is."""
    parts = [(r["category"], part) for r in results if (part := of(r)) is not None]
    if not parts:
        return [Aim(title, None, None)]
    verdicts = [part.met for _, part in parts]
    met = None if None in verdicts else all(verdicts)
    return [Aim(title, "; ".join(f"{name} {part.measured}" for name, part in parts), met)]


def _figures_beside(result: Result) -> Aim | None:
    mine, its = (_row(result, name, "figures") for name in ("tacha-balanced", LIGHTEST))
    if not mine or not its:
        return None
    pairs = [(mine[m][0], its[m][0]) for m in ("aupro_30", "pixel_f1_max") if m in mine and m in its]
    return Aim("", " and ".join(f"{a:.3f} ({b:.3f})" for a, b in pairs), all(a >= b for a, b in pairs))


def _p50(contender: str, most: float, result: Result) -> Aim | None:
    row = _row(result, contender, "p50_ms")
    return Aim("", f"{row['p50_ms']:.1f} ms", row["p50_ms"] <= most) if row else None


def _times(result: Result, other: str, engine: str) -> float | None:
    mine, its = _row(result, "tacha-balanced", "round_p50_ms"), _row(result, other, "round_p50_ms", engine)
    if not mine or not its:
        return None
    return float(statistics.median(b / a for a, b in zip(mine["round_p50_ms"], its["round_p50_ms"], strict=True)))


def _against_default(result: Result) -> Aim | None:
    times = _times(result, "anomalib-patchcore", "torch")
    return None if times is None else Aim("", f"{times:.0f}×", times >= 50)


def _against_lightest(result: Result) -> Aim | None:
    times = _times(result, LIGHTEST, "openvino")
    return None if times is None else Aim("", f"{times:.2f}×", times >= 3)


def _fit(result: Result) -> Aim | None:
    fits = {f["contender"]: f for f in result["fits"] if "seconds" in f}
    mine, its = fits.get("tacha-balanced"), fits.get(LIGHTEST)
    if mine is None or its is None:
        return None
    seconds = statistics.median(mine["seconds"])
    stopped = its.get("stopped")
    theirs = stopped["seconds"] if stopped else statistics.median(its["seconds"])
    more = "more than " if stopped else ""
    return Aim("", f"{more}{theirs / seconds:.0f}×, {seconds:.0f} s", theirs / seconds >= 30 and seconds <= 30)


def _memory(costs: Result | None) -> Aim:
    title = "peak memory of fitting ten times the images, ≤ 1.1×"
    memory = (costs or {}).get("memory", {})
    if "few" not in memory or "many" not in memory:
        return Aim(title, None, None)
    few, many = memory["few"]["peak_mib"], memory["many"]["peak_mib"]
    return Aim(title, f"{many / few:.2f}× ({many:.0f} of {few:.0f} MiB)", many / few <= 1.1)


def _size(result: Result) -> Aim | None:
    row = _row(result, "tacha-balanced", "mib")
    return Aim("", f"{row['mib'] * 2**20 / 1e6:.1f} MB", row["mib"] <= MIB_OF_ARTEFACT) if row else None


def _start(costs: Result | None, statement: str, key: str, title: str, most: float) -> Aim:
    rows = [r for r in (costs or {}).get("start_up", ()) if r["statement"] == statement and key in r]
    if not rows:
        return Aim(title, None, None)
    return Aim(title, f"{rows[0][key][0]:.2f} s", rows[0][key][0] <= most)
