"""May the intervals be believed?  Coverage asked and held, its exact binomial interval, and Christoffersen's tests.

Sources: Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26(4), 1934; Christoffersen, "Evaluating interval forecasts", Int. Economic Review 39(4), 1998.

Key: S series, O origin in time order, H step ahead, Q quantile at ``config.QUANTILES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gatecast import metrics
from gatecast.errors import DataError, SettingsError
from gatecast.significance import FEWEST_ORIGINS, long_run_variance

Array = npt.NDArray[np.float64]

TOLERATED = 0.03  # an interval holds when its coverage is this close to what was asked, or within the binomial band
SURE = 0.95  # of the band, and of the interval of the coverage


class Christoffersen(NamedTuple):
    """Are the misses as many as they should be, and scattered evenly?  p values: small when not."""

    misses: int
    origins: int
    p_unconditional: float  # as many misses as asked
    p_independence: float  # a miss is as likely after a miss as after a hit
    p_conditional: float  # both at once


def christoffersen(inside: npt.ArrayLike, asked: float) -> Christoffersen:
    """Test an interval's hits in time order: their number, their independence, and both (likelihood ratios).

    Unconditional coverage: 2·(ln L(held) − ln L(asked)) against χ² with one degree of freedom.  Independence: the
    hits as a Markov chain of order one against independent ones, over the pairs of neighbours that are both known;
    against χ² with one.  Conditional: their sum against χ² with two.

    Without a miss, or with nothing but misses, there are no clusters to be seen: independence gives p = 1, and the
    other two stay defined.  Too few origins (under some 100) make the χ² a rough approximation.

    Args:
        inside: (O,) whether the interval held, or numbers 1 and 0; NaN where the truth is missing.
        asked: share in (0, 1).

    Raises:
        SettingsError: ``asked`` lies outside (0, 1).
        DataError: no truth is known.
    """
    if not 0 < asked < 1:
        raise SettingsError(f"asked is {asked}: give a share between 0 and 1, such as 0.9")
    hits = np.asarray(inside, np.float64)
    known = hits[~np.isnan(hits)]
    if hits.ndim != 1 or not known.size:
        raise DataError(f"hits have shape {hits.shape}, {known.size} known; give those of one series")
    miss = known == 0
    n, misses = known.size, int(miss.sum())
    number = _at_its_best(miss) - _likelihood(misses, n - misses, 1 - asked)
    pairs = ~np.isnan(hits[:-1]) & ~np.isnan(hits[1:])
    before, after = hits[:-1][pairs] == 0, hits[1:][pairs] == 0
    chain = -_at_its_best(after)
    for state in (False, True):
        chain += _at_its_best(after[before == state])
    number, chain = max(0.0, 2 * number), max(0.0, 2 * chain)
    return Christoffersen(
        misses,
        n,
        float(special.chdtrc(1, number)),
        float(special.chdtrc(1, chain)),
        float(special.chdtrc(2, number + chain)),
    )


def _at_its_best(miss: npt.NDArray[np.bool_]) -> float:
    """Return the logarithm of the likelihood of these misses at their own share."""
    misses, n = int(miss.sum()), miss.size
    return _likelihood(misses, n - misses, misses / max(n, 1))


def _likelihood(misses: float, hits: float, share: float) -> float:
    """Return misses·ln(share) + hits·ln(1 − share), 0·ln 0 being 0."""
    return float(special.xlogy(misses, share) + special.xlogy(hits, 1 - share))


def clopper_pearson(hits: float, origins: float, sure: float = SURE) -> tuple[float, float]:
    """Return the exact interval of a share of which ``hits`` of ``origins`` were seen; it holds at least ``sure``.

    Raises:
        SettingsError: there are more hits than origins, or no origin.
    """
    if not 0 <= hits <= origins or origins <= 0:
        raise SettingsError(f"{hits} hits of {origins}: give 0 to {origins} of at least one origin")
    tail = (1 - sure) / 2
    low = float(special.betaincinv(hits, origins - hits + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, origins - hits, 1 - tail)) if hits < origins else 1.0
    return low, high


@dataclass(frozen=True)
class Coverage:
    """How often an interval held, as shares of the forecasts."""

    asked: float
    held: float
    band: tuple[float, float]  # where 95 % of the figures of a right interval fall, with so many independent origins
    holds: bool  # within the band, or within 3 points
    confidence: tuple[float, float] = (0.0, 1.0)  # where the true coverage lies, 95 % sure
    independent: int = 0  # forecasts counted as independent of each other
    christoffersen: Christoffersen | None = None  # of the first step ahead; None for panels


def judge_coverage(
    truth: npt.ArrayLike, quantiles: npt.ArrayLike, level: int, overlap: int = 1, in_turn: bool = True
) -> Coverage:
    """Return coverage asked and held, with its binomial band, its exact interval and Christoffersen's tests.

    Band and interval count independent forecasts: every ``overlap``-th origin, and all steps of one origin as one,
    since an origin that misses at one step is likely to miss at the next.  With non-overlapping one-step forecasts
    both are exact.  The tests are those of the first step ahead, if it never overlaps.

    Args:
        truth: (O,) or (O, H); NaN where missing.
        quantiles: (O, Q) or (O, H, Q).
        level: percent.
        overlap: origins from one to the next whose forecasts share no step: steps ahead / steps between origins.
        in_turn: the first truth of an origin has come by the next one; otherwise a miss says nothing of the next, and
            there are no tests.

    Raises:
        SettingsError: no such level.
        DataError: the shapes do not fit, or no truth is known.
    """
    truth, quantiles = np.asarray(truth, np.float64), np.asarray(quantiles, np.float64)
    known = ~np.isnan(truth)
    if not known.any():
        raise DataError("no truth is known; give at least one to judge an interval by")
    asked, held = level / 100, metrics.coverage(truth, quantiles, level)
    origins = int(known.reshape(len(truth), -1).any(axis=1).sum())
    n = -(-origins // overlap)
    chance = special.bdtr(np.arange(n + 1), n, asked)
    band = (int(np.searchsorted(chance, 0.025)) / n, int(np.searchsorted(chance, 0.975)) / n)
    inside = hits(truth, quantiles, level).reshape(len(truth), -1)[:, 0]
    return Coverage(
        asked,
        held,
        band,
        band[0] <= held <= band[1] or _close(held, asked),
        clopper_pearson(held * n, n),
        n,
        christoffersen(inside, asked) if in_turn and not np.isnan(inside).all() else None,
    )


def judge_panel_coverage(
    truth: npt.ArrayLike, quantiles: npt.ArrayLike, level: int, overlap: int = 1, coincide: bool = True
) -> Coverage:
    """Return coverage asked and held over a panel, with a band from how much it differs between clusters.

    Clusters are the origins when they coincide and are at least 30 (as in ``significance.clustered_test``), and the
    series otherwise; band and interval are ± 1.96 standard errors of the mean over clusters.

    Args:
        truth: (S, O) or (S, O, H); NaN where missing.
        quantiles: (S, O, Q) or (S, O, H, Q).
        level: percent.
        overlap: as in ``judge_coverage``.
        coincide: origin o of every series is the same point in time.

    Raises:
        SettingsError: no such level.
        DataError: the shapes do not fit, or no truth is known.
    """
    truth, quantiles = np.asarray(truth, np.float64), np.asarray(quantiles, np.float64)
    asked, held = level / 100, metrics.coverage(truth, quantiles, level)
    inside = hits(truth, quantiles, level).reshape(*truth.shape[:2], -1)
    if np.isnan(inside).all():
        raise DataError("no truth is known; give at least one to judge an interval by")
    by_time = coincide and inside.shape[1] >= FEWEST_ORIGINS
    rows = (inside.swapaxes(0, 1) if by_time else inside).reshape(inside.shape[1 if by_time else 0], -1)
    means = np.nanmean(rows[~np.isnan(rows).all(axis=1)], axis=1)
    error = np.sqrt(long_run_variance(means, min(overlap, len(means)) - 1 if by_time else 0) / max(len(means) - 1, 1))
    wide = 1.96 * float(error) if len(means) > 1 else 1.0
    band, confidence = ((max(0.0, share - wide), min(1.0, share + wide)) for share in (asked, held))
    independent = -(-len(means) // overlap) if by_time else len(means)
    return Coverage(asked, held, band, band[0] <= held <= band[1] or _close(held, asked), confidence, independent)


def hits(truth: npt.ArrayLike, quantiles: npt.ArrayLike, level: int) -> Array:
    """Return 1 where the interval held and 0 where it missed, (...); NaN where truth or interval are missing."""
    lower, upper = metrics.interval(quantiles, level)
    truth = np.asarray(truth, np.float64)
    missing = np.isnan(truth) | np.isnan(lower) | np.isnan(upper)
    return np.where(missing, np.nan, (lower <= truth) & (truth <= upper))


def _close(held: float, asked: float) -> bool:
    return abs(held - asked) <= TOLERATED + 1e-12
