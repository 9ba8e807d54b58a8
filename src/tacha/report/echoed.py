"""What the readers of images and folders say, in a page's language: their lines are English, for terminals and logs."""

from __future__ import annotations

import re
from gettext import NullTranslations

from tacha.words import _

# What is said, and how a page says it. A line that none of these knows is shown as it is.
_SAID = (
    (r"the file is empty .*", _("the file is empty")),
    (r"not an image that can be read.*", _("not an image of a kind that can be read")),
    (r"damaged image \((?P<why>.*)\).*", _("damaged image (%(why)s)")),
    (r"(?P<size>.*), more than the (?P<most>[\d,]+) allowed.*", _("larger than the %(most)s pixels allowed")),
    (r"floating-point pixels outside 0..1.*", _("floating-point pixels outside 0 to 1")),
    (r"32-bit pixels outside 0..65535.*", _("32-bit pixels outside 0 to 65535")),
    (r"colour mode (?P<mode>\S+) cannot be read.*", _("colour mode %(mode)s cannot be read")),
    (r"no such file.*", _("there is no such file")),
    (r"not a regular file.*", _("not a regular file")),
    (r"cannot be opened \((?P<why>.*)\).*", _("cannot be opened (%(why)s)")),
    (r"mask (?P<mask>\d+x\d+), image (?P<image>\d+x\d+)", _("the mask is %(mask)s, its image %(image)s")),
    (
        r"(?P<where>.*): (?P<n>\d+) files that are no images ignored \((?P<kinds>.*)\)",
        _("%(where)s: %(n)s files that are no images were ignored (%(kinds)s)"),
    ),
    (
        r"(?P<where>.*): (?P<n>\d+) broken links ignored, the first (?P<first>.*)",
        _("%(where)s: %(n)s broken links were ignored, the first of them %(first)s"),
    ),
    (
        r"(?P<where>.*): (?P<n>\d+) images ignored, only good ones train",
        _("%(where)s: %(n)s images were ignored, for only good ones train"),
    ),
    (
        r"(?P<where>.*): folder ignored, it has no (?P<what>.*)",
        _("%(where)s: the folder was ignored; it has no %(what)s"),
    ),
    (r"(?P<where>.*): folder ignored", _("%(where)s: the folder was ignored")),
    (
        r"(?P<where>.*): (?P<n>\d+) flawed images have no mask or an empty one; .*",
        _("%(where)s: %(n)s flawed images have no mask or an empty one; they count for the image figures only"),
    ),
    (
        r"(?P<where>.*): has no metrics.json, so it was left out",
        _("%(where)s: has no metrics.json, so it was left out"),
    ),
    (
        r"The runs did not all see the same images .*",
        _("The runs did not all see the same images (their data digests differ), so figures may not compare."),
    ),
)


def echoed(line: str, said: NullTranslations) -> str:
    """The line in another language, or as it is where nothing is known for it."""
    for pattern, message in _SAID:
        found = re.fullmatch(pattern, line, re.DOTALL)
        if found:
            return said.gettext(message) % found.groupdict()
    return line
