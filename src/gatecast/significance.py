"""Is one forecast better than another by more than chance?  Tests on losses, plain functions of arrays.

A gain is claimed only if the one-sided Diebold-Mariano test beats **every** baseline, the largest p counting; a loss
uses Holm's correction over the baselines; identical forecasts give p = 1.

Several series are tested as clusters, since neither the series nor their origins are independent: see
``clustered_test`` for which of two ways is taken when.

Sources: Diebold & Mariano, "Comparing predictive accuracy", J. Business & Economic Statistics 13(3), 1995; Harvey,
Leybourne & Newbold, "Testing the equality of prediction mean squared errors", Int. J. Forecasting 13(2), 1997; Holm,
"A simple sequentially rejective multiple test procedure", Scandinavian J. Statistics 6(2), 1979; Liang & Zeger,
"Longitudinal data analysis using generalized linear models", Biometrika 73(1), 1986 (the variance of clusters).

Key: S series, O origin in time order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gatecast.errors import DataError, SettingsError

Array = npt.NDArray[np.float64]

SIGNIFICANT = 0.05
FEWEST_ORIGINS = 30  # with fewer nothing is claimed


class Comparison(NamedTuple):
    """A test of forecast a against forecast b; negative statistics speak for a."""

    statistic: float
    p_better: float  # one-sided: small when a is better than b
    p_worse: float  # one-sided: small when a is worse than b
    p_two_sided: float
    origins: int  # compared; of a panel tested by series, the number of series
    by: str = "origins"  # what was counted as one observation: "origins" or "series"


def diebold_mariano(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, horizon: int = 1) -> Comparison:
    """Test whether forecasts a and b have the same expected loss, with the Harvey-Leybourne-Newbold correction.

    With d = loss_a − loss_b over n origins and h = ``horizon`` the statistic is
    √((n + 1 − 2h + h(h − 1)/n) / n) · mean(d) / √(V/n), against Student's t with n − 1 degrees of freedom.

    Lag rule: V = γ₀ + 2·Σ γ_j over j = 1 … h − 1, all with weight one, since errors of optimal h-step forecasts are
    correlated over h − 1 steps and no further.  That sum can come out at zero or below; then Bartlett's weights
    1 − j/h are used (Newey & West, Econometrica 55(3), 1987), whose sum cannot.  Forecasts of 1 … H steps averaged
    over the steps are correlated over H − 1 origins at most, so h = H serves them.

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
    return _of_origins(loss_a - loss_b, horizon)


def _of_origins(difference: Array, horizon: int) -> Comparison:
    """Test the mean of the differences (O,) of two losses; see ``diebold_mariano``."""
    if horizon < 1:
        raise SettingsError(f"horizon is {horizon}: give a number of steps, 1 or more")
    difference = difference[~np.isnan(difference)]
    n = difference.size
    if n < 2 or n <= horizon or not difference.any():
        return Comparison(0.0, 1.0, 1.0, 1.0, n)
    _, exponent = np.frexp(np.abs(difference).max())
    difference = np.ldexp(difference, -exponent)  # in a unit in which no square is too large, which is exact
    variance = long_run_variance(difference, horizon - 1)
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return _against_t(float(difference.mean()), variance / (n * correction), n, "origins")


def _against_t(mean: float, squared_error: float, n: int, by: str) -> Comparison:
    """Compare ``mean`` over its standard error with Student's t with n − 1 degrees of freedom."""
    certain = math.copysign(math.inf, mean) if mean else 0.0
    statistic = mean / math.sqrt(squared_error) if squared_error > 0 else certain
    below, above = float(special.stdtr(n - 1, statistic)), float(special.stdtr(n - 1, -statistic))
    return Comparison(statistic, below, above, min(1.0, 2 * min(below, above)), n, by)


def long_run_variance(values: Array, lags: int) -> float:
    """Return γ₀ + 2·Σ γ_j of ``values`` (n,) up to ``lags``; with Bartlett's weights when that is not positive."""
    centred = values - values.mean()
    gamma = np.array([centred[lag:] @ centred[: len(centred) - lag] for lag in range(lags + 1)]) / len(values)
    rectangular = float(gamma[0] + 2 * gamma[1:].sum())
    if rectangular > 0:
        return rectangular
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return float(gamma[0] + 2 * weights @ gamma[1:])


def clustered_test(differences_SO: npt.ArrayLike, horizon: int = 1, coincide: bool = True) -> Comparison:
    """Test whether two forecasts have the same expected loss over a panel, without counting its cells as independent.

    **By origins**, when the origins of all series are the same points in time and there are at least 30 (and more than
    ``horizon``): the differences are averaged over the series, and the one series that is left gets the
    Diebold-Mariano test.  A day that is bad for all series counts as one bad day.

    **By series**, when origins do not coincide or are few: each series gives its mean difference, and the mean of
    these is tested with the variance of clusters, Σ(m_s − m)² / (S(S − 1)), against Student's t with S − 1 degrees of
    freedom.  Whatever goes on within a series is allowed for; what hits all series at once is not, so that with
    coinciding origins the figure is too sure of itself.  A single series gets the Diebold-Mariano test.

    Args:
        differences_SO: loss of a minus loss of b, in units that may be averaged over series; NaN where missing.
        horizon: steps ahead, counted in steps between origins.
        coincide: origin o of every series is the same point in time.

    Raises:
        DataError: not two axes.
        SettingsError: the horizon is shorter than one step.
    """
    d_SO = np.asarray(differences_SO, np.float64)
    if d_SO.ndim != 2:
        raise DataError(f"the differences have shape {d_SO.shape}; give series × origins")
    known_SO = ~np.isnan(d_SO)
    d_SO = d_SO[known_SO.any(axis=1)]
    if len(d_SO) == 1:
        return _of_origins(d_SO[0], horizon)
    known_O = known_SO.any(axis=0)
    if coincide and known_O.sum() >= max(FEWEST_ORIGINS, horizon + 1):
        return _of_origins(np.nanmean(d_SO[:, known_O], axis=0), horizon)
    n = len(d_SO)
    if n < 2 or not np.nan_to_num(d_SO).any():
        return Comparison(0.0, 1.0, 1.0, 1.0, n, "series")
    means = np.nanmean(d_SO, axis=1)
    mean = float(means.mean())
    return _against_t(mean, float(((means - mean) ** 2).sum()) / (n * (n - 1)), n, "series")


class Claim(NamedTuple):
    """What may be said of one model against all others."""

    best: str  # the other with the lowest mean loss
    p_value: float  # the largest one-sided p: small when the model beats every other
    hardest: str  # the other that p belongs to
    beats_all: bool
    p_worse: dict[str, float]  # Holm-corrected, by name: small when the model is worse
    worse_than: tuple[str, ...]  # significantly, in the order given
    tests: dict[str, Comparison]


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
    return claim_of(tests, {name: float(np.nanmean(np.asarray(losses[name], np.float64))) for name in others})


def claim_of(tests: Mapping[str, Comparison], mean_losses: Mapping[str, float]) -> Claim:
    """Return what the tests of one model against each other one, by name, allow together."""
    hardest = max(tests, key=lambda name: tests[name].p_better)
    p_worse = holm({name: test.p_worse for name, test in tests.items()})
    return Claim(
        best=min(tests, key=lambda name: mean_losses[name]),
        p_value=tests[hardest].p_better,
        hardest=hardest,
        beats_all=tests[hardest].p_better < SIGNIFICANT,
        p_worse=p_worse,
        worse_than=tuple(name for name in tests if p_worse[name] < SIGNIFICANT),
        tests=dict(tests),
    )


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's corrected p values: the smallest times n, the next times n − 1 …, never falling, at most 1."""
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
