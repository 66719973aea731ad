"""Is there anything to learn?  Asked before training, so that nobody trains a network on a coin.

The last value is the forecast to beat, and its error is the next change; so most of what is asked here is whether
*changes* carry memory.

Sources: Lo & MacKinlay, "Stock market prices do not follow random walks: evidence from a simple specification test",
Review of Financial Studies 1(1), 1988 (the variance ratio and its robust standard error); Goerg, "Forecastable
component analysis", ICML 2013 (spectral entropy); Šidák, JASA 62(318), 1967; Holm, see ``significance``.

Key: T step.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gatecast.baselines import AR, forward_filled
from gatecast.config import MEDIAN
from gatecast.errors import DataError, SettingsError
from gatecast.wording import p_words

Array = npt.NDArray[np.float64]
Kind = Literal["short", "constant", "solved", "random walk", "noise", "season", "memory"]

FEWEST = 50  # known values; fewer tell nothing
MOST = 20_000  # the newest values that are looked at
SPANS = (2, 4, 8, 16)  # steps of the variance ratios
LAST_PART = 0.2  # share of the values on which last value and autoregression are compared
SIGNIFICANT = 0.05
STRONG_SEASON = 0.3  # autocorrelation of the changes from which a season is called strong
SOLVED = 1e-8  # an autoregression that errs less than this share of the standard deviation solves the series


class VarianceRatio(NamedTuple):
    """The variance of ``span``-step changes over ``span`` times that of one-step changes; 1 for a random walk."""

    ratio: float
    statistic: float  # standard normal for a random walk, heteroskedastic or not
    p_value: float  # two-sided
    span: int


def variance_ratio(values: npt.ArrayLike, span: int = 2) -> VarianceRatio:
    """Return the variance ratio of Lo & MacKinlay (1988), with overlapping changes, unbiased, and its robust test.

    Above 1 changes continue, below 1 they are taken back.  Missing values are skipped.  A series without changes, or
    with changes that are all the same, gives a ratio of 1 and p = 1.

    Args:
        values: (T,) levels, such as (logarithms of) prices, not returns.
        span: steps, 2 or more, and less than half the number of changes.

    Raises:
        SettingsError: the span cannot work.
    """
    y = np.asarray(values, np.float64)
    y = y[~np.isnan(y)]
    n = len(y) - 1
    if not 2 <= span <= max(n // 2, 2):
        raise SettingsError(f"span is {span}: give 2 to {max(n // 2, 2)} steps for {n + 1} values")
    moves = np.diff(y)
    if n < 4 or np.ptp(moves) == 0:
        return VarianceRatio(1.0, 0.0, 1.0, span)
    drift = float(moves.mean())
    squares = (moves - drift) ** 2
    long = float(((y[span:] - y[:-span] - span * drift) ** 2).sum()) / (span * (n - span + 1) * (1 - span / n))
    ratio = long / (float(squares.sum()) / (n - 1))
    weights = (2 * (1 - np.arange(1, span) / span)) ** 2
    delta = np.array([squares[lag:] @ squares[:-lag] for lag in range(1, span)]) * n / float(squares.sum()) ** 2
    error = math.sqrt(float(weights @ delta) / n)
    statistic = (ratio - 1) / error if error > 0 else 0.0
    return VarianceRatio(ratio, statistic, _two_sided(statistic), span)


def spectral_entropy(values: npt.ArrayLike) -> float:
    """Return how evenly the variance is spread over frequencies: 1 for noise, 0 for one wave.

    The periodogram is summed into √(T/2) bands of equal width, which estimate the spectrum consistently; the entropy
    of the bands' shares is divided by the logarithm of their number.  Values that do not vary give 0.

    Args:
        values: (T,) at least 16, none missing.

    Raises:
        DataError: too few, or one is missing.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or len(x) < 16 or np.isnan(x).any():
        raise DataError(f"{x.size} values, {int(np.isnan(x).sum())} of them missing; give at least 16, none missing")
    power = np.abs(np.fft.rfft(x - x.mean())[1:]) ** 2
    if power.sum() <= 1e-20 * len(x) ** 2 * float(np.abs(x).max()) ** 2:
        return 0.0
    bands = np.array([part.sum() for part in np.array_split(power, int(math.sqrt(len(power))))])
    shares = bands[bands > 0] / bands.sum()
    return float(max(0.0, -(shares * np.log(shares)).sum()) / math.log(len(bands)))


def autocorrelation(values: npt.ArrayLike, lag: int) -> float:
    """Return the autocorrelation of ``values`` (T,) at ``lag``, pairs with a missing value left out; 0 if constant."""
    x = np.asarray(values, np.float64)
    x = x - (np.nanmean(x) if not np.isnan(x).all() else 0.0)
    known = ~np.isnan(x)
    size = float((x[known] ** 2).sum())
    pairs = x[lag:] * x[: len(x) - lag]
    return float(np.nansum(pairs)) / size if size > 0 else 0.0


@dataclass(frozen=True)
class Forecastability:
    """What can be told before training; errors in units, all else without.

    Kind and sentence are read off the numbers, so that they cannot disagree.
    """

    steps: int  # looked at, missing ones included
    season_length: int
    spread: float  # standard deviation of the values
    autocorrelation_1: float  # of the values
    change_autocorrelation_1: float
    change_autocorrelation_season: float | None  # None without a season
    band: float  # autocorrelations of noise lie within ± this, 95 times in 100
    entropy: float  # of the spectrum of the changes: 1 for those of a random walk, 0 for a wave
    variance_ratio: VarianceRatio  # the most unlikely of those over 2, 4, 8 and 16 steps; its p counts all four
    last_value_error: float  # one-step RMSE over the last fifth
    ar_error: float  # ... of an autoregression fitted before it
    ar_order: int
    ar_p_value: float  # one-sided: small when the autoregression is better

    @property
    def p_value(self) -> float:
        """Holm-corrected p of the strongest evidence against a random walk: variance ratio, season, autoregression."""
        evidence = [self.variance_ratio.p_value, self.ar_p_value]
        if self.change_autocorrelation_season is not None:
            evidence.append(_two_sided(1.96 * self.change_autocorrelation_season / self.band))
        return min(1.0, len(evidence) * min(evidence))

    @property
    def kind(self) -> Kind:
        """What the series looks like."""
        season = self.change_autocorrelation_season or 0.0
        if self.steps < FEWEST:
            return "short"
        if self.spread == 0:
            return "constant"
        if self.ar_error <= SOLVED * self.spread:
            return "solved"
        if self.p_value >= SIGNIFICANT:
            return "random walk"
        if season > STRONG_SEASON:
            return "season"
        return "noise" if self.ar_order == 0 else "memory"

    @property
    def forecastable(self) -> bool:
        """Whether anything may be expected to beat both the last value and the mean."""
        return self.kind in {"solved", "season", "memory"}

    @property
    def sentence(self) -> str:
        """What to expect, in plain words."""
        ratio = self.variance_ratio
        figures = f"variance ratio {ratio.ratio:.2f} over {ratio.span} steps, {p_words(ratio.p_value)}"
        gain = 100 * (1 - self.ar_error / self.last_value_error) if self.last_value_error > 0 else 0.0
        beside = f"an autoregression errs {abs(gain):.1f} % {'less' if gain > 0 else 'more'} than the last value"
        season = self.change_autocorrelation_season or 0.0
        return {
            "short": f"{self.steps} values are too few to tell whether there is anything to learn; give {FEWEST}.",
            "constant": "The series does not vary: the last value is exact, and no network is needed.",
            "solved": f"An autoregression of order {self.ar_order} forecasts it exactly: no network is needed.",
            "random walk": f"It looks like a random walk: changes carry no memory ({figures}); "
            "do not expect to beat the last value.",
            "noise": "It looks like noise around a level: values carry no memory (autocorrelation "
            f"{self.autocorrelation_1:.2f}, chance gives ±{self.band:.2f}); do not expect to beat the mean.",
            "season": f"It has a strong season of {self.season_length} (autocorrelation of the changes {season:.2f}): "
            f"there is something to learn, and the last season is the forecast to beat; {beside}.",
            "memory": f"There is something to learn: changes carry memory ({figures}); {beside} over the last fifth."
            if gain > 0
            else f"Changes carry a little memory ({figures}), yet {beside} over the last fifth: do not expect much.",
        }[self.kind]

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and dicts, ready for JSON."""
        numbers = {**asdict(self), "variance_ratio": self.variance_ratio._asdict()}
        derived = {"p_value": self.p_value, "kind": self.kind, "forecastable": self.forecastable}
        return {**numbers, **derived, "sentence": self.sentence}


def forecastability(values: npt.ArrayLike, season_length: int = 1) -> Forecastability:
    """Measure whether a series has anything to learn; give the training part only.

    Three things speak against a random walk: variance ratios (over 2, 4, 8 and 16 steps, the most unlikely one
    counted with Šidák's correction for four), the autocorrelation of changes at the season, and an autoregression
    that beats the last value on the last fifth.  With Holm's correction over the three, a random walk is called
    forecastable 5 times in 100 at most.

    Args:
        values: (T,) NaN where missing (gaps are skipped or, for the spectrum and the autoregression, filled with the
            value before); of a longer series the newest 20,000 are read.
        season_length: steps per season, 1 for none.

    Raises:
        DataError: not one series, or an infinite value.
        SettingsError: the season is shorter than one step.
    """
    y = np.asarray(values, np.float64)
    if y.ndim != 1 or np.isinf(y).any():
        raise DataError(f"values have shape {y.shape}, {int(np.isinf(y).sum())} infinite; give one series of numbers")
    if season_length < 1:
        raise SettingsError(f"season_length is {season_length}: give a whole number of steps, 1 for no season")
    there = np.flatnonzero(~np.isnan(y))
    y = y[there[0] :][-MOST:] if there.size else y[:0]
    known = int((~np.isnan(y)).sum())
    spread = float(np.nanstd(y)) if known else 0.0
    band = 1.96 / math.sqrt(max(known - 1, 1))
    if known < FEWEST or np.nanmin(y) == np.nanmax(y):
        nothing = VarianceRatio(1.0, 0.0, 1.0, SPANS[0])
        spread = spread if known < FEWEST else 0.0
        return Forecastability(known, season_length, spread, 0.0, 0.0, None, band, 0.0, nothing, 0.0, 0.0, 0, 1.0)
    changes = np.diff(y)
    ratios = [variance_ratio(y, span) for span in SPANS if span <= (known - 1) // 2]
    strongest = min(ratios, key=lambda found: found.p_value)
    seasonal = season_length > 1 and len(changes) >= 3 * season_length
    last_error, ar_error, order, p = _last_against_ar(y)
    return Forecastability(
        steps=len(y),
        season_length=season_length,
        spread=spread,
        autocorrelation_1=autocorrelation(y, 1),
        change_autocorrelation_1=autocorrelation(changes, 1),
        change_autocorrelation_season=autocorrelation(changes, season_length) if seasonal else None,
        band=band,
        entropy=spectral_entropy(np.diff(forward_filled(y))),
        variance_ratio=strongest._replace(p_value=1 - (1 - strongest.p_value) ** len(ratios)),
        last_value_error=last_error,
        ar_error=ar_error,
        ar_order=order,
        ar_p_value=p,
    )


def _last_against_ar(y: Array) -> tuple[float, float, int, float]:
    """Return one-step RMSE of last value and autoregression over the last part, the order, and a one-sided p."""
    cut = int(len(y) * (1 - LAST_PART))
    origins = np.arange(cut - 1, len(y) - 1)
    truth, last = y[cut:], forward_filled(y)[origins]
    if np.nanstd(y[:cut]) == 0 or np.isnan(truth).all():
        return 0.0, float(np.nanstd(y)), 0, 1.0
    model = AR().fit_values(y[:cut], 1)
    ar = model.predict_many(y, origins, 1)[:, 0, MEDIAN]
    squares = np.stack([(last - truth) ** 2, (ar - truth) ** 2])[:, ~np.isnan(truth)]
    better = squares[1] - squares[0]
    error = float(better.std()) / math.sqrt(len(better))
    statistic = float(better.mean()) / error if error > 0 else math.copysign(math.inf, better.mean() or 1.0)
    errors = np.sqrt(squares.mean(axis=1))
    return float(errors[0]), float(errors[1]), model.order, 0.5 * math.erfc(-statistic / math.sqrt(2))


def _two_sided(statistic: float) -> float:
    return math.erfc(abs(statistic) / math.sqrt(2))
