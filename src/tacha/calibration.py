"""From the scores of good images to a threshold, and how far it can be trusted."""

from __future__ import annotations

import inspect
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tacha.errors import TachaError


@dataclass(frozen=True, slots=True)
class Promise:
    """With `confidence`, at most `false_alarm_rate` of good parts are called flawed.

    It rests on `n` good images; the rate that was asked for takes `needed`.
    """

    false_alarm_rate: float
    confidence: float
    n: int
    needed: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold (flawed is score > threshold) and the good scores behind it, rising."""

    method: str
    threshold: float
    good_scores: tuple[float, ...]
    settings: dict[str, float]
    promise: Promise | None = None
    oracle: bool = False  # has seen defects

    def flawed(self, score: float) -> bool:
        """Whether the score is above the threshold; TachaError on NaN, which must never pass as good."""
        return _not_nan(score) > self.threshold

    def p_value(self, score: float) -> float:
        """(1 + number of good scores at or above it) / (n + 1): small for what good parts hardly ever score.

        Source: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, section 2.2; Angelopoulos
        and Bates 2021, A Gentle Introduction to Conformal Prediction, section 4.4. TachaError on NaN.
        """
        n = len(self.good_scores)
        return (1 + n - bisect_left(self.good_scores, _not_nan(score))) / (n + 1)

    @property
    def magnitude(self) -> float:
        """How large scores are: the unit for differences, since a standardised score's threshold may be near 0."""
        return max(*(abs(score) for score in self.good_scores), abs(self.threshold), 1e-12)

    def guarantee(self) -> str:
        """One sentence: what this threshold promises, and what it does not."""
        n = len(self.good_scores)
        if self.oracle:
            return (
                f"This threshold is an oracle: it saw defects ({self.settings['flawed']:.0f} flawed and {n} good "
                "images), so figures at it must not be quoted as performance."
            )
        if self.promise is None:
            rule = _RULES[self.method](self) if self.method in _RULES else f"set by {self.method}"
            return f"This threshold is {rule} of {n} good scores; it promises no false-alarm rate."
        asked, promised = self.settings["false_alarm_rate"], self.promise.false_alarm_rate
        sure = f"{percent(self.promise.confidence)} confidence"
        if self.promise.n < self.promise.needed:
            return (
                f"With {n} good images it can promise a false-alarm rate of at most {percent(promised)} "
                f"({sure}); for {percent(asked)} it needs {self.promise.needed}."
            )
        return f"At most {percent(promised)} of good parts like the {n} held-out ones are called flawed ({sure})."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` gives back an equal calibration."""
        return {**asdict(self), "good_scores": list(self.good_scores)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_dict` wrote; keys it does not know are passed over. TachaError when damaged."""
        try:
            promise = data["promise"]
            return cls(
                method=str(data["method"]),
                threshold=float(data["threshold"]),
                good_scores=tuple(sorted(float(s) for s in data["good_scores"])),
                settings={str(k): float(v) for k, v in data["settings"].items()},
                promise=None
                if promise is None
                else Promise(
                    false_alarm_rate=float(promise["false_alarm_rate"]),
                    confidence=float(promise["confidence"]),
                    n=int(promise["n"]),
                    needed=int(promise["needed"]),
                ),
                oracle=bool(data["oracle"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TachaError(f"the stored calibration is damaged ({error}): fit the detector again") from error


def percent(rate: float) -> str:
    """A share in words of two significant digits or more: "5 %", "6.7 %", "99.9 %"."""
    return f"{float(f'{100 * rate:.3g}' if rate > 0.1 else f'{100 * rate:.2g}'):g} %"


def needed(rate: float, confidence: float) -> int:
    """How many good images it takes to promise this false-alarm rate (Wilks 1941): 59 for .05, 299 for .01 at .95."""
    _within("false_alarm_rate", rate, 0, 1)
    _within("confidence", confidence, 0, 1)
    return math.ceil(math.log1p(-confidence) / math.log1p(-rate) - 1e-9)


def percentile(good: npt.ArrayLike, q: float = 99.0) -> Calibration:
    """The q-th percentile of the good scores [n], interpolated linearly; q in (0, 100]."""
    scores = _scores(good, "good")
    if q != 100:
        _within("q", q, 0, 100)
    return Calibration("percentile", float(np.percentile(scores, q)), _sorted(scores), {"q": float(q)})


def mean_sigma(good: npt.ArrayLike, k: float = 3.0) -> Calibration:
    """Mean plus k standard deviations (n - 1 in the denominator) of the good scores [n], at least two."""
    scores = _scores(good, "good", at_least=2)
    _within("k", k, 0, math.inf)
    threshold = float(scores.mean() + k * scores.std(ddof=1))
    return Calibration("mean_sigma", threshold, _sorted(scores), {"k": float(k)})


def conformal(good: npt.ArrayLike, false_alarm_rate: float = 0.05, confidence: float = 0.95) -> Calibration:
    """The lowest good score [n] that keeps the promised false-alarm rate with the given confidence.

    The true false-alarm rate at the k-th smallest of n continuous scores follows Beta(n + 1 - k, k), whatever
    their distribution; ties only lower it (Wilks 1941, Determination of sample sizes for setting tolerance
    limits, Ann. Math. Statist. 12; Vovk 2012, Conditional validity of inductive conformal predictors, section 3).
    The good scores must be of images that the detector was not fitted on. With too few of them the threshold is
    the highest, and the promise is what that can keep.
    """
    scores = _scores(good, "good")
    need = needed(false_alarm_rate, confidence)
    n = scores.size
    ordered = _sorted(scores)
    if n < need:
        k, promised = n, -math.expm1(math.log1p(-confidence) / n)
    else:
        from scipy.special import betainc

        ranks = np.arange(1, n + 1)
        kept = betainc(n + 1 - ranks, ranks, false_alarm_rate) >= confidence - 1e-12
        k, promised = int(ranks[kept][0]) if kept.any() else n, float(false_alarm_rate)
    settings = {"false_alarm_rate": float(false_alarm_rate), "confidence": float(confidence)}
    promise = Promise(promised, float(confidence), n, need)
    return Calibration("conformal", ordered[k - 1], ordered, settings, promise)


def best_f1(good: npt.ArrayLike, flawed: npt.ArrayLike) -> Calibration:
    """The threshold of the best F1 on these good [n] and flawed [m] scores: an oracle, for comparison only."""
    good_scores, flawed_scores = _scores(good, "good"), _scores(flawed, "flawed")
    values = np.unique(np.concatenate([good_scores, flawed_scores]))
    # thresholds between neighbours, and one below them all; the lower neighbour where rounding meets the upper
    middle = values[:-1] + np.diff(values) / 2
    between = np.where(middle < values[1:], middle, values[:-1])
    thresholds = np.append(np.nextafter(values[0], -np.inf), between)
    tp = flawed_scores.size - np.searchsorted(np.sort(flawed_scores), thresholds, side="right")
    fp = good_scores.size - np.searchsorted(np.sort(good_scores), thresholds, side="right")
    f1 = 2 * tp / (tp + fp + flawed_scores.size)
    best = thresholds[np.flatnonzero(f1 == f1.max())[-1]]  # of equals the highest: fewest false alarms
    settings = {"flawed": float(flawed_scores.size)}
    return Calibration("best_f1", float(best), _sorted(good_scores), settings, oracle=True)


METHODS: dict[str, Callable[..., Calibration]] = {
    "percentile": percentile,
    "mean_sigma": mean_sigma,
    "conformal": conformal,
    "best_f1": best_f1,
}

_RULES: dict[str, Callable[[Calibration], str]] = {
    "percentile": lambda c: f"the {c.settings['q']:g} % percentile",
    "mean_sigma": lambda c: f"the mean plus {c.settings['k']:g} standard deviations",
}


def calibrate(method: str, good: npt.ArrayLike, flawed: npt.ArrayLike | None = None, **settings: Any) -> Calibration:
    """A calibration by the name of its method; `flawed` scores are shown to best_f1 alone.

    Raises TachaError on an unknown method or setting, a setting out of range, no scores, or scores not finite.
    """
    if method not in METHODS:
        raise TachaError(f"calibration '{method}' does not exist: choose one of {', '.join(METHODS)}")
    fit = METHODS[method]
    known = [name for name in inspect.signature(fit).parameters if name not in ("good", "flawed")]
    for name in settings:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise TachaError(f"calibration '{method}' has no setting '{name}': {has}")
    if method != "best_f1":
        return fit(good, **settings)
    if flawed is None:
        raise TachaError("calibration 'best_f1' needs scores of flawed images: give some, or choose conformal")
    return fit(good, flawed)


def _scores(values: npt.ArrayLike, kind: str, at_least: int = 1) -> npt.NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64).ravel()
    if scores.size < at_least:
        raise TachaError(
            f"calibration got {scores.size} {kind} scores and needs {at_least}: hold out more {kind} images"
        )
    if not np.isfinite(scores).all():
        raise TachaError(f"calibration got a {kind} score that is not finite: look at the images and the scorer")
    return scores


def _sorted(scores: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(s) for s in np.sort(scores))


def _within(name: str, value: object, low: float, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low < float(value) < high:  # type: ignore[arg-type]
        bounds = f"above {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}, both excluded"
        raise TachaError(f"calibration setting {name}={value!r} is out of range: give a number {bounds}")


def _not_nan(score: float) -> float:
    if math.isnan(score):
        raise TachaError("the score is not a number: look at the image and the scorer")
    return float(score)
