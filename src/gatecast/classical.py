"""The statistical models a network has to beat: AutoETS, AutoTheta, AutoARIMA and MSTL, as statsforecast fits them.

Each is fitted once on the training part of one series.  After that its parameters, the variance of its errors included,
stay as they are, and its state moves forward: the forecast at origin t is what the fitted model says after reading
``values[: t + 1]``.  statsforecast's ``forward`` reads the whole history again for each origin; here one pass gives the
state at every origin, and the forecasts are the same numbers.

What is ours, and why:
- Intervals are normal, from the variance of each step ahead.  statsforecast 2.0 takes a season's share of that variance
  from the last step for all steps (additive ETS: twice too wide at step 1), adds the season to AutoTheta's residuals,
  and draws AutoTheta's intervals from 200 samples; the formulas below hold in simulations.
- A series is divided by its standard deviation before anything is fitted, so that a change of unit changes no model.
- A missing value between two observed ones is read as the straight line between them.  An origin whose own value is
  missing is forecast from the newest observed step, that many steps further ahead; leading missing values are dropped.
- A season is dropped when the training part holds fewer than two, or when it is too long for the model.  A part that is
  constant, short, or that the model cannot be fitted to is forecast by its last value, and so is an origin at which the
  model says nothing finite.  ``note`` says what was done.

Sources: Hyndman, Koehler, Ord & Snyder, "Forecasting with exponential smoothing", Springer 2008, chapter 6 (ETS and its
variances); Fiorucci, Pellegrini, Louzada, Petropoulos & Koehler, "Models for optimising the theta method", Int. J.
Forecasting 32(4), 2016; Hyndman & Billah, "Unmasking the Theta method", Int. J. Forecasting 19(2), 2003 (its variance);
Hyndman & Khandakar, "Automatic time series forecasting", J. Statistical Software 27(3), 2008 (ARIMA); Durbin & Koopman,
"Time series analysis by state space methods", 2nd edition, 2012 (the filter); Bandara, Hyndman & Bergmeir, "MSTL",
arXiv 2107.13462.

Key: T step, O origin, H horizon step, Q quantile at ``config.QUANTILES``, R state of an ARIMA.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol, Self, final

import numpy as np
import numpy.typing as npt
from statsforecast.arima import make_arima
from statsforecast.ets import ets_f, pegelsresid_C
from statsforecast.models import AutoARIMA as PackageARIMA
from statsforecast.mstl import mstl
from statsforecast.theta import auto_theta

from gatecast.baselines import Array, Integers, LastValue, SeriesForecaster, newest_observed
from gatecast.config import QUANTILES
from gatecast.errors import DataError, SettingsError

NORMAL_Q = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
SHORTEST = 10  # a training part with fewer values is forecast by its last value
LONGEST_SEASON = 24  # of AutoETS and AutoARIMA; MSTL takes longer ones
PROBE = 200  # values on which the cost is measured


class Engine(Protocol):
    """A fitted model: what it expects after any step, and how far off that may be."""

    @property
    def warm_up(self) -> int:
        """Steps before the first origin at which the model's state is known."""
        ...

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each; the row of origin t reads ``z[: t + 1]``."""
        ...


Fit = Callable[[Array, int], Engine]


@final
class AutoETS:
    """Exponential smoothing; error, trend and season of the kinds with the lowest AICc.  Seasons up to 24 steps.

    Attributes after ``fit_values``:
        note: what was done when the part or the season was too short, too long or constant; else empty.
    """

    name = "AutoETS"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Choose and fit the model on the training part (T,)."""
        self.fitted = _fitted(self.name, _fit_ets, values, season_length, LONGEST_SEASON)
        self.note = self.fitted.note
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self.fitted, values, origins, horizon)


@final
class AutoTheta:
    """The theta method: exponential smoothing with half a trend, the variant of four with the lowest squared error.

    A season that the autocorrelation shows is taken out first; its indices stay those of the training part.

    Attributes after ``fit_values``:
        note: what was done when the part was too short or constant; else empty.
    """

    name = "AutoTheta"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Choose and fit the model on the training part (T,)."""
        self.fitted = _fitted(self.name, _fit_theta, values, season_length, None)
        self.note = self.fitted.note
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self.fitted, values, origins, horizon)


@final
class AutoARIMA:
    """A seasonal ARIMA whose orders a stepwise search chose by AICc.  Seasons up to 24 steps.

    Attributes after ``fit_values``:
        note: what was done when the part or the season was too short, too long or constant; else empty.
    """

    name = "AutoARIMA"

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Choose and fit the model on the training part (T,)."""
        self.fitted = _fitted(self.name, _fit_arima, values, season_length, LONGEST_SEASON)
        self.note = self.fitted.note
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self.fitted, values, origins, horizon)


@final
class MSTL:
    """Seasons taken out by STL and repeated, the rest by AutoETS: for seasons above 24 steps, or two of them.

    The season is estimated again once per longest season after the training part, from the values up to then; in
    between its newest cycle goes on.

    Args:
        second_season: another season in steps, besides the one given to ``fit_values``.

    Attributes after ``fit_values``:
        note: what was done when the part was too short for a season, or constant; else empty.
    """

    name = "MSTL"

    def __init__(self, second_season: int | None = None) -> None:
        if second_season is not None and second_season < 2:
            raise SettingsError(f"second_season is {second_season}: give 2 or more steps, or leave it out")
        self._second_season = second_season

    def fit_values(self, values: Array, season_length: int) -> Self:
        """Take out the seasons of the training part (T,) and fit what is left."""
        second = self._second_season

        def fit(z: Array, season: int) -> Engine:
            chosen = {each for each in (season, second) if each is not None and 1 < each <= len(z) // 2}
            return _fit_mstl(z, sorted(chosen))

        self.fitted = _fitted(self.name, fit, values, season_length, None)
        steps = len(interpolated(self.fitted.last.training))
        short = second is not None and steps < 2 * second
        dropped = f"MSTL drops the season of {second} steps: {steps} values hold fewer than two"
        self.note = "; ".join(filter(None, (self.fitted.note, dropped if short else "")))
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self.fitted, values, origins, horizon)


CLASSICAL: tuple[type[AutoETS] | type[AutoTheta] | type[AutoARIMA] | type[MSTL], ...] = (
    AutoETS,
    AutoTheta,
    AutoARIMA,
    MSTL,
)


def classical_for(season_length: Sequence[int]) -> tuple[Callable[[], SeriesForecaster], ...]:
    """Return the models that suit one or two seasons; each is then fitted with the first.

    Above 24 steps, or for two seasons, MSTL takes the place of AutoETS and AutoARIMA.
    """
    first, *others = season_length
    if not others and first <= LONGEST_SEASON:
        return AutoETS, AutoTheta, AutoARIMA
    second = next((season for season in others if season > 1), None)
    return (lambda: MSTL(second)), AutoTheta


def estimate_seconds(
    baseline: Callable[[], SeriesForecaster],
    training: Array,
    season_length: int,
    origins: int,
    horizon: int = 1,
    probe: int = PROBE,
) -> float:
    """Return about how many seconds one fit on ``training`` (T,) and forecasts from ``origins`` origins will take here.

    Measured on the first ``probe`` values (six seasons if that is more, never more than there are; give six of the
    longer season for two of them), after a round that warms up, and taken in proportion to the length.  A guess, more
    often too high than too low: in trials the true time was between a tenth and six times of it.
    """
    training = np.asarray(training, np.float64)
    known = training[int(np.argmax(~np.isnan(training))) :]
    part = known[: max(probe, 6 * season_length)]
    cut = max(2 * len(part) // 3, 1)
    after = np.arange(cut - 1, len(part))
    clock = []
    for first in (True, False):
        fitted_to = part[: max(cut // 2, 1) if first else cut]
        clock = [time.perf_counter()]
        model = baseline().fit_values(fitted_to, season_length)
        for rows in (after[-1:], after):
            clock.append(time.perf_counter())
            model.predict_many(part, rows, horizon)
        clock.append(time.perf_counter())
    fit, one, many = np.diff(clock)
    each = max(many - one, 0.0) / len(after)
    return float((fit + one + each * origins) * max(len(known) / cut, 1.0))


# ------------------------------------------------------------------------------------------------ around every model


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A model ready to forecast: ``engine`` works on values divided by ``scale``; without one the last value stands."""

    engine: Engine | None
    scale: float
    last: LastValue
    note: str


def _fitted(name: str, fit: Fit, values: Array, season_length: int, longest_season: int | None) -> _Fitted:
    """Fit with the season, else without it, else not at all; the note says why.

    Raises:
        DataError, SettingsError: what ``LastValue`` refuses too: no value, infinite ones, no season of 0 steps.
    """
    last = LastValue().fit_values(values, season_length)
    known = interpolated(last.training)
    scale, notes, season = float(known.std()), [], season_length
    if len(known) < SHORTEST or np.ptp(known) == 0:
        why = "the training part is constant" if np.ptp(known) == 0 else f"{len(known)} values are too few to fit"
        return _Fitted(None, 1.0, last, f"{name} repeats the last value: {why}")
    if longest_season is not None and season > longest_season:
        notes.append(f"{name} drops the season of {season} steps: its longest is {longest_season}; MSTL takes longer")
        season = 1
    elif season > 1 and len(known) < 2 * season:
        notes.append(f"{name} drops the season of {season} steps: {len(known)} values hold fewer than two")
        season = 1
    engine = None
    for attempt in dict.fromkeys((season, 1)):
        try:
            engine = _checked(fit, known / scale, attempt)
            break
        except DataError as error:
            notes.append(f"{name} cannot be fitted with a season of {attempt} steps: {error}")
    if engine is None:
        notes.append("the last value is repeated")
    return _Fitted(engine, scale, last, "; ".join(notes))


def _checked(fit: Fit, z: Array, season: int) -> Engine:
    """Return the fitted model after one finite forecast; whatever the package raises becomes a ``DataError``."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", module=r"(statsforecast|statsmodels|scipy|numpy)\b")
        try:
            engine = fit(z, season)
            forecast = engine.normal(z, np.array([len(z) - 1]), max(season, 2))
        except Exception as error:
            raise DataError(f"{type(error).__name__}: {error}") from error
    if not np.isfinite(forecast).all():
        raise DataError("its forecast is not finite")
    return engine


def interpolated(values: Array) -> Array:
    """Return ``values`` (T,) from the first observed on, each missing one on the line between its neighbours."""
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(known[0], len(values)), known, values[known])


def _quantiles(fitted: _Fitted, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
    """Return the model's normal quantiles (O, H, Q), or those of the last value where the model says nothing."""
    quantiles = fitted.last.predict_many(values, origins, horizon)  # refuses what cannot be forecast
    engine = fitted.engine
    if engine is None or not len(quantiles):
        return quantiles
    values, rows = np.asarray(values, np.float64), np.asarray(origins, np.int64)
    newest = newest_observed(values)[rows]
    position = newest - int(np.argmax(~np.isnan(values)))
    late = rows - newest  # steps since the newest observed value
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", module=r"(statsforecast|statsmodels|scipy|numpy)\b")
        mean, deviation = engine.normal(interpolated(values) / fitted.scale, position, horizon + int(late.max()))
    steps = late[:, None] + np.arange(horizon)
    mean, deviation = (np.take_along_axis(each, steps, axis=1) * fitted.scale for each in (mean, deviation))
    made = mean[..., None] + deviation[..., None] * NORMAL_Q
    said = np.isfinite(made).all(axis=(1, 2)) & (position >= engine.warm_up)
    return np.where(said[:, None, None], made, quantiles)


# -------------------------------------------------------------------------------------------------------------- ETS


def _fit_ets(z: Array, season: int) -> Engine:
    return _Ets(ets_f(z, m=season, model="ZZZ"), max(season, 1))


@dataclass(frozen=True, eq=False)
class _Ets:
    """ETS with parameters and first state in ``model``; the states are statsforecast's, the variances the book's."""

    model: dict[str, Any]
    season: int
    warm_up: int = 0

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each."""
        error, trend, season, damped = self.model["components"]
        parameters = self.model["par"]
        alpha, beta, gamma, phi = np.where(np.isnan(parameters[:4]), (0.0, 0.0, 0.0, 1.0), parameters[:4])
        read = z[: int(origins.max()) + 1]
        states = pegelsresid_C(
            read, self.season, parameters[4:], error, trend, season, damped == "D", alpha, beta, gamma, phi, 1
        )[2][origins + 1]
        damping_H = np.cumsum(phi ** np.arange(1, horizon + 1))
        level_OH = states[:, :1] + (states[:, 1:2] if trend != "N" else 0.0) * damping_H
        carried_H = alpha + beta * damping_H  # what an error of size 1 adds to the level j steps later
        if season == "N":
            season_OH = np.zeros(level_OH.shape)
        else:
            newest_last = states[:, : -self.season - 1 : -1]
            season_OH = newest_last[:, np.arange(horizon) % self.season]
        if season == "A":
            carried_H[self.season - 1 :: self.season] += gamma
        squares_H, sigma2 = carried_H[:-1] ** 2, float(self.model["sigma2"])
        if error == "A":
            mean = level_OH + season_OH
            return mean, np.broadcast_to(np.sqrt(sigma2 * np.cumsum(np.append(1.0, squares_H))), mean.shape)
        if season == "M":
            cycles = np.arange(horizon) // self.season
            growth = (1 + sigma2) * (1 + gamma**2 * sigma2) ** cycles - 1
            return level_OH * season_OH, np.abs(season_OH) * _relative_spread(level_OH, squares_H, sigma2, growth)
        mean = level_OH + season_OH
        return mean, _relative_spread(mean, squares_H, sigma2, np.full(horizon, sigma2))


def _relative_spread(mean_OH: Array, squares_H: Array, sigma2: float, growth_H: Array) -> Array:
    """Return the standard deviations (O, H) of a model whose errors are shares of its mean.

    θ_h = μ_h² + σ² Σ_j c_j² θ_{h−j} and variance = θ_h (1 + growth_h) − μ_h², with growth σ² but for a multiplicative
    season (Hyndman et al. 2008, sections 6.3 and 6.4); written so that nothing cancels.
    """
    theta_OH, excess_OH = mean_OH**2, np.zeros(mean_OH.shape)
    for step in range(1, mean_OH.shape[1]):
        excess_OH[:, step] = sigma2 * (theta_OH[:, step - 1 :: -1] @ squares_H[:step])
        theta_OH[:, step] += excess_OH[:, step]
    return np.asarray(np.sqrt(excess_OH * (1 + growth_H) + growth_H * mean_OH**2))


# ------------------------------------------------------------------------------------------------------------ Theta


def _fit_theta(z: Array, season: int) -> Engine:
    model = auto_theta(z, season)
    residuals = model["residuals"]
    index, multiplicative = np.zeros(1), False
    if model.get("decompose", False):
        index = np.asarray(model["seas_forecast"]["mean"])
        index = np.roll(index, len(z) % len(index))  # from the step after the part to step 0
        multiplicative = model["decomposition_type"] == "multiplicative"
        seasonal = np.resize(index, len(z))
        residuals = residuals / seasonal if multiplicative else residuals - seasonal  # as they were before the package
    par, dynamic = model["par"], model["modeltype"].startswith("D")
    sigma = float(np.std(residuals[3:], ddof=1))
    return _Theta(
        float(par["initial_smoothed"]), float(par["alpha"]), float(par["theta"]), dynamic, index, multiplicative, sigma
    )


@dataclass(frozen=True, eq=False)
class _Theta:
    """The theta model as smoothing plus a share of the least-squares line; a dynamic one redraws the line."""

    first_level: float
    alpha: float
    theta: float
    dynamic: bool
    index: Array  # of each phase of the season, from step 0 on
    multiplicative: bool
    sigma: float
    warm_up: int = 1

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each."""
        read = z[: int(origins.max()) + 1]
        seasonal = np.resize(self.index, len(read))
        x = read / seasonal if self.multiplicative else read - seasonal
        alpha, keep, share = self.alpha, 1.0 - self.alpha, 1.0 - 1.0 / self.theta
        level = smoothed(x, alpha, self.first_level)[origins]
        count, t = origins + 1.0, np.arange(1.0, len(x) + 1)
        mean = np.cumsum(x)[origins] / count
        slope = 6 / np.maximum(count**2 - 1, 1) * (2 / count * np.cumsum(t * x)[origins] - (1 + count) * mean)
        intercept = mean - (count + 1) / 2 * slope
        path_OH = np.empty((len(origins), horizon))
        for step in range(horizon):
            n = count + step
            path_OH[:, step] = level + share * (intercept * keep**n + slope * (1 - keep ** (n + 1)) / alpha)
            level = alpha * path_OH[:, step] + keep * level
            if self.dynamic:
                slope = ((n - 1) * slope + 6 * (path_OH[:, step] - mean) / (n + 1)) / (n + 2)
                mean = (n * mean + path_OH[:, step]) / (n + 1)
                intercept = mean - slope * (n + 2) / 2
        season_OH = self.index[(origins[:, None] + np.arange(1, horizon + 1)) % len(self.index)]
        deviation = self.sigma * np.sqrt(1 + alpha**2 * np.arange(horizon))
        if self.multiplicative:
            return path_OH * season_OH, np.abs(season_OH) * deviation
        return path_OH + season_OH, np.broadcast_to(deviation, path_OH.shape)


def smoothed(x: Array, alpha: float, first_level: float) -> Array:
    """Return ``alpha·x + (1 − alpha)·level`` step by step, (T,)."""
    levels, level = np.empty(len(x)), first_level
    for t, value in enumerate(x):
        level = alpha * value + (1.0 - alpha) * level
        levels[t] = level
    return levels


# ------------------------------------------------------------------------------------------------------------ ARIMA


def _fit_arima(z: Array, season: int) -> Engine:
    model = PackageARIMA(season_length=season).fit(z).model_
    part = model["model"]
    space = make_arima(part["phi"], part["theta"], part["delta"])
    coefficients = model["coef"]
    return _Arima(
        space, coefficients.get("intercept", 0.0), coefficients.get("drift", 0.0), model["sigma2"], len(part["delta"])
    )


@dataclass(frozen=True, eq=False)
class _Arima:
    """An ARIMA in state space around a line: a Kalman filter for the states, powers of T for the steps ahead."""

    space: dict[str, Any]
    intercept: float
    drift: float
    sigma2: float
    warm_up: int  # as many values as differences are taken over

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each."""
        ahead_HR = np.empty((horizon + 1, len(self.space["Z"])))  # row k is Z Tᵏ
        ahead_HR[0] = self.space["Z"]
        for step in range(horizon):
            ahead_HR[step + 1] = ahead_HR[step] @ self.space["T"]
        line = self.intercept + self.drift * np.arange(1, len(z) + 1)
        wanted, row = np.unique(origins, return_inverse=True)
        states_OR, doubt_OH = self._filtered((z - line)[: int(wanted[-1]) + 1], wanted, ahead_HR[1:])
        new_H = np.cumsum(np.einsum("hr,rs,hs->h", ahead_HR[:-1], self.space["V"], ahead_HR[:-1], optimize=True))
        last = origins[:, None] + np.arange(2, horizon + 2)  # the line counts from 1
        mean = (states_OR @ ahead_HR[1:].T)[row] + self.intercept + self.drift * last
        return mean, np.sqrt(self.sigma2 * (doubt_OH[row] + new_H))

    def _filtered(self, w: Array, wanted: Integers, ahead_HR: Array) -> tuple[Array, Array]:
        """Return the states (O, R) after the ``wanted`` steps, and what not knowing them adds to the variances (O, H).

        Once the covariance no longer moves it is left alone: what remains is one product with T a step.
        """
        T, Z, V = self.space["T"], self.space["Z"], self.space["V"]
        state, covariance, settled = self.space["a"].copy(), self.space["Pn"].copy(), False
        states_OR, doubt_OH, place = np.empty((len(wanted), len(Z))), np.empty((len(wanted), len(ahead_HR))), 0
        doubt_H, gain = np.empty(0), np.empty(0)
        for t, value in enumerate(w):
            predicted = T @ state if t else state
            if not settled:
                before = T @ covariance @ T.T + V if t else covariance
                weight = before @ Z
                gain = weight / (Z @ weight)
                after = before - np.outer(gain, weight)
                settled = t > 0 and float(np.abs(after - covariance).max()) < 1e-14 * float(np.abs(after).max() + 1.0)
                covariance, doubt_H = after, np.empty(0)
            state = predicted + gain * (value - Z @ predicted)
            if t == wanted[place]:
                if not doubt_H.size:
                    doubt_H = np.maximum(((ahead_HR @ covariance) * ahead_HR).sum(axis=1), 0.0)
                states_OR[place], doubt_OH[place] = state, doubt_H
                place += 1
        return states_OR, doubt_OH


# ------------------------------------------------------------------------------------------------------------- MSTL


def _fit_mstl(z: Array, seasons: list[int]) -> Engine:
    parts = _seasonal_parts(z, seasons)
    return _Mstl(_Ets(ets_f(z - parts.sum(axis=0), m=1, model="ZZN"), 1), tuple(seasons), parts)


def _seasonal_parts(z: Array, seasons: Sequence[int]) -> Array:
    """Return the season of each length at each step, (number of seasons, T)."""
    if not seasons:
        return np.zeros((1, len(z)))
    table = mstl(z, list(seasons))
    names = ["seasonal"] if len(seasons) == 1 else [f"seasonal{season}" for season in seasons]
    return np.stack([table[name].to_numpy() for name in names])


@dataclass(frozen=True, eq=False)
class _Mstl:
    """Seasons that repeat their newest cycle, and ETS on what is left when they are taken out."""

    rest: _Ets
    seasons: tuple[int, ...]
    training_parts: Array  # the seasons within the training part
    warm_up: int = 0

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each: origins of one cycle share one decomposition."""
        end, every = self.training_parts.shape[1] - 1, max(self.seasons, default=1)
        cycle = np.maximum(origins - end, 0) // every if self.seasons else np.zeros(len(origins), np.int64)
        mean, deviation = np.empty((2, len(origins), horizon))
        for number in np.unique(cycle):
            of_cycle = cycle == number
            here = origins[of_cycle]
            parts = self.training_parts if number == 0 else _seasonal_parts(z[: end + number * every + 1], self.seasons)
            season = self._continued(parts, int(here.max()) + horizon + 1)
            read = int(here.max()) + 1
            rest, deviation[of_cycle] = self.rest.normal(z[:read] - season[:read], here, horizon)
            mean[of_cycle] = rest + season[here[:, None] + np.arange(1, horizon + 1)]
        return mean, deviation

    def _continued(self, parts: Array, steps: int) -> Array:
        """Return the sum of the seasons over ``steps`` steps, each part's newest cycle repeated after its end."""
        known = parts.shape[1]
        total = np.zeros(steps)
        for part, season in zip(parts, self.seasons, strict=False):
            beyond = np.resize(part[-season:], max(steps - known, 0))
            total += np.append(part, beyond)[:steps]
        return total
