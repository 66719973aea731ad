"""For series whose unrest comes in clusters: GARCH and EWMA forecast prices or returns, HAR a series of log variances.

Each is fitted once on the training part of one series; after that its numbers stay and its state moves forward in one
pass: the forecast at origin t reads ``values[: t + 1]`` and what was learnt from the training part.

GARCH and EWMA see the returns of a series: differences of logarithms when the training part is positive throughout,
else plain differences.  A part that is not positive and whose differences are larger than itself, in mean square, holds
returns already and is modelled as it is.

Their quantiles are the price, moved by the mean return, plus the standard deviation of the sum of the returns ahead
times the quantiles of what the model got wrong in its training part, for each step ahead in units of that standard
deviation; where the series holds returns, the mean return plus the standard deviation of the one asked for times such
quantiles.  So tails and skew are those measured, and an interval breathes with the variance; on the S&P 500 that holds
its level from 1 to 20 days ahead, where normal quantiles come out too wide.

A missing value is read as the one before it, a missing return as 0.  A part that is too short or does not vary is
forecast by its last value, and so is an origin at which the model says nothing finite, as after a price at or below 0;
``note`` says the former.

Sources: Bollerslev, "Generalized autoregressive conditional heteroskedasticity", J. Econometrics 31(3), 1986; J.P.
Morgan & Reuters, "RiskMetrics: technical document", 4th edition, 1996 (EWMA, λ = 0.94); Barone-Adesi, Giannopoulos &
Vosper, "VaR without correlations for portfolios of derivative securities", J. Futures Markets 19(5), 1999 (quantiles of
standardised residuals); Corsi, "A simple approximate long-memory model of realized volatility", J. Financial
Econometrics 7(2), 2009 (HAR).

Key: T step, O origin, H horizon step, Q quantile at ``config.QUANTILES``, N training origins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np
import numpy.typing as npt
from arch import arch_model

from gatecast.baselines import Array, Integers, LastValue, forward_filled, residual_offsets
from gatecast.config import MEDIAN, QUANTILES

DECAY = 0.94  # of EWMA, RiskMetrics' figure for daily returns
SHORTEST = 60  # a training part with fewer values is forecast by its last value
TRAINING_ORIGINS = 1_000  # at most this many origins of the training part are forecast for the quantiles
ENOUGH = 30  # a step ahead with fewer training errors takes the numbers of the step before it
DIGITS = 9  # of the returns that GARCH is fitted to
LEAST = 1e-12  # share of the training part's variance that a forecast of it never goes below
WINDOWS = (1, 5, 22)  # HAR: a day, a week and a month of trading days


@final
class GARCH:
    """GARCH(1,1) around a constant mean return, fitted by arch with Student's t errors.

    σ²_{t+1} = ω + α (r_t − μ)² + β σ²_t, and k steps ahead E σ² = ω + (α + β) times that of the step before.

    Attributes after ``fit_values``:
        recursion: μ, ω, α, β and the first variance, in units of ``scale``; None when the last value stands in.
        scale: standard deviation of the training part's returns.
        note: why the last value stands in; else empty.
    """

    name = "GARCH"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Fit on the returns of the training part (T,); the season is not used."""
        self._prices = _prices(self.name, values, season_length)
        self.scale, self.note = self._prices.scale, self._prices.note
        self.recursion = None if self.note else _garch(np.diff(self._prices.training) / self.scale)
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _price_quantiles(self._prices, self.recursion, values, origins, horizon)

    def variances(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return the variance (O, H) expected of each step's return, in squared log returns (or differences)."""
        return _variances(self._prices, self.recursion, values, origins, horizon)


@final
class EWMA:
    """Exponentially weighted variance around no mean: σ²_{t+1} = 0.06 r_t² + 0.94 σ²_t, the same for all steps ahead.

    Attributes after ``fit_values``: those of ``GARCH``.
    """

    name = "EWMA"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Keep the training part (T,), whose mean squared return is the first variance; the season is not used."""
        self._prices = _prices(self.name, values, season_length)
        self.scale, self.note = self._prices.scale, self._prices.note
        returns = np.diff(self._prices.training) / self.scale
        self.recursion = None if self.note else Recursion(0.0, 0.0, 1 - DECAY, DECAY, float(np.mean(returns**2)))
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _price_quantiles(self._prices, self.recursion, values, origins, horizon)

    def variances(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return the variance (O, H) expected of each step's return, in squared log returns (or differences)."""
        return _variances(self._prices, self.recursion, values, origins, horizon)


@final
class HAR:
    """A series of log variances from its own means over 1, 5 and 22 steps: one regression for each step ahead.

    Its point forecast is the regression's; its intervals have constant width, from the training part's residuals.

    Attributes after ``fit_values``:
        note: why the last value stands in; else empty.
    """

    name = "HAR"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Keep the training part (T,); the season is not used."""
        self._last = LastValue().fit_values(values, season_length)
        self._training = self._last.training[int(np.argmax(~np.isnan(self._last.training))) :]
        self._shift = float(np.nanmean(self._training))
        short = len(self._training) < SHORTEST
        self.note = f"HAR repeats the last value: {len(self._training)} values are too few to fit" if short else ""
        return self

    def coefficients(self, horizon: int) -> Array:
        """Return intercept and the weights of the day, week and month for each step ahead, (H, 4), by least squares.

        They are those of the values less their training mean.  A step ahead with fewer than 30 training targets takes
        those of the step before it.
        """
        y = forward_filled(self._training) - self._shift
        means, first = _means(y), WINDOWS[-1] - 1
        solved = np.empty((horizon, 1 + len(WINDOWS)))
        for step in range(horizon):
            targets = y[first + step + 1 :]
            if step and len(targets) < ENOUGH:
                solved[step:] = solved[step - 1]
                break
            solved[step] = np.linalg.lstsq(means[first : first + len(targets)], targets)[0]
        return solved

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        fallback = self._last.predict_many(values, origins, horizon)  # refuses what cannot be forecast
        if self.note:
            return fallback
        weights = self.coefficients(horizon)

        def centre(values: Array, rows: Integers, steps: int) -> Array:
            start = int(np.argmax(~np.isnan(values)))
            means = _means(forward_filled(values[start:]) - self._shift)
            return np.asarray(means[rows - start] @ weights[:steps].T + self._shift)

        offsets_HQ = residual_offsets(centre, self._training, WINDOWS[-1] - 1, horizon)
        point_OH = centre(np.asarray(values, np.float64), np.asarray(origins, np.int64), horizon)
        return point_OH[..., None] + offsets_HQ


def _means(y: Array) -> Array:
    """Return a one and the means of the newest 1, 5 and 22 values (fewer near the start) at each step, (T, 4)."""
    total, count = np.append(0.0, np.cumsum(y)), np.arange(1, len(y) + 1)
    means = [y] + [(total[1:] - total[np.maximum(count - w, 0)]) / np.minimum(count, w) for w in WINDOWS[1:]]
    return np.column_stack([np.ones(len(y)), *means])


# ---------------------------------------------------------------------------------------- the variance of returns


@dataclass(frozen=True)
class Recursion:
    """σ²_{t+1} = omega + alpha·(r_t − mean)² + beta·σ²_t, from ``first`` on."""

    mean: float
    omega: float
    alpha: float
    beta: float
    first: float

    def filtered(self, x: Array) -> Array:
        """Return for each step of ``x`` (T,), a running sum of returns, the variance of the return after it."""
        after, variance = np.empty(len(x)), self.first
        shocks = (np.diff(x) - self.mean) ** 2
        after[0] = variance
        for t, shock in enumerate(shocks, start=1):
            variance = self.omega + self.alpha * shock + self.beta * variance
            after[t] = variance
        return after

    def ahead(self, next_O: Array, horizon: int) -> Array:
        """Return the expected variance of each step's return, (O, H), given that of the first."""
        path_OH = np.repeat(next_O[:, None], horizon, axis=1)
        for step in range(1, horizon):
            path_OH[:, step] = self.omega + (self.alpha + self.beta) * path_OH[:, step - 1]
        return path_OH


@dataclass(frozen=True, eq=False)
class _Prices:
    """A training part whose returns are modelled: ``training`` is what they add up to, gaps filled.

    That is its logarithm, or itself; of a part that holds returns it is their running sum from 0 on.
    """

    training: Array
    logs: bool
    returns: bool
    scale: float
    last: LastValue
    note: str

    def transformed(self, values: Array) -> Array:
        """Return ``values`` as returns add up to, from the first observed on; NaN where a logarithm does not exist."""
        known = values[int(np.argmax(~np.isnan(values))) :]
        if self.returns:
            return np.append(0.0, np.cumsum(np.where(np.isnan(known), 0.0, known)))
        known = forward_filled(known)
        if not self.logs:
            return known
        logs = np.full(len(known), np.nan)
        np.log(known, out=logs, where=known > 0)
        return logs

    def places(self, values: Array, origins: npt.ArrayLike) -> Integers:
        """Return where the origins (O,) stand in what ``transformed`` makes of ``values``."""
        rows: Integers = np.asarray(origins, np.int64) - int(np.argmax(~np.isnan(values))) + self.returns
        return rows


def _prices(name: str, values: Array, season_length: int) -> _Prices:
    """Check the training part and say how its returns are taken."""
    last = LastValue().fit_values(values, season_length)
    observed = last.training[~np.isnan(last.training)]
    logs = bool((observed > 0).all())
    returns = not logs and len(observed) > 1 and bool(np.mean(np.diff(observed) ** 2) > np.mean(observed**2))
    plain = _Prices(observed, logs, returns, 1.0, last, "")
    training = plain.transformed(last.training)
    scale = float(np.diff(training).std()) if len(training) > 1 else 0.0
    note = ""
    if len(training) < SHORTEST:
        note = f"{name} repeats the last value: {len(training)} values are too few to fit"
    elif scale <= 1e-12 * float(np.abs(training).max()):
        note = f"{name} repeats the last value: the training part's returns do not vary"
    return replace(plain, training=training, scale=scale or 1.0, note=note)


def _garch(returns: Array) -> Recursion:
    """Fit GARCH(1,1) with Student's t errors; ``returns`` (T,) have standard deviation 1, as arch's search wants.

    They are rounded first: a change of unit moves their last digits, and those are enough to end the search elsewhere.
    """
    returns = np.round(returns, DIGITS)
    model = arch_model(returns, mean="Constant", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    found = model.fit(disp="off", show_warning=False).params.to_numpy()
    mean, omega, alpha, beta = (float(each) for each in found[:4])
    start = float(model.volatility.backcast(returns - returns.mean()))
    return Recursion(mean, omega, alpha, beta, omega + (alpha + beta) * start)


def _variances(
    prices: _Prices, recursion: Recursion | None, values: Array, origins: npt.ArrayLike, horizon: int
) -> Array:
    """Return the variance (O, H) of each step's return; that of the training part's returns where no model stands."""
    prices.last.predict_many(values, origins, horizon)  # refuses what cannot be forecast
    values = np.asarray(values, np.float64)
    rows = prices.places(values, origins)
    if recursion is None:
        return np.full((len(rows), horizon), float(np.diff(prices.training).var()) if len(prices.training) > 1 else 0.0)
    after = recursion.filtered(prices.transformed(values) / prices.scale)
    return recursion.ahead(after[rows], horizon) * prices.scale**2


def _price_quantiles(
    prices: _Prices, recursion: Recursion | None, values: Array, origins: npt.ArrayLike, horizon: int
) -> Array:
    """Return the quantiles (O, H, Q) of the values, or those of the last value where the model says nothing."""
    quantiles = prices.last.predict_many(values, origins, horizon)  # refuses what cannot be forecast
    if recursion is None:
        return quantiles
    values = np.asarray(values, np.float64)
    x = prices.transformed(values) / prices.scale
    centre_OH, deviation_OH = _expected(prices, recursion, x, prices.places(values, origins), horizon)
    made = centre_OH[..., None] + deviation_OH[..., None] * _standardised(prices, recursion, horizon)
    with np.errstate(over="ignore"):
        made = np.exp(made * prices.scale) if prices.logs else made * prices.scale
    said = np.asarray(np.isfinite(made).all(axis=(1, 2)))
    return np.where(said[:, None, None], made, quantiles)


def _expected(prices: _Prices, recursion: Recursion, x: Array, rows: Integers, horizon: int) -> tuple[Array, Array]:
    """Return where x (T,), or its return, is expected 1 … H steps after each origin, and that one's spread, (O, H).

    ``x`` comes in units of its returns' standard deviation; a variance below ``LEAST`` of those is taken as that.
    """
    ahead_OH = recursion.ahead(recursion.filtered(x)[rows], horizon)
    if prices.returns:
        return np.full(ahead_OH.shape, recursion.mean), np.sqrt(np.maximum(ahead_OH, LEAST))
    centre_OH = x[rows, None] + recursion.mean * np.arange(1, horizon + 1)
    return centre_OH, np.sqrt(np.maximum(np.cumsum(ahead_OH, axis=1), LEAST))


def _standardised(prices: _Prices, recursion: Recursion, horizon: int) -> Array:
    """Return the quantiles (H, Q) of the training part's errors in units of the model's standard deviation.

    Up to 1,000 evenly spaced origins; below the median at or below 0 and above it at or above 0, so that the point
    forecast is the median.  A step ahead with fewer than 30 errors takes the quantiles of the step before it.
    """
    x = prices.training / prices.scale
    came = np.diff(x, prepend=0.0) if prices.returns else x
    rows = np.unique(np.linspace(1, len(x) - 2, TRAINING_ORIGINS).astype(np.int64))
    reach = min(horizon, len(x) - 2)
    centre_NH, deviation_NH = _expected(prices, recursion, x, rows, reach)
    quantiles_HQ = np.empty((horizon, len(QUANTILES)))
    for step in range(horizon):
        inside = rows + step + 1 < len(x)
        if step and inside.sum() < ENOUGH:
            quantiles_HQ[step:] = quantiles_HQ[step - 1]
            break
        errors = (came[rows[inside] + step + 1] - centre_NH[inside, step]) / deviation_NH[inside, step]
        quantiles_HQ[step] = np.quantile(errors, QUANTILES)
    quantiles_HQ[:, :MEDIAN] = np.minimum(quantiles_HQ[:, :MEDIAN], 0.0)
    quantiles_HQ[:, MEDIAN] = 0.0
    quantiles_HQ[:, MEDIAN + 1 :] = np.maximum(quantiles_HQ[:, MEDIAN + 1 :], 0.0)
    return quantiles_HQ
