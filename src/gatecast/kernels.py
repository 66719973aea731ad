"""The loops of a compiled stream, first part: scaling, one value at a time, over plain arrays.

This and ``kernels_of_network`` are ``stream.Stream`` for speed: they work on the arrays of ``StreamState`` in place.  A
test holds them to ``Stream``.  Importing this module imports numba, and the first step compiles (numba keeps what it
compiled beside this file or in its own cache folder).

Key: C input channel; N, P as in ``StreamState``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from gatecast.phases import PHASE_RATE
from gatecast.scaling import (
    CHANNELS,
    FAST_RATE,
    FLOOR,
    KNOWN_FLOOR,
    MOST_AGE,
    MOST_GAP,
    SIZE_RATE,
    SLOW_RATE,
    Floats,
)
from gatecast.stream import MEANS, PLAIN

F = TypeVar("F", bound=Callable[..., Any])

STEP, AGE, GAP, HAS_SEASON, LEVEL, SCALE, BEFORE, LAST = range(len(PLAIN))
SIZE, SHORT, LONG, FAST, SLOW, SMOOTH, RISE, SEASON_RISE, FAR = range(len(PLAIN), len(PLAIN) + 3 * len(MEANS), 3)
RAW, NEWEST, USUAL, SUMS, KEEPS = range(5)  # rows of the phases
SUM, COUNT, MIDDLE, CHANGE, USUAL_LAST = range(5)  # of a season
CHANNEL = {name: place for place, name in enumerate(CHANNELS)}
SEASON_CHANGE, SEASON_SEEN, SURPRISE = (
    CHANNEL[name] for name in ("season_change", "season_change_observed", "season_surprise")
)
CHANNEL_VALUE, CHANNEL_LEVEL_CHANGE, CHANNEL_CHANGE, CHANNEL_FAST, CHANNEL_AGE, CHANNEL_GAP = (
    CHANNEL[name] for name in ("value", "level_change", "change", "fast_scale", "age", "gap")
)
CHANNEL_LOG_SEASON, CHANNEL_SEEN, CHANNEL_CHANGE_SEEN, CHANNEL_SMOOTH = (
    CHANNEL[name] for name in ("log_season", "observed", "change_observed", "smooth_gap")
)
FIXED, NEAREST, CHANGE_RATE, CHANGE_UNIT, SEASON_UNIT = range(5)  # of the constants; two season units


def jit(function: F) -> F:
    """Compile at first use, and keep the result on disk where numba finds a place for it."""
    try:
        return cast(F, numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")(function))
    except RuntimeError:  # no folder that could be written to
        return cast(F, numba.njit(fastmath={"contract", "nsz"}, error_model="numpy")(function))


@jit
def _absorb(numbers: Floats, at: int, rate: float, x: float) -> None:
    """A bias-corrected exponential mean: what is left of its start, its sum, its value."""
    numbers[at] *= 1 - rate
    numbers[at + 1] += rate * (x - numbers[at + 1])
    numbers[at + 2] = numbers[at + 1] / (1 - numbers[at])


@jit
def squash(x: float, unit: float) -> float:
    """asinh of x in its unit; zero where the unit is."""
    return math.asinh(x / unit) if unit > 0 else 0.0


@jit
def _log_ratio(above: float, below: float) -> float:
    if above > 0 and below > 0:
        return max(-7.0, min(7.0, math.log(above / below))) / 3
    return 0.0


@jit
def _read_season(value: float, at: int, season_5: Floats, phases_5P: Floats, whole_2P: Floats) -> tuple[float, float]:
    """Absorb a step: the change since one season before, and what the usual missed it by; NaN is unknown."""
    length = phases_5P.shape[1]
    if at == 0 and length > 1:
        total, count = 0.0, 0.0
        for place in range(length - 1, -1, -1):
            if math.isfinite(phases_5P[RAW, place]):
                total += phases_5P[RAW, place]
                count += 1
            whole_2P[0, place], whole_2P[1, place] = total, count
        season_5[SUM], season_5[COUNT] = 0.0, 0.0
    before = phases_5P[RAW, at]
    if not math.isfinite(value):
        phases_5P[RAW, at] = math.nan
        return math.nan, math.nan
    phases_5P[RAW, at] = phases_5P[NEWEST, at] = value
    if length == 1:
        season_5[MIDDLE] = value
        return value - before, math.nan
    season_5[SUM] += value
    season_5[COUNT] += 1
    season_5[MIDDLE] = (season_5[SUM] + whole_2P[0, at + 1]) / (season_5[COUNT] + whole_2P[1, at + 1])
    away, usual = value - season_5[MIDDLE], phases_5P[USUAL, at]
    phases_5P[KEEPS, at] *= 1 - PHASE_RATE
    phases_5P[SUMS, at] += PHASE_RATE * (away - phases_5P[SUMS, at])
    phases_5P[USUAL, at] = phases_5P[SUMS, at] / (1 - phases_5P[KEEPS, at])
    season_5[CHANGE], season_5[USUAL_LAST] = value - before, phases_5P[USUAL, at]
    return value - before, away - usual


@jit
def _read_seasons(value: float, state: Any, lengths_N: Any) -> tuple[Any, Any]:
    """Absorb a value into every season: the changes since one season before, and the surprises; NaN is unknown."""
    numbers, seasons_N5, phases_5P, whole_2P = state
    begin, changes, surprises = 0, (math.nan, math.nan), (math.nan, math.nan)
    for place in range(len(lengths_N)):
        end, at = begin + lengths_N[place], int(numbers[STEP]) % lengths_N[place]
        part = phases_5P[:, begin:end], whole_2P[:, begin + place : end + place + 1]
        change, surprise = _read_season(value, at, seasons_N5[place], part[0], part[1])
        changes = (change, math.nan) if place == 0 else (changes[0], change)
        surprises = (surprise, math.nan) if place == 0 else (surprises[0], surprise)
        begin = end
    return changes, surprises


@jit
def _absorb_change(numbers: Floats, change: float, changes: Any, rate: float) -> None:
    """The means of the changes, with and without their signs."""
    if math.isfinite(change):
        _absorb(numbers, RISE, rate, change)
        _absorb(numbers, SHORT, rate, abs(change))
        _absorb(numbers, FAST, FAST_RATE, abs(change))
        _absorb(numbers, SLOW, SLOW_RATE, abs(change))
    if math.isfinite(changes[0]):
        numbers[HAS_SEASON] = 1.0
        _absorb(numbers, SEASON_RISE, rate, changes[0])
        _absorb(numbers, LONG, rate, abs(changes[0]))
    if math.isfinite(changes[1]):
        _absorb(numbers, FAR, rate, abs(changes[1]))


@jit
def read_value(value: float, state: Any, lengths_N: Any, constants: Floats, x: Floats) -> None:
    """Absorb a value into level and scale, and fill the channels of this step; see ``Stream._scale_step``."""
    numbers, seasons_N5 = state[0], state[1]
    seen, fixed = math.isfinite(value), constants[FIXED] > 0
    numbers[STEP] += 1
    change = value - numbers[BEFORE] if seen else math.nan
    old_level, started = numbers[LEVEL], numbers[AGE] > 0
    numbers[BEFORE] = value if seen else math.nan
    numbers[GAP] = numbers[GAP] + 1 if started and not seen else 0.0
    if seen:
        numbers[LAST] = value
        numbers[AGE] += 1
        _absorb(numbers, SMOOTH, PHASE_RATE, value)
        _absorb(numbers, SIZE, SIZE_RATE, abs(value))
    changes, surprises = _read_seasons(value, state, lengths_N)
    _absorb_change(numbers, change, changes, constants[CHANGE_RATE])
    if not fixed:
        if seen:
            numbers[LEVEL] = seasons_N5[0, MIDDLE]
        followed = numbers[LONG + 2] if numbers[HAS_SEASON] > 0 else numbers[SHORT + 2]
        if constants[NEAREST] > 0 and numbers[FAR] < 1:
            followed = min(followed, numbers[FAR + 2])
        numbers[SCALE] = max(followed, FLOOR * numbers[SIZE + 2])
    x[:] = 0.0
    if not fixed and started:
        x[CHANNEL_LEVEL_CHANGE] = squash(numbers[LEVEL] - old_level, numbers[SCALE])
    _tell_value(value, numbers, fixed, x)
    _tell_changes(change, changes, surprises, (lengths_N, constants, fixed), numbers[SCALE], x)


@jit
def _tell_value(value: float, numbers: Floats, fixed: bool, x: Floats) -> None:
    """The channels of a value, of what is rough, and of what is missing."""
    scale = numbers[SCALE]
    if math.isfinite(value):
        x[CHANNEL_VALUE] = squash(value - numbers[LEVEL], scale)
        x[CHANNEL_SEEN] = 1.0
        x[CHANNEL_SMOOTH] = squash(value - numbers[SMOOTH + 2], scale)
        if not fixed:
            x[CHANNEL_FAST] = _log_ratio(numbers[FAST + 2], scale)
            x[CHANNEL_FAST + 1] = _log_ratio(numbers[SLOW + 2], scale)
            x[CHANNEL_FAST + 2] = _log_ratio(scale, numbers[SIZE + 2])
    x[CHANNEL_AGE] = math.log1p(min(numbers[AGE], MOST_AGE)) / 5
    x[CHANNEL_GAP] = math.log1p(min(numbers[GAP], MOST_GAP)) / 5


@jit
def _tell_changes(change: float, changes: Any, surprises: Any, around: Any, scale: float, x: Floats) -> None:
    """The channels of changes and surprises, and of the seasons' lengths."""
    lengths_N, constants, fixed = around
    if math.isfinite(change):
        x[CHANNEL_CHANGE] = squash(change, constants[CHANGE_UNIT] if fixed else scale)
        x[CHANNEL_CHANGE_SEEN] = 1.0
    for place in range(len(lengths_N)):
        unit = constants[SEASON_UNIT + place] if fixed else scale
        if math.isfinite(changes[place]):
            x[SEASON_CHANGE + place] = squash(changes[place], unit)
            x[SEASON_SEEN + place] = 1.0
        if math.isfinite(surprises[place]):
            x[SURPRISE + place] = squash(surprises[place], unit)
        x[CHANNEL_LOG_SEASON + place] = math.log(lengths_N[place]) / 4


@jit
def unit_of(column_7: Floats, floor: float) -> float:
    """The spread of a column, and at least a trifle."""
    return float(max(column_7[5], 1e-9 * abs(column_7[2]), floor))


@jit
def read_columns(given: Floats, columns_N7: Floats, past: int, x: Floats) -> None:
    """The channels of the columns beside the target, each under its own running mean and spread."""
    for place in range(len(given)):
        value, column_7, at = given[place], columns_N7[place], len(CHANNELS) + 3 * place
        change = value - column_7[6]
        seen = math.isfinite(value)
        if seen:
            _absorb(column_7, 0, SLOW_RATE, value)
            _absorb(column_7, 3, SLOW_RATE, abs(value - column_7[2]))
        column_7[6] = value
        unit = unit_of(column_7, 0.0 if place < past else KNOWN_FLOOR)
        x[at] = squash(value - column_7[2], unit) if seen else 0.0
        x[at + 1] = squash(change, unit) if math.isfinite(change) else 0.0
        x[at + 2] = 1.0 if seen else 0.0
