"""The loops of a compiled stream: scaling, network and head, one value at a time, over plain arrays.

This is ``stream.Stream`` for speed: it works on the arrays of ``StreamState`` in place, in float32 where the network is
concerned, and for all networks of an ensemble at once.  A test holds it to ``Stream``.  Importing this module imports
numba, and the first step compiles (numba keeps what it compiled beside this file or in its own cache folder).

Key: M network, L layer, C input channel, D hidden unit, G the four gates' 4 D, E head unit, F feature, K step ahead,
O head output, J path polynomial, Q quantile; N, P as in ``StreamState``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from gatecast.constants import MEDIAN
from gatecast.phases import PHASE_RATE
from gatecast.scaling import (
    CANDIDATES,
    CHANNELS,
    FARTHEST,
    FAST_RATE,
    FEATURES,
    FLOOR,
    KNOWN_FLOOR,
    MOST_AGE,
    MOST_GAP,
    PATH,
    SIZE_RATE,
    SLOW_RATE,
    Floats,
)
from gatecast.stream import MEANS, PLAIN

Singles = NDArray[np.float32]
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
MOVING = np.r_[0:6, 14:FEATURES]  # features of a step ahead that are not the same at every origin
MOVED = len(MOVING)  # before those of known-future columns
FIXED, NEAREST, CHANGE_RATE, CHANGE_UNIT, SEASON_UNIT = range(5)  # of the constants; two season units
ONE, TWO, HALF, QUARTER, FLAT = (np.float32(x) for x in (1, 2, 0.5, 0.25, 9.2))
TANH_UP = tuple(np.float32(x) for x in (135135, 17325, 378))
TANH_DOWN = tuple(np.float32(x) for x in (135135, 62370, 3150, 28))


def jit(function: F) -> F:
    """Compile at first use, and keep the result on disk where numba finds a place for it."""
    try:
        return cast(F, numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")(function))
    except RuntimeError:  # no folder that could be written to
        return cast(F, numba.njit(fastmath={"contract", "nsz"}, error_model="numpy")(function))


class Net(NamedTuple):
    """The weights of an ensemble's networks, float32, and what is the same at every step."""

    input_MCG: Singles  # of the first layer
    above_MLDG: Singles  # of those above it
    hidden_MLDG: Singles
    bias_MLG: Singles
    state_MDE: Singles
    question_MFE: Singles  # of the features that move
    described_MKE: Singles  # what the others say, and the bias
    middle_MED: Singles
    middle_bias_MD: Singles
    out_MDO: Singles
    out_bias_MO: Singles
    path_MDJ: Singles
    path_bias_MJ: Singles
    path_JK: Singles


class Room(NamedTuple):
    """What a step writes while it works."""

    channels_C: Floats
    inputs_C: Singles  # the same in float32, as in training
    gates_G: Singles
    told_KE: Singles
    middle_KD: Singles
    out_KO: Singles
    features_KF: Singles
    candidates_KA: Floats
    factors_KQ: Floats
    made_KQ: Floats


# ------------------------------------------------------------------------------------------------------- scaling


@jit
def _absorb(numbers: Floats, at: int, rate: float, x: float) -> None:
    """A bias-corrected exponential mean: what is left of its start, its sum, its value."""
    numbers[at] *= 1 - rate
    numbers[at + 1] += rate * (x - numbers[at + 1])
    numbers[at + 2] = numbers[at + 1] / (1 - numbers[at])


@jit
def _squash(x: float, unit: float) -> float:
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
        x[CHANNEL_LEVEL_CHANGE] = _squash(numbers[LEVEL] - old_level, numbers[SCALE])
    _tell_value(value, numbers, fixed, x)
    _tell_changes(change, changes, surprises, (lengths_N, constants, fixed), numbers[SCALE], x)


@jit
def _tell_value(value: float, numbers: Floats, fixed: bool, x: Floats) -> None:
    """The channels of a value, of what is rough, and of what is missing."""
    scale = numbers[SCALE]
    if math.isfinite(value):
        x[CHANNEL_VALUE] = _squash(value - numbers[LEVEL], scale)
        x[CHANNEL_SEEN] = 1.0
        x[CHANNEL_SMOOTH] = _squash(value - numbers[SMOOTH + 2], scale)
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
        x[CHANNEL_CHANGE] = _squash(change, constants[CHANGE_UNIT] if fixed else scale)
        x[CHANNEL_CHANGE_SEEN] = 1.0
    for place in range(len(lengths_N)):
        unit = constants[SEASON_UNIT + place] if fixed else scale
        if math.isfinite(changes[place]):
            x[SEASON_CHANGE + place] = _squash(changes[place], unit)
            x[SEASON_SEEN + place] = 1.0
        if math.isfinite(surprises[place]):
            x[SURPRISE + place] = _squash(surprises[place], unit)
        x[CHANNEL_LOG_SEASON + place] = math.log(lengths_N[place]) / 4


@jit
def _unit(column_7: Floats, floor: float) -> float:
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
        unit = _unit(column_7, 0.0 if place < past else KNOWN_FLOOR)
        x[at] = _squash(value - column_7[2], unit) if seen else 0.0
        x[at + 1] = _squash(change, unit) if math.isfinite(change) else 0.0
        x[at + 2] = 1.0 if seen else 0.0


# ------------------------------------------------------------------------------------------------------- network


@jit
def _tanh(x: Singles) -> None:
    """In place: a quarter of x in Lambert's continued fraction, doubled twice; right to 2e-7, and it vectorises."""
    for place in range(len(x)):
        y = x[place]
        y = FLAT if y > FLAT else y
        y = -FLAT if y < -FLAT else y
        y *= QUARTER
        q = y * y
        t = y * (TANH_UP[0] + q * (TANH_UP[1] + q * (TANH_UP[2] + q)))
        t /= TANH_DOWN[0] + q * (TANH_DOWN[1] + q * (TANH_DOWN[2] + q * TANH_DOWN[3]))
        t = TWO * t / (ONE + t * t)
        x[place] = TWO * t / (ONE + t * t)


@jit
def add_product(x_I: Singles, matrix_IJ: Singles, out_J: Singles) -> None:
    """out += x @ matrix, four rows at a time."""
    rows, columns = matrix_IJ.shape
    row = 0
    while row + 4 <= rows:
        a, b, c, d = (
            np.float32(x_I[row]),
            np.float32(x_I[row + 1]),
            np.float32(x_I[row + 2]),
            np.float32(x_I[row + 3]),
        )
        one, two, three, four = matrix_IJ[row], matrix_IJ[row + 1], matrix_IJ[row + 2], matrix_IJ[row + 3]
        for column in range(columns):
            out_J[column] += a * one[column] + b * two[column] + c * three[column] + d * four[column]
        row += 4
    while row < rows:
        a, one = x_I[row], matrix_IJ[row]
        for column in range(columns):
            out_J[column] += a * one[column]
        row += 1


@jit
def layer_step(z_G: Singles, h_D: Singles, c_D: Singles) -> None:
    """The gates, the new cell and what is shown of it; ``z_G`` is what they are made of."""
    units = len(h_D)
    for place in range(4 * units):
        if place < 2 * units or place >= 3 * units:
            z_G[place] *= HALF  # the sigmoid as a tanh
    _tanh(z_G)
    for unit in range(units):
        forget, keep = HALF * z_G[units + unit] + HALF, HALF * z_G[unit] + HALF
        c_D[unit] = forget * c_D[unit] + keep * z_G[2 * units + unit]
        h_D[unit] = c_D[unit]
    _tanh(h_D)
    for unit in range(units):
        h_D[unit] *= HALF * z_G[3 * units + unit] + HALF


@jit
def _silu(x: Singles, gate: Singles) -> None:
    """x times sigmoid(x), in place."""
    for place in range(len(x)):
        gate[place] = HALF * x[place]
    _tanh(gate)
    for place in range(len(x)):
        x[place] *= HALF * gate[place] + HALF


@jit
def ask(state: Any, known: Any, lengths_N: Any, room: Room) -> None:
    """Fill the candidates and the features that move, for every step ahead; see ``scaling.question_from``."""
    numbers, seasons_N5, phases_5P, columns_J7 = state
    candidates_KA, features_KF = room.candidates_KA, room.features_KF
    level, scale, last = numbers[LEVEL], numbers[SCALE], numbers[LAST]
    smooth = numbers[SMOOTH + 2] if numbers[AGE] > 0 else math.nan
    slope = numbers[SEASON_RISE + 2] / lengths_N[0] if numbers[HAS_SEASON] > 0 else numbers[RISE + 2]
    gap, step = min(numbers[GAP], MOST_GAP), int(numbers[STEP])
    candidates_KA[:] = math.nan
    for k in range(len(candidates_KA)):
        found = candidates_KA[k]
        found[0], found[1], found[4], base, begin = level, last, smooth, last, 0
        for place in range(len(lengths_N)):
            length = lengths_N[place]
            if length > 1:
                at = begin + (step + k + 1) % length
                found[2 + place] = phases_5P[NEWEST, at]
                found[5 + place] = seasons_N5[place, MIDDLE] + phases_5P[USUAL, at]
                found[8 + place] = last + phases_5P[USUAL, at] - seasons_N5[place, USUAL_LAST]
                found[10 + place] = phases_5P[NEWEST, at] + seasons_N5[place, CHANGE]
                if place == 0 and math.isfinite(found[5]):
                    base = found[5]
            begin += length
        found[7] = base + (gap + k + 1) * slope
        row = features_KF[k]
        for place in range(CANDIDATES):
            seen = math.isfinite(found[place])
            away = (found[place] - level) / scale if seen and scale > 0 else 0.0
            away = max(-FARTHEST, min(FARTHEST, away))
            found[place] = away if seen else math.nan
            if 1 <= place < 4:
                row[place + 2] = 1.0 if seen else 0.0
            if place >= 1:
                row[place - 1 if place < 4 else place + 2] = math.asinh(away) if away != 0 else 0.0
        for place in range(len(columns_J7)):
            then, at = known[k, place], MOVED + 2 * place
            seen = math.isfinite(then)
            row[at] = math.asinh(then) if seen else 0.0
            unit = _unit(columns_J7[place], KNOWN_FLOOR)
            row[at + 1] = _squash(then - columns_J7[place, 2], unit) if seen else 0.0


@jit
def answer(net: Net, m: int, h_D: Singles, room: Room, made_KQ: Floats) -> None:
    """Add one network's quantiles, in units of the scale around the level; see ``runtime.answer``."""
    told_KE, middle_KD, out_KO = room.told_KE, room.middle_KD, room.out_KO
    steps, path = len(told_KE), net.path_bias_MJ[m].copy()
    add_product(h_D, net.path_MDJ[m], path)
    state_E = np.zeros(told_KE.shape[1], np.float32)
    add_product(h_D, net.state_MDE[m], state_E)
    for k in range(steps):
        told_E = told_KE[k]
        for place in range(len(told_E)):
            told_E[place] = net.described_MKE[m, k, place] + state_E[place]
        add_product(room.features_KF[k], net.question_MFE[m], told_E)
    _silu(told_KE.reshape(-1), room.gates_G)
    np.dot(told_KE, net.middle_MED[m], middle_KD)
    for k in range(steps):
        for place in range(middle_KD.shape[1]):
            middle_KD[k, place] += net.middle_bias_MD[m, place]
    _silu(middle_KD.reshape(-1), room.gates_G)
    np.dot(middle_KD, net.out_MDO[m], out_KO)
    for k in range(steps):
        out, found = out_KO[k], room.candidates_KA[k]
        most = -math.inf
        for place in range(CANDIDATES):
            out[place] += net.out_bias_MO[m, place]
            if math.isfinite(found[place]):
                most = max(most, out[place])
        total, centre = 0.0, 0.0
        for place in range(CANDIDATES):
            if math.isfinite(found[place]):
                share = math.exp(out[place] - most)
                total += share
                centre += share * found[place]
        centre = centre / total + out[CANDIDATES] + net.out_bias_MO[m, CANDIDATES]
        for place in range(PATH):
            centre += path[place] * net.path_JK[place, k]
        made_KQ[k, MEDIAN] += centre
        below = above = centre
        for place in range(MEDIAN):
            inner, outer = CANDIDATES + MEDIAN - place, CANDIDATES + 1 + MEDIAN + place
            below -= _softplus(out[inner] + net.out_bias_MO[m, inner])
            above += _softplus(out[outer] + net.out_bias_MO[m, outer])
            made_KQ[k, MEDIAN - 1 - place] += below
            made_KQ[k, MEDIAN + 1 + place] += above


@jit
def _softplus(x: float) -> float:
    return (x if x > 0 else 0.0) + math.log1p(math.exp(-abs(x)))


@jit
def spread(quantiles_KQ: Floats, factors_KQ: Floats) -> None:
    """Move quantiles away from their median, in place; no outer one is nearer than an inner, see ``runtime.widen``."""
    for k in range(len(quantiles_KQ)):
        row, centre = quantiles_KQ[k], quantiles_KQ[k, MEDIAN]
        below = above = -math.inf
        for place in range(1, MEDIAN + 1):
            below = max(below, (centre - row[MEDIAN - place]) * factors_KQ[k, MEDIAN - place])
            above = max(above, (row[MEDIAN + place] - centre) * factors_KQ[k, MEDIAN + place])
            row[MEDIAN - place], row[MEDIAN + place] = centre - below, centre + above
