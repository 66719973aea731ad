"""The judge: is the forecast any better than doing nothing clever, and may its intervals be believed?

A gain is claimed only if the one-sided Diebold-Mariano test beats **every** baseline, the largest p counting; a loss
uses Holm's correction over the baselines; identical forecasts give p = 1.  The loss is the squared error, as the tables
lead with the RMSE.  Everything ends in one sentence a person can act on, written from the numbers.

Beside the test stand four findings: coverage asked and held, a forecast that copies the last value, a test part that
has been seen before, a series that two autoregressive coefficients solve.

Sources: Diebold & Mariano, "Comparing predictive accuracy", J. Business & Economic Statistics 13(3), 1995; Harvey,
Leybourne & Newbold, "Testing the equality of prediction mean squared errors", Int. J. Forecasting 13(2), 1997; Holm,
"A simple sequentially rejective multiple test procedure", Scandinavian J. Statistics 6(2), 1979.

Key: O origin in time order, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gatecast import metrics
from gatecast.baselines import solves_exactly
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

Array = npt.NDArray[np.float64]

SIGNIFICANT = 0.05
FEWEST_ORIGINS = 30  # with fewer nothing is claimed
ROUNDING = 1e-9  # an error below this share of the truth's standard deviation counts as none
SOLVED = 1e-8  # two coefficients that err less than this share of the standard deviation solve the series
SAME_DIGITS = 1e-9  # two values closer than this share of the test part's range are the same
COPY_LENGTH = 8  # a test part with fewer known values may recur by chance
TOLERATED = 0.03  # an interval holds when its coverage is this close to what was asked, or within the binomial band
JUDGED_LEVELS = (80, 90)

IN_WORDS = {
    "LastValue": "repeating the last value",
    "Drift": "continuing the drift",
    "SeasonalNaive": "repeating the last season",
    "AR": "an autoregression",
}


class Comparison(NamedTuple):
    """A Diebold-Mariano test of forecast a against forecast b; negative statistics speak for a."""

    statistic: float
    p_better: float  # one-sided: small when a is better than b
    p_worse: float  # one-sided: small when a is worse than b
    p_two_sided: float
    origins: int  # compared


def diebold_mariano(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, horizon: int = 1) -> Comparison:
    """Test whether forecasts a and b have the same expected loss, with the Harvey-Leybourne-Newbold correction.

    With d = loss_a − loss_b over n origins and h = ``horizon`` the statistic is
    √((n + 1 − 2h + h(h − 1)/n) / n) · mean(d) / √(V/n), against Student's t with n − 1 degrees of freedom.

    Lag rule: V = γ₀ + 2·Σ γ_j over j = 1 … h − 1, all with weight one, since errors of optimal h-step forecasts are
    correlated over h − 1 steps and no further.  That sum can come out at zero or below; then Bartlett's weights
    1 − j/h are used (Newey & West, Econometrica 55(3), 1987), whose sum cannot.

    Identical losses give p = 1, whatever the side; so do fewer than 2 origins, or no more than ``horizon``: nothing can
    be told from them.  A difference that never varies gives an infinite statistic.

    Args:
        loss_a: (O,) losses at consecutive origins; an origin where either is NaN is left out.
        loss_b: (O,).
        horizon: steps ahead, counted in steps between origins.

    Raises:
        DataError: the shapes differ.
        SettingsError: the horizon is shorter than one step.
    """
    loss_a, loss_b = np.asarray(loss_a, np.float64), np.asarray(loss_b, np.float64)
    if loss_a.shape != loss_b.shape or loss_a.ndim != 1:
        raise DataError(f"losses have shapes {loss_a.shape} and {loss_b.shape}; give two of the same length")
    if horizon < 1:
        raise SettingsError(f"horizon is {horizon}: give a number of steps, 1 or more")
    difference = loss_a - loss_b
    difference = difference[~np.isnan(difference)]
    n = difference.size
    if n < 2 or n <= horizon or not difference.any():
        return Comparison(0.0, 1.0, 1.0, 1.0, n)

    mean = float(difference.mean())
    variance = long_run_variance(difference, horizon - 1)
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    if variance > 0:
        statistic = math.sqrt(correction * n / variance) * mean
    else:
        statistic = math.copysign(math.inf, mean) if mean else 0.0
    below, above = float(special.stdtr(n - 1, statistic)), float(special.stdtr(n - 1, -statistic))
    return Comparison(statistic, below, above, min(1.0, 2 * min(below, above)), n)


def long_run_variance(values: Array, lags: int) -> float:
    """Return γ₀ + 2·Σ γ_j of ``values`` (n,) up to ``lags``; with Bartlett's weights when that is not positive."""
    centred = values - values.mean()
    gamma = np.array([centred[lag:] @ centred[: len(centred) - lag] for lag in range(lags + 1)]) / len(values)
    rectangular = float(gamma[0] + 2 * gamma[1:].sum())
    if rectangular > 0:
        return rectangular
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return float(gamma[0] + 2 * weights @ gamma[1:])


class Claim(NamedTuple):
    """What may be said of one model against all others."""

    best: str  # the other with the lowest mean loss
    p_value: float  # the largest one-sided p: small when the model beats every other
    hardest: str  # the other that p belongs to
    beats_all: bool
    p_worse: dict[str, float]  # Holm-corrected, by name: small when the model is worse
    worse_than: tuple[str, ...]  # significantly, in the order given


def beats_all(losses: Mapping[str, npt.ArrayLike], model: str, horizon: int = 1) -> Claim:
    """Compare one model's losses with all others', each (O,) at the same origins.

    Beating the best of several by chance is easy; beating every one of them is what ``p_value`` asks, at 5 %
    (an intersection-union test: no correction is needed).  Being worse than some is a separate question for each, hence
    Holm.

    Raises:
        SettingsError: the model is not among the losses, or stands alone.
        DataError: the shapes differ.
    """
    others = [name for name in losses if name != model]
    if model not in losses or not others:
        raise SettingsError(f"losses are of {', '.join(losses) or 'nobody'}; give those of {model} and of one baseline")
    tests = {name: diebold_mariano(losses[model], losses[name], horizon) for name in others}
    hardest = max(others, key=lambda name: tests[name].p_better)
    p_worse = holm({name: test.p_worse for name, test in tests.items()})
    return Claim(
        best=min(others, key=lambda name: float(np.nanmean(np.asarray(losses[name], np.float64)))),
        p_value=tests[hardest].p_better,
        hardest=hardest,
        beats_all=tests[hardest].p_better < SIGNIFICANT,
        p_worse=p_worse,
        worse_than=tuple(name for name in others if p_worse[name] < SIGNIFICANT),
    )


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's corrected p values: the smallest times n, the next times n − 1 …, never falling, at most 1."""
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}


@dataclass(frozen=True)
class LagFinding:
    """Does the forecast track the last value rather than the truth?"""

    follows_last: bool
    distance_to_last: float  # standard deviation of forecast − last value
    distance_to_truth: float  # standard deviation of forecast − truth
    changes_like_last: float  # correlation of the forecast's changes with the last value's
    changes_like_truth: float  # ... and with the truth's
    skill_p: float  # one-sided p of being better than the last value


def lag_detector(truth: npt.ArrayLike, forecast: npt.ArrayLike, last: npt.ArrayLike) -> LagFinding:
    """Find out whether a point-by-point forecast is the last value in disguise.

    Plotted, such a forecast looks excellent: it has the shape of the truth, one step late.  It is named when all three
    hold:

    1. with its average error taken away it is nearer to the last value than to the truth (under 0.9 of the distance);
    2. its changes from origin to origin go with the last value's rather than with the truth's;
    3. it is not significantly better than the last value (one-sided Diebold-Mariano test, squared error, 5 %).

    The third spares a forecast that stays close to the last value and improves on it, as a good one of a slow series
    must; the first two spare a forecast that is merely bad.

    Args:
        truth: (O,) the values at consecutive steps; NaN where missing.
        forecast: (O,) one step ahead, made at the step before.
        last: (O,) the newest value observed when the forecast was made.

    Raises:
        DataError: the shapes differ.
    """
    truth, forecast = np.asarray(truth, np.float64), np.asarray(forecast, np.float64)
    last = np.asarray(last, np.float64)
    if not truth.shape == forecast.shape == last.shape or truth.ndim != 1:
        raise DataError(f"shapes are {truth.shape}, {forecast.shape} and {last.shape}; give three of the same length")
    known = ~(np.isnan(truth) | np.isnan(forecast) | np.isnan(last))
    if not known.any():
        return LagFinding(False, math.nan, math.nan, 0.0, 0.0, 1.0)
    to_last, to_truth = float((forecast - last)[known].std()), float((forecast - truth)[known].std())
    like_last, like_truth = (_correlation(np.diff(forecast), np.diff(other)) for other in (last, truth))
    skill_p = diebold_mariano((forecast - truth) ** 2, (last - truth) ** 2).p_better
    follows = to_last < 0.9 * to_truth and like_last > like_truth and skill_p >= SIGNIFICANT
    return LagFinding(follows, to_last, to_truth, like_last, like_truth, skill_p)


def _correlation(a: Array, b: Array) -> float:
    """Return the correlation of ``a`` and ``b`` (n,) where both are known; 0 when one of them does not vary."""
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 2:
        return 0.0
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


def occurs_in(training: npt.ArrayLike, test: npt.ArrayLike) -> int | None:
    """Return how far back the whole test part occurs in the training part, digit for digit, or None.

    The figure is the shift of the newest occurrence: the number of steps from where it begins to the end of the
    training part, which is where the test part begins when it follows at once.  A score on such a test part shows
    memory, not skill.

    "Digit for digit" is within 1e-9 of the test part's range, plus rounding.  Missing test values match anything,
    missing training values nothing.  A test part that does not vary, or has fewer than 8 known values, may recur by
    chance and gives None.

    Args:
        training: (T,).
        test: (n,), found only if n ≤ T.
    """
    training, test = np.asarray(training, np.float64), np.asarray(test, np.float64)
    starts = np.arange(len(training) - len(test), -1, -1)  # newest first
    starts = _matching(training, test, starts)
    return int(len(training) - starts[0]) if starts.size else None


def exact_period(values: npt.ArrayLike) -> int | None:
    """Return the smallest number of steps after which ``values`` (T,) repeat digit for digit, None for never.

    At least two whole periods must be there; see ``occurs_in`` for what counts as the same.
    """
    values = np.asarray(values, np.float64)
    half = len(values) // 2
    shifts = _matching(values, values[:half], np.arange(1, len(values) - half + 1))
    for shift in shifts:
        if _matching(values, values[:-shift], np.array([shift])).size:
            return int(shift)
    return None


def _matching(series: Array, part: Array, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return those of ``starts`` from which ``part`` occurs in ``series``: most are dropped by the first few values."""
    known = np.flatnonzero(~np.isnan(part))
    if known.size < COPY_LENGTH or np.ptp(part[known]) == 0:
        return starts[:0]
    rounding = 4 * np.finfo(np.float64).eps * float(np.abs(part[known]).max())
    tolerance = SAME_DIGITS * float(np.ptp(part[known])) + rounding
    for position in known:
        starts = starts[np.abs(series[starts + position] - part[position]) <= tolerance]
        if not starts.size:
            break
    return starts


@dataclass(frozen=True)
class Coverage:
    """How often an interval held, as shares of the origins."""

    asked: float
    held: float
    band: tuple[float, float]  # where 95 % of the figures of a right interval fall, with so many independent origins
    holds: bool  # within the band, or within 3 points


def judge_coverage(truth: npt.ArrayLike, quantiles: npt.ArrayLike, level: int) -> Coverage:
    """Return coverage asked and held with its binomial band; truth (O,), quantiles (O, Q), level in percent.

    Raises:
        SettingsError: no such level.
        DataError: the shapes do not fit, or no truth is known.
    """
    n = int((~np.isnan(np.asarray(truth, np.float64))).sum())
    if not n:
        raise DataError("no truth is known; give at least one to judge an interval by")
    asked, held = level / 100, metrics.coverage(truth, quantiles, level)
    chance = special.bdtr(np.arange(n + 1), n, asked)
    band = (int(np.searchsorted(chance, 0.025)) / n, int(np.searchsorted(chance, 0.975)) / n)
    return Coverage(asked, held, band, band[0] <= held <= band[1] or abs(held - asked) <= TOLERATED + 1e-12)


@dataclass(frozen=True)
class Verdict:
    """What may be said of one model's one-step forecasts; shares in [0, 1], gains in percent, errors in units."""

    model: str
    origins: int
    rmse: float
    mae: float
    best_baseline: str  # by RMSE
    best_rmse: float
    gain_rmse_percent: float | None  # over the best baseline; None when that one is exact and the model is not
    gain_mae_percent: float | None  # over the baseline with the lowest MAE
    p_value: float  # largest one-sided p over the baselines: the gain is claimed below 0.05
    hardest_baseline: str  # the one that p belongs to
    claimed: bool  # better than every baseline, on enough origins
    p_worse: dict[str, float]  # Holm-corrected, by baseline
    worse_than: tuple[str, ...]  # baselines significantly better than the model
    coverage: tuple[Coverage, ...]
    lag: LagFinding
    seen_before: int | None  # the whole test part occurs so many steps earlier
    period: int | None  # history and test part repeat digit for digit after so many steps
    ar2_error: float | None  # one-step RMSE of two coefficients over the standard deviation
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON; a number that is not finite is None."""
        return {key: _plain(item) for key, item in asdict(self).items()}


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON knows it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def judge(
    truth: npt.ArrayLike,
    forecasts: Mapping[str, npt.ArrayLike],
    last: npt.ArrayLike,
    history: npt.ArrayLike | None = None,
    model: str = "LSTM",
    unit: str = "",
    subject: str = "this series",
) -> Verdict:
    """Judge one model's point-by-point forecasts of one series against all others given.

    Errors below 1e-9 of the truth's standard deviation count as none, for quantiles too, so that two exact forecasts
    are equal rather than ranked by their rounding.

    Args:
        truth: (O,) the values at consecutive steps; NaN where missing.
        forecasts: by model name (O, Q), each made one step before; all but ``model`` are its baselines.
        last: (O,) the newest value observed when the forecasts were made.
        history: (T,) all values before the first truth; without it the last two findings are left out.
        model: the one judged.
        unit: of the values, for the sentence.
        subject: what is forecast, for the sentence: "the price".

    Raises:
        DataError: the shapes do not fit, no truth is known, or a forecast is missing where the truth is known.
        SettingsError: the model is not among the forecasts, or stands alone.
    """
    truth = np.asarray(truth, np.float64)
    tables = {name: np.asarray(table, np.float64) for name, table in forecasts.items()}
    _check(truth, tables)
    if model not in tables or len(tables) < 2:
        raise SettingsError(f"forecasts are of {', '.join(tables) or 'nobody'}; give {model} and at least one baseline")
    floor = ROUNDING * float(np.nanstd(truth))
    for name, table in tables.items():
        tables[name] = np.where(np.abs(table - truth[:, None]) <= floor, truth[:, None], table)
    errors = {name: np.abs(table[:, MEDIAN] - truth) for name, table in tables.items()}
    claim = beats_all({name: error**2 for name, error in errors.items()}, model)
    rmse = {name: math.sqrt(float(np.nanmean(error**2))) for name, error in errors.items()}
    mae = {name: float(np.nanmean(error)) for name, error in errors.items()}
    origins = int((~np.isnan(truth)).sum())
    findings = _Findings(*((None,) * 3)) if history is None else _look_back(np.asarray(history, np.float64), truth)
    verdict = Verdict(
        model=model,
        origins=origins,
        rmse=rmse[model],
        mae=mae[model],
        best_baseline=claim.best,
        best_rmse=rmse[claim.best],
        gain_rmse_percent=_gain(rmse[model], rmse[claim.best]),
        gain_mae_percent=_gain(mae[model], min(error for name, error in mae.items() if name != model)),
        p_value=claim.p_value,
        hardest_baseline=claim.hardest,
        claimed=claim.beats_all and origins >= FEWEST_ORIGINS,
        p_worse=claim.p_worse,
        worse_than=claim.worse_than,
        coverage=tuple(judge_coverage(truth, tables[model], level) for level in JUDGED_LEVELS),
        lag=lag_detector(truth, tables[model][:, MEDIAN], last),
        seen_before=findings.seen_before,
        period=findings.period,
        ar2_error=findings.ar2_error,
        sentence="",
    )
    return replace(verdict, sentence=write_sentence(verdict, unit, subject))


class _Findings(NamedTuple):
    """What the values before the test part say about it."""

    seen_before: int | None
    period: int | None
    ar2_error: float | None


def _look_back(history: Array, truth: Array) -> _Findings:
    """Look for the test part in the values before it, and for an autoregression that solves it."""
    series = np.concatenate([history, truth])
    long_enough = int((~np.isnan(history)).sum()) >= FEWEST_ORIGINS
    return _Findings(
        seen_before=occurs_in(history, truth),
        period=exact_period(series),
        ar2_error=solves_exactly(series, len(history)) if long_enough else None,
    )


def _check(truth: Array, tables: Mapping[str, Array]) -> None:
    """Refuse forecasts that do not fit the truth."""
    known = ~np.isnan(truth)
    if truth.ndim != 1 or not known.any():
        raise DataError(f"the truth has shape {truth.shape}, {known.sum()} values known; give one series with values")
    for name, table in tables.items():
        if table.shape != (len(truth), len(QUANTILES)):
            wanted = (len(truth), len(QUANTILES))
            raise DataError(f"the forecasts of {name} have shape {table.shape}; for this truth give {wanted}")
        if not np.isfinite(table[known]).all():
            raise DataError(f"{name} has no finite forecast at an origin whose truth is known; forecast them all")


def _gain(error: float, other: float) -> float | None:
    """Return by how many percent ``error`` is below ``other``; None when ``other`` is 0 and ``error`` is not."""
    if other == 0:
        return 0.0 if error == 0 else None
    return 100 * (1 - error / other)


def write_sentence(verdict: Verdict, unit: str = "", subject: str = "this series") -> str:
    """Say in plain words what the numbers of ``verdict`` allow: the claim, then the interval, then the findings."""
    return " ".join([_claim_words(verdict, unit, subject), *_interval_words(verdict), *_finding_words(verdict)])


def _claim_words(verdict: Verdict, unit: str, subject: str) -> str:
    """Say whether the model is of use for ``subject``.

    The p value is the largest one-sided one for a gain, the Holm-corrected one against the best baseline for a loss.
    """
    gain, best = verdict.gain_rmse_percent, verdict.best_baseline
    name, rival = f"the {verdict.model}", IN_WORDS.get(best, best)
    units = f" {unit}" if unit else ""
    figures = f"RMSE {_pair(verdict.rmse, verdict.best_rmse)}{units}"
    better = gain is not None and gain > 0
    p = _p_words(verdict.p_value if better else verdict.p_worse[best])
    if gain is None:
        found = f"{name} is worse than {rival}, which is exact ({figures}, {p})"
    elif gain == 0:
        found = f"{name} is exactly as good as {rival} ({figures}, p = 1)"
    else:
        word = "better" if better else "worse"
        found = f"{name} is {_percent(abs(gain))} {word} than {rival} ({figures}, {p})"
    where = f"On {verdict.origins} origin{'s' if verdict.origins != 1 else ''} "
    if verdict.origins < FEWEST_ORIGINS:
        return f"{where}{found}: too few to claim anything, give at least {FEWEST_ORIGINS}."
    if verdict.claimed:
        return f"{where}{found} and better than every baseline: use it for {subject}, one step ahead."
    if better:
        hardest = IN_WORDS.get(verdict.hardest_baseline, verdict.hardest_baseline)
        against = "" if verdict.hardest_baseline == best else f"; the p value is against {hardest}"
        return f"{where}{found}{against}, which chance explains: do not use it for {subject}."
    if gain == 0:
        return f"{where}{found}: it adds nothing, so do not use it for {subject}."
    instead = f", use {rival}" if best in verdict.worse_than else ""
    return f"{where}{found}: do not use it for {subject}{instead}."


def _interval_words(verdict: Verdict) -> list[str]:
    """Say whether the widest judged interval held; with its binomial band when that is wider than 3 points."""
    if verdict.rmse == 0:
        return []  # an exact forecast needs no interval
    widest = verdict.coverage[-1]
    held, asked = f"{100 * widest.held:.1f} %", f"{100 * widest.asked:.0f} %"
    text = f"Its {asked} interval held {held}"
    if max(widest.band[1] - widest.asked, widest.asked - widest.band[0]) > TOLERATED:
        text += f" (chance alone gives {100 * widest.band[0]:.0f} to {100 * widest.band[1]:.0f} %)"
    if widest.holds:
        close = abs(widest.held - widest.asked) <= TOLERATED + 1e-12
        useful = close and verdict.origins >= FEWEST_ORIGINS
        return [f"{text}; that part is useful." if useful else f"{text}."]
    narrow = widest.held < widest.asked
    return [f"{text}: {'too narrow, do not rely on it' if narrow else 'wider than it need be'}."]


def _finding_words(verdict: Verdict) -> list[str]:
    """Say what else a reader must know before believing the scores."""
    words = []
    if verdict.lag.follows_last:
        words.append("Its forecast follows the last value, not the truth: it is the series one step late.")
    if verdict.seen_before is not None:
        repeats = f" (the series repeats every {verdict.period} steps)" if verdict.period else ""
        words.append(
            f"The whole test part occurs digit for digit {verdict.seen_before} steps earlier{repeats}: "
            "a good score here may be memory."
        )
    if verdict.ar2_error is not None and verdict.ar2_error < SOLVED:
        words.append("Two autoregressive coefficients solve this series exactly.")
    return words


def _number(value: float, significant: int = 3) -> str:
    """Write a number with so many significant digits, in full where that is readable."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{significant - 1}e}"
    digits = max(0, significant - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def _pair(one: float, other: float) -> str:
    """Write two numbers with as many digits as it takes to tell them apart: three to six."""
    if one == other:
        return f"{_number(one)} for both"
    for significant in range(3, 7):
        first, second = _number(one, significant), _number(other, significant)
        if first != second:
            break
    return f"{first} against {second}"


def _percent(value: float) -> str:
    """Write a percentage with one decimal."""
    return f"{value:,.1f} %" if value >= 0.05 else "under 0.05 %"


def _p_words(p: float) -> str:
    """Write a p value; never as zero."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"
