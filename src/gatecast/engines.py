"""The fitted models behind ``classical``: what each expects after any step, and how far off that may be.

One pass over a series gives a model's state at every origin.  ``classical`` says where the formulas are from.

Key: T step, O origin, H horizon step, R state of an ARIMA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from statsforecast.arima import make_arima
from statsforecast.ets import ets_f, pegelsresid_C
from statsforecast.models import AutoARIMA as PackageARIMA
from statsforecast.mstl import mstl
from statsforecast.theta import auto_theta

from gatecast.baselines import Array, Integers


class Engine(Protocol):
    """A fitted model: what it expects after any step, and how far off that may be."""

    @property
    def warm_up(self) -> int:
        """Steps before the first origin at which the model's state is known."""
        ...

    def normal(self, z: Array, origins: Integers, horizon: int) -> tuple[Array, Array]:
        """Return means and standard deviations, (O, H) each; the row of origin t reads ``z[: t + 1]``."""
        ...


# -------------------------------------------------------------------------------------------------------------- ETS


def fit_ets(z: Array, season: int) -> Engine:
    """Exponential smoothing, its form chosen by AICc."""
    return Ets(ets_f(z, m=season, model="ZZZ"), max(season, 1))


@dataclass(frozen=True, eq=False)
class Ets:
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


def fit_theta(z: Array, season: int) -> Engine:
    """The theta method, the form with the least error chosen."""
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
    return Theta(
        float(par["initial_smoothed"]), float(par["alpha"]), float(par["theta"]), dynamic, index, multiplicative, sigma
    )


@dataclass(frozen=True, eq=False)
class Theta:
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


def fit_arima(z: Array, season: int) -> Engine:
    """ARIMA, its orders chosen by AICc."""
    model = PackageARIMA(season_length=season).fit(z).model_
    part = model["model"]
    space = make_arima(part["phi"], part["theta"], part["delta"])
    coefficients = model["coef"]
    return Arima(
        space, coefficients.get("intercept", 0.0), coefficients.get("drift", 0.0), model["sigma2"], len(part["delta"])
    )


@dataclass(frozen=True, eq=False)
class Arima:
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


def fit_mstl(z: Array, seasons: list[int]) -> Engine:
    """Seasons taken away one after the other, and what is left smoothed."""
    parts = _seasonal_parts(z, seasons)
    return Mstl(Ets(ets_f(z - parts.sum(axis=0), m=1, model="ZZN"), 1), tuple(seasons), parts)


def _seasonal_parts(z: Array, seasons: Sequence[int]) -> Array:
    """Return the season of each length at each step, (number of seasons, T)."""
    if not seasons:
        return np.zeros((1, len(z)))
    table = mstl(z, list(seasons))
    names = ["seasonal"] if len(seasons) == 1 else [f"seasonal{season}" for season in seasons]
    return np.stack([table[name].to_numpy() for name in names])


@dataclass(frozen=True, eq=False)
class Mstl:
    """Seasons that repeat their newest cycle, and ETS on what is left when they are taken out."""

    rest: Ets
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
