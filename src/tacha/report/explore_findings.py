"""What a data set's page says first: each finding as a sentence, the gravest on top."""

from __future__ import annotations

from dataclasses import dataclass
from gettext import NullTranslations

from tacha.data.check import CheckResult, grouped
from tacha.data.separation import LABELS, Ranked, Separation, of_flaws
from tacha.data.unusual import KNOWN

ORDER = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """A sentence, how grave it is, what it means for who trains on this, and the page's part that shows it."""

    severity: str
    text: str
    why: str = ""
    anchor: str = ""


def findings(result: CheckResult, said: NullTranslations) -> list[Finding]:
    """Everything worth a look, errors first; among warnings, leaks between training and test first."""
    _ = said.gettext
    seen = result.exploration
    out: list[Finding] = []
    places = {category: f"c{i}" for i, category in enumerate(result.counts)}
    for category in result.counts:
        if "good" not in result.counts[category].get("train", {}):
            text = _("%(category)s has no good training images") % {"category": category}
            out.append(Finding("error", text, _("Nothing can be learned without them.")))
    n = len(result.unreadable)
    if n:
        out.append(
            Finding(
                "error",
                said.ngettext("%(n)d file cannot be read", "%(n)d files cannot be read", n) % {"n": n},
                "",
                "unread",
            )
        )
    n = len(result.leaks)
    if n:
        text = said.ngettext(
            "%(n)d image is in two splits, or under two labels",
            "%(n)d images are in two splits, or under two labels",
            n,
        )
        why = _("Whatever is measured on it was known beforehand: keep one copy.")
        out.append(Finding("error", text % {"n": n}, why, "alike"))
    n = len(result.mismatched_masks)
    if n:
        text = said.ngettext(
            "%(n)d mask has another size than its image", "%(n)d masks have another size than their images", n
        )
        out.append(Finding("error", text % {"n": n}, "", "masks"))
    n = sum(a.kind == "leak" for a in seen.alike)
    if n:
        text = said.ngettext(
            "%(n)d test image is nearly the same as a training image",
            "%(n)d test images are nearly the same as training images",
            n,
        )
        out.append(
            Finding(
                "warning", text % {"n": n}, _("Figures on them flatter: they were all but learned by heart."), "alike"
            )
        )
    out += [_told(group, said, places) for group in grouped(seen.told)]
    n = len(result.empty_masks)
    if n:
        text = said.ngettext("%(n)d flawed image has an empty mask", "%(n)d flawed images have an empty mask", n)
        out.append(Finding("warning", text % {"n": n}, "", "masks"))
    n = len(result.missing_masks)
    if n:
        text = said.ngettext("%(n)d flawed image has no mask", "%(n)d flawed images have no mask", n)
        out.append(Finding("warning", text % {"n": n}, "", "masks"))
    n = len(result.orphan_masks)
    if n:
        text = said.ngettext("%(n)d mask has no image", "%(n)d masks have no image", n)
        out.append(Finding("warning", text % {"n": n}, "", "masks"))
    n = len(result.duplicates)
    if n:
        text = said.ngettext("%(n)d image is there twice or more", "%(n)d images are there twice or more", n)
        out.append(Finding("warning", text % {"n": n}, "", "alike"))
    n = sum(a.kind != "leak" for a in seen.alike)
    if n:
        text = said.ngettext(
            "%(n)d pair of images of one split is nearly the same",
            "%(n)d pairs of images of one split are nearly the same",
            n,
        )
        out.append(
            Finding("note", text % {"n": n}, _("They count as two where they say little more than one."), "alike")
        )
    n = len(seen.unusual)
    if n:
        text = said.ngettext(
            "%(n)d good image is unlike the other good ones",
            "%(n)d good images are unlike the other good ones",
            n,
        )
        why = _("Look at them before they are learned from: a flaw among the good ones teaches that it is good.")
        out.append(Finding("note", text % {"n": n}, why, f"u{places[seen.unusual[0].category][1:]}"))
    return sorted(out, key=lambda f: ORDER.index(f.severity))


def interval(r: Ranked) -> str:
    """An AUROC with its interval."""
    return f"{r.value:.2f} ({r.low:.2f}–{r.high:.2f})"


def _told(group: list[Separation], said: NullTranslations, places: dict[str, str]) -> Finding:
    _ = said.gettext
    s = group[0]
    values = {
        "category": s.category,
        "trait": _(KNOWN[s.trait].title),
        "auroc": interval(s.auroc),
        "outside": s.outside and interval(s.outside),
        "others": ", ".join(_(KNOWN[other.trait].title) for other in group[1:]),
    }
    if s.between != LABELS:
        text = _("%(category)s: good training and good test images differ in %(trait)s, AUROC %(auroc)s")
        why = _(
            "They were not taken alike. A threshold calibrated on good training images may raise more false alarms on "
            "the test images than it promises."
        )
    elif s.outside is not None and not s.of_flaws:
        text = _(
            "%(category)s: %(trait)s alone tells flawed from good, AUROC %(auroc)s, and %(outside)s with the "
            "flaws left out"
        )
        why = _(
            "The photographs differ, not only the parts: a detector can score well here by how an image was taken, and "
            "find no flaw."
        )
    elif s.outside is not None:
        text = _(
            "%(category)s: %(trait)s alone tells flawed from good, AUROC %(auroc)s, but %(outside)s with the "
            "flaws left out"
        )
        why = _("The flaws themselves make the difference; a simple rule may be enough to find them.")
    else:
        text = _("%(category)s: %(trait)s alone tells flawed from good, AUROC %(auroc)s")
        why = _("Either the flaws change it, or the photographs were taken otherwise; then a good score proves little.")
    more = " " + _("Likewise: %(others)s.") % values if group[1:] else ""
    return Finding("note" if of_flaws(group) else "warning", text % values, why + more, places[s.category])
