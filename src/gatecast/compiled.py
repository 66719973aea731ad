"""A stream's step, compiled: what ``stream.Stream`` and ``following`` do, for all networks of an ensemble at once.

It works on the arrays of ``StreamState`` and ``Memory`` in place; a test holds it to the two.  Nothing imports this
module until a stream is to be compiled: numba takes a while to load, and the first step ever takes longer.

Key: as in ``kernels_of_network`` and ``following``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatecast.adaptive import RANGE
from gatecast.conformal import ASKED
from gatecast.constants import MEDIAN, QUANTILES
from gatecast.covariates import widths_of
from gatecast.following import BINS, FEWEST, LOWEST, WIDTH, Memory, Plan, empty_memory
from gatecast.kernels import AGE, LEVEL, SCALE, jit, read_columns, read_value
from gatecast.kernels_of_network import MOVING, Net, Room, Singles, answer, ask, layer_step, spread
from gatecast.modelfile import Model
from gatecast.runtime import OUTPUTS
from gatecast.scaling import (
    CANDIDATES,
    CHANNELS,
    FEATURES,
    KNOWN_FEATURES,
    PATH,
    Fixed,
    Floats,
    change_rate,
    question_from,
)
from gatecast.stream import StreamState

ASKED_L = np.asarray(ASKED, np.float64)
LOW, HIGH = RANGE

# ------------------------------------------------------------------------------------------------- widths that follow


@jit
def _score(value: float, plan: Any, memory: Any) -> None:
    """``following.score``."""
    ahead_N, pool_N, fade_P, alike_P, _, prior = plan
    clock_1, said_RNQ, weight_PLB, totals_P2, logs_PL = memory
    now, ring = int(clock_1[0]), len(said_RNQ)
    clock_1[0] += 1
    for pool in range(len(fade_P)):
        fade = fade_P[pool]
        for interval in range(MEDIAN):
            for part in range(BINS):
                weight_PLB[pool, interval, part] *= fade
        totals_P2[pool, 0] *= fade
        totals_P2[pool, 1] *= fade * fade
    parts_L = np.empty(MEDIAN, np.int64)
    for place in range(len(ahead_N)):
        said, right = said_RNQ[(now - ahead_N[place]) % ring, place], math.isfinite(value)
        error = value - said[MEDIAN]
        for interval in range(MEDIAN):
            bound = said[interval] if error < 0 else said[len(said) - 1 - interval]
            away = abs(bound - said[MEDIAN])
            right = right and away > 0
            log = math.log(min(max(abs(error) / away, LOW), HIGH)) if right else 0.0
            parts_L[interval] = min(BINS - 1, int((log - LOWEST) / WIDTH))
        if right:
            pool = pool_N[place]
            for interval in range(MEDIAN):
                weight_PLB[pool, interval, parts_L[interval]] += 1
            totals_P2[pool, 0] += 1
            totals_P2[pool, 1] += 1
    said_RNQ[now % ring] = math.nan
    pool = now % len(fade_P)
    total, squares = totals_P2[pool]
    if total > 0:
        n = total * total / squares / alike_P[pool]
        for interval in range(MEDIAN):
            hold = min(ASKED_L[interval] * (1 + 1 / (n + prior)), 1.0) * total * (1 - 1e-9)
            up_to, part = 0.0, -1
            while up_to < hold and part < BINS - 1:
                part += 1
                up_to += weight_PLB[pool, interval, part]
            weight = weight_PLB[pool, interval, part]
            within = min(max((hold - up_to + weight) / weight, 0.0), 1.0) if weight > 0 else 0.0
            logs_PL[pool, interval] = n / (n + prior) * (LOWEST + WIDTH * (part + within))


@jit
def _say_and_follow(counts: bool, plan: Any, memory: Any, factors_KQ: Floats, made_KQ: Floats) -> None:
    """``following.say``, where the forecast counts, then ``following.followed`` in place."""
    ahead_N, _, _, _, between_KP, _ = plan
    clock_1, said_RNQ, _, _, logs_PL = memory
    row = (int(clock_1[0]) - 1) % len(said_RNQ)
    if counts:
        for place in range(len(ahead_N)):
            said_RNQ[row, place] = made_KQ[ahead_N[place] - 1]
    for k in range(len(made_KQ)):
        for interval in range(MEDIAN):
            log = 0.0
            for pool in range(len(logs_PL)):
                log += between_KP[k, pool] * logs_PL[pool, interval]
            factors_KQ[k, interval] = factors_KQ[k, len(QUANTILES) - 1 - interval] = math.exp(log)
    spread(made_KQ, factors_KQ)


# ---------------------------------------------------------------------------------------------------------- a step


@jit
def _net(weights: Singles, shape: Any) -> Net:
    """The arrays of ``_net_of``, out of the one they lie in: many arrays take long to hand over."""
    m, layers, channels, units, steps, moving = shape
    told, gates = 2 * units, 4 * units
    sizes = (
        channels * gates, (layers - 1) * units * gates, layers * units * gates, layers * gates, units * told,
        moving * told, steps * told, told * units, units, units * OUTPUTS, OUTPUTS, units * PATH, PATH,
    )  # fmt: skip
    ends = np.cumsum(np.array(sizes)) * m
    return Net(
        weights[: ends[0]].reshape((m, channels, gates)),
        weights[ends[0] : ends[1]].reshape((m, layers - 1, units, gates)),
        weights[ends[1] : ends[2]].reshape((m, layers, units, gates)),
        weights[ends[2] : ends[3]].reshape((m, layers, gates)),
        weights[ends[3] : ends[4]].reshape((m, units, told)),
        weights[ends[4] : ends[5]].reshape((m, moving, told)),
        weights[ends[5] : ends[6]].reshape((m, steps, told)),
        weights[ends[6] : ends[7]].reshape((m, told, units)),
        weights[ends[7] : ends[8]].reshape((m, units)),
        weights[ends[8] : ends[9]].reshape((m, units, OUTPUTS)),
        weights[ends[9] : ends[10]].reshape((m, OUTPUTS)),
        weights[ends[10] : ends[11]].reshape((m, units, PATH)),
        weights[ends[11] : ends[12]].reshape((m, PATH)),
        weights[ends[12] :].reshape((PATH, steps)),
    )


@jit
def _read_network(net: Net, m: int, room: Room, h_LD: Singles, c_LD: Singles) -> None:
    """One step of one network's layers; see ``runtime.step``."""
    layers, units = h_LD.shape
    z_G, more_G = room.gates_G[: 4 * units], room.gates_G[4 * units : 8 * units]
    below_D = np.zeros(units, np.float32)
    for layer in range(layers):
        if layer == 0:
            np.dot(room.inputs_C, net.input_MCG[m], z_G)
        else:
            np.dot(below_D, net.above_MLDG[m, layer - 1], z_G)
        np.dot(h_LD[layer], net.hidden_MLDG[m, layer], more_G)
        for place in range(4 * units):
            z_G[place] += more_G[place] + net.bias_MLG[m, layer, place]
        layer_step(z_G, h_LD[layer], c_LD[layer])
        for place in range(units):
            below_D[place] += h_LD[layer, place]


@jit
def advance(value: float, beside: Any, around: Any, state: Any, given: Any, room: Room, follow: Any) -> None:
    """Read one value and write the quantiles of the steps ahead, in original units, into ``room.made_KQ``.

    Args:
        value: in original units; NaN is a hidden step.
        beside: past-only and known-future columns at this step, (N,), and those known of the steps ahead, (K, J).
        around: season lengths, constants, the static columns as channels, and how many columns are past-only.
        state: the arrays of ``StreamState``, but h and c are (M, L, D) in float32.
        given: the networks' weights in one array, their shape, factors on widths, and whether there are any.
        room: to work in.
        follow: whether to forecast at all, whether widths follow, and the plan and memory of that.
    """
    given_N, known_KJ = beside
    weights, shape, widening_KQ, widened = given
    net = _net(weights, shape)
    lengths_N, constants, static_G, past = around
    forecasts, follows, plan, memory = follow
    made_KQ = room.made_KQ
    if follows:
        _score(value, plan, memory)
    numbers, seasons_N5, phases_5P, whole_2P, columns_N7, h_MLD, c_MLD = state
    x, channels = room.channels_C, len(CHANNELS) + 3 * len(columns_N7)
    read_value(value, (numbers, seasons_N5, phases_5P, whole_2P), lengths_N, constants, x)
    read_columns(given_N, columns_N7, past, x)
    for place in range(len(static_G)):
        x[channels + place] = static_G[place]
    networks, layers, units = h_MLD.shape
    if numbers[AGE] > 0:
        room.inputs_C[:] = x
        for m in range(networks):
            _read_network(net, m, room, h_MLD[m], c_MLD[m])
    if not forecasts:
        return
    ask((numbers, seasons_N5, phases_5P, columns_N7[past:]), known_KJ, lengths_N, room)
    made_KQ[:] = 0.0
    for m in range(networks):
        h_D = np.zeros(units, np.float32)
        for layer in range(layers):
            h_D += h_MLD[m, layer]
        answer(net, m, h_D, room, made_KQ)
    made_KQ *= numbers[SCALE] / networks
    made_KQ += numbers[LEVEL]
    if widened:
        spread(made_KQ, widening_KQ)
    if follows:
        counts = numbers[AGE] > max(FEWEST, lengths_N[0])
        _say_and_follow(counts, plan, memory, room.factors_KQ, made_KQ)


class CompiledSteps:
    """Streams of an ensemble's models over one series, as one compiled step.

    Args:
        models: networks of one shape that read the same columns under the same scaling.
        static: the series' static columns, encoded.
        states: where each network's stream is.
        plan: how widths follow, and the horizon.
        memory: what came of earlier forecasts, which goes on being changed; None leaves widths as they are.
    """

    def __init__(
        self,
        models: Sequence[Model],
        static: Floats,
        states: Sequence[StreamState],
        plan: Plan,
        memory: Memory | None,
    ) -> None:
        scaling, widths, horizon = models[0].scaling, widths_of(models[0].columns), len(plan.between_KP)
        self._given = _net_of(models, horizon)
        rate = change_rate(scaling.seasons)
        if isinstance(scaling, Fixed):
            constants = [1.0, 0.0, rate, scaling.change, *scaling.season_changes, 1.0]
        else:
            constants = [0.0, float(scaling.nearest), rate, 1.0, 1.0, 1.0]
        told_G = np.array([math.asinh(each) if math.isfinite(each) else 0.0 for each in static])
        self._around = np.array(scaling.seasons, np.int64), np.array(constants), told_G, widths.past
        self._room = _room_for(models[0], horizon)
        h_MLD, c_MLD = (
            np.stack([part.astype(np.float32) for part in parts])
            for parts in zip(*(state[5:] for state in states), strict=True)
        )
        self._state = *(part.copy() for part in states[0][:5]), h_MLD, c_MLD
        held = empty_memory(plan) if memory is None else memory
        self._follow = memory is not None, tuple(plan), tuple(held)
        self._no_future = np.zeros((0, widths.known))

    def update(self, value: float, given_N: Floats, known_KJ: Floats) -> Floats:
        """Read a value and return the quantiles of the steps ahead, (K, Q)."""
        advance(value, (given_N, known_KJ), self._around, self._state, self._given, self._room, (True, *self._follow))
        return self._room.made_KQ.copy()

    def read(self, value: float, given_N: Floats) -> None:
        """Read a value without forecasting."""
        beside = given_N, self._no_future
        advance(value, beside, self._around, self._state, self._given, self._room, (False, *self._follow))

    @property
    def states(self) -> list[StreamState]:
        """Each network's state, as ``Stream.state`` has it."""
        numbers, seasons_N5, phases_5P, whole_2P, columns_N7, h_MLD, c_MLD = self._state
        shared = numbers, seasons_N5, phases_5P, whole_2P, columns_N7
        return [
            StreamState._make([*(each.copy() for each in shared), h_LD.astype(np.float64), c_LD.astype(np.float64)])
            for h_LD, c_LD in zip(h_MLD, c_MLD, strict=True)
        ]


def _room_for(model: Model, horizon: int) -> Room:
    """Room for a network's step."""
    units, widths = model.weights.units, widths_of(model.columns)
    channels = len(CHANNELS) + 3 * (widths.past + widths.known) + widths.static
    return Room(
        np.zeros(channels),
        np.zeros(channels, np.float32),
        np.zeros(max(8 * units, 2 * units * horizon), np.float32),
        np.zeros((horizon, 2 * units), np.float32),
        np.zeros((horizon, units), np.float32),
        np.zeros((horizon, OUTPUTS), np.float32),
        np.zeros((horizon, len(MOVING) + KNOWN_FEATURES * widths.known), np.float32),
        np.zeros((horizon, CANDIDATES)),
        np.ones((horizon, len(QUANTILES))),
        np.zeros((horizon, len(QUANTILES))),
    )


def _net_of(models: Sequence[Model], horizon: int) -> tuple[Singles, tuple[int, ...], Floats, bool]:
    """The networks' weights side by side, with what the head is told of the steps ahead in every question.

    Returns one array with all of a ``Net``, its shape, the factors (K, Q) on widths, and whether there are any.
    """
    steps_K, scaling = np.arange(1, horizon + 1), models[0].scaling
    nothing = np.full((1, horizon, CANDIDATES), np.nan)
    question = question_from(nothing, (np.zeros(1), np.ones(1)), steps_K, scaling.seasons)
    still = [place for place in range(FEATURES) if place not in MOVING]
    described_KF = question.features_NKF[0][:, still]

    def side_by_side(parts: Sequence[Any]) -> Singles:
        return np.ascontiguousarray(np.stack(parts), np.float32)

    weights = [model.weights for model in models]
    heads = [each.head for each in weights]
    moving = [*MOVING, *range(FEATURES, len(heads[0].question_FE))]
    widening_KQ = models[0].widening_KQ
    factors_KQ = np.ones((horizon, len(QUANTILES)))
    if widening_KQ is not None:
        factors_KQ = widening_KQ[np.minimum(steps_K - 1, len(widening_KQ) - 1)].astype(np.float64)
    units = weights[0].units
    above = [[layer.input_CK for layer in each.layers[1:]] or np.zeros((0, units, 4 * units)) for each in weights]
    net = Net(
        side_by_side([each.layers[0].input_CK for each in weights]),
        side_by_side(above),
        side_by_side([[layer.hidden_DK for layer in each.layers] for each in weights]),
        side_by_side([[layer.bias_K for layer in each.layers] for each in weights]),
        side_by_side([head.state_DE for head in heads]),
        side_by_side([head.question_FE[moving] for head in heads]),
        side_by_side([described_KF @ head.question_FE[still] + head.bias_E for head in heads]),
        side_by_side([head.middle_ED for head in heads]),
        side_by_side([head.middle_bias_D for head in heads]),
        side_by_side([head.out_DO for head in heads]),
        side_by_side([head.out_bias_O for head in heads]),
        side_by_side([head.path_DJ for head in heads]),
        side_by_side([head.path_bias_J for head in heads]),
        np.ascontiguousarray(question.path_KJ.T, np.float32),
    )
    channels, layers = net.input_MCG.shape[1], net.hidden_MLDG.shape[1]
    shape = len(models), layers, channels, units, horizon, len(moving)
    return np.concatenate([part.reshape(-1) for part in net]), shape, factors_KQ, widening_KQ is not None
