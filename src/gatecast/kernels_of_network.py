"""The loops of a compiled stream, second part: network and head, over plain arrays, in float32.

All networks of an ensemble work on the same scaled value, see ``kernels``.

Key: M network, L layer, C input channel, D hidden unit, G the four gates' 4 D, E head unit, F feature, K step ahead,
O head output, J path polynomial, Q quantile; N, P as in ``StreamState``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.constants import MEDIAN
from gatecast.kernels import (
    AGE,
    CHANGE,
    GAP,
    HAS_SEASON,
    LAST,
    LEVEL,
    MIDDLE,
    NEWEST,
    RISE,
    SCALE,
    SEASON_RISE,
    SMOOTH,
    STEP,
    USUAL,
    USUAL_LAST,
    jit,
    squash,
    unit_of,
)
from gatecast.scaling import CANDIDATES, FARTHEST, FEATURES, KNOWN_FLOOR, MOST_GAP, PATH, Floats

Singles = NDArray[np.float32]

MOVING = np.r_[0:6, 14:FEATURES]  # features of a step ahead that are not the same at every origin
MOVED = len(MOVING)  # before those of known-future columns
ONE, TWO, HALF, QUARTER, FLAT = (np.float32(x) for x in (1, 2, 0.5, 0.25, 9.2))
TANH_UP = tuple(np.float32(x) for x in (135135, 17325, 378))
TANH_DOWN = tuple(np.float32(x) for x in (135135, 62370, 3150, 28))


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
            unit = unit_of(columns_J7[place], KNOWN_FLOOR)
            row[at + 1] = squash(then - columns_J7[place, 2], unit) if seen else 0.0


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
