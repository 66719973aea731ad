"""Causal scaling: what the network reads at step t is computed from the values up to t, and from nothing else.

Two scalings share one result.  ``Running`` follows level and scale as they move (Smyl 2020, ES-RNN, is the model for
this); ``Fixed`` takes both from the training part once, for stationary signals such as a sine.  A missing value is a
hidden step: the level keeps its last value and every difference says by a flag of its own whether it was observed.

Key: B series, T step, C input channel.  All arithmetic is float64; the input channels are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from gatecast.covariates import Widths
from gatecast.phases import PHASE_RATE, Phases, Seen, difference, gap, hold, phases_of, seen_of, smooth

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
MOST_AGE = 200.0
MOST_GAP = 256.0
FARTHEST = 1e3  # scales from the level beyond which a candidate counts as this far: absurd values linger in phases
FEATURES = 22  # what the head is told about one step ahead, see ask()
KNOWN_FEATURES = 2  # and for every known-future column: its value then, and that value as the series goes
CANDIDATES = 12  # level; newest value, and of the phase of seasons 1 and 2; smoothed value, and of these phases; trend;
# newest value moved on as the phases of seasons 1 and 2 usually move, and as they moved one season ago
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
    smooth_BT: Floats  # smoothed value, NaN before the first
    slope_BT: Floats  # smoothed change a step, 0 before the first
    gap_BT: Floats  # steps since the newest observed value, at most MOST_GAP
    phases: tuple[Phases, ...]  # one for each season
    known: Known | None = None


@dataclass(frozen=True)
class Running:
    """Level and scale that follow the series; multiplying a series by c > 0 multiplies both by c."""

    seasons: tuple[int, ...] = (1,)
    nearest: bool = True  # of two seasons the one whose changes are smaller makes the scale; False: the first one does

    def as_dict(self) -> dict[str, object]:
        """The scaling as plain values, for a model file."""
        return {"kind": "running", "seasons": list(self.seasons), "nearest": self.nearest}


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


def change_rate(seasons: tuple[int, ...]) -> float:
    """Smoothing rate of the changes, which a running scale and the slope are made of: slower where a season is long."""
    return 0.05 if seasons[0] >= 12 else 0.1


def scaling_from(values: dict[str, object]) -> Scaling:
    """Rebuild a scaling from ``as_dict``."""
    settings = dict(values)
    kind = settings.pop("kind")
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    if kind != "running":
        return Fixed(**settings)  # type: ignore[arg-type]
    return Running(**{"nearest": False, **settings})  # type: ignore[arg-type]  # as it was before format 4


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
    seen, seasons = seen_of(np.isfinite(values_BT)), scaling.seasons
    y = np.where(seen.at, values_BT, 0.0)
    phases, surprises = zip(*(phases_of(values_BT, seen, season) for season in seasons), strict=True)
    changes = [difference(y, seen.at, lag) for lag in (1, *seasons)]
    if isinstance(scaling, Fixed):
        around = _fixed_around(y, scaling)
    else:
        around = _running_around(y, seen, changes, phases[0].middle_BT, scaling)
    smooth_BT = np.where(seen.begun, smooth(y, seen, PHASE_RATE), np.nan)
    since_BT = np.minimum(gap(seen), MOST_GAP)
    nothing = np.zeros_like(y)
    missing = 2 - len(seasons)  # the channels of a season that is not there are 0
    changes_seen = [both.at for _, both in changes] + [np.zeros_like(seen.at)] * missing
    level_change = np.zeros_like(y)
    level_change[:, 1:] = np.diff(around.level, axis=1) * seen.begun[:, :-1]
    channels = [
        squash(y - around.level, around.scale) * seen.at,
        squash(level_change, around.scale),
        *(squash(change, unit) for (change, _), unit in zip(changes, around.units, strict=False)),
        *[nothing] * missing,
        *(ratio * seen.at for ratio in around.roughness),
        np.log1p(np.minimum(seen.times, MOST_AGE)) / 5,
        np.log1p(since_BT) / 5,
        *(np.full_like(y, np.log(season) / 4) for season in (*seasons, 1)[:2]),
        seen.at,
        *changes_seen,
        squash(np.where(seen.at, y - smooth_BT, 0.0), around.scale),
        *(squash(surprise, unit) for surprise, unit in zip(surprises, around.units[1:], strict=False)),
        *[nothing] * missing,
    ]
    beside, known = _beside(y.shape, more or Covariates())
    channels += beside
    inputs = np.empty((*y.shape, len(channels)), np.float32)
    for place, channel in enumerate(channels):
        inputs[..., place] = channel
    slope = _slope(changes, seasons)
    return Scaled(inputs, around.level, around.scale, hold(values_BT, seen), smooth_BT, slope, since_BT, phases, known)


Changes = list[tuple[Floats, Seen]]  # over one step, and over each season


class _Around(NamedTuple):
    """What values and changes are measured by, (B, T) each."""

    level: Floats
    scale: Floats
    units: list[Floats]  # of each of the changes at least
    roughness: list[Floats]


def _fixed_around(y: Floats, scaling: Fixed) -> _Around:
    """The same at every step."""
    units = [np.full_like(y, unit) for unit in (scaling.change, *scaling.season_changes, 1.0)]
    return _Around(np.full_like(y, scaling.level), np.full_like(y, scaling.scale), units, [np.zeros_like(y)] * 3)


def _running_around(y: Floats, seen: Seen, changes: Changes, middle: Floats, scaling: Running) -> _Around:
    """The mean of the newest season, and the mean size of changes from one to the next."""
    rate = change_rate(scaling.seasons)
    (short, short_seen), (long, long_seen) = changes[:2]
    size = smooth(np.abs(y), seen, SIZE_RATE)
    followed, fast, slow = (smooth(np.abs(short), short_seen, each) for each in (rate, FAST_RATE, SLOW_RATE))
    scale = np.where(long_seen.begun, smooth(np.abs(long), long_seen, rate), followed)
    for far, far_seen in changes[2:] if scaling.nearest else ():
        scale = np.where(far_seen.begun, np.minimum(scale, smooth(np.abs(far), far_seen, rate)), scale)
    scale = np.maximum(scale, FLOOR * size)
    roughness = [_log_ratio(fast, scale), _log_ratio(slow, scale), _log_ratio(scale, size)]
    return _Around(np.where(seen.begun, middle, 0.0), scale, [scale] * len(changes), roughness)


def _slope(changes: Changes, seasons: tuple[int, ...]) -> Floats:
    """Smoothed change a step: of the changes over a season once there is one, of those over a step before."""
    (short, short_seen), (long, long_seen) = changes[:2]
    slope = smooth(short, short_seen, change_rate(seasons))
    if seasons[0] == 1:
        return slope
    return np.where(long_seen.begun, smooth(long, long_seen, change_rate(seasons)) / seasons[0], slope)


def _beside(shape: tuple[int, ...], more: Covariates) -> tuple[list[NDArray[np.generic]], Known | None]:
    """The channels of the columns beside the target, and what a question will ask of those known in advance."""
    past_PBT, known_JBT, static_GB = more
    channels: list[NDArray[np.generic]] = []
    for column_BT in () if past_PBT is None else past_PBT:
        channels += _further(column_BT, 0.0)[0]
    moving = []
    for column_BT in () if known_JBT is None else known_JBT:
        own, mean, spread = _further(column_BT[:, : shape[1]], KNOWN_FLOOR)
        channels += own
        moving.append((mean, spread))
    for column_B in () if static_GB is None else static_GB:
        told_B = np.arcsinh(np.where(np.isfinite(column_B), column_B, 0.0))
        channels.append(np.broadcast_to(told_B[:, None], shape))
    if known_JBT is None or not moving:
        return channels, None
    means, spreads = (np.stack(parts) for parts in zip(*moving, strict=True))
    return channels, Known(known_JBT, means, spreads)


def _further(values_BT: Floats, floor: float) -> tuple[list[NDArray[np.generic]], Floats, Floats]:
    """The three channels of a column that moves, under a running mean and spread of its own, and these two."""
    seen = seen_of(np.isfinite(values_BT))
    x = np.where(seen.at, values_BT, 0.0)
    mean = smooth(x, seen, SLOW_RATE)
    spread = np.maximum(smooth(np.abs(x - mean), seen, SLOW_RATE), np.maximum(1e-9 * np.abs(mean), floor))
    change, both = difference(x, seen.at, 1)
    return [squash(x - mean, spread) * seen.at, squash(change, spread) * both.at, seen.at], mean, spread


def squash(x: Floats, unit: Floats) -> Floats:
    """asinh of x in its unit: linear near zero, logarithmic far out; zero where the unit is zero."""
    return np.asarray(np.arcsinh(x / np.where(unit > 0, unit, np.inf)))


def _log_ratio(above: Floats, below: Floats) -> Floats:
    """log(above / below) held within +-7 and a third of its size; 0 where either is 0."""
    known = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.ones_like(above), where=known)
    return np.asarray(np.clip(np.log(np.maximum(ratio, 1e-300)), -7, 7) / 3)


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
    at = rows_N, origins_N
    found_ANK = candidates_then(scaled, rows_N, origins_N, steps_K, seasons)
    known_NKJ = None if scaled.known is None else known_then(scaled.known, rows_N, origins_N, steps_K)
    found_NKA = np.ascontiguousarray(np.moveaxis(found_ANK, 0, -1))
    return question_from(found_NKA, (scaled.level_BT[at], scaled.scale_BT[at]), steps_K, seasons, known_NKJ)


def candidates_then(
    scaled: Scaled,
    rows_N: NDArray[np.int64],
    origins_N: NDArray[np.int64],
    steps_K: NDArray[np.int64],
    seasons: tuple[int, ...],
) -> Floats:
    """Candidates (A, N, K) for the steps ahead, in original units and the order of CANDIDATES; NaN where there is none.

    The arguments are those of ``ask``.
    """
    at = rows_N, origins_N
    found_ANK = np.full((CANDIDATES, len(origins_N), len(steps_K)), np.nan)
    last_N1 = scaled.last_BT[at][:, None]
    for place, found_N1 in ((0, scaled.level_BT[at][:, None]), (1, last_N1), (4, scaled.smooth_BT[at][:, None])):
        found_ANK[place] = found_N1
    for place, (season, phases) in enumerate(zip(seasons, scaled.phases, strict=True)):
        if season > 1:
            at_NK = origins_N[:, None] + (steps_K - -(-steps_K // season) * season)
            before_NK = at_NK < 0 if at_NK.min(initial=0) < 0 else None
            if before_NK is not None:
                np.maximum(at_NK, 0, out=at_NK)
            at_NK += (rows_N * scaled.level_BT.shape[1])[:, None]
            newest_NK, usual_NK = (table.ravel().take(at_NK) for table in (phases.newest_BT, phases.usual_BT))
            found_ANK[2 + place] = newest_NK
            np.add(phases.middle_BT[at][:, None], usual_NK, out=found_ANK[5 + place])
            np.add(last_N1 - phases.usual_last_BT[at][:, None], usual_NK, out=found_ANK[8 + place])
            np.add(newest_NK, phases.change_BT[at][:, None], out=found_ANK[10 + place])
            if before_NK is not None:
                for phased in (2, 5, 8, 10):
                    found_ANK[phased + place, before_NK] = np.nan
    base_NK = np.where(np.isfinite(found_ANK[5]), found_ANK[5], last_N1)
    found_ANK[7] = base_NK + (scaled.gap_BT[at][:, None] + steps_K) * scaled.slope_BT[at][:, None]
    return found_ANK


def known_then(
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
    level_N11, scale_N11 = (part_N[:, None, None] for part_N in around)
    available_NKA = np.isfinite(found_NKA)
    candidates_NKA = np.where(available_NKA, found_NKA, level_N11) - level_N11
    candidates_NKA /= np.where(scale_N11 > 0, scale_N11, np.inf)
    np.clip(candidates_NKA, -FARTHEST, FARTHEST, out=candidates_NKA)
    described_KF, path_KJ = describe(tuple(int(step) for step in steps_K), seasons)
    more = 0 if known_NKJ is None else known_NKJ.shape[-1]
    features_NKF = np.empty((*found_NKA.shape[:2], FEATURES + more))
    np.arcsinh(candidates_NKA[..., 1:4], out=features_NKF[..., :3])
    features_NKF[..., 3:6] = available_NKA[..., 1:4]
    features_NKF[..., 6:14] = described_KF
    np.arcsinh(candidates_NKA[..., 4:], out=features_NKF[..., 14:FEATURES])
    if known_NKJ is not None:
        features_NKF[..., FEATURES:] = known_NKJ
    return Question(features_NKF, candidates_NKA, available_NKA, path_KJ)


@lru_cache(maxsize=4096)
def describe(steps: tuple[int, ...], seasons: tuple[int, ...]) -> tuple[Floats, Floats]:
    """What is known of the steps ahead themselves: how far, at which phase, and the path's polynomials there."""
    steps_K = np.asarray(steps, np.float64)
    columns = [np.log(steps_K) / 4, steps_K / REACH]
    for season in (*seasons, 1)[:2]:
        turn = 2 * np.pi * steps_K / season
        columns += [np.sin(turn), np.cos(turn)] if season > 1 else [np.zeros_like(turn)] * 2
    columns += [np.full_like(steps_K, np.log(season) / 4) for season in (*seasons, 1)[:2]]
    path_KJ: Floats = chebvander(2 * steps_K / REACH - 1, PATH - 1).astype(np.float64)
    return np.stack(columns, axis=-1), path_KJ
