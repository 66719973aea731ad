"""Intervals that follow a drift: factors on their widths, from what the same pass said before and what has come since.

At an origin the truths of earlier forecasts are known, and with them their scores (see ``conformal``).  The factor is
again the score that so many percent keep to; newer ones count more, and a few of them do not move it far from 1.

Sources: Gibbs & Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021; Barber, Candès, Ramdas &
Tibshirani, "Conformal prediction beyond exchangeability", Annals of Statistics 51(2), 2023 (weights that fade).

Key: S series, O past origin, P origin to forecast from, H step ahead, Q quantile, L interval, N score.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatecast.config import MEDIAN, QUANTILES
from gatecast.conformal import ASKED, at_every_step, between_knots, interval_scores, pools, rescale
from gatecast.errors import DataError, SettingsError

__all__ = ["Pace", "adaptive_factors", "follow", "remembered", "rescale", "sampled_steps"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

RANGE = (0.1, 10.0)  # of a factor: one absurd value cannot open an interval without end
SAMPLED = 3  # steps of those that share a factor that are looked at: neighbours say nearly the same
FORGOTTEN = 8  # half-lives after which what came counts no more
CELLS = 2_000_000  # scores at a time
TOGETHER = 64  # origins whose past is sorted once, at most
WEIGHED = 8_000_000  # scores times origins at most, so that memory stays small
CACHED = 50_000  # weights added up at a time, so that they stay in the cache


class Pace(NamedTuple):
    """How fast factors follow.

    Attributes:
        half_life: steps after which what came of a forecast one step ahead counts half; of one k steps ahead it is √k
            times as many, since forecasts that share steps say less.
        prior: independent forecasts with which a factor goes half the way from 1, in logarithms.
    """

    half_life: float = 50.0
    prior: float = 5.0


def adaptive_factors(
    truth_SOH: ArrayLike,
    quantiles_SOHQ: ArrayLike,
    origins_SO: ArrayLike,
    now_SP: ArrayLike,
    pace: Pace | None = None,
    common_PHQ: ArrayLike = 1.0,
) -> Floats:
    """Return factors (S, P, H, Q) on the distances from the median, for forecasts made at ``now_SP``.

    Used at an origin are the forecasts whose truth has come by then: those of step h from origins at least h steps
    before.  Later truths and forecasts are never read, whatever the arrays hold.  Both sides of an interval have one
    factor, and the median has 1.  Neighbouring steps share theirs, and between powers of two it is interpolated over
    the logarithm of the step, so that no step jumps out.  Without any score every factor is 1.

    Args:
        truth_SOH: what came, h steps after each past origin, (S, O, H); NaN where it is missing or should not count.
        quantiles_SOHQ: what was said there, (S, O, H, Q) at ``config.QUANTILES``, as it was before any adaptation.
        origins_SO: step of each past origin, (S, O), or (O,) where all series have the same; increasing.
        now_SP: steps to forecast from, (S, P) or (P,).
        pace: how fast the factors follow.
        common_PHQ: factors (P, H, Q) that hold for all series together; a series with few scores stays near these.

    Raises:
        SettingsError: the pace has a number that is not above 0.
        DataError: the shapes do not fit each other.
    """
    pace = pace or Pace()
    if not all(number > 0 for number in pace):
        raise SettingsError(f"{pace}: give a half-life and a prior above 0")
    truth, quantiles = np.asarray(truth_SOH, np.float64), np.asarray(quantiles_SOHQ, np.float64)
    if truth.ndim != 3 or quantiles.shape != (*truth.shape, len(QUANTILES)):
        raise DataError(
            f"truth has shape {truth.shape} and quantiles {quantiles.shape}; give (S, O, H) and (S, O, H, 13)"
        )
    series, count, horizon = truth.shape
    origins, now = np.asarray(origins_SO, np.int64), np.asarray(now_SP, np.int64)
    if origins.shape[-1:] != (count,) or now.ndim not in (1, 2):
        raise DataError(f"{origins.shape} origins for {count} forecasts, asked at {now.shape}; give (S, O) and (S, P)")
    origins = np.broadcast_to(origins, (series, count))
    now = np.broadcast_to(now, (series, now.shape[-1]))
    around = pools(horizon)
    logs = np.zeros((series, now.shape[1], len(around), MEDIAN))
    shares = np.zeros((*logs.shape[:3], 1))
    for rows in _few(series, count):
        for place, (knot, steps) in enumerate((pool.knot, _few_of(pool.steps)) for pool in around):
            scores = interval_scores(truth[rows][..., steps - 1], quantiles[rows][..., steps - 1, :])
            known_at = origins[rows, :, None] + steps
            alike = _overlap(origins[rows], knot) * len(steps)
            slower = pace._replace(half_life=pace.half_life * np.sqrt(knot))
            found = _log_factors(scores, known_at, now[rows], alike, slower)
            logs[rows, :, place], shares[rows, :, place] = found
    knots = [pool.knot for pool in around]
    drawn = np.asarray(common_PHQ, np.float64) ** (1 - between_knots(shares, knots, horizon))
    return np.asarray(drawn * at_every_step(logs, knots, horizon))


def remembered(horizon: int, pace: Pace | None = None) -> int:
    """Return how many steps back forecasts of ``horizon`` steps are still read."""
    return int(FORGOTTEN * (pace or Pace()).half_life * np.sqrt(pools(horizon)[-1].knot))


def follow(truth_SOH: ArrayLike, quantiles_SOHQ: ArrayLike, origins_SO: ArrayLike, pace: Pace | None = None) -> Floats:
    """Return the forecasts of many origins, (S, O, H, Q), each adapted to what had come of the earlier ones by then.

    The arguments are those of ``adaptive_factors``.
    """
    factors_SOHQ = adaptive_factors(truth_SOH, quantiles_SOHQ, origins_SO, origins_SO, pace)
    return rescale(quantiles_SOHQ, factors_SOHQ)


def sampled_steps(horizon: int) -> Indices:
    """Return the steps ahead whose scores are looked at; what was said of others may be anything."""
    return np.concatenate([_few_of(pool.steps) for pool in pools(horizon)])


def _few_of(steps: Indices) -> Indices:
    """Some of the steps of a pool, first and last included."""
    return np.unique(np.linspace(steps[0], steps[-1], min(SAMPLED, len(steps))).round().astype(np.int64))


def _few(series: int, origins: int) -> Iterator[slice]:
    """Slices of the series, so that memory stays small."""
    together = max(1, CELLS // max(1, origins * SAMPLED * MEDIAN))
    for begin in range(0, series, together):
        yield slice(begin, begin + together)


def _overlap(origins_SO: Indices, step: int) -> Floats:
    """How many neighbouring origins' forecasts share steps, (S,): they count as one.

    Where a series has fewer origins than others, what fills its row stands at one step and is no origin.
    """
    apart_SD = np.diff(origins_SO, axis=1)
    some_S = (apart_SD > 0).any(axis=1)
    spacing_S = np.ones(len(origins_SO))
    spacing_S[some_S] = np.nanmedian(np.where(apart_SD > 0, apart_SD, np.nan)[some_S], axis=1)
    return np.asarray(np.where(some_S, np.maximum(step / spacing_S, 1.0), 1.0))


class _Logs(NamedTuple):
    """Logarithms of factors (S, P, L), drawn to 0 by what their shares (S, P, 1) lack of 1."""

    log_SPL: Floats
    share_SP1: Floats


def _log_factors(scores_SOKL: Floats, known_at_SOK: Indices, now_SP: Indices, overlap_S: Floats, pace: Pace) -> _Logs:
    """Return logarithms of factors, and their shares, from the scores known at each ``now``; a few of these at once."""
    logs, shares = np.zeros((*now_SP.shape, scores_SOKL.shape[-1])), np.zeros((*now_SP.shape, 1))
    together = max(1, min(TOGETHER, WEIGHED // max(1, scores_SOKL.size)))
    for begin in range(0, now_SP.shape[1], together):
        some = slice(begin, begin + together)
        now_SB = now_SP[:, some]
        first, last = (edge(now_SB, axis=1)[:, None, None] for edge in (np.min, np.max))
        used_SOK = (known_at_SOK <= last) & (known_at_SOK >= first - FORGOTTEN * pace.half_life)
        used_O = used_SOK.any(axis=(0, 2))
        if used_O.any():
            past = scores_SOKL[:, used_O], known_at_SOK[:, used_O]
            logs[:, some], shares[:, some] = _weighted(*past, now_SB, overlap_S, pace)
    return _Logs(logs, shares)


def _weighted(scores_SOKL: Floats, known_at_SOK: Indices, now_SB: Indices, overlap_S: Floats, pace: Pace) -> _Logs:
    """Return logarithms of factors (S, B, L): weighted quantiles of the scores known at each ``now``, drawn to 0."""
    series, *_, intervals = scores_SOKL.shape
    scores_SLN = np.ascontiguousarray(scores_SOKL.reshape(series, -1, intervals).swapaxes(1, 2))
    order_SLN = np.argsort(scores_SLN, axis=2)  # NaN comes last
    sorted_SLN = np.take_along_axis(scores_SLN, order_SLN, axis=2)
    counts_SN = np.asarray(np.isfinite(scores_SLN).all(axis=1))
    weight_BSN = _weights(counts_SN, known_at_SOK.reshape(series, -1), now_SB, pace)
    total_BS, squares_BS = (np.cumsum(part, axis=2)[..., -1] for part in (weight_BSN, weight_BSN**2))  # no 0 moves them
    some_BS = total_BS > 0
    n_BS = total_BS**2 / np.where(some_BS, squares_BS, 1.0) / overlap_S  # as many equal and independent (Kish 1965)
    share_BS1 = (n_BS / (n_BS + pace.prior))[..., None]
    hold_BSL = np.minimum(ASKED * (1 + 1 / (n_BS + pace.prior)[..., None]), 1.0) * total_BS[..., None]
    place_BSL = np.empty(hold_BSL.shape, np.int64)
    order_SLN += np.arange(series)[:, None, None] * order_SLN.shape[2]
    together = max(1, CACHED // order_SLN.size)
    for begin in range(0, len(place_BSL), together):
        some = slice(begin, begin + together)
        up_to_BSLN = weight_BSN[some].reshape(-1, order_SLN.size // intervals).take(order_SLN, axis=1)
        np.cumsum(up_to_BSLN, axis=3, out=up_to_BSLN)
        place_BSL[some] = np.argmax(up_to_BSLN >= hold_BSL[some][..., None] * (1 - 1e-12), axis=3)
    found_SLB = np.take_along_axis(sorted_SLN, np.moveaxis(place_BSL, 0, 2), axis=2)
    found_BSL = np.where(some_BS[..., None], np.clip(np.moveaxis(found_SLB, 2, 0), *RANGE), 1.0)
    return _Logs((share_BS1 * np.log(found_BSL)).swapaxes(0, 1), share_BS1.swapaxes(0, 1))


def _weights(counts_SN: Mask, known_at_SN: Indices, now_SB: Indices, pace: Pace) -> Floats:
    """Return what each score weighs at each ``now``, (B, S, N): it halves with age, and is 0 before it is known."""
    most = min(int(FORGOTTEN * pace.half_life), max(0, int(now_SB.max() - known_at_SN.min())))
    by_age = np.append(0.5 ** (np.arange(most + 1) / pace.half_life), 0.0)
    age_BSN = now_SB.T[..., None] - known_at_SN
    age_BSN[(age_BSN < 0) | (age_BSN > most) | ~counts_SN] = most + 1
    return np.asarray(by_age.take(age_BSN))
