"""Image AUROC against the time from file to score, as an SVG that is the same every time."""

from __future__ import annotations

import io
from typing import Any

from tacha.report.drawing import BLUE, GREEN, INK, ORANGE, new_figure, quiet

COLOURS = {"tacha": BLUE, "anomalib": ORANGE, "anomavision": GREEN}
MARKS = "osD^vP*X"  # a contender of its peer's
SHORT = {"openvino": "OV", "onnxruntime": "ORT", "torch": "PT"}
KEY = (
    "OV OpenVINO, ORT ONNX Runtime, PT torch. Hollow: timed only,\n"
    "at the AUROC that its documentation publishes or, where none is, on the lower edge."
)
SETTINGS = {"svg.hashsalt": "tacha", "svg.fonttype": "path"}


def picture(result: dict[str, Any]) -> bytes:
    """A mark for each contender on each engine, one line through those of a contender.

    Filled: measured, with its 95 % interval. Hollow: timed here, its AUROC as published, or, on the lower edge, none.
    """
    import matplotlib as mpl
    from matplotlib.ticker import LogLocator, NullFormatter

    with mpl.rc_context(SETTINGS):
        figure = new_figure(8.0, 6.0)
        axes = figure.subplots()
        axes.set_xscale("log")
        rows = [row for row in result["rows"] if "p50_ms" in row]
        for name in dict.fromkeys(row["contender"] for row in rows):
            mine = [row for row in rows if row["contender"] == name]
            among = dict.fromkeys(r["contender"] for r in rows if r["peer"] == mine[0]["peer"])
            _draw(axes, mine, MARKS[list(among).index(name) % len(MARKS)])
        quiet(axes)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
        axes.set_xlabel("milliseconds from file to score, median (log)")
        axes.set_ylabel("image AUROC")
        threads = result["machine"]["threads"]
        axes.set_title(f"{result['category']}, {threads} CPU thread{'s' * (threads != 1)}", loc="left", fontsize=11)
        figure.legend(loc="outside lower left", ncols=2, fontsize=8, frameon=False, title=KEY, title_fontsize=8)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    # Lines that end in a space are matplotlib's; a repository's checks dislike them.
    return b"\n".join(line.rstrip() for line in out.getvalue().splitlines()) + b"\n"


def _draw(axes: Any, rows: list[dict[str, Any]], mark: str) -> None:
    colour = COLOURS.get(rows[0]["peer"], INK)
    measured = [row.get("figures", {}).get("image_auroc") for row in rows]
    heights = [m[0] if m else row.get("quoted_auroc") for m, row in zip(measured, rows, strict=True)]
    label: str | None = rows[0]["title"]
    if len(rows) > 1 and None not in heights:
        axes.plot([row["p50_ms"] for row in rows], heights, color=colour, linewidth=1, alpha=0.5)
    for row, interval, height in zip(rows, measured, heights, strict=True):
        low, high = min(row["round_p50_ms"]), max(row["round_p50_ms"])
        where = {} if height is not None else {"transform": axes.get_xaxis_transform(), "clip_on": False}
        at = 0.0 if height is None else height
        axes.plot([low, high], [at, at], color=colour, linewidth=1, **where)
        if interval:
            axes.plot([row["p50_ms"]] * 2, interval[1:], color=colour, linewidth=1, alpha=0.35)
        face = colour if interval else "white"
        axes.plot(row["p50_ms"], at, mark, color=colour, markerfacecolor=face, markersize=7, label=label, **where)
        system = "data" if height is not None else axes.get_xaxis_transform()
        place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
        text = SHORT.get(row["engine"], row["engine"])
        axes.annotate(text, (row["p50_ms"], at), xycoords=system, fontsize=7, color=colour, **place)
        label = None
