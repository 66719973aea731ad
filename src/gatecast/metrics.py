"""Errors and scores as plain functions: what was forecast against what came.

Every score leaves out the steps whose truth is missing (NaN), and is NaN when no truth is left.  A missing *forecast*
is not left out: it makes the score NaN, since a model may not choose the steps it is judged on.  Lower is better for
all but ``coverage``.  A forecast equal to the truth scores exactly 0.

Key: ... any shape (origins, steps, series), Q quantile.  Quantiles stand at ``config.QUANTILES`` unless levels are
given.  Scores are in the series' own units, but for ``mase``, ``wql`` and ``coverage``, which have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gatecast.config import LEVELS, QUANTILES
from gatecast.errors import DataError, SettingsError

Array = npt.NDArray[np.float64]

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def _errors(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> Array:
    """Return forecast − truth at the steps whose truth is known, flat."""
    truth, forecast = np.asarray(truth, np.float64), np.asarray(forecast, np.float64)
    if truth.shape != forecast.shape:
        raise DataError(f"the truth has shape {truth.shape} and the forecast {forecast.shape}; they must be the same")
    known = ~np.isnan(truth)
    return np.asarray(forecast[known] - truth[known])


def _mean(losses: Array) -> float:
    """Return the mean of the losses that are not missing, NaN when there is none."""
    known = losses[~np.isnan(losses)]
    return float(known.mean()) if known.size else float("nan")


def rmse(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the root of the mean squared error, √mean (ŷ − y)²; the mean minimises it.  Both (...).

    Raises:
        DataError: the shapes differ.
    """
    errors = _errors(truth, forecast)
    return float(np.sqrt(np.mean(errors**2))) if errors.size else float("nan")


def mae(truth: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Return the mean absolute error, mean |ŷ − y|; the median minimises it.  Both (...).

    Raises:
        DataError: the shapes differ.
    """
    errors = _errors(truth, forecast)
    return float(np.mean(np.abs(errors))) if errors.size else float("nan")


def seasonal_scale(training_values: npt.ArrayLike, season_length: int) -> float:
    """Return mean |y_t − y_{t−m}| over the training part (T,), the yardstick of ``mase``.

    Pairs with a missing value are left out.  NaN when no pair is known, as when the part is no longer than the season.

    Raises:
        SettingsError: the season is shorter than one step.
    """
    if season_length < 1:
        raise SettingsError(f"season_length is {season_length}: give a whole number of steps, 1 for no season")
    values = np.asarray(training_values, np.float64)
    return _mean(np.abs(values[season_length:] - values[:-season_length]))


def mase(truth: npt.ArrayLike, forecast: npt.ArrayLike, scale: float) -> float:
    """Return the mean absolute scaled error of one series: its ``mae`` divided by its ``seasonal_scale``.

    Below 1 the forecast errs less than the seasonal naive did one step ahead within the training part.  A scale of 0 or
    NaN (a constant or too short training part) gives NaN: leave such a series out of an average, and count it.

    Source: Hyndman & Koehler, "Another look at measures of forecast accuracy", Int. J. Forecasting 22(4), 2006.

    Raises:
        DataError: the shapes differ.
    """
    error = mae(truth, forecast)
    return error / scale if scale > 0 else float("nan")


def pinball_losses(truth: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = QUANTILES) -> Array:
    """Return the pinball loss of each quantile, max(τ·(y − q), (τ − 1)·(y − q)), as (..., Q); NaN where truth is NaN.

    Source: Koenker & Bassett, "Regression quantiles", Econometrica 46(1), 1978.

    Args:
        truth: (...).
        quantiles: (..., Q), one for each of ``levels``.
        levels: Q numbers in (0, 1).

    Raises:
        DataError: the shapes do not fit each other.
        SettingsError: a level lies outside (0, 1).
    """
    truth, quantiles = np.asarray(truth, np.float64), np.asarray(quantiles, np.float64)
    tau_Q = np.asarray(levels, np.float64)
    if quantiles.shape != (*truth.shape, tau_Q.size):
        wanted = (*truth.shape, tau_Q.size)
        raise DataError(f"the quantiles have shape {quantiles.shape}; for this truth and these levels give {wanted}")
    if not np.all((tau_Q > 0) & (tau_Q < 1)):
        raise SettingsError(f"levels are {tuple(levels)}: each must lie between 0 and 1")
    error = truth[..., None] - quantiles
    return np.asarray(np.maximum(tau_Q * error, (tau_Q - 1.0) * error))


def pinball(truth: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = QUANTILES) -> float:
    """Return the mean pinball loss over all steps and levels; see ``pinball_losses`` for shapes, source and errors."""
    losses = pinball_losses(truth, quantiles, levels)
    return _mean_where_known(truth, losses.mean(axis=-1))


def crps_weights(levels: Sequence[float] = QUANTILES) -> Array:
    """Return each level's share of (0, 1), (Q,): its cell reaches half way to its neighbours and out to 0 and 1.

    The weights sum to 1, and are symmetric for levels that are.
    """
    tau_Q = np.asarray(levels, np.float64)
    return np.diff(np.concatenate([[0.0], (tau_Q[1:] + tau_Q[:-1]) / 2, [1.0]]))


def crps_losses(truth: npt.ArrayLike, quantiles: npt.ArrayLike) -> Array:
    """Return each step's continuous ranked probability score, (...), in the series' units; NaN where truth is NaN.

    CRPS = 2 ∫₀¹ pinball_τ(y, q_τ) dτ, with the integral taken as a sum over ``config.QUANTILES`` weighted by
    ``crps_weights``.  When all quantiles are equal it is the absolute error, so point forecasts and distributions can
    stand in one column.

    Source: Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102(477), 2007.

    Args:
        truth: (...).
        quantiles: (..., Q) at ``config.QUANTILES``.

    Raises:
        DataError: the shapes do not fit each other.
    """
    return np.asarray(2.0 * (pinball_losses(truth, quantiles) @ crps_weights()))


def crps(truth: npt.ArrayLike, quantiles: npt.ArrayLike) -> float:
    """Return the mean of ``crps_losses``; see there for formula, shapes, source and errors."""
    return _mean_where_known(truth, crps_losses(truth, quantiles))


def interval(quantiles: npt.ArrayLike, level: int) -> tuple[Array, Array]:
    """Return the lower and upper bound, each (...), of the central interval that should hold ``level`` percent.

    Args:
        quantiles: (..., Q) at ``config.QUANTILES``.
        level: one of ``config.LEVELS``.

    Raises:
        SettingsError: no such level.
        DataError: the last axis is not that of ``config.QUANTILES``.
    """
    if level not in LEVELS:
        raise SettingsError(f"level {level}: the levels are {', '.join(map(str, LEVELS))} percent")
    quantiles = np.asarray(quantiles, np.float64)
    if quantiles.shape[-1:] != (len(QUANTILES),):
        raise DataError(f"the quantiles have shape {quantiles.shape}; the last axis must hold {len(QUANTILES)}")
    lower = int(np.argmin(np.abs(np.asarray(QUANTILES) - (0.5 - level / 200))))
    return quantiles[..., lower], quantiles[..., len(QUANTILES) - 1 - lower]


def coverage(truth: npt.ArrayLike, quantiles: npt.ArrayLike, level: int) -> float:
    """Return the share of truths inside the ``level`` percent interval, bounds included; level / 100 is asked.

    Args:
        truth: (...).
        quantiles: (..., Q) at ``config.QUANTILES``.
        level: one of ``config.LEVELS``.

    Raises:
        SettingsError: no such level.
        DataError: the shapes do not fit each other.
    """
    truth = np.asarray(truth, np.float64)
    lower, upper = interval(quantiles, level)
    if lower.shape != truth.shape:
        raise DataError(f"the truth has shape {truth.shape} and the quantiles {lower.shape} before their last axis")
    inside = np.where(np.isnan(lower) | np.isnan(upper), np.nan, (lower <= truth) & (truth <= upper))
    return _mean_where_known(truth, inside)


def wql(truth: npt.ArrayLike, quantiles: npt.ArrayLike) -> float:
    """Return the weighted quantile loss: mean over the 9 deciles of 2·Σ pinball / Σ |y|.

    NaN when all known truths are 0.  It depends on where zero is: shifting a series changes it.

    Source: Park, Maddix, Aubet, Kan, Gasthaus & Wang, "Learning quantile functions without quantile crossing for
    distribution-free time series forecasting", AISTATS 2022.

    Args:
        truth: (...).
        quantiles: (..., Q) at ``config.QUANTILES``.

    Raises:
        DataError: the shapes do not fit each other.
    """
    truth = np.asarray(truth, np.float64)
    deciles = [QUANTILES.index(level) for level in DECILES]
    losses = pinball_losses(truth, quantiles)[..., deciles].mean(axis=-1)
    known = ~np.isnan(truth)
    size = float(np.abs(truth[known]).sum())
    return float(2.0 * losses[known].sum() / size) if size > 0 else float("nan")


def _mean_where_known(truth: npt.ArrayLike, losses: Array) -> float:
    """Return the mean of ``losses`` over the known truths, both (...): a missing forecast makes it NaN."""
    kept = losses[~np.isnan(np.asarray(truth, np.float64))]
    return float(kept.mean()) if kept.size else float("nan")
