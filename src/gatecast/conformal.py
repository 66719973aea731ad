"""Intervals that hold: factors on the distances from the median, by which they would have held on what came.

A score says how far out a truth fell, as a share of the distance from the median to the bound on its side.  An interval
whose scores are below 1 as often as it promises is left alone; otherwise the factor is the score that so many keep to.
Since the distance is the forecast's own, what is compared is scaled by local volatility.

Sources: Vovk, Gammerman & Shafer, "Algorithmic learning in a random world", 2005; Lei, G'Sell, Rinaldo, Tibshirani &
Wasserman, "Distribution-free predictive inference for regression", JASA 113(523), 2018 (split conformal, scaled).

Key: S series, O origin, H step ahead, Q quantile, L interval from the widest inward, K knot, N score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatecast.config import MEDIAN, QUANTILES

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ASKED = 1 - 2 * np.asarray(QUANTILES[:MEDIAN])  # what the intervals should hold, (L,)
RANGE = (1e-4, 10.0)  # of a factor
WIDENED = 2.0  # independent scores with which an interval is widened half the way, in logarithms
NARROWED = 3.0  # standard errors that it has to be too wide by to be narrowed half the way


class Pool(NamedTuple):
    """Steps ahead that share a factor, around one of them."""

    knot: int
    steps: Indices


def pools(horizon: int, direct: int = 0) -> list[Pool]:
    """Return the steps that share a factor: around each power of two, from it over the root of two to times that.

    The last pool reaches up to ``horizon``.  With ``direct`` only those of later steps are returned.
    """
    found, knot = [], 1
    while knot <= horizon:
        end = horizon if 2 * knot > horizon else int(knot * np.sqrt(2))
        begin = max(int(np.ceil(knot / np.sqrt(2))), direct + 1)
        if begin <= end and knot > direct:
            found.append(Pool(knot, np.arange(begin, end + 1)))
        knot *= 2
    return found


def interval_scores(truth: Floats, quantiles: Floats) -> Floats:
    """Return how far out truths (...) fell, (..., L): 0 at the median, 1 at the bound on their side.

    NaN where the truth is missing or an interval has no width.
    """
    error = (truth - quantiles[..., MEDIAN])[..., None]
    below = quantiles[..., MEDIAN, None] - quantiles[..., :MEDIAN]
    above = quantiles[..., :MEDIAN:-1] - quantiles[..., MEDIAN, None]
    away = np.where(error < 0, below, above)
    return np.asarray(np.divide(np.abs(error), away, out=np.full(away.shape, np.nan), where=away > 0))


def log_factors(truth_SOH: Floats, quantiles_SOHQ: Floats, around: Sequence[Pool], apart: float = 1.0) -> Floats:
    """Return logarithms of the factors that make the intervals hold, (K, L), one row for each pool.

    Both sides of an interval have one factor: a side of its own would make up for a median that is off.  With n
    independent scores it is the score of rank (n + 1) · level, or the largest.

    What is found is not believed in full.  To be too narrow is the usual thing and does harm, so the logarithm of a
    factor above 1 is only multiplied by n² / (n² + ``WIDENED``²).  To be too wide may be the luck of a calm stretch, so
    one below 1 is multiplied by z² / (z² + ``NARROWED``²), with z how many standard errors, each 1 / √n, it is from 0.

    Neighbouring steps of one pool count as one.  Of neighbouring origins k forecasts share a step: they count as √k
    for rank and widening, where to count few would open the interval, and as one for narrowing.

    Args:
        truth_SOH: what came 1 ... H steps after each origin, NaN where it is not known.
        quantiles_SOHQ: what was said, before any factor.
        around: the pools.
        apart: steps from one origin to the next.
    """
    logs = np.zeros((len(around), MEDIAN))
    for place, (knot, steps) in enumerate(around):
        scores_NL = interval_scores(truth_SOH[..., steps - 1], quantiles_SOHQ[..., steps - 1, :]).reshape(-1, MEDIAN)
        scores_NL = scores_NL[np.isfinite(scores_NL).all(axis=1)]
        if len(scores_NL):
            share = max(1.0, knot / apart)
            n = max(1.0, len(scores_NL) / len(steps) / np.sqrt(share))
            hold_L = np.minimum(ASKED * (n + 1) / n, 1.0)
            rank_L = np.ceil(hold_L * len(scores_NL) - 1e-9).astype(np.int64) - 1
            found_L = np.log(np.clip(np.sort(scores_NL, axis=0)[rank_L, np.arange(MEDIAN)], *RANGE))
            squared_L = found_L**2 * n / np.sqrt(share)
            narrowed_L = squared_L / (squared_L + NARROWED**2)
            logs[place] = found_L * np.where(found_L > 0, n**2 / (n**2 + WIDENED**2), narrowed_L)
    return logs


def at_every_step(logs: Floats, knots: Sequence[int], horizon: int) -> Floats:
    """Return factors (..., H, Q) from logarithms at the knots, (..., K, L); the median's is 1."""
    factors = np.exp(between_knots(logs, knots, horizon))
    return np.concatenate([factors, np.ones((*factors.shape[:-1], 1)), factors[..., ::-1]], axis=-1)


def between_knots(table: Floats, knots: Sequence[int], horizon: int) -> Floats:
    """Return what stands at the knots, (..., K, L), at every step, (..., H, L).

    Between knots it is interpolated over the logarithm of the step, so that no step jumps out; beyond the last knot it
    stays.
    """
    where = np.interp(np.log(np.arange(1, horizon + 1)), np.log(knots), np.arange(len(knots)))
    low = where.astype(np.int64)
    high, part = np.minimum(low + 1, len(knots) - 1), (where - low)[:, None]
    return np.asarray((1 - part) * table[..., low, :] + part * table[..., high, :])


def rescale(quantiles: ArrayLike, factors: ArrayLike) -> Floats:
    """Return quantiles (..., Q) with their distances from the median multiplied; no outer one is nearer than an inner.

    Args:
        quantiles: (..., Q) at ``config.QUANTILES``.
        factors: on the distance from the median, of a shape that fits.
    """
    quantiles = np.asarray(quantiles, np.float64)
    centre = quantiles[..., MEDIAN : MEDIAN + 1]
    away = (quantiles - centre) * factors
    below = np.maximum.accumulate(-away[..., MEDIAN - 1 :: -1], axis=-1)[..., ::-1]
    above = np.maximum.accumulate(away[..., MEDIAN + 1 :], axis=-1)
    return np.concatenate([centre - below, centre, centre + above], axis=-1)
