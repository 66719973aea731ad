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
from typing import Self, final

import numpy as np
import numpy.typing as npt

from gatecast.baselines import Array, LastValue, SeriesForecaster, newest_observed
from gatecast.config import QUANTILES
from gatecast.engines import Engine, fit_arima, fit_ets, fit_mstl, fit_theta
from gatecast.errors import DataError, SettingsError

NORMAL_Q = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
SHORTEST = 10  # a training part with fewer values is forecast by its last value
LONGEST_SEASON = 24  # of AutoETS and AutoARIMA; MSTL takes longer ones
PROBE = 200  # values on which the cost is measured


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
        self.fitted = _fitted(self.name, fit_ets, values, season_length, LONGEST_SEASON)
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
        self.fitted = _fitted(self.name, fit_theta, values, season_length, None)
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
        self.fitted = _fitted(self.name, fit_arima, values, season_length, LONGEST_SEASON)
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
            return fit_mstl(z, sorted(chosen))

        self.fitted = _fitted(self.name, fit, values, season_length, None)
        steps = len(interpolated(self.fitted.last.training))
        short = second is not None and steps < 2 * second
        dropped = f"MSTL drops the season of {second} steps: {steps} values hold fewer than two"
        self.note = "; ".join(filter(None, (self.fitted.note, dropped if short else "")))
        return self

    def predict_many(self, values: Array, origins: npt.ArrayLike, horizon: int) -> Array:
        """Return quantiles (O, H, Q) for ``values`` (T,) and ``origins`` (O,)."""
        return _quantiles(self.fitted, values, origins, horizon)


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
