"""What any forecast has to beat: last value, drift, seasonal naive and an autoregression.

Each is fitted on the training part of one series and answers any number of origins in one pass.  The forecast at origin
t reads ``values[: t + 1]`` and what was learnt from the training part, never more.  The median is the point forecast.

All four share one kind of interval (``residual_offsets``): constant width, from what the same forecaster got wrong
within its own training part.  A network's intervals are worth having when they beat these.

Sources: Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021, sections 5.2 (simple
methods), 5.5 (intervals from residuals) and 9.3 (autoregression); Schwarz, "Estimating the dimension of a model",
Annals of Statistics 6(2), 1978 (the BIC).

Key: S series, T step, O origin, H horizon step, Q quantile at ``config.QUANTILES``, N residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, final

import numpy as np
import numpy.typing as npt

from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Centre = Callable[[Array, Integers, int], Array]  # (T,), (O,), horizon -> point forecasts (O, H)

LARGEST_ORDER = 50
RESIDUAL_ORIGINS = 1_000  # at most this many origins of the training part are forecast for the intervals
RESIDUAL_CELLS = 2_000_000  # ... and fewer when the horizon is long, down to 50
ENOUGH_RESIDUALS = 20  # a horizon step with fewer takes the widest offsets of the others
EXACT = 1e-10  # a residual below this share of the series' standard deviation is rounding


class SeriesForecaster(Protocol):
    """What each baseline offers for one series (T,), float64, NaN where a value is missing."""

    @property
    def name(self) -> str:
        """Return the model's name in columns and JSON."""
        ...

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Learn from the training part (T,) of one series."""
        ...

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return the quantiles (O, H, Q) of the ``horizon`` steps after each origin, in the series' units."""
        ...


@final
class LastValue:
    """Repeat the newest observed value."""

    name = "LastValue"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Keep the training part (T,) for the intervals; the season is not used."""
        self.training, self.season_length = _training_part(values, season_length)
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self._centre, self.training, 0, values, origins, horizon)

    def _centre(self, values: Array, origins: Integers, horizon: int) -> Array:
        """Return the newest observed value of each origin, (O, H)."""
        return np.repeat(forward_filled(values)[origins, None], horizon, axis=1)


@final
class Drift:
    """Go on along the line from the first to the newest observed value; the line is redrawn at every origin."""

    name = "Drift"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Keep the training part (T,) for the intervals; the season is not used."""
        self.training, self.season_length = _training_part(values, season_length)
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,).

        Residuals are taken after the first quarter of the training part: a line through two neighbours is no drift.
        """
        return _quantiles(self._centre, self.training, len(self.training) // 4, values, origins, horizon)

    def _centre(self, values: Array, origins: Integers, horizon: int) -> Array:
        """Return the line of each origin, (O, H); flat while only one value is known."""
        newest = newest_observed(values)[origins]
        first = np.flatnonzero(~np.isnan(values))[0]
        slope = (values[newest] - values[first]) / np.maximum(newest - first, 1)
        steps = (origins - newest)[:, None] + np.arange(1, horizon + 1)
        return np.asarray(values[newest, None] + slope[:, None] * steps)


@final
class SeasonalNaive:
    """Repeat the newest observed value of the same phase of the season; the last value where that phase is unknown."""

    name = "SeasonalNaive"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Keep the training part (T,) for the intervals, and the season."""
        self.training, self.season_length = _training_part(values, season_length)
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,).

        Residuals are taken after the first season, where the forecast is seasonal.
        """
        return _quantiles(self._centre, self.training, self.season_length - 1, values, origins, horizon)

    def _centre(self, values: Array, origins: Integers, horizon: int) -> Array:
        """Return the newest value of each phase, (O, H)."""
        season = self.season_length
        rows = -(-len(values) // season)
        observed = np.full(rows * season, -1)
        observed[: len(values)] = np.where(np.isnan(values), -1, np.arange(len(values)))
        newest_of_phase = np.maximum.accumulate(observed.reshape(rows, season), axis=0).ravel()
        steps = np.arange(1, horizon + 1)
        before = origins[:, None] + steps - season * -(-steps // season)  # newest step of that phase, at or before t
        source = np.where(before >= 0, newest_of_phase[np.maximum(before, 0)], -1)
        return values[np.where(source >= 0, source, newest_observed(values)[origins, None])]


@final
class AR:
    """An autoregression with intercept, by least squares; each step ahead is fed back for the next.

    The order is the one with the lowest BIC up to min(50, a tenth of the training part), 0 (the mean) included, unless
    one is given.  A missing value is read as the value before it, a value before the series' first as the first.

    An unstable fit cannot run away: a path is held within the range of the training part and of its origin's
    history, widened by the width of that range on both sides.  A path that reaches the bound says nothing any more.

    Attributes after ``fit_values``:
        order: p.
        coefficients: (p,), of the values 1, 2 … p steps back.
        intercept: in the series' units.
    """

    name = "AR"

    def __init__(self, fixed_order: int | None = None) -> None:
        if fixed_order is not None and fixed_order < 0:
            raise SettingsError(f"fixed_order is {fixed_order}: give the number of past values to read, 0 or more")
        self._fixed_order = fixed_order

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Choose the order and the coefficients from the training part (T,); the season is not used.

        Raises:
            DataError: the part is too short for the order asked for.
        """
        self.training, self.season_length = _training_part(values, season_length)
        known = forward_filled(self.training[int(np.argmax(~np.isnan(self.training))) :])
        self._mean, spread = float(known.mean()), float(known.std())
        self._scale = spread if spread > 0 else 1.0
        z = (known - self._mean) / self._scale
        largest = min(LARGEST_ORDER, len(z) // 10)
        self.order = order_by_bic(z, largest) if self._fixed_order is None else self._fixed_order
        if len(z) < 2 * self.order + 1:
            raise DataError(f"{len(z)} values cannot fit an autoregression of order {self.order}; give a lower order")
        solution = np.linalg.lstsq(_design(z, self.order), z[self.order :])[0]
        self._constant, self.coefficients = float(solution[0]), np.asarray(solution[1:])
        self.intercept = self._constant * self._scale + self._mean * (1.0 - float(self.coefficients.sum()))
        self._range = float(z.min()), float(z.max())
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,); residuals are those of the fit."""
        return _quantiles(self._centre, self.training, max(self.order - 1, 0), values, origins, horizon)

    def _centre(self, values: Array, origins: Integers, horizon: int) -> Array:
        """Return the paths (O, H): one matrix product per step, over all origins at once."""
        z = (forward_filled(values) - self._mean) / self._scale
        start = int(np.argmax(~np.isnan(z)))
        z[:start] = z[start]
        low = np.minimum(np.minimum.accumulate(z)[origins], self._range[0])
        high = np.maximum(np.maximum.accumulate(z)[origins], self._range[1])
        floor, ceiling = low - (high - low), high + (high - low)
        order = self.order
        path = np.empty((order + horizon, len(origins)))
        path[:order] = z[np.maximum(origins + np.arange(1 - order, 1)[:, None], 0)]
        newest_last = self.coefficients[::-1]
        for step in range(horizon):
            path[order + step] = np.clip(self._constant + newest_last @ path[step : order + step], floor, ceiling)
        return np.asarray(path[order:].T * self._scale + self._mean)


BASELINES: tuple[type[LastValue] | type[Drift] | type[SeasonalNaive] | type[AR], ...] = (
    LastValue,
    Drift,
    SeasonalNaive,
    AR,
)


def solves_exactly(values: Array, training_steps: int, order: int = 2) -> float:
    """Return how far an autoregression is from solving the series: 0 when it does, 1 when it is no use at all.

    It is fitted on the first ``training_steps`` of ``values`` (T,); the figure is its one-step RMSE over the rest
    divided by the rest's standard deviation.  Two coefficients solve any sine: sin(x + a) = 2 cos a · sin x − sin(x −
    a).  A rest that does not vary gives 0 when it is forecast exactly, else infinity.

    Raises:
        DataError: the training part is too short for the order, or nothing is left to forecast.
    """
    values = np.asarray(values, np.float64)
    rest = values[training_steps:]
    known = ~np.isnan(rest)
    if not known.any():
        raise DataError(f"no known value after the first {training_steps} of {len(values)}; leave some to forecast")
    model = AR(order).fit_values(values[:training_steps], 1)
    forecast = model.predict_many(values, np.arange(training_steps - 1, len(values) - 1), 1)[:, 0, MEDIAN]
    error = float(np.sqrt(np.mean((forecast - rest)[known] ** 2)))
    spread = float(rest[known].std())
    if spread > 0:
        return error / spread
    return 0.0 if error <= EXACT * float(np.abs(rest[known]).max()) else float("inf")


def newest_observed(values: Array) -> Integers:
    """Return for each step of ``values`` (T,) the newest step at or before it that is observed, −1 for none."""
    return np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))


def forward_filled(values: Array) -> Array:
    """Return a copy of ``values`` (T,) with each missing value read as the one before it; leading ones stay NaN."""
    newest = newest_observed(values)
    return np.where(newest >= 0, values[newest], np.nan)


def order_by_bic(z: Array, largest: int) -> int:
    """Return the order 0 … ``largest`` with the lowest BIC, N·log(RSS/N) + (p + 2)·log N, on a common sample.

    ``z`` (T,) has mean 0 and standard deviation 1.  One QR of all lags gives every order's residual sum: the columns
    are nested, so order p leaves what of the target lies beyond its first p + 1 directions.  Residuals at rounding size
    count as none, so that a series solved exactly by two lags is given two.
    """
    if largest < 1:
        return 0
    target = z[largest:]
    triangle = np.linalg.qr(np.column_stack([_design(z, largest), target])).R
    beyond = np.cumsum(triangle[::-1, -1] ** 2)[::-1]  # beyond[j]: left over after the first j columns
    variance = np.maximum(beyond[1 : largest + 2] / len(target), EXACT**2)
    penalty = (np.arange(largest + 1) + 2) * np.log(len(target))
    return int(np.argmin(len(target) * np.log(variance) + penalty))


def residual_offsets(centre: Centre, training: Array, warm_up: int, horizon: int) -> Array:
    """Return what to add to a point forecast for each quantile, (H, Q), from errors within the training part (T,).

    ``centre`` forecasts up to 1,000 evenly spaced origins of the training part, from ``warm_up`` steps after its first
    observed value on (from that value on when the part is no longer).  For each step ahead the offsets are the
    empirical quantiles of truth − forecast, those below the median held at or below 0 and those above at or above 0, so
    that the point forecast is the median and quantiles are in order.  The width may shrink from one step to the next:
    that is what was measured.

    A step with fewer than 20 residuals (beyond the training part there is none) takes the widest offsets of the other
    steps; when no step has 20, those with most serve.  A training part of one value gives offsets of 0.  Residuals of
    fitted coefficients are in-sample, hence slightly too small.
    """
    steps = len(training)
    observed = np.flatnonzero(~np.isnan(training))
    start = observed[0] + warm_up
    start = start if start < steps - 1 else observed[0]
    reach = int(min(horizon, steps - 1 - start))
    if reach < 1:
        return np.zeros((horizon, len(QUANTILES)))
    count = min(RESIDUAL_ORIGINS, max(50, RESIDUAL_CELLS // reach))
    origins = np.unique(np.linspace(start, steps - 2, count).astype(np.int64))
    ahead = origins[:, None] + np.arange(1, reach + 1)
    truth = np.where(ahead < steps, training[np.minimum(ahead, steps - 1)], np.nan)
    residuals_NH = truth - centre(training, origins, reach)

    known_H = (~np.isnan(residuals_NH)).sum(axis=0)
    if not known_H.any():
        return np.zeros((horizon, len(QUANTILES)))
    offsets_HQ = _column_quantiles(np.sort(residuals_NH, axis=0), np.maximum(known_H, 1))
    offsets_HQ[:, :MEDIAN] = np.minimum(offsets_HQ[:, :MEDIAN], 0.0)
    offsets_HQ[:, MEDIAN] = 0.0
    offsets_HQ[:, MEDIAN + 1 :] = np.maximum(offsets_HQ[:, MEDIAN + 1 :], 0.0)

    enough_H = known_H >= min(ENOUGH_RESIDUALS, int(known_H.max()))
    measured = offsets_HQ[enough_H]
    below_Q = np.arange(len(QUANTILES)) < MEDIAN
    all_HQ = np.tile(np.where(below_Q, measured.min(axis=0), measured.max(axis=0)), (horizon, 1))
    all_HQ[:reach][enough_H] = measured
    return all_HQ


def _column_quantiles(sorted_NH: Array, known_H: Integers) -> Array:
    """Return the quantiles (H, Q) of each column's first ``known_H`` values: numpy's linear rule, NaN sorted last."""
    position_HQ = (known_H[:, None] - 1) * np.asarray(QUANTILES)
    below = np.floor(position_HQ).astype(np.int64)
    above = np.minimum(below + 1, known_H[:, None] - 1)
    columns = np.arange(sorted_NH.shape[1])[:, None]
    low, high = sorted_NH[below, columns], sorted_NH[above, columns]
    return np.asarray(low + (position_HQ - below) * (high - low))


def _quantiles(
    centre: Centre, training: Array, warm_up: int, values: Array, origins: npt.ArrayLike, horizon: int
) -> Array:
    """Return a point forecast with its training part's offsets around it, (O, H, Q).

    Raises:
        SettingsError: the horizon is shorter than one step.
        DataError: an origin lies outside the series, or before its first observed value.
    """
    values, rows = np.asarray(values, np.float64), np.asarray(origins, np.int64)
    if horizon < 1:
        raise SettingsError(f"horizon is {horizon}: give the number of steps to forecast, 1 or more")
    if rows.size and (rows.min() < 0 or rows.max() >= len(values)):
        raise DataError(f"origins {rows.min()} to {rows.max()} lie outside a series of {len(values)} values")
    if rows.size and newest_observed(values)[rows.min()] < 0:
        raise DataError(f"at origin {rows.min()} no value has been observed yet; begin at the first observed value")
    offsets_HQ = residual_offsets(centre, training, warm_up, horizon)
    return centre(values, rows, horizon)[..., None] + offsets_HQ


def _training_part(values: Array, season_length: int) -> tuple[Array, int]:
    """Check and return what every baseline keeps.

    Raises:
        DataError: no value is observed, or one is infinite.
        SettingsError: the season is shorter than one step.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or np.isnan(values).all():
        raise DataError(f"a training part of shape {values.shape} holds no observed value; give one series with values")
    if np.isinf(values).any():
        raise DataError("the training part holds an infinite value; mark it as missing")
    if season_length < 1:
        raise SettingsError(f"season_length is {season_length}: give a whole number of steps, 1 for no season")
    return values, season_length


def _design(z: Array, order: int) -> Array:
    """Return the regressors of z[order:], (T − order, 1 + order): one, then the values 1 … ``order`` steps back."""
    lags = [z[order - lag : len(z) - lag] for lag in range(1, order + 1)]
    return np.column_stack([np.ones(len(z) - order), *lags])
