"""tacha inspect"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tacha.commands.images import expand
from tacha.files import check_file, check_folder, write_text, written
from tacha.inspection import Inspection
from tacha.inspector import Inspector, load

if TYPE_CHECKING:
    from tacha.data.image import UInt8Image


def run(asked: argparse.Namespace) -> int:
    """Verdicts as they come, then a summary; files only once all of it is there."""
    paths = expand(asked.images)
    for file in filter(None, (asked.csv, asked.json)):
        check_file(Path(file))
    if asked.overlays:
        check_folder(Path(asked.overlays))
    inspector = load(asked.artefact, asked.engine, asked.precision, asked.threads)
    if inspector.note:
        print(f"tacha: note: {inspector.note}", file=sys.stderr)
    skipped: list[tuple[Path, str]] = []
    results: list[dict[str, Any]] = []
    began = time.perf_counter()
    for found in inspector.inspect_many(paths, skipped):
        results.append(found.to_dict())
        if not asked.quiet:
            print(line(found))
        if asked.overlays:
            assert found.path is not None
            target = Path(asked.overlays) / overlay_name(found.path, paths)
            picture(inspector, found, target, asked.language)
    seconds = time.perf_counter() - began
    for _, reason in skipped:
        print(f"tacha: not judged: {reason}", file=sys.stderr)
    flawed = sum(r["verdict"] == "flawed" for r in results)
    if asked.csv:
        _write_csv(Path(asked.csv), results)
    if asked.json:
        about = {"artefact": inspector.name, "engine": inspector.engine.name, "precision": inspector.engine.precision}
        lost = [{"path": str(path), "reason": reason} for path, reason in skipped]
        write_text(Path(asked.json), json.dumps({**about, "images": results, "not_judged": lost}, indent=1) + "\n")
    each = f", {1e3 * seconds / len(results):.1f} ms an image" if results else ""
    print(f"{len(paths)} images: {flawed} flawed, {len(results) - flawed} good, {len(skipped)} not judged{each}")
    if not results:
        return 2
    return int(asked.fail_on_flaw and (flawed > 0 or bool(skipped)))


def line(found: Inspection, name: str = "") -> str:
    """A verdict for the terminal; `name` stands where the path does otherwise."""
    p = "" if found.p_value is None else f"  p={found.p_value:.4f}"
    where = ""
    if found.regions:
        left, top, right, bottom = found.regions[0].box
        more = f" and {len(found.regions) - 1} more" if len(found.regions) > 1 else ""
        where = f"  at {left},{top} {right - left}×{bottom - top}{more}"
    return f"{found.verdict:6}  score={found.score:.4f}{p}  {name or found.path}{where}"


def _write_csv(path: Path, results: list[dict[str, Any]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["path", "verdict", "score", "threshold", "p_value", "regions", "largest_box", "flawed_area"])
    for r in results:
        box = max(r["regions"], key=lambda x: x["area"])["box"] if r["regions"] else []
        area = sum(x["area"] for x in r["regions"])
        head = [r[key] for key in ("path", "verdict", "score", "threshold", "p_value")]
        writer.writerow([*head, len(r["regions"]), " ".join(map(str, box)), area])
    write_text(path, buffer.getvalue())


def picture(
    inspector: Inspector, found: Inspection, target: Path, language: str, pixels: UInt8Image | None = None
) -> None:
    """Write original and heat map side by side; `pixels` are the original's where it is no file."""
    from PIL import Image

    from tacha.data.image import read_image
    from tacha.report.overlay import captioned, colour_bar, heat_overlay, side_by_side
    from tacha.report.sizes import sized
    from tacha.words import words

    if pixels is None:
        assert found.path is not None
        pixels = read_image(found.path)
    image = pixels
    panel, bar = image, None
    if found.map is not None and found.map_threshold is not None:
        scale = tuple(inspector.card["map_scale"])
        panel = heat_overlay(image, found.map, found.map_threshold, scale)
        bar = colour_bar(image.shape[0], found.map_threshold, scale)
    said = words(language)
    verdict = said.gettext("called flawed") if found.flawed else said.gettext("called good")
    score = said.gettext("score %(score)s, threshold %(threshold)s") % {
        "score": f"{found.score:.4g}",
        "threshold": f"{found.threshold:.4g}",
    }
    caption = f"{verdict} · {score}"
    if found.map is not None:
        caption += f" · {sized([r.to_dict() for r in found.regions], found.size, said)}"
    with written(target) as part:
        Image.fromarray(captioned(side_by_side(image, panel, None, bar), caption)).save(part, format="PNG")


def overlay_name(path: Path, paths: list[Path]) -> str:
    """The image's name, with as many of its folders as it takes to tell two images of one name apart."""
    same = [p for p in paths if p.name == path.name]
    for depth in range(1, len(path.parts) + 1):
        tail = path.parts[-depth:]
        if sum(p.parts[-depth:] == tail for p in same) <= 1:
            break
    name = "__".join(part for part in tail if part != path.anchor)
    return name if path.suffix.lower() == ".png" else f"{name}.png"
