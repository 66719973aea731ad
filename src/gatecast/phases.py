"""What a series was like up to each of its steps: smoothed means, differences, and the phases of its seasons.

Row t of every result depends on columns up to t only.  A missing value is a hidden step: what was known before it is
held.  All arithmetic is float64.

Key: B series, T step, M phase of a season, R how many seasons in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
PHASE_RATE = 0.2  # of the smoothed value, and of what a phase of a season is usually like
BLOCK = 64  # steps smoothed with one triangular matrix
Kind = TypeVar("Kind", np.float64, np.bool_)


class Seen(NamedTuple):
    """Where series were observed, (..., T), and how often up to each step."""

    at: Mask
    times: NDArray[np.int64]
    first_of_all: int | None  # where all series begin, if none has a hole after that

    @property
    def begun(self) -> Mask:
        """Whether there has been an observed step."""
        return self.times > 0


def seen_of(at: Mask) -> Seen:
    """Return where series were observed, counted."""
    first = int(np.argmax(at.reshape(-1, at.shape[-1])[0])) if at.size else 0
    plain = bool(at[..., first:].all()) and not at[..., :first].any()
    return Seen(at, np.cumsum(at, axis=-1), first if plain else None)


def hold(x: Floats, seen: Seen) -> Floats:
    """Carry the newest observed x on; NaN before the first."""
    return _held(_together(x, seen, x.shape[-1]), seen, np.nan)


def _together(x: Floats, seen: Seen, steps: int) -> Floats:
    """The observed x of each series side by side, and zeros up to ``steps``."""
    together, first = np.zeros((*x.shape[:-1], steps)), seen.first_of_all
    if first is not None:
        together[..., : x.shape[-1] - first] = x[..., first:]
    else:
        together[np.arange(steps) < seen.times[..., -1:]] = x[seen.at]
    return together


def _held(together: Floats, seen: Seen, before: float) -> Floats:
    """Put them back to their steps, each held until the next; ``before`` the first."""
    steps, longest, first = seen.times.shape[-1], together.shape[-1], seen.first_of_all
    if first is not None:
        held = np.empty(seen.times.shape)
        held[..., :first], held[..., first:] = before, together[..., : steps - first]
        return held
    at = np.maximum(seen.times - 1, 0).reshape(-1, steps)
    at += np.arange(len(at))[:, None] * longest
    return np.where(seen.begun, together.ravel().take(at).reshape(seen.times.shape), before)


def gap(seen: Seen) -> Floats:
    """Steps since the newest observed one; 0 before the first."""
    at = np.arange(seen.at.shape[-1])
    newest = np.maximum.accumulate(np.where(seen.at, at, 0), axis=-1)
    return np.where(seen.begun, at - newest, 0).astype(np.float64)


def difference(y_BT: Floats, seen_BT: Mask, lag: int) -> tuple[Floats, Seen]:
    """y_t - y_{t-lag}, 0 where one of the two was not observed, and where both were."""
    difference_BT, both_BT = np.zeros_like(y_BT), np.zeros_like(seen_BT)
    if y_BT.shape[1] > lag:
        both_BT[:, lag:] = seen_BT[:, lag:] & seen_BT[:, :-lag]
        difference_BT[:, lag:] = np.where(both_BT[:, lag:], y_BT[:, lag:] - y_BT[:, :-lag], 0.0)
    return difference_BT, seen_of(both_BT)


def smooth(x: Floats, seen: Seen, rate: float) -> Floats:
    """Bias-corrected exponential mean over the observed steps, (..., T); held on hidden ones, 0 before the first.

    Observed steps are moved together, smoothed block by block with one triangular matrix, and moved back.
    """
    steps = x.shape[-1]
    block = min(BLOCK, max(1, steps))
    blocks = -(-steps // block)
    together = _together(x, seen, blocks * block)
    triangle, keep = _triangle(rate, block)
    inside = (together.reshape(len(x), -1, block) @ triangle.T).reshape(*x.shape[:-1], blocks, block)
    carried, left, reach = inside[..., :-1, -1].copy(), keep[block], 1  # to each block from the ``reach`` before it
    while reach < blocks - 1 and left > 0:
        carried[..., reach:] += left * carried[..., :-reach]
        left, reach = left**2, 2 * reach
    inside[..., 1:, :] += carried[..., None] * keep[1:]
    mean: Floats = inside.reshape(*x.shape[:-1], -1)
    mean /= -np.expm1(np.log1p(-rate) * np.arange(1, blocks * block + 1))
    return _held(mean, seen, 0.0)


@lru_cache(maxsize=16)
def _triangle(rate: float, block: int) -> tuple[Floats, Floats]:
    """What each step of a block weighs in each later one, and what is left of the start after 0 ... ``block`` steps."""
    keep = np.asarray((1 - rate) ** np.arange(block + 1), np.float64)
    powers = np.arange(block)[:, None] - np.arange(block)[None]
    return np.where(powers >= 0, rate * keep[np.maximum(powers, 0)], 0.0), keep


# ------------------------------------------------------------------------------------------- seasons


class Phases(NamedTuple):
    """What every step knows of one season, (B, T) each."""

    newest_BT: Floats  # newest observed value of the phase of t, NaN where none was
    middle_BT: Floats  # mean of the newest season, NaN before the first value
    usual_BT: Floats  # how far above the mean of its season the phase of t usually is, NaN where none was observed
    usual_last_BT: Floats  # the same of the newest observed step: its own phase
    change_BT: Floats  # of the newest observed value, from one season before it; NaN where that one is missing


def phases_of(values_BT: Floats, seen: Seen, season: int) -> tuple[Phases, Floats]:
    """Take a season apart.

    Args:
        values_BT: the series.
        seen: where they were observed.
        season: its length; 1 is no season.

    Returns:
        What every step knows of the season, this step included; and how far a value is above what its phase was
        usually like before it, 0 where one of the two is missing.
    """
    last_BT = hold(values_BT, seen)
    if season == 1:
        unknown_BT = np.full_like(last_BT, np.nan)
        return Phases(last_BT, last_BT, unknown_BT, unknown_BT, unknown_BT), np.zeros_like(last_BT)
    middle_BT = window_mean(np.where(seen.at, values_BT, 0.0), seen, season)
    seen_BMR = seen_of(_by_phase(seen.at, season, True))  # steps after the end are cut off again
    away_BMR = np.where(seen_BMR.at, _by_phase(values_BT - middle_BT, season), 0.0)
    usual_BMR = np.where(seen_BMR.begun, smooth(away_BMR, seen_BMR, PHASE_RATE), np.nan)
    surprise_BMR = np.zeros_like(usual_BMR)
    both_BMR = seen_BMR.at[..., 1:] & seen_BMR.begun[..., :-1]
    surprise_BMR[..., 1:] = np.where(both_BMR, away_BMR[..., 1:] - usual_BMR[..., :-1], 0.0)
    newest_BMR = hold(_by_phase(values_BT, season), seen_BMR)
    steps = values_BT.shape[1]
    newest_BT, usual_BT, surprise_BT = (_by_step(part, steps) for part in (newest_BMR, usual_BMR, surprise_BMR))
    change_BT, both = difference(np.where(seen.at, values_BT, 0.0), seen.at, season)
    change_BT = hold(np.where(both.at, change_BT, np.nan), seen)
    return Phases(newest_BT, middle_BT, usual_BT, hold(usual_BT, seen), change_BT), surprise_BT


def _by_phase(table_BT: NDArray[Kind], season: int, after: bool = False) -> NDArray[Kind]:
    """Lay the steps of each phase side by side, (B, M, R), with ``after`` for those after the end."""
    return _in_seasons(table_BT, season, after).swapaxes(1, 2)


def _in_seasons(table_BT: NDArray[Kind], season: int, after: bool = False) -> NDArray[Kind]:
    """Cut series into seasons, (B, R, M); after their end there is ``after``."""
    batch, steps = table_BT.shape
    if steps % season:
        padded = np.full((batch, steps + -steps % season), after, table_BT.dtype)
        padded[:, :steps] = table_BT
        table_BT = padded
    return table_BT.reshape(batch, -1, season)


def _by_step(table_BMR: Floats, steps: int) -> Floats:
    return table_BMR.swapaxes(1, 2).reshape(len(table_BMR), -1)[:, :steps]


def window_mean(y_BT: Floats, seen: Seen, window: int) -> Floats:
    """Mean of the observed values among the last ``window``; held on hidden steps, NaN before the first.

    Every sum is of two partial sums that start afresh at a block's edge, so no absurd value lingers in it.
    """
    count = _window_sum(seen.at.astype(np.float64), window)
    mean = np.divide(_window_sum(y_BT, window), count, out=np.full_like(y_BT, np.nan), where=count > 0)
    return hold(mean, seen)


def _window_sum(x_BT: Floats, window: int) -> Floats:
    batch, steps = x_BT.shape
    padded = _in_seasons(x_BT, window)
    up_to = np.cumsum(padded, axis=2)
    after = np.cumsum(padded[:, :, ::-1], axis=2)[:, :, ::-1]  # sum from here to the end of the block
    up_to[:, 1:, :-1] += after[:, :-1, 1:]
    return up_to.reshape(batch, -1)[:, :steps]
