"""Section: what these figures cannot say."""

from __future__ import annotations

from tacha.report.echoed import echoed
from tacha.report.paper.content import Bullets, Section
from tacha.report.paper.material import Material
from tacha.report.paper.pen import Pen

FEW = 30  # images of a kind


def about_limits(material: Material, pen: Pen) -> Section:
    said = [
        pen.gettext(
            "Intervals are those of one figure at a time, over the images that happened to be tested. They say nothing "
            "of other cameras, lights or kinds of flaw, and were not widened for the number of comparisons made."
        ),
        pen.gettext(
            "Overlapping intervals do not show that two detectors are equal; a paired test on the same images could "
            "still tell them apart."
        ),
    ]
    seeds = {entry.rows["seed"] for entry in material.comparison.entries}
    if len(seeds) == 1:
        said.append(pen.gettext("All runs have one seed: how far figures move from seed to seed was not measured."))
    few = []
    for line in material.lines:
        judged = material.judged(line)
        flawed = sum(p["label"] for p in judged)
        if judged and min(flawed, len(judged) - flawed) < FEW:
            few.append(line.category)
    if few:
        said.append(
            pen.gettext(
                "Fewer than %(n)s good or flawed images were tested of %(names)s, so its intervals are wide.",
                n=FEW,
                names=pen.listed(dict.fromkeys(few)),
            )
        )
    oracle = list(dict.fromkeys(x.category for x in material.lines if x.calibration.get("oracle")))
    if oracle:
        said.append(
            pen.gettext(
                "The threshold of %(names)s saw defects, so its verdicts must not be quoted as performance.",
                names=pen.listed(oracle),
            )
        )
    digests = {(run.about.get("data") or {}).get("digest") for run in material.runs}
    if len(digests) > 1 and not material.alone:
        said.append(
            pen.gettext("The runs did not all see the same images (their digests differ), so they may not compare.")
        )
    untested = [x.name for x in material.lines if not material.judged(x)]
    if untested:
        said.append(pen.gettext("No labelled test images were judged for %(names)s.", names=pen.listed(untested)))
    said += [echoed(note, pen.words) for note in material.comparison.notes if "digests" not in note]
    return Section(pen.gettext("Limits"), (Bullets(tuple(said)),))
