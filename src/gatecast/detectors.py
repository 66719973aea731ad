"""What a good-looking chart can hide: a forecast that is one step late, one that does not move, errors with memory.

Sources: Ljung & Box, "On a measure of lack of fit in time series models", Biometrika 65(2), 1978.

Key: O origin in time order, H step ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gatecast.errors import DataError
from gatecast.significance import SIGNIFICANT, diebold_mariano

Array = npt.NDArray[np.float64]

NEARER = 0.9  # of the distance to the truth: a forecast so close to the last value may be its copy
FLAT = 0.05  # a forecast that varies less than this share of the truth's spread does not move
MOST_LAGS = 10  # of the autocorrelation of errors


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
    follows = to_last < NEARER * to_truth and like_last > like_truth and skill_p >= SIGNIFICANT
    return LagFinding(follows, to_last, to_truth, like_last, like_truth, skill_p)


def _correlation(a: Array, b: Array) -> float:
    """Return the correlation of ``a`` and ``b`` (n,) where both are known; 0 when one of them does not vary."""
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 2:
        return 0.0
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


@dataclass(frozen=True)
class FlatFinding:
    """Does the forecast move at all?"""

    is_flat: bool
    forecast_spread: float  # standard deviation of the forecasts over the origins
    truth_spread: float  # ... and of the truth


def flat_detector(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> FlatFinding:
    """Find out whether a forecast gives the same value at every origin, under 5 % of the truth's spread.

    A network that learnt nothing gives the mean.  On pure noise that is the best there is: the finding names a fact,
    and whether it is a fault is for the test to say.  A truth that does not vary makes no forecast flat.

    Args:
        truth: (O,) NaN where missing.
        forecast: (O,) of the same step ahead from each origin.

    Raises:
        DataError: the shapes differ.
    """
    truth, forecast = np.asarray(truth, np.float64), np.asarray(forecast, np.float64)
    if truth.shape != forecast.shape or truth.ndim != 1:
        raise DataError(f"shapes are {truth.shape} and {forecast.shape}; give two of the same length")
    known = ~(np.isnan(truth) | np.isnan(forecast))
    if not known.any():
        return FlatFinding(False, math.nan, math.nan)
    moves, spread = float(forecast[known].std()), float(truth[known].std())
    return FlatFinding(bool(spread > 0 and moves < FLAT * spread), moves, spread)


class LjungBox(NamedTuple):
    """Do the errors remember each other?  Then something was left to learn."""

    statistic: float
    p_value: float  # small when they do
    lags: int
    autocorrelation: float  # at lag 1


def ljung_box(errors: npt.ArrayLike, lags: int | None = None) -> LjungBox:
    """Test the autocorrelation of one-step errors: n(n + 2)·Σ r_k²/(n − k) against χ² with ``lags`` degrees of freedom.

    Errors of several steps ahead are correlated even when they are as good as can be; give those of one step.
    Errors that do not vary, or fewer than 10, give p = 1.

    Args:
        errors: (O,) at consecutive steps; NaN where missing, and pairs with one are left out.
        lags: None takes 10, or a fifth of the errors where that is fewer.
    """
    errors = np.asarray(errors, np.float64)
    known = ~np.isnan(errors)
    n = int(known.sum())
    lags = min(MOST_LAGS, max(n // 5, 1)) if lags is None else lags
    centred = np.where(known, errors - (errors[known].mean() if n else 0.0), 0.0)
    size = float(centred @ centred)
    if n < 10 or np.ptp(errors[known]) == 0:
        return LjungBox(0.0, 1.0, lags, 0.0)
    r = np.array([centred[lag:] @ centred[:-lag] / size for lag in range(1, lags + 1)])
    statistic = n * (n + 2) * float((r**2 / (n - np.arange(1, lags + 1))).sum())
    return LjungBox(statistic, float(special.chdtrc(lags, statistic)), lags, float(r[0]))
