"""The whole network in NumPy: inputs -> LSTM layers -> head -> quantiles, for many origins or one step.

This is what forecasts are made with; torch is needed to train, not to forecast.  ``docs/arithmetic.md`` states every
step, and the golden vectors in the tests are written by this file in float64.

Key: B series, T step, C input channel, D hidden unit, K the four gates' 4 D in the LSTM and steps ahead in the head,
E head unit, N origin, F feature, A candidate, J path polynomial, O head output, Q quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.cell import LayerWeights, State, initial_state, lstm_step
from gatecast.constants import MEDIAN, QUANTILES
from gatecast.scaling import CANDIDATES, CHANNELS
from gatecast.variants import CELLS, NUMPY
from gatecast.variants import step as variant_step

Array = NDArray[Any]
AGE = CHANNELS.index("age")
OUTPUTS = CANDIDATES + 1 + len(QUANTILES) - 1  # mixture logits, correction, steps outward


class HeadWeights(NamedTuple):
    """One small head, shared by all steps ahead."""

    state_DE: Array
    question_FE: Array
    bias_E: Array
    middle_ED: Array
    middle_bias_D: Array
    out_DO: Array
    out_bias_O: Array
    path_DJ: Array
    path_bias_J: Array


class Weights(NamedTuple):
    """All weights of one network."""

    layers: tuple[LayerWeights, ...]
    head: HeadWeights
    cell: str = "lstm"  # of ``variants``

    @property
    def units(self) -> int:
        """Hidden units per layer."""
        return int(self.head.path_DJ.shape[0])

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(array.size for array in weights_to_arrays(self).values())


def weights_from_arrays(arrays: Mapping[str, Array], dtype: type = np.float64) -> Weights:
    """Build the weights from named arrays (``layer.0.input_CK`` ... ``head.path_bias_J``).

    Layers of another cell than the LSTM bear its name: ``gru.0.input_CK``.

    Raises:
        KeyError: an array is missing.
    """
    count = sum(name.endswith(".input_CK") for name in arrays)
    cell = next((name for name in CELLS if f"{prefix_of(name)}.0.input_CK" in arrays), "lstm")
    layers = [
        LayerWeights(*(np.asarray(arrays[f"{prefix_of(cell)}.{layer}.{name}"], dtype) for name in LayerWeights._fields))
        for layer in range(count)
    ]
    head = HeadWeights(*(np.asarray(arrays[f"head.{name}"], dtype) for name in HeadWeights._fields))
    return Weights(tuple(layers), head, cell)


def prefix_of(cell: str) -> str:
    """How the arrays of a layer of this cell begin."""
    return "layer" if cell == "lstm" else cell


def weights_to_arrays(weights: Weights) -> dict[str, Array]:
    """Name every array, the reverse of ``weights_from_arrays``."""
    named = {
        f"{prefix_of(weights.cell)}.{place}.{name}": array
        for place, layer in enumerate(weights.layers)
        for name, array in layer._asdict().items()
    }
    return named | {f"head.{name}": array for name, array in weights.head._asdict().items()}


def with_dtype(weights: Weights, dtype: type) -> Weights:
    """Return the weights in another precision; what is computed with them has it too."""
    return weights_from_arrays(weights_to_arrays(weights), dtype)


def start(weights: Weights, batch: int) -> list[State]:
    """The state before anything was seen: zeros, (batch, D) per layer."""
    return [initial_state(batch, weights.units, weights.layers[0].hidden_DK.dtype) for _ in weights.layers]


def step(weights: Weights, x_BC: Array, states: Sequence[State]) -> tuple[Array, list[State]]:
    """Read one step: returns what the head sees, (B, D), and the new states."""
    h_BD, after, lstm = x_BC, [], weights.cell == "lstm"
    for place, (layer, state) in enumerate(zip(weights.layers, states, strict=True)):
        new = lstm_step(h_BD, state, layer)[0] if lstm else variant_step(weights.cell, h_BD, state, layer)
        after.append(new)
        h_BD = new.h_BD if place == 0 else h_BD + new.h_BD
    return h_BD, after


def read(weights: Weights, x_BTC: Array, states: Sequence[State] | None = None) -> tuple[Array, list[State]]:
    """Read whole sequences: returns what the head sees at every step, (B, T, D), and the final states.

    Before a series' first observed value its state stays as it was, so that padding changes nothing.  The input's
    share of the gates is one matrix product for all steps; a test holds this to ``step``.
    """
    begun_BT = x_BTC[..., AGE] > 0
    states = start(weights, len(x_BTC)) if states is None else states
    h_BTD = x_BTC.astype(weights.head.state_DE.dtype, copy=False)
    after = []
    for place, (layer, state) in enumerate(zip(weights.layers, states, strict=True)):
        if weights.cell == "lstm":
            out_BTD, final = _read_layer(halve(layer), h_BTD, state, begun_BT)
        else:
            z_BTK = h_BTD @ layer.input_CK + layer.bias_K
            out_BTD, final = _walk(weights.cell, z_BTK, layer, state, begun_BT)
        after.append(final)
        h_BTD = out_BTD if place == 0 else h_BTD + out_BTD
    return h_BTD, after


def halve(layer: LayerWeights) -> LayerWeights:
    """Halve what leads to the three gates: a sigmoid is (1 + tanh(x / 2)) / 2, so one tanh then serves all four parts.

    Halving is exact in binary numbers.
    """
    share_K = np.full(layer.bias_K.shape, 0.5, layer.bias_K.dtype)
    share_K[len(share_K) // 2 : len(share_K) * 3 // 4] = 1  # the candidate is a tanh itself
    return LayerWeights(*(part * share_K for part in layer))


def _read_layer(layer: LayerWeights, x_BTC: Array, state: State, begun_BT: Array) -> tuple[Array, State]:
    """One halved layer: its h at every step, and its final state."""
    z_BTK = x_BTC @ layer.input_CK + layer.bias_K
    out_BTD = np.empty((*z_BTK.shape[:2], layer.hidden_DK.shape[0]), z_BTK.dtype)
    h_BD, c_BD = state.h_BD, state.c_BD.copy()
    gates_BK, new_BD = np.empty((len(z_BTK), z_BTK.shape[2]), z_BTK.dtype), np.empty_like(c_BD)
    input_BD, forget_BD, candidate_BD, output_BD = np.split(gates_BK, 4, axis=1)  # views
    doors_BK = gates_BK[:, : 2 * layer.hidden_DK.shape[0]]  # input and forget
    all_begun = bool(begun_BT.all())
    for t in range(z_BTK.shape[1]):
        np.matmul(h_BD, layer.hidden_DK, out=gates_BK)
        gates_BK += z_BTK[:, t]
        np.tanh(gates_BK, out=gates_BK)
        doors_BK += 1  # twice the sigmoids
        output_BD += 1
        np.multiply(forget_BD, c_BD, out=new_BD)
        input_BD *= candidate_BD
        new_BD += input_BD
        new_BD *= 0.5
        if not all_begun:
            new_BD[~begun_BT[:, t]] = c_BD[~begun_BT[:, t]]
        c_BD, new_BD = new_BD, c_BD
        np.tanh(c_BD, out=new_BD)
        output_BD *= new_BD
        output_BD *= 0.5
        if not all_begun:
            output_BD[~begun_BT[:, t]] = h_BD[~begun_BT[:, t]]
        out_BTD[:, t] = output_BD
        h_BD = out_BTD[:, t]
    return out_BTD, State(np.array(h_BD), c_BD)


def _walk(cell: str, read_BTK: Array, layer: LayerWeights, state: State, begun_BT: Array) -> tuple[Array, State]:
    """Walk one layer of a cell of ``variants`` over what was read of the input: h at every step, and the last state."""
    shown_BTD = np.empty((*read_BTK.shape[:2], state.h_BD.shape[1]), state.h_BD.dtype)
    for t in range(read_BTK.shape[1]):
        new = CELLS[cell].step(read_BTK[:, t], state, layer, NUMPY)
        state = State(*(np.where(begun_BT[:, t, None], *both) for both in zip(new, state, strict=True)))
        shown_BTD[:, t] = state.h_BD
    return shown_BTD, state


def answer(head: HeadWeights, h_ND: Array, question: Any) -> Array:
    """Quantiles, (N, K, Q), in units of the scale around the level at each origin.

    The centre is a mixture of the candidates, plus a path that is linear in the state (polynomials over the steps
    ahead), plus a correction; the quantiles step outward from it, so that they cannot cross.

    Args:
        head: the head's weights.
        h_ND: what the LSTM layers gave at the origins.
        question: a ``scaling.Question`` for the same origins.
    """
    features_NKF = question.features_NKF.astype(head.question_FE.dtype, copy=False)
    told_NKE = (h_ND @ head.state_DE)[:, None] + features_NKF @ head.question_FE + head.bias_E
    z_NKD = silu(silu(told_NKE) @ head.middle_ED + head.middle_bias_D)
    out_NKO = z_NKD @ head.out_DO + head.out_bias_O
    logits_NKA = np.where(question.available_NKA, out_NKO[..., :CANDIDATES], -np.inf)
    mixture_NKA = np.exp(logits_NKA - logits_NKA.max(-1, keepdims=True))
    mixture_NKA /= mixture_NKA.sum(-1, keepdims=True)
    path_NK = (h_ND @ head.path_DJ + head.path_bias_J) @ question.path_KJ.T
    centre_NK = (mixture_NKA * question.candidates_NKA).sum(-1) + path_NK + out_NKO[..., CANDIDATES]
    outward_NKQ = softplus(out_NKO[..., CANDIDATES + 1 :])
    below = centre_NK[..., None] - np.cumsum(outward_NKQ[..., MEDIAN - 1 :: -1], -1)[..., ::-1]
    above = centre_NK[..., None] + np.cumsum(outward_NKQ[..., MEDIAN:], -1)
    return np.concatenate([below, centre_NK[..., None], above], -1)


def silu(x: Array) -> Array:
    """x times sigmoid(x)."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite, and the quotient -0
        return np.asarray(x / (1 + np.exp(-x)))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow: always positive."""
    return np.asarray(np.logaddexp(x, 0))


def in_units(quantiles_NKQ: Array, level_N: Array, scale_N: Array) -> Array:
    """Put quantiles back in original units."""
    return np.asarray(level_N[:, None, None] + scale_N[:, None, None] * quantiles_NKQ)


def widen(quantiles_NKQ: Array, factors_KQ: Array | None, direct: int) -> Array:
    """Move quantiles away from their median where validation asked for it; the median stays and none cross.

    Args:
        quantiles_NKQ: of the steps 1 ... K ahead, in any units.
        factors_KQ: one row per step ahead, the last one for all later steps; None for no widening.
        direct: steps ahead the head was trained for; an interval beyond them is never narrower than one before.
    """
    steps = np.arange(quantiles_NKQ.shape[1])
    centre_NK1 = quantiles_NKQ[..., MEDIAN : MEDIAN + 1]
    away_NKQ = quantiles_NKQ - centre_NK1
    if factors_KQ is not None:
        away_NKQ = away_NKQ * factors_KQ[np.minimum(steps, len(factors_KQ) - 1)]
    below_NKQ = np.maximum.accumulate(-away_NKQ[..., MEDIAN - 1 :: -1], axis=-1)[..., ::-1]
    above_NKQ = np.maximum.accumulate(away_NKQ[..., MEDIAN + 1 :], axis=-1)
    if len(steps) > direct:
        for side_NKQ in (below_NKQ, above_NKQ):
            side_NKQ[:, direct - 1 :] = np.maximum.accumulate(side_NKQ[:, direct - 1 :], axis=1)
    return np.concatenate([centre_NK1 - below_NKQ, centre_NK1, centre_NK1 + above_NKQ], axis=-1)
