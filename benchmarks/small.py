"""Tables of docs/small.md: `python benchmarks/small.py FOLDER... [STUDENT.json...]` prints them.

FOLDER holds the bench.json that `tacha bench` or `tacha compare --bench` wrote, STUDENT.json is what `tacha distill
--test` wrote.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TITLES = (
    "what",
    "engine",
    "image AUROC",
    "file to verdict p50 / p95 ms",
    "engine p50 ms",
    "of the time",
    "images/s",
    "start s",
    "file MiB",
    "peak MiB",
    "changed verdicts",
)


def main(paths: Sequence[str]) -> None:
    students = [Path(path) for path in paths if path.endswith(".json")]
    versions = ""
    for folder in (Path(path) for path in paths if not path.endswith(".json")):
        found = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
        rows = found["rows"]
        versions = ", ".join(f"{k} {v}" for k, v in found["run"]["versions"].items())
        threads = sorted({row["threads"] for row in rows})
        for category in dict.fromkeys(row["category"] for row in rows):
            print(f"\n### {category}: {' and '.join(map(str, threads))} thread{'s' * (threads != [1])}\n")
            print(f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}")
            for row in (row for row in rows if row["category"] == category):
                print(f"| {' | '.join(_cells(row))} |")
            print(f"\nRatios and changes are to `{rows[0]['time_ratio']['to']}`.")
    if students:
        print("\n### Students\n")
        _students(students)
    if versions:
        print(f"\nMade with {versions}.")


def _cells(row: dict[str, Any]) -> list[str]:
    auroc = next((f for f in row["figures"] if f["metric"] == "image_auroc"), None)
    ratio = row["time_ratio"]
    return [
        row["label"].rsplit(" · ", 1)[0],
        f"{row['engine']} {row['precision']}",
        "–" if auroc is None else _interval(auroc),
        f"{row['p50_ms']:.1f} / {row['p95_ms']:.1f}",
        f"{row['engine_p50_ms']:.1f}",
        f"{ratio['median']:.2f} [{ratio['lowest']:.2f}–{ratio['highest']:.2f}]",
        f"{row['images_per_second']:.1f}",
        f"{row['start_seconds']:.1f}",
        f"{row['file_mib']:.1f}",
        "–" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}",
        f"{row['changed_verdicts']} of {row['judged']}",
    ]


def _students(paths: Sequence[Path]) -> None:
    print(
        "| of | image AUROC, teacher | student | pixel AUROC, teacher | student | faint drawn flaws, teacher | student "
        "| time in the engine, of the teacher's | file MiB | changed verdicts on held-out good | seconds to make |"
    )
    print(f"|{'---|' * 11}")
    for path in paths:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = {who: {row["metric"]: row for row in found["test"][who]} for who in ("teacher", "student")}
        aurocs = [_interval(rows[who][m]) for m in ("image_auroc", "pixel_auroc") for who in ("teacher", "student")]
        ratio, low, high = found["latency"]
        cells = [
            rows["teacher"]["image_auroc"]["category"],
            *aurocs,
            *(f"{value:.3f}" for value in found["auroc_faint"]),
            f"{ratio:.2f} [{low:.2f}–{high:.2f}]",
            f"{found['mib'][1]:.1f} of {found['mib'][0]:.1f}",
            f"{found['changed_verdicts']} of {found['images']}",
            f"{found['seconds']:.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _interval(row: dict[str, Any]) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}–{row['high']:.3f}]"


if __name__ == "__main__":
    main(sys.argv[1:])
