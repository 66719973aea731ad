"""Causal scaling: what the network reads at step t is computed from the values up to t, and from nothing else.

Two scalings share one result.  ``Running`` follows level and scale as they move (Smyl 2020, ES-RNN, is the model for
this); ``Fixed`` takes both from the training part once, for stationary signals such as a sine.  A missing value is a
hidden step: the level keeps its last value and every difference says by a flag of its own whether it was observed.

Key: B series, T step, C input channel.  All arithmetic is float64; the input channels are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from gatecast.covariates import Widths

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CHANNELS = (
    "value",  # asinh of (value - level) / scale
    "level_change",
    "change",  # from the step before
    "season_change",  # from one season before
    "second_season_change",
    "fast_scale",  # log of a quick mean of |change| over the scale: is it getting rougher?
    "slow_scale",
    "scale_to_size",  # log of scale over mean size: shifting a series is meant to matter
    "age",  # log of the number of observed steps, capped
    "gap",  # log of the steps since a value was observed, capped; 0 where one is
    "log_season",
    "log_second_season",
    "observed",
    "change_observed",
    "season_change_observed",
    "second_season_change_observed",
    "smooth_gap",  # from the smoothed value
    "season_surprise",  # from what the phase of the season is usually like
    "second_season_surprise",
)
INPUT_CHANNELS = 3  # for every past-only or known-future column: value, change, observed
STATIC_CHANNELS = 1  # for every static column
FLOOR = 2e-3  # a scale is at least this share of the mean size: a constant series has one
KNOWN_FLOOR = 0.1  # the running spread of a known-future column is at least this share of its spread in training
SIZE_RATE, FAST_RATE, SLOW_RATE = 0.1, 0.3, 0.02
PHASE_RATE = 0.2  # of the smoothed value, and of what a phase of a season is usually like
MOST_AGE = 200.0
MOST_GAP = 256.0
FEATURES = 18  # what the head is told about one step ahead, see ask()
KNOWN_FEATURES = 2  # and for every known-future column: its value then, and that value as the series goes
CANDIDATES = 8  # level; newest value, and of the phase of seasons 1 and 2; smoothed value, and of these phases; trend
PATH = 10  # Chebyshev polynomials over the steps ahead
REACH = 64  # the steps ahead the polynomials span


def channels_for(widths: Widths) -> int:
    """Return how many numbers the network reads at each step."""
    return len(CHANNELS) + INPUT_CHANNELS * (widths.past + widths.known) + STATIC_CHANNELS * widths.static


def features_for(widths: Widths) -> int:
    """Return how many numbers the head is told about each step ahead."""
    return FEATURES + KNOWN_FEATURES * widths.known


class Covariates(NamedTuple):
    """Columns beside the target as numbers, encoded by ``covariates``; NaN is missing, None is none.

    ``known_JBT`` may be longer than the series: the steps after their end are the future.
    """

    past_PBT: Floats | None = None
    known_JBT: Floats | None = None
    static_GB: Floats | None = None

    def rows(self, kept: NDArray[np.int64] | slice) -> Covariates:
        """Return those of these series only."""
        return Covariates(*(None if part is None else part[:, kept] for part in self))

    def until(self, end: int, future: int = 0) -> Covariates:
        """Return them as known at step ``end`` - 1: nothing later but ``future`` steps of what is known in advance."""
        past, known, static = self
        return Covariates(
            None if past is None else past[..., :end], None if known is None else known[..., : end + future], static
        )


class Known(NamedTuple):
    """Known-future columns, (J, B, …): their values, the future included, and mean and spread at every step so far."""

    value_JBT: Floats
    mean_JBT: Floats
    spread_JBT: Floats


class Scaled(NamedTuple):
    """Series as the network sees them; the row of step t holds nothing later than t."""

    inputs_BTC: NDArray[np.float32]
    level_BT: Floats
    scale_BT: Floats  # forecasts are level + scale x what the head says; 0 where there is nothing but zeros
    last_BT: Floats  # newest observed value, NaN before the first
    newest_BT: tuple[Floats, ...]  # per season: newest observed value of the phase of t, NaN where none was
    smooth_BT: Floats  # smoothed value, NaN before the first
    usual_BT: tuple[Floats, ...]  # per season: how far above the mean of a season the phase of t usually is, NaN: never
    middle_BT: tuple[Floats, ...]  # per season: mean of the newest one
    slope_BT: Floats  # smoothed change a step, 0 before the first
    known: Known | None = None


@dataclass(frozen=True)
class Running:
    """Level and scale that follow the series; multiplying a series by c > 0 multiplies both by c."""

    seasons: tuple[int, ...] = (1,)

    @property
    def rate(self) -> float:
        """Smoothing rate of the scale: slower where a season is long."""
        return 0.05 if self.seasons[0] >= 12 else 0.1

    def as_dict(self) -> dict[str, object]:
        """The scaling as plain values, for a model file."""
        return {"kind": "running", "seasons": list(self.seasons)}


@dataclass(frozen=True)
class Fixed:
    """Level and scales as numbers, taken from the training part once."""

    seasons: tuple[int, ...] = (1,)
    level: float = 0.0
    scale: float = 1.0
    change: float = 1.0  # root mean square of the changes: their own unit
    season_changes: tuple[float, ...] = (1.0,)

    def as_dict(self) -> dict[str, object]:
        """The scaling as plain values, for a model file."""
        return {
            "kind": "fixed",
            "seasons": list(self.seasons),
            "level": self.level,
            "scale": self.scale,
            "change": self.change,
            "season_changes": list(self.season_changes),
        }


Scaling = Running | Fixed


def scaling_from(values: dict[str, object]) -> Scaling:
    """Rebuild a scaling from ``as_dict``."""
    settings = dict(values)
    kind = settings.pop("kind")
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return Running(**settings) if kind == "running" else Fixed(**settings)  # type: ignore[arg-type]


def fixed_from(training: Floats, seasons: tuple[int, ...]) -> Fixed:
    """Take the level and the scales of ``training`` (one series or several, (..., T), NaN where missing)."""

    def spread(lag: int) -> float:
        change = training[..., lag:] - training[..., :-lag] if training.shape[-1] > lag else np.zeros(1)
        change = change[np.isfinite(change)]
        size = float(np.sqrt(np.mean(change**2))) if len(change) else 0.0
        return size if size > 0 else 1.0

    seen = training[np.isfinite(training)]
    scale = float(seen.std())
    if scale <= 1e-12 * abs(float(seen.mean())):  # a constant: what is left is rounding
        scale = FLOOR * abs(float(seen.mean()))
    return Fixed(seasons, float(seen.mean()), scale, spread(1), tuple(spread(season) for season in seasons))


def scale_series(values_BT: Floats, scaling: Scaling, more: Covariates | None = None) -> Scaled:
    """Scale whole series at once.

    Args:
        values_BT: series in original units, NaN where missing; shorter ones are padded with NaN on the left.
        scaling: running or fixed.
        more: columns beside the target; each that moves is scaled by a running scale of its own.

    Returns:
        Scaled series; row t of every array depends on ``values_BT[:, : t + 1]`` only.
    """
    seen = np.isfinite(values_BT)
    y = np.where(seen, values_BT, 0.0)
    last = fill_forward(values_BT, seen)
    seasons = scaling.seasons
    smooth = np.where(np.isfinite(last), _smooth(y, seen, PHASE_RATE), np.nan)
    middles = [last if season == 1 else _window_mean(y, seen, season) for season in seasons]
    usual, surprises = zip(
        *(_usual_of_phase(values_BT - middle, seen, season) for season, middle in zip(seasons, middles, strict=True)),
        strict=True,
    )
    change, change_seen = _difference(y, seen, 1)
    season_changes = [_difference(y, seen, season) for season in seasons]
    rate = 0.05 if seasons[0] >= 12 else 0.1
    long, long_seen = season_changes[0]
    slope = np.where(
        np.maximum.accumulate(long_seen, axis=1),
        _smooth(long, long_seen, rate) / seasons[0],
        _smooth(change, change_seen, rate),
    )
    if isinstance(scaling, Fixed):
        level = np.full_like(y, scaling.level)
        scale = np.full_like(y, scaling.scale)
        units = [np.full_like(y, unit) for unit in (scaling.change, *scaling.season_changes)]
        roughness = [np.zeros_like(y)] * 3
    else:
        level = np.where(np.isfinite(middles[0]), middles[0], 0.0)
        size = _smooth(np.abs(y), seen, SIZE_RATE)
        short = _smooth(np.abs(change), change_seen, scaling.rate)
        long, long_seen = season_changes[0]
        season_scale = _smooth(np.abs(long), long_seen, scaling.rate)
        scale = np.where(np.maximum.accumulate(long_seen, axis=1), season_scale, short)
        scale = np.maximum(scale, FLOOR * size)
        units = [scale] * (1 + len(seasons))
        fast, slow = (_smooth(np.abs(change), change_seen, rate) for rate in (FAST_RATE, SLOW_RATE))
        roughness = [_log_ratio(fast, scale), _log_ratio(slow, scale), _log_ratio(scale, size)]
    level_change = np.zeros_like(y)
    level_change[:, 1:] = np.diff(level, axis=1) * np.maximum.accumulate(seen, axis=1)[:, :-1]
    season_changes += [(np.zeros_like(y), np.zeros_like(seen))] * (2 - len(seasons))
    units += [np.ones_like(y)] * (3 - len(units))
    logs = [np.log(season) for season in (*seasons, 1)[:2]]
    channels = [
        squash(y - level, scale) * seen,
        squash(level_change, scale),
        squash(change, units[0]),
        squash(season_changes[0][0], units[1]),
        squash(season_changes[1][0], units[2]),
        *(ratio * seen for ratio in roughness),
        np.log1p(np.minimum(np.cumsum(seen, axis=1), MOST_AGE)) / 5,
        np.log1p(np.minimum(_gap(seen), MOST_GAP)) / 5,
        np.full_like(y, logs[0] / 4),
        np.full_like(y, logs[1] / 4),
        seen,
        change_seen,
        season_changes[0][1],
        season_changes[1][1],
        squash(np.where(seen, y - smooth, 0.0), scale),
        *(squash(surprise, unit) for surprise, unit in zip(surprises, units[1:], strict=False)),
    ]
    channels += [np.zeros_like(y)] * (2 - len(seasons))
    past_PBT, known_JBT, static_GB = more or Covariates()
    for column_BT in () if past_PBT is None else past_PBT:
        channels += _further(column_BT, 0.0)[0]
    moving = []
    for column_BT in () if known_JBT is None else known_JBT:
        own, mean, spread = _further(column_BT[:, : y.shape[1]], KNOWN_FLOOR)
        channels += own
        moving.append((mean, spread))
    for column_B in () if static_GB is None else static_GB:
        told_B = np.arcsinh(np.where(np.isfinite(column_B), column_B, 0.0))
        channels.append(np.broadcast_to(told_B[:, None], y.shape))
    inputs = np.stack([np.asarray(channel, np.float32) for channel in channels], axis=-1)
    newest = tuple(_newest_of_phase(values_BT, seen, season) for season in seasons)
    known = None
    if known_JBT is not None and moving:
        means, spreads = (np.stack(parts) for parts in zip(*moving, strict=True))
        known = Known(known_JBT, means, spreads)
    return Scaled(inputs, level, scale, last, newest, smooth, tuple(usual), tuple(middles), slope, known)


def squash(x: Floats, unit: Floats) -> Floats:
    """asinh of x in its unit: linear near zero, logarithmic far out; zero where the unit is zero."""
    return np.asarray(np.arcsinh(np.divide(x, unit, out=np.zeros_like(x), where=unit > 0)))


def fill_forward(values_BT: Floats, seen_BT: Mask) -> Floats:
    """Carry the newest observed value on; NaN before the first."""
    where = np.where(seen_BT, np.arange(values_BT.shape[1]), 0)
    return np.asarray(np.take_along_axis(values_BT, np.maximum.accumulate(where, axis=1), axis=1))


def _gap(seen_BT: Mask) -> Floats:
    """Steps since the newest observed value; 0 before the first."""
    at = np.arange(seen_BT.shape[1])
    newest = np.maximum.accumulate(np.where(seen_BT, at, -1), axis=1)
    return np.where(newest >= 0, at - newest, 0).astype(np.float64)


def _log_ratio(above: Floats, below: Floats) -> Floats:
    """log(above / below) held within +-7 and a third of its size; 0 where either is 0."""
    known = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.ones_like(above), where=known)
    return np.asarray(np.clip(np.log(np.maximum(ratio, 1e-300)), -7, 7) / 3)


def _difference(y: Floats, seen: Mask, lag: int) -> tuple[Floats, Mask]:
    """y_t - y_{t-lag} and whether both ends were observed."""
    difference, both = np.zeros_like(y), np.zeros_like(seen)
    if y.shape[1] > lag:
        both[:, lag:] = seen[:, lag:] & seen[:, :-lag]
        difference[:, lag:] = np.where(both[:, lag:], y[:, lag:] - y[:, :-lag], 0.0)
    return difference, both


def _smooth(x_BT: Floats, seen_BT: Mask, rate: float) -> Floats:
    """Bias-corrected exponential mean over the observed steps; held on hidden ones, 0 before the first.

    Observed steps are moved together, smoothed block by block with one triangular matrix, and moved back.
    """
    batch, steps = x_BT.shape
    order = np.argsort(~seen_BT, axis=1, kind="stable")
    x = np.take_along_axis(np.where(seen_BT, x_BT, 0.0), order, axis=1)
    block = min(128, steps)
    blocks = -(-steps // block)
    x = np.pad(x, ((0, 0), (0, blocks * block - steps))).reshape(batch, blocks, block)
    keep = (1 - rate) ** np.arange(block + 1)
    powers = np.arange(block)[:, None] - np.arange(block)[None]
    inside = x @ np.where(powers >= 0, rate * keep[np.maximum(powers, 0)], 0.0).T
    carried = np.zeros((batch, blocks))
    for b in range(1, blocks):
        carried[:, b] = inside[:, b - 1, -1] + carried[:, b - 1] * keep[block]
    mean = (inside + carried[:, :, None] * keep[1:]).reshape(batch, -1)[:, :steps]
    mean /= -np.expm1(np.log1p(-rate) * np.arange(1, steps + 1))
    count = np.cumsum(seen_BT, axis=1)
    held = np.take_along_axis(mean, np.maximum(count - 1, 0), axis=1)
    return np.where(count > 0, held, 0.0)


def _window_mean(y: Floats, seen: Mask, window: int) -> Floats:
    """Mean of the observed values among the last ``window``; held on hidden steps, NaN before the first.

    Every sum is of two partial sums that start afresh at a block's edge, so no absurd value lingers in it.
    """
    count = _window_sum(seen.astype(np.float64), window)
    mean = np.divide(_window_sum(y, window), count, out=np.full_like(y, np.nan), where=count > 0)
    return fill_forward(mean, seen)


def _window_sum(x: Floats, window: int) -> Floats:
    batch, steps = x.shape
    blocks = -(-steps // window)
    padded = np.pad(x, ((0, 0), (0, blocks * window - steps))).reshape(batch, blocks, window)
    up_to = np.cumsum(padded, axis=2)
    after = np.cumsum(padded[:, :, ::-1], axis=2)[:, :, ::-1]  # sum from here to the end of the block
    before = np.zeros_like(after)
    before[:, 1:, :-1] = after[:, :-1, 1:]
    return np.asarray((up_to + before).reshape(batch, -1)[:, :steps])


def _newest_of_phase(values: Floats, seen: Mask, season: int) -> Floats:
    """For every step the newest observed value a whole number of seasons back (0 included); NaN where none was."""
    batch, steps = values.shape
    rows = -(-steps // season)
    pad = ((0, 0), (0, rows * season - steps))
    table = np.pad(values, pad, constant_values=np.nan).reshape(batch, rows, season)
    known = np.pad(seen, pad).reshape(batch, rows, season)
    where = np.maximum.accumulate(np.where(known, np.arange(rows)[:, None], 0), axis=1)
    return np.take_along_axis(table, where, axis=1).reshape(batch, -1)[:, :steps]


def _usual_of_phase(away_BT: Floats, seen: Mask, season: int) -> tuple[Floats, Floats]:
    """How far above the mean of its season the phase of every step usually is, and how much that was missed by.

    Args:
        away_BT: the series less the mean of the newest season.
        seen: where the series was observed.
        season: its length.

    Returns:
        The smoothed ``away_BT`` of each phase, this step included, NaN before the first; and ``away_BT`` less what it
        was before, 0 where one of the two is missing.
    """
    if season == 1:
        return np.full_like(away_BT, np.nan), np.zeros_like(away_BT)
    batch, steps = away_BT.shape
    rows = -(-steps // season)
    pad = ((0, 0), (0, rows * season - steps))

    def phases(table: Floats | Mask) -> Any:  # (B x season, rows)
        return np.pad(table, pad).reshape(batch, rows, season).swapaxes(1, 2).reshape(-1, rows)

    known = phases(seen)
    away = np.where(known, phases(away_BT), 0.0)
    usual = np.where(np.maximum.accumulate(known, axis=1), _smooth(away, known, PHASE_RATE), np.nan)
    surprise = np.zeros_like(usual)
    surprise[:, 1:] = np.where(known[:, 1:] & np.isfinite(usual[:, :-1]), away[:, 1:] - usual[:, :-1], 0.0)
    usual_BT, surprise_BT = (
        part.reshape(batch, season, rows).swapaxes(1, 2).reshape(batch, -1)[:, :steps] for part in (usual, surprise)
    )
    return usual_BT, surprise_BT


def _further(values_BT: Floats, floor: float) -> tuple[list[NDArray[np.generic]], Floats, Floats]:
    """The three channels of a column that moves, under a running mean and spread of its own, and these two."""
    seen = np.isfinite(values_BT)
    x = np.where(seen, values_BT, 0.0)
    mean = _smooth(x, seen, SLOW_RATE)
    spread = np.maximum(_smooth(np.abs(x - mean), seen, SLOW_RATE), np.maximum(1e-9 * np.abs(mean), floor))
    change, both = _difference(x, seen, 1)
    return [squash(x - mean, spread) * seen, squash(change, spread) * both, seen], mean, spread


class Question(NamedTuple):
    """What the head is asked: N origins, K steps ahead.  Everything is normalised by level and scale at the origin."""

    features_NKF: Floats
    candidates_NKA: Floats  # in the order of CANDIDATES; 0 where not available
    available_NKA: Mask
    path_KJ: Floats


def ask(
    scaled: Scaled,
    rows_N: NDArray[np.int64],
    origins_N: NDArray[np.int64],
    steps_K: NDArray[np.int64],
    seasons: tuple[int, ...],
) -> Question:
    """Put the question to the head: at these origins, what comes ``steps_K`` steps later?

    Args:
        scaled: the series.
        rows_N: which series each origin belongs to.
        origins_N: the last step known.
        steps_K: steps ahead, 1 ... REACH.
        seasons: the season lengths of the scaling.
    """
    level_N = scaled.level_BT[rows_N, origins_N]
    scale_N = scaled.scale_BT[rows_N, origins_N]
    last_N = scaled.last_BT[rows_N, origins_N]
    shape = (len(origins_N), len(steps_K))
    found_NKA = np.full((*shape, CANDIDATES), np.nan)
    found_NKA[..., 0] = level_N[:, None]
    found_NKA[..., 1] = last_N[:, None]
    found_NKA[..., 4] = scaled.smooth_BT[rows_N, origins_N][:, None]
    for place, season in enumerate(seasons):
        if season > 1:
            at_NK = origins_N[:, None] + steps_K - -(-steps_K // season) * season
            then = rows_N[:, None], np.maximum(at_NK, 0)
            usual_NK = scaled.middle_BT[place][rows_N, origins_N][:, None] + scaled.usual_BT[place][then]
            found_NKA[..., 2 + place] = np.where(at_NK >= 0, scaled.newest_BT[place][then], np.nan)
            found_NKA[..., 5 + place] = np.where(at_NK >= 0, usual_NK, np.nan)
    base_NK = np.where(np.isfinite(found_NKA[..., 5]), found_NKA[..., 5], found_NKA[..., 1])
    found_NKA[..., 7] = base_NK + steps_K * scaled.slope_BT[rows_N, origins_N][:, None]
    known_NKJ = None if scaled.known is None else _known_then(scaled.known, rows_N, origins_N, steps_K)
    return question_from(found_NKA, (level_N, scale_N), steps_K, seasons, known_NKJ)


def _known_then(
    known: Known, rows_N: NDArray[np.int64], origins_N: NDArray[np.int64], steps_K: NDArray[np.int64]
) -> Floats:
    """The known-future features of the steps ahead; a step past their end counts as missing."""
    at_NK = origins_N[:, None] + steps_K
    within = at_NK < known.value_JBT.shape[2]
    safe_NK = np.minimum(at_NK, known.value_JBT.shape[2] - 1)
    value_JNK = np.where(within, known.value_JBT[:, rows_N[:, None], safe_NK], np.nan)
    return known_features(value_JNK, known.mean_JBT[:, rows_N, origins_N], known.spread_JBT[:, rows_N, origins_N])


def known_features(value_JNK: Floats, mean_JN: Floats, spread_JN: Floats) -> Floats:
    """Two features for each known-future column, (N, K, 2 J): its value then, plain and as the series goes."""
    seen = np.isfinite(value_JNK)
    value = np.where(seen, value_JNK, 0.0)
    unit = np.broadcast_to(spread_JN[..., None], value.shape)
    moved = squash(value - mean_JN[..., None], unit) * seen
    return np.moveaxis(np.stack([np.arcsinh(value), moved], axis=1).reshape(-1, *value.shape[1:]), 0, -1)


def question_from(
    found_NKA: Floats,
    around: tuple[Floats, Floats],
    steps_K: NDArray[np.int64],
    seasons: tuple[int, ...],
    known_NKJ: Floats | None = None,
) -> Question:
    """Normalise candidates and describe the steps ahead.

    Args:
        found_NKA: the candidates in original units, NaN where there is none.
        around: level and scale at the origins, (N,) each.
        steps_K: steps ahead.
        seasons: the season lengths of the scaling.
        known_NKJ: the features of known-future columns.
    """
    level_N, scale_N = around
    available_NKA = np.isfinite(found_NKA)
    away_NKA = np.where(available_NKA, found_NKA - level_N[:, None, None], 0.0)
    unit_NKA = np.broadcast_to(scale_N[:, None, None], away_NKA.shape)
    candidates_NKA = np.divide(away_NKA, unit_NKA, out=np.zeros_like(away_NKA), where=unit_NKA > 0)
    described_KF, path_KJ = _describe(tuple(int(step) for step in steps_K), seasons)
    more = 0 if known_NKJ is None else known_NKJ.shape[-1]
    features_NKF = np.empty((*found_NKA.shape[:2], FEATURES + more))
    features_NKF[..., :3] = np.arcsinh(candidates_NKA[..., 1:4])
    features_NKF[..., 3:6] = available_NKA[..., 1:4]
    features_NKF[..., 6:14] = described_KF
    features_NKF[..., 14:FEATURES] = np.arcsinh(candidates_NKA[..., 4:])
    if known_NKJ is not None:
        features_NKF[..., FEATURES:] = known_NKJ
    return Question(features_NKF, candidates_NKA, available_NKA, path_KJ)


@lru_cache(maxsize=4096)
def _describe(steps: tuple[int, ...], seasons: tuple[int, ...]) -> tuple[Floats, Floats]:
    """What is known of the steps ahead themselves: how far, at which phase, and the path's polynomials there."""
    steps_K = np.asarray(steps, np.float64)
    columns = [np.log(steps_K) / 4, steps_K / REACH]
    for season in (*seasons, 1)[:2]:
        turn = 2 * np.pi * steps_K / season
        columns += [np.sin(turn), np.cos(turn)] if season > 1 else [np.zeros_like(turn)] * 2
    columns += [np.full_like(steps_K, np.log(season) / 4) for season in (*seasons, 1)[:2]]
    path_KJ: Floats = chebvander(2 * steps_K / REACH - 1, PATH - 1).astype(np.float64)
    return np.stack(columns, axis=-1), path_KJ
