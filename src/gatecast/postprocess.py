"""Forecasts corrected by their own past: what was said at earlier origins is regressed on what came.

Weather services call it model output statistics: a model that is right on the whole is wrong in ways of its own at each
place, and a small regression on its past output learns them.  Here the error of the median, in units of the scale, is
regressed on how far each candidate of the head lay from it and on the state of the LSTM layers; what comes out moves
all quantiles.  The network is not trained: it is a ridge regression for each pool of steps, renewed as the past grows.

How far a correction is believed is found in the same past.  Each error is also compared with the correction that was
in force when the forecast was made, before it was learned from, and only a share of a correction is added: the one that
would have served best, drawn to ``TRUST`` while there is little to go by.

Sources: Glahn & Lowry, "The use of model output statistics (MOS) in objective weather forecasting", Journal of Applied
Meteorology 11, 1972; Hoerl & Kennard, "Ridge regression", Technometrics 12(1), 1970; Dawid, "Present position and
potential developments: the prequential approach", JRSS A 147(2), 1984; Huber, "Robust estimation of a location
parameter", 1964 (errors far out weigh less).

Key: N origin, K sampled step ahead, H step ahead, P knot, A candidate, D number of the state, B of these
and the constant, F feature, C renewal, R row of a regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.conformal import Pool, between_knots, pools

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SAMPLED = 3  # steps of those that share a regression that are looked at: neighbours say nearly the same
FEWEST = 25  # origins from which is learned first
GROWTH = 1.2  # a regression is renewed when so many times as many origins are known
RIDGE = 10.0  # independent origins with which coefficients go half the way
STATE = 0.3  # of the state's numbers, which lie within ±2, beside candidates in scales
LARGEST_ERROR, FARTHEST = 20.0, 8.0  # scales that one error and one candidate count as at most
TRUST = 0.5  # the share of a correction that is added while nothing is known of its worth
ENOUGH = 25.0  # independent origins learned from with which it is half of that
PRIOR = 10.0  # independent origins with which the share goes half the way from there
FADE = 0.9  # what is left of the evidence on shares at each renewal
MARGIN = 0.01  # of the mean absolute error: what a correction added in full must win to be worth it
SHARES = np.linspace(0.0, 1.0, 5)


class Past(NamedTuple):
    """What was said at N origins, in the order of their time, and how far off it was.

    Attributes:
        error_NK: truth less median, in units of the scale, at the steps of ``learned_steps``; NaN where not known.
        candidates_NKA: the candidates less the median, in the same units; 0 where there is none.
        state_ND: the state that the head saw.
        at_N: step of each origin, on a clock that all series share; increasing or level.
    """

    error_NK: Floats
    candidates_NKA: Floats
    state_ND: Floats
    at_N: Indices

    @classmethod
    def joined(cls, pasts: Sequence[Past]) -> Past:
        """Return what was said of several series, in the order of its time."""
        at_N = np.concatenate([past.at_N for past in pasts])
        order = np.argsort(at_N, kind="stable")
        error_NK, candidates_NKA, state_ND = (
            np.concatenate([past[part] for past in pasts])[order] for part in range(3)
        )
        return cls(error_NK, candidates_NKA, state_ND, at_N[order])


class Corrections(NamedTuple):
    """Coefficients over time: of each knot, from which step on they are in force, and what they are."""

    knots: tuple[int, ...]
    since: tuple[Indices, ...]  # (C,) each
    weights: tuple[Floats, ...]  # (1 + C, F) each, the share that is believed multiplied in; zeros before the first

    def of(self, candidates_NHA: Floats, state_ND: Floats, at_N: Indices, steps_H: Indices) -> Floats:
        """Return what is added to forecasts, (N, H), in units of the scale: 0 where nothing was learned by then.

        Args:
            candidates_NHA: as in ``Past``, for the steps asked for.
            state_ND: as in ``Past``.
            at_N: step of each origin; nothing that became known after it is used.
            steps_H: steps ahead, at most the last that a knot serves.
        """
        between_HP = between_knots(np.eye(len(self.knots)), self.knots, int(steps_H.max()))[steps_H - 1]
        in_force = [
            weights_CF[np.searchsorted(since_C, at_N, side="right")]
            for since_C, weights_CF in zip(self.since, self.weights, strict=True)
        ]
        weights_NPF = np.stack(in_force, axis=1)
        moving_NHA, fixed_NB = _parts(candidates_NHA, state_ND)
        of_moving_NPA, of_fixed_NPB = np.split(weights_NPF, [moving_NHA.shape[2]], axis=2)
        fixed_NP = (of_fixed_NPB @ fixed_NB[..., None])[..., 0]
        moved_NH = ((between_HP @ of_moving_NPA) * moving_NHA).sum(axis=2)
        return np.asarray(moved_NH + fixed_NP @ between_HP.T)


def learned_steps(horizon: int, direct: int) -> Indices:
    """Return the steps ahead that are looked at to correct ``horizon`` of them; a later horizon only adds to them.

    Args:
        horizon: steps ahead that are asked for.
        direct: steps ahead that the network forecasts directly.
    """
    return np.concatenate([_sampled(pool) for pool in _needed(horizon, direct)])


def learn(past: Past, horizon: int, direct: int, apart: float) -> Corrections:
    """Learn from what was said and what came.

    Coefficients that are in force from a step on rest on what was known by that step, whatever came later.

    Args:
        past: what was said, at ``learned_steps(horizon, direct)``.
        horizon: steps ahead that are to be corrected.
        direct: steps ahead that the network forecasts directly.
        apart: steps from an origin of a series to its next: forecasts that share steps count as fewer.
    """
    needed, begin = _needed(horizon, direct), 0
    since, weights = [], []
    for pool in needed:
        steps_K = _sampled(pool)
        some = slice(begin, begin + len(steps_K))
        begin += len(steps_K)
        features_NKF = _features(past.candidates_NKA[:, some], past.state_ND)
        since_C, weights_CF = _renewals(features_NKF, past.error_NK[:, some], past.at_N, int(steps_K[-1]), apart)
        since.append(since_C)
        weights.append(weights_CF)
    return Corrections(tuple(pool.knot for pool in needed), tuple(since), tuple(weights))


def _needed(horizon: int, direct: int) -> Sequence[Pool]:
    """The pools between whose knots the steps up to a horizon lie."""
    return [pool for pool in pools(direct) if pool.knot < 2 * horizon]


def _sampled(pool: Pool) -> Indices:
    """Some steps of a pool up to its knot: later ones would be known later."""
    return np.unique(np.linspace(pool.steps[0], pool.knot, SAMPLED).round().astype(np.int64))


def _parts(candidates_NKA: Floats, state_ND: Floats) -> tuple[Floats, Floats]:
    """What errors are regressed on: what differs by the step, (N, K, A), and what does not, (N, B): state, constant."""
    fixed_NB = np.concatenate([STATE * state_ND, np.ones((len(state_ND), 1))], axis=1)
    return np.clip(candidates_NKA, -FARTHEST, FARTHEST), fixed_NB


def _features(candidates_NKA: Floats, state_ND: Floats) -> Floats:
    """Both side by side, (N, K, F)."""
    moving_NKA, fixed_NB = _parts(candidates_NKA, state_ND)
    fixed_NKB = np.broadcast_to(fixed_NB[:, None], (*moving_NKA.shape[:2], fixed_NB.shape[1]))
    return np.concatenate([moving_NKA, fixed_NKB], axis=2)


def _renewals(
    features_NKF: Floats, error_NK: Floats, at_N: Indices, reach: int, apart: float
) -> tuple[Indices, Floats]:
    """When coefficients of a pool that reaches so many steps are renewed, (C,), and what they are, (1 + C, F)."""
    known = np.flatnonzero(np.isfinite(error_NK).all(axis=1))
    features_NKF, at_N = features_NKF[known], at_N[known]
    error_NK = np.clip(error_NK[known], -LARGEST_ERROR, LARGEST_ERROR)
    alike = max(1.0, reach / apart)
    fit, worth = _Ridge(features_NKF.shape[2]), _Worth(alike, max(reach, apart))
    since: list[int] = []
    plain: list[Floats] = []
    believed = [np.zeros(features_NKF.shape[2])]  # the share that is added multiplied in
    done, until = 0, FEWEST
    while until <= len(at_N):
        until = int(np.searchsorted(at_N, at_N[until - 1], side="right"))  # what is known at once is learned at once
        new, now = slice(done, until), int(at_N[until - 1])
        if since:
            in_force_N = np.searchsorted(np.array(since), at_N[new], side="right") - 1
            made_N = in_force_N >= 0
            said_NK = np.einsum("nkf,nf->nk", features_NKF[new][made_N], np.stack(plain)[in_force_N[made_N]])
            worth.see(error_NK[new][made_N], said_NK, at_N[new][made_N])
        fit.see(features_NKF[new].reshape(-1, len(believed[0])), error_NK[new].ravel(), believed[-1])
        since.append(now + reach)
        plain.append(fit.solve(until / alike))
        believed.append(worth.share(now, until / alike) * plain[-1])
        done, until = until, max(until + 1, int(GROWTH * until))
    return np.array(since, np.int64), np.stack(believed)


class _Ridge:
    """A ridge regression that grows: errors far beyond the usual one weigh less, as Huber's do."""

    def __init__(self, features: int) -> None:
        self._squares_FF, self._products_F = np.zeros((features, features)), np.zeros(features)
        self._sum, self._count = 0.0, 0

    def see(self, x_RF: Floats, y_R: Floats, now_F: Floats) -> None:
        """Take rows; ``now_F`` are the coefficients in force, and say how far out they lie."""
        left_R = np.abs(y_R - x_RF @ now_F)
        self._sum, self._count = self._sum + float(left_R.sum()), self._count + len(y_R)
        usual = self._sum / self._count
        weighed_RF = x_RF * np.minimum(1.0, usual / np.maximum(left_R, 1e-12))[:, None]
        self._squares_FF += weighed_RF.T @ x_RF
        self._products_F += weighed_RF.T @ y_R

    def solve(self, independent: float) -> Floats:
        """Return the coefficients, (F,), drawn to 0 as far as ``RIDGE`` asks beside so many independent origins."""
        mean = np.trace(self._squares_FF) / len(self._products_F)
        if mean == 0:  # there was no error at all
            return np.zeros_like(self._products_F)
        ridge = mean * (RIDGE / independent + 1e-9)
        return np.asarray(np.linalg.solve(self._squares_FF + ridge * np.eye(len(self._products_F)), self._products_F))


class _Worth:
    """What corrections were worth, each before it was learned from."""

    def __init__(self, alike: float, apart: float) -> None:
        self._losses, self._seen = np.zeros(len(SHARES)), 0.0
        self._begun: int | None = None
        self._alike, self._apart = alike, apart  # forecasts that count as one, and steps between independent ones

    def see(self, error_NK: Floats, said_NK: Floats, at_N: Indices) -> None:
        """Take errors, the corrections that were in force, and when."""
        self._losses *= FADE
        self._seen *= FADE
        if len(at_N):
            self._begun = int(at_N[0]) if self._begun is None else self._begun
            self._losses += np.abs(error_NK[..., None] - SHARES * said_NK[..., None]).sum(axis=(0, 1))
            self._seen += len(at_N)

    def share(self, now: int, independent: float) -> float:
        """Return the share of a correction that should be added; it was learned from so many independent origins."""
        trust = TRUST * independent / (independent + ENOUGH)
        if self._begun is None:
            return trust
        best = float(SHARES[np.argmin(self._losses + MARGIN * SHARES * self._losses[0])])
        n = max(0.0, min(self._seen / self._alike, (now - self._begun) / self._apart))
        return (PRIOR * trust + n * best) / (PRIOR + n)
