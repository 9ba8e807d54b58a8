"""What a comparison found, as Markdown: in short for the README, in full for docs/lead.md."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from peers.aims import aims, table

DEFAULT = "tacha-balanced"  # what ratios are to
NONE = "–"
OPTIONS = ("limit", "rounds", "threads", "patience", "fits", "train", "test", "seed")

Row = dict[str, Any]
Result = dict[str, Any]
Column = tuple[str, Callable[[Row, Result], str]]


def in_short(results: Sequence[Result], pictures: Mapping[str, str]) -> str:
    """A table a category, its picture, and below them what a reader must know to believe them."""
    parts = [_table(result, pictures, COLUMNS) for result in results]
    more = "docs/lead.md has more figures, differences with their intervals, start-up and memory."
    return "\n\n".join([*parts, *_notes(results), more])


def in_full(results: Sequence[Result], costs: Result | None, pictures: Mapping[str, str]) -> str:
    """The aims, the same with more columns, then start-up and memory."""
    parts = ["### The aims\n" + table(aims(results, costs))]
    for result in results:
        parts.append(_table(result, pictures, [*COLUMNS, *MORE]))
        if any("auroc_below_lead" in row for row in result["rows"]):
            parts.append(_apart(result))
    return "\n\n".join([*parts, *_notes(results), *_costs(costs)])


def _table(result: Result, pictures: Mapping[str, str], columns: Sequence[Column]) -> str:
    category = result["category"]
    lines = [f"| {' | '.join(title for title, _ in columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(cell(row, result) for _, cell in columns)} |" for row in result["rows"]]
    plan = result["plan"]
    about = (
        f"{result['train']} good images to learn from, {result['test']} to judge, {result['flawed']} of them flawed. "
        f"Times: {_count(result['timed'], 'image')}, {_count(plan['rounds'], 'round')}, everyone in turn on each image."
    )
    head = f"### {category}\n{about}"
    if category in pictures:
        alt = f"Image AUROC against milliseconds on {category}, a mark for each row of the table below"
        head += f"\n\n![{alt}]({pictures[category]})"
    return head + "\n\n" + "\n".join(lines)


# Cells


def _fit(row: Row, result: Result) -> Row:
    return next((fit for fit in result["fits"] if fit["contender"] == row["contender"]), {})


def _engine(row: Row, result: Result) -> str:
    return f"{row['engine']} {row.get('precision', '')}".strip()


def _bank(row: Row, result: Result) -> str:
    bank = _fit(row, result).get("bank")
    if not bank:
        return NONE
    return " + ".join(str(shape[0]) for shape in (bank if isinstance(bank[0], list) else [bank]))


def _auroc(row: Row, result: Result) -> str:
    if "image_auroc" in row.get("figures", {}):
        return _interval(row["figures"]["image_auroc"])
    if "failed" in row:
        return "failed"
    quoted = f", published {row['quoted_auroc']:.3f}" if "quoted_auroc" in row else ""
    return f"timed only{quoted}" if row["weights"] == "random" else NONE


def _figure(metric: str) -> Callable[[Row, Result], str]:
    def cell(row: Row, result: Result) -> str:
        found = row.get("figures", {}).get(metric)
        return NONE if found is None else _interval(found)

    return cell


def _time(row: Row, result: Result) -> str:
    if "p50_ms" not in row:
        return NONE
    low, high = min(row["round_p50_ms"]), max(row["round_p50_ms"])
    return f"{_ms(row['p50_ms'])} [{_ms(low)}–{_ms(high)}]"


def _ratio(row: Row, result: Result) -> str:
    """Of each round's median to the default's of that round: median [lowest–highest]."""
    default = next((r for r in result["rows"] if r["contender"] == DEFAULT and "round_p50_ms" in r), None)
    if default is None or "round_p50_ms" not in row:
        return NONE
    if row is default:
        return "1"
    ratios = [mine / its for mine, its in zip(row["round_p50_ms"], default["round_p50_ms"], strict=True)]
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}–{max(ratios):.2f}]"


def _fit_seconds(row: Row, result: Result) -> str:
    fit = _fit(row, result)
    if row["weights"] == "random" or "seconds" not in fit:
        return NONE
    seconds = fit["seconds"]
    spread = f" [{min(seconds):.0f}–{max(seconds):.0f}]" if len(seconds) > 1 else ""
    return f"{statistics.median(seconds):.0f}{spread}" + (" with tacha's coreset" if fit["coreset"] == "tacha" else "")


def _number(key: str, digits: int) -> Callable[[Row, Result], str]:
    def cell(row: Row, result: Result) -> str:
        return NONE if row.get(key) is None else f"{row[key]:.{digits}f}"

    return cell


def _fit_peak(row: Row, result: Result) -> str:
    peaks = [peak for peak in _fit(row, result).get("fit_peak_mib", ()) if peak is not None]
    return NONE if row["weights"] == "random" or not peaks else f"{max(peaks):.0f}"


COLUMNS: list[Column] = [
    ("contender", lambda row, _: row["title"]),
    ("engine", _engine),
    ("bank rows", _bank),
    ("image AUROC", _auroc),
    ("pixel F1 max", _figure("pixel_f1_max")),
    ("AUPRO@.30", _figure("aupro_30")),
    ("p50 ms, file to score", _time),
    ("× tacha's default", _ratio),
    ("fit s", _fit_seconds),
    ("peak MiB", _number("peak_mib", 0)),
    ("artefact MiB", _number("mib", 1)),
]
MORE: list[Column] = [
    ("pixel AUROC", _figure("pixel_auroc")),
    ("image F1 max", _figure("image_f1_max")),
    ("p95 ms", _number("p95_ms", 1)),
    ("start s", _number("start_seconds", 1)),
    ("fit's peak MiB", _fit_peak),
]


# Below the tables


def _notes(results: Sequence[Result]) -> list[str]:
    """What the cells mean, what each contender was, and on what all of it was measured."""
    reading = (
        "In brackets: for figures 95 % intervals (bootstrap), for times the lowest and highest median of a round, for "
        "ratios (of rounds' medians; above 1 is slower than tacha's default) and fits the lowest and highest. tacha's "
        "time includes its verdict, p-value and regions; a peer's is its own inferencer's, from the file to score and "
        "map. Peak MiB is the judging process's. tacha's fit includes calibration, the engines' parity check and "
        "writing the artefact; a peer's is its training alone. Figures are of raw scores and maps, by the same code "
        "for everyone. An engine's precision is what its owner uses unless told otherwise."
    )
    notes = (_weights(results), _given_up(results), _failed(results), _measured_on(results))
    return [reading, "\n".join(f"- {note}" for some in notes for note in some)]


def _weights(results: Sequence[Result]) -> Iterable[str]:
    fits = [(result, fit) for result in results for fit in result["fits"]]
    shared = dict.fromkeys(fit["title"] for _, fit in fits if fit["weights"] == "shared")
    if shared:
        yield f"**Weights**: the same packaged EfficientNet-Lite0 for {'; '.join(shared)}."
    for result, fit in fits:
        if fit["weights"] == "shared":
            continue
        said = f"**Timed only**, with random weights: {fit['title']}; {fit.get('own', '').removeprefix('not tried: ')}."
        mine: Row = next((row for row in result["rows"] if row["contender"] == fit["contender"]), {})
        if (quoted := mine.get("quoted_auroc")) is not None:
            said += f" Its own documentation publishes an image AUROC of {quoted:.3f} on {result['category']}, "
            said += "not measured here."
        yield said


def _given_up(results: Sequence[Result]) -> Iterable[str]:
    for result in results:
        for fit in result["fits"]:
            if fit["weights"] == "random" or "own" not in fit:
                continue
            said = f"**Given up**: {fit['title']}: its own fit on {result['category']} was "
            said += _stopped(fit["stopped"]) if "stopped" in fit else fit["own"]
            if fit["coreset"] == "tacha" and "failed" not in fit:
                said += ". Its rows have as many bank rows, which tacha's coreset chose from the same vectors"
            yield f"{said}."


def _stopped(stopped: Mapping[str, float | None]) -> str:
    share, estimate = stopped.get("share"), stopped.get("estimated_seconds")
    said = f"stopped after {stopped['seconds']:.0f} s"
    if share is not None:
        said += f" with {share:.1%} of its coreset chosen"
    if estimate is not None:
        said += f"; at that pace the whole would have taken about {_long(estimate)} (an estimate)"
    return said


def _failed(results: Sequence[Result]) -> Iterable[str]:
    for result in results:
        said: dict[tuple[str, str], list[str]] = {}
        for row in result["rows"]:
            if "failed" in row:
                said.setdefault((row["title"], row["failed"]), []).append(row["engine"])
        for (title, words), engines in said.items():
            yield f"**Failed**: {title} ({', '.join(engines)}) on {result['category']}: {_quoted(words)}"


def _measured_on(results: Sequence[Result]) -> Iterable[str]:
    for key, mine in _alike(results, _machine):
        yield f"**Measured** ({mine}) on {key}."
    for key, mine in _alike(results, _versions):
        yield f"**Versions** ({mine}): {key}."
    for key, mine in _alike(results, lambda r: _command(r["plan"])):
        command = key.replace("CATEGORIES", mine.replace(", ", ","))
        yield f"**Again**: `{command}`, then `python benchmarks/run.py table`."


def _alike(results: Sequence[Result], said: Callable[[Result], str]) -> Iterable[tuple[str, str]]:
    """What is said of results, once for all of which it is the same, with their categories."""
    found: dict[str, list[str]] = {}
    for result in results:
        found.setdefault(said(result), []).append(result["category"])
    return [(key, ", ".join(categories)) for key, categories in found.items()]


def _machine(result: Result) -> str:
    machine = result["machine"]
    flags = f" ({', '.join(machine['flags'])})" if machine["flags"] else ""
    return (
        f"{machine['cpu']}{flags}, {_count(machine['cores'], 'core')}, {_count(machine['threads'], 'thread')}, "
        f"load {machine.get('load', 'unknown')} at the start, {result['started'][:10]}, "
        f"revision {result.get('revision') or 'unknown'}"
    )


def _versions(result: Result) -> str:
    said = {"tacha": _listed(result.get("versions", {}))}
    for fit in result["fits"]:
        if fit["peer"] != "tacha" and "versions" in fit:
            said[fit["peer"]] = _listed(fit["versions"])
    return "; ".join(said.values())


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _command(plan: Mapping[str, Any]) -> str:
    options = [f"--{name} {plan[name]:g}" for name in OPTIONS if plan.get(name) is not None]
    only = [f"--only {plan['only']}"] if plan.get("only") else []
    against = plan.get("against", "") or '""'
    begin = f"python benchmarks/run.py --against {against} --data DIR --categories CATEGORIES"
    return " ".join([begin, *only, *options])


# In full alone


def _apart(result: Result) -> str:
    """By how much the first contender's AUROC is above the others'."""
    lead = next((fit["title"] for fit in result["fits"] if fit["contender"] == result.get("lead")), "the first")
    lines = [f"Image AUROC of {lead} less the other's, on the same resampled images:", "",
             "| other | engine | difference | set apart |", "|---|---|---|---|"]  # fmt: skip
    for row in result["rows"]:
        if "auroc_below_lead" in row:
            value, low, high = row["auroc_below_lead"]
            apart = "above it" if low > 0 else "below it" if high < 0 else "no"
            difference = f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
            lines.append(f"| {row['title']} | {_engine(row, result)} | {difference} | {apart} |")
    return "\n".join(lines)


def _costs(costs: Result | None) -> list[str]:
    if costs is None:
        return ["Start-up and the memory of many images: not measured."]
    lines = ["### Start-up", "", "| | import, s | `--help`, s |", "|---|---|---|"]
    for row in costs.get("start_up", ()):
        cells = [_seconds(row.get(f"{what}_seconds")) for what in ("import", "help")]
        lines.append(f"| {row['peer']}: `{row['statement']}` | {' | '.join(cells)} |")
    parts = ["\n".join(lines), "Median [lowest–highest]; tacha loads what else it needs when it is used."]
    if "machine" in costs:
        parts[-1] += f" Measured on {_machine(costs)}."
    parts += [f"{row['peer']} failed: {_quoted(row['failed'])}" for row in costs.get("start_up", ()) if "failed" in row]
    memory = costs.get("memory", {})
    said = [
        f"{one['images']} images took {one['seconds']:.0f} s and at most {one['peak_mib']:.0f} MiB"
        for one in (memory.get("few"), memory.get("many"))
        if one is not None and one["peak_mib"] is not None
    ]
    if said:
        text = f"Fitting {memory['contender']} on {costs['category']}: {', '.join(said)}"
        text += " (each image ten times, shifted and lit a little differently)." if len(said) > 1 else "."
        parts.append(f"### Memory\n{text}")
    if "failed" in memory:
        parts.append(f"{memory['contender']} failed: {_quoted(memory['failed'])}")
    return parts


# Numbers and words


def _interval(found: Sequence[float | None]) -> str:
    value, low, high = found
    return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}–{high:.3f}]"


def _seconds(found: Sequence[float] | None) -> str:
    return NONE if found is None else f"{found[0]:.2f} [{found[1]:.2f}–{found[2]:.2f}]"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _long(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _quoted(words: str) -> str:
    return f"`{' '.join(words.replace('`', chr(39)).split())}`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
