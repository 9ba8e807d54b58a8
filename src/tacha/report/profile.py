"""A profile as one self-contained HTML page of bars, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from tacha.files import write_text
from tacha.profiling.layers import by_kind
from tacha.profiling.measure import Profile, Spent
from tacha.profiling.operators import KERNEL, Operator
from tacha.profiling.stages import ENGINE, FEATURES, READING, SCORER, VERDICT
from tacha.report.drawing import BLUE, COLOURS, GREEN, ORANGE
from tacha.report.environment import render
from tacha.words import _, words

SHOWN = 12  # operators of a stage, and layers; the tables have them all
LEAST = 0.01  # of a stage's time: what takes less is left to the tables
NAMES = {
    READING: _("reading and decoding"),
    FEATURES: _("features"),
    SCORER: _("scorer"),
    ENGINE: _("engine"),
    VERDICT: _("map and verdict"),
}
STAGE_COLOURS = {READING: COLOURS[5], FEATURES: BLUE, SCORER: ORANGE, ENGINE: GREEN, VERDICT: COLOURS[3]}


@dataclass(frozen=True)
class Part:
    """A stage in a bar: `share` of its whole in %."""

    name: str
    colour: str
    ms: str
    share: float


@dataclass(frozen=True)
class Way:
    """A path from a file to a verdict: its parts as one bar, `width` in % of the longest path."""

    name: str
    total: str
    width: float
    parts: list[Part]


@dataclass(frozen=True)
class Bar:
    """A line of a chart: widths in % of the longest, on the processor and on the device."""

    name: str
    value: str
    detail: str
    width: float
    device_width: float = 0.0


@dataclass(frozen=True)
class Chart:
    """The bars of a stage; `rest` says what they leave out."""

    title: str
    remark: str
    bars: list[Bar]
    rest: str


def write_page(path: Path, found: Profile, about: Mapping[str, Any], language: str) -> Path:
    """Write the page. Raises TachaError for a language that is not there."""
    say = words(language)
    ways = _ways(found.stages, about, say)
    text = render(
        "profile.html.j2",
        language,
        about=about,
        headline=_headline(ways, say),
        ways=ways,
        legend=[(say.gettext(NAMES[s.stage]), STAGE_COLOURS[s.stage]) for s in found.stages],
        stages=[_row(s, say) for s in found.stages],
        charts=_charts(found, about, say),
        layers=_layers(found, say),
        counted=f"{sum(layer.wall_ms for layer in found.layers):.1f}",
        traces=[p.name for p in found.traces],
    )
    return write_text(path, text)


def _ways(stages: Sequence[Spent], about: Mapping[str, Any], say: NullTranslations) -> list[Way]:
    """The engine that judges first, torch after it."""
    by_name = {s.stage: s for s in stages}
    orders = {
        f"{about['engine']} {about['precision']} (cpu)": (READING, ENGINE, VERDICT),
        f"torch {about['precision']} ({about['device']})": (READING, FEATURES, SCORER, VERDICT),
    }
    there = {name: order for name, order in orders.items() if all(s in by_name for s in order)}
    totals = {name: sum(by_name[s].median for s in order) for name, order in there.items()}
    return [
        Way(
            name,
            f"{totals[name]:.1f}",
            100 * totals[name] / max(totals.values()),
            [
                Part(
                    say.gettext(NAMES[s]),
                    STAGE_COLOURS[s],
                    f"{by_name[s].median:.1f}",
                    100 * by_name[s].median / totals[name],
                )
                for s in order
            ],
        )
        for name, order in there.items()
    ]


def _headline(ways: Sequence[Way], say: NullTranslations) -> str:
    way = ways[0]
    longest = max(way.parts, key=lambda p: p.share)
    text = say.gettext(
        "On %(way)s an image takes %(total)s ms, %(share)s\N{NO-BREAK SPACE}%% of it in one stage: %(stage)s"
    )
    return text % {"way": way.name, "total": way.total, "share": f"{longest.share:.0f}", "stage": longest.name}


def _row(s: Spent, say: NullTranslations) -> tuple[str, ...]:
    """Name, colour, median, lowest to highest round, under the profiler."""
    profiled = "–" if s.profiled is None else f"{s.profiled:.2f}"
    span = f"{s.low:.2f}–{s.high:.2f}"
    return say.gettext(NAMES[s.stage]), STAGE_COLOURS[s.stage], f"{s.median:.2f}", span, profiled


def _charts(found: Profile, about: Mapping[str, Any], say: NullTranslations) -> list[Chart]:
    out = []
    for stage in dict.fromkeys(o.stage for o in found.operators):
        # A kernel's time stands with the operator that started it.
        operators = sorted(
            (o for o in found.operators if o.stage == stage and o.kind != KERNEL), key=lambda o: -o.own_ms
        )
        total = sum(o.own_ms for o in operators)
        shown = [o for o in operators[:SHOWN] if o.own_ms >= LEAST * total]
        most = max((o.own_ms for o in shown), default=1.0)
        left = len(operators) - len(shown)
        rest = say.ngettext(
            "%(count)s more takes %(ms)s ms in all: operators.csv has it.",
            "%(count)s more take %(ms)s ms in all: operators.csv has them.",
            left,
        )
        missing = f"{total - sum(o.own_ms for o in shown):.2f}"
        kind = (
            _("Python's functions, by cProfile")
            if stage in (READING, VERDICT)
            else _("torch's operators, by torch.profiler")
        )
        bars = [_bar(o, most, about["device"], say) for o in shown]
        remark = rest % {"count": left, "ms": missing} if left else ""
        out.append(Chart(say.gettext(NAMES[stage]), say.gettext(kind), bars, remark))
    return out


def _bar(o: Operator, most: float, device: str, say: NullTranslations) -> Bar:
    detail = [say.gettext("calls: %(calls)s") % {"calls": f"{o.calls:.3g}"}]
    if o.total_ms >= o.self_ms + 0.01:
        detail.append(say.gettext("%(ms)s ms with what it calls") % {"ms": f"{o.total_ms:.2f}"})
    if device != "cpu" and o.device_total_ms:
        detail.append(say.gettext("%(ms)s ms on the device") % {"ms": f"{o.device_self_ms:.2f}"})
    for mib, text in ((o.memory_mib, _("%(mib)s MiB")), (o.device_memory_mib, _("%(mib)s MiB on the device"))):
        if abs(mib) >= 0.01:
            detail.append(say.gettext(text) % {"mib": f"{mib:+.2f}"})
    value = f"{o.own_ms:.2f}"
    return Bar(o.name, value, " · ".join(detail), 100 * o.self_ms / most, 100 * o.device_self_ms / most)


def _layers(found: Profile, say: NullTranslations) -> list[Chart]:
    """OpenVINO's time by operation, and its longest layers."""
    if not found.layers:
        return []
    kinds = by_kind(found.layers)
    total = sum(row[2] for row in kinds)
    kinds_shown = [row for row in kinds[:SHOWN] if row[2] >= LEAST * total]
    by_operation = [
        Bar(
            kind,
            f"{ms:.2f}",
            say.ngettext("%(count)s layer", "%(count)s layers", count) % {"count": count},
            100 * ms / kinds[0][2],
        )
        for kind, count, ms in kinds_shown
    ]
    longest = found.layers[:SHOWN]
    by_layer = [
        Bar(x.name, f"{x.wall_ms:.2f}", f"{x.kind} · {x.kernel}", 100 * x.wall_ms / longest[0].wall_ms) for x in longest
    ]
    out = []
    for title, bars, count, ms in (
        (_("By operation"), by_operation, len(kinds) - len(kinds_shown), sum(row[2] for row in kinds_shown)),
        (_("The longest layers"), by_layer, len(found.layers) - len(longest), sum(x.wall_ms for x in longest)),
    ):
        rest = say.ngettext(
            "%(count)s more takes %(ms)s ms in all: layers.csv has it.",
            "%(count)s more take %(ms)s ms in all: layers.csv has them.",
            count,
        ) % {"count": count, "ms": f"{total - ms:.2f}"}
        out.append(Chart(say.gettext(title), "", bars, rest if count else ""))
    return out
