"""The LSTM by hand in NumPy, forward and backward: the readable truth the faster copies are held to.

Nothing here is clever or fused, so that every number in the network can be looked at.  Arrays keep their dtype: float32
in, float32 out; float64 in, float64 out.  No input array is ever changed.

The cell state with its input and output gates is Hochreiter & Schmidhuber, "Long short-term memory", Neural
Computation 9(8), 1997.  That cell could only add; the forget gate is Gers, Schmidhuber & Cummins, "Learning to forget:
continual prediction with LSTM", Neural Computation 12(10), 2000.  Together they are what ``torch.nn.LSTM`` computes; a
test compares the two.

Key: B batch, T step, C input channels, D hidden units, K = 4·D the four gates in the order input, forget, candidate,
output.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class State(NamedTuple):
    """What one layer carries from step to step; each is (B, D)."""

    h_BD: Array  # shown to the next step and to the layer above
    c_BD: Array  # the cell state: the running account


class Gates(NamedTuple):
    """What the cell decided at one step; each is (B, D).  The candidate lies in [-1, 1], the three others in [0, 1]."""

    input: Array
    forget: Array
    candidate: Array
    output: Array


class LayerWeights(NamedTuple):
    """One layer's weights: from its input (C, K), from its own last output (D, K), and the bias (K,)."""

    input_CK: Array
    hidden_DK: Array
    bias_K: Array


class LayerTrace(NamedTuple):
    """All that one layer did over a sequence; each is (B, T, D)."""

    h_BTD: Array
    c_BTD: Array
    input: Array
    forget: Array
    candidate: Array
    output: Array


class Gradients(NamedTuple):
    """Derivatives of a scalar loss, in the shapes of what they belong to."""

    x_BTC: Array
    states: list[State]  # of the state before the first step, one per layer
    weights: list[LayerWeights]  # one per layer


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that the exponential cannot overflow."""
    small: Array = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def initial_state(batch: int, units: int, dtype: npt.DTypeLike) -> State:
    """Nothing remembered: h and c are zeros of shape (batch, units)."""
    return State(np.zeros((batch, units), dtype), np.zeros((batch, units), dtype))


def from_torch(weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array) -> LayerWeights:
    """Turn the arrays of one PyTorch layer, shapes (K, C), (K, D), (K,) and (K,), into ours.

    PyTorch's gate order i, f, g, o is our order.  It keeps two biases that only ever act as their sum.
    """
    return LayerWeights(weight_ih.T.copy(), weight_hh.T.copy(), bias_ih + bias_hh)


# ---------------------------------------------------------------------------------------------------- one step


def lstm_step(x_BC: Array, state: State, weights: LayerWeights) -> tuple[State, Gates]:
    """Forget some of the old cell, write some of the new, show some of the result."""
    z_BK = x_BC @ weights.input_CK + state.h_BD @ weights.hidden_DK + weights.bias_K
    i, f, g, o = np.split(z_BK, 4, axis=-1)  # PyTorch's gate order
    gates = Gates(input=sigmoid(i), forget=sigmoid(f), candidate=np.tanh(g), output=sigmoid(o))
    c_BD = gates.forget * state.c_BD + gates.input * gates.candidate
    h_BD = gates.output * np.tanh(c_BD)
    return State(h_BD, c_BD), gates


def lstm_step_backward(
    d_h_BD: Array, d_c_BD: Array, c_before_BD: Array, c_BD: Array, gates: Gates
) -> tuple[Array, Array]:
    """Undo `lstm_step` for derivatives: from those of its new state to those of z (B, K) and of the old cell (B, D).

    ``d_h_BD`` and ``d_c_BD`` are what later steps and the loss ask of this step's h and c.  Everything that leaves
    through z (the input, the old h, the weights) is one matrix product away: see `layer_backward`.
    """
    shown = np.tanh(c_BD)
    # h = output · tanh(c)
    d_output = d_h_BD * shown
    d_c_BD = d_c_BD + d_h_BD * gates.output * (1 - shown**2)
    # c = forget · c_before + input · candidate
    d_forget = d_c_BD * c_before_BD
    d_input = d_c_BD * gates.candidate
    d_candidate = d_c_BD * gates.input
    d_c_before_BD = d_c_BD * gates.forget  # the long way back: no weight matrix, only the forget gate
    # sigmoid' = s · (1 - s), tanh' = 1 - t²
    d_i = d_input * gates.input * (1 - gates.input)
    d_f = d_forget * gates.forget * (1 - gates.forget)
    d_g = d_candidate * (1 - gates.candidate**2)
    d_o = d_output * gates.output * (1 - gates.output)
    return np.concatenate([d_i, d_f, d_g, d_o], axis=-1), d_c_before_BD


# ------------------------------------------------------------------------------------------- one layer, all steps


def layer_forward(x_BTC: Array, weights: LayerWeights, state: State) -> tuple[State, LayerTrace]:
    """Walk one layer over the sequence, keeping everything it did."""
    rows = []
    for t in range(x_BTC.shape[1]):
        state, gates = lstm_step(x_BTC[:, t], state, weights)
        rows.append((*state, *gates))
    return state, LayerTrace(*(np.stack(column, axis=1) for column in zip(*rows, strict=True)))


def layer_backward(
    d_h_BTD: Array, d_last: State, x_BTC: Array, weights: LayerWeights, state: State, trace: LayerTrace
) -> tuple[Array, State, LayerWeights]:
    """Walk back over the sequence: derivatives of the layer's input, of its initial state and of its weights."""
    h_before_BTD = np.concatenate([state.h_BD[:, None], trace.h_BTD[:, :-1]], axis=1)
    c_before_BTD = np.concatenate([state.c_BD[:, None], trace.c_BTD[:, :-1]], axis=1)
    d_h_BD, d_c_BD = d_last
    d_z_BTK = np.empty((*x_BTC.shape[:2], weights.bias_K.size), trace.c_BTD.dtype)
    for t in reversed(range(x_BTC.shape[1])):
        gates = Gates(trace.input[:, t], trace.forget[:, t], trace.candidate[:, t], trace.output[:, t])
        d_h_BD = d_h_BD + d_h_BTD[:, t]  # asked by the next step, plus asked from outside
        d_z_BK, d_c_BD = lstm_step_backward(d_h_BD, d_c_BD, c_before_BTD[:, t], trace.c_BTD[:, t], gates)
        d_h_BD = d_z_BK @ weights.hidden_DK.T
        d_z_BTK[:, t] = d_z_BK
    d_weights = LayerWeights(
        input_CK=np.tensordot(x_BTC, d_z_BTK, axes=((0, 1), (0, 1))),
        hidden_DK=np.tensordot(h_before_BTD, d_z_BTK, axes=((0, 1), (0, 1))),
        bias_K=d_z_BTK.sum(axis=(0, 1)),
    )
    return d_z_BTK @ weights.input_CK.T, State(d_h_BD, d_c_BD), d_weights


# ------------------------------------------------------------------------------------------ all layers, all steps


def lstm_forward(
    x_BTC: Array, layers: Sequence[LayerWeights], states: Sequence[State] | None = None, residual: bool = False
) -> tuple[Array, list[State], list[LayerTrace]]:
    """Run a stack of layers: the last layer's output (B, T, D), and each layer's final state and trace.

    Each layer reads the one below.  With ``residual`` a layer after the first adds its input to its h before handing it
    on (its own state and trace stay pure h and c).  Without ``states`` every layer starts from zeros.
    """
    states = _checked(x_BTC, layers, states, residual)
    output_BTD, finals, traces = x_BTC, [], []
    for index, (weights, state) in enumerate(zip(layers, states, strict=True)):
        final, trace = layer_forward(output_BTD, weights, state)
        output_BTD = _handed_on(output_BTD, trace.h_BTD, residual and index > 0)
        finals.append(final)
        traces.append(trace)
    return output_BTD, finals, traces


def lstm_backward(
    d_output_BTD: Array,
    x_BTC: Array,
    layers: Sequence[LayerWeights],
    traces: Sequence[LayerTrace],
    states: Sequence[State] | None = None,
    d_finals: Sequence[State] | None = None,
    residual: bool = False,
) -> Gradients:
    """Backpropagation through time for `lstm_forward`, called with the same x, layers, states and residual.

    ``d_output_BTD`` is the derivative of the loss by the output sequence, ``d_finals`` that by each layer's final h and
    c, over and above what passes through the output (zeros if not given).
    """
    states = _checked(x_BTC, layers, states, residual)
    inputs = [x_BTC]
    for index, trace in enumerate(traces[:-1]):
        inputs.append(_handed_on(inputs[-1], trace.h_BTD, residual and index > 0))
    d_above_BTD = d_output_BTD
    d_states: list[State] = []
    d_weights: list[LayerWeights] = []
    for index in reversed(range(len(layers))):
        d_last = d_finals[index] if d_finals is not None else State(*(np.zeros_like(s) for s in states[index]))
        d_x_BTC, d_state, d_weight = layer_backward(
            d_above_BTD, d_last, inputs[index], layers[index], states[index], traces[index]
        )
        # the sum of a residual layer hands its derivative to both of its terms
        d_above_BTD = _handed_on(d_above_BTD, d_x_BTC, residual and index > 0)
        d_states.insert(0, d_state)
        d_weights.insert(0, d_weight)
    return Gradients(d_above_BTD, d_states, d_weights)


def _handed_on(below_BTD: Array, h_BTD: Array, add: bool) -> Array:
    return below_BTD + h_BTD if add else h_BTD


def _checked(
    x_BTC: Array, layers: Sequence[LayerWeights], states: Sequence[State] | None, residual: bool
) -> Sequence[State]:
    """Refuse shapes that cannot be meant, and give the initial states: zeros where none are given."""
    if x_BTC.ndim != 3 or x_BTC.shape[1] == 0:
        raise ValueError(f"x has shape {x_BTC.shape}; it should be (batch, steps, channels) with at least one step")
    if not layers:
        raise ValueError("there are no layers; at least one is needed")
    if x_BTC.shape[2] != layers[0].input_CK.shape[0]:
        raise ValueError(f"x has {x_BTC.shape[2]} channels; the first layer reads {layers[0].input_CK.shape[0]}")
    units = [weights.hidden_DK.shape[0] for weights in layers]
    if residual and len(set(units)) > 1:
        raise ValueError(f"the layers have {units} units; with residual all should have the same number")
    if states is None:
        return [initial_state(x_BTC.shape[0], n, x_BTC.dtype) for n in units]
    return states
