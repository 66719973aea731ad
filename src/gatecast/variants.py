"""Eight recurrent cells, a few lines each: the LSTM, the LSTM with a part taken away, and its relatives.

A step takes what was read of the input (``x · W + b``), the state and the weights, and returns the new state.  It is
written once, with ``+ - * @`` and the two functions of ``Maths``: NumPy forecasts and torch trains with the same lines.
Arrays may have further dimensions in front, weights too: many networks then take one step together.

The variants are those of Greff, Srivastava, Koutník, Steunebrink & Schmidhuber, "LSTM: a search space odyssey", IEEE
Transactions on Neural Networks and Learning Systems 28(10), 2017; each cell names where it comes from.

Key: B batch, C input channels, D hidden units, K the cell's gates and candidate side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatecast.cell import Array, LayerWeights, State, sigmoid


class Maths(NamedTuple):
    """The two functions a cell needs, of NumPy or of torch."""

    sigmoid: Callable[[Any], Any]
    tanh: Callable[[Any], Any]


NUMPY = Maths(sigmoid, np.tanh)
Step = Callable[[Any, State, LayerWeights, Maths], State]


class Cell(NamedTuple):
    """One cell: what it is called, what its weights are for, and its step."""

    title: str
    parts: tuple[str, ...]  # in the order of the weights' columns
    step: Step
    source: str
    keeps: str = "forget"  # the part whose bias decides how long a start remembers; empty when there is none
    peepholes: bool = False  # whether ``hidden_DK`` has one more row, of weights by which gates see the cell state

    def shapes(self, channels: int, units: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights of a layer."""
        columns = len(self.parts) * units
        rows = units + self.peepholes
        return {"input_CK": (channels, columns), "hidden_DK": (rows, columns), "bias_K": (columns,)}

    def columns_that_keep(self, units: int) -> slice:
        """Where in K the part stands that keeps the old state; nowhere if there is none."""
        place = self.parts.index(self.keeps) if self.keeps else 0
        return slice(place * units, (place + 1) * units if self.keeps else place * units)


def in_parts(z_BK: Any, count: int) -> list[Any]:
    """Cut the last dimension into ``count`` equal parts."""
    units = z_BK.shape[-1] // count
    return [z_BK[..., place * units : (place + 1) * units] for place in range(count)]


# ---------------------------------------------------------------------------------------------------- the steps


def lstm(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Forget some of the old cell, write some of the new, show some of the result."""
    i, f, g, o = in_parts(read_BK + state.h_BD @ weights.hidden_DK, 4)
    c_BD = maths.sigmoid(f) * state.c_BD + maths.sigmoid(i) * maths.tanh(g)
    return State(maths.sigmoid(o) * maths.tanh(c_BD), c_BD)


def no_forget(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Nothing is ever forgotten: the cell can only be added to."""
    i, g, o = in_parts(read_BK + state.h_BD @ weights.hidden_DK, 3)
    c_BD = state.c_BD + maths.sigmoid(i) * maths.tanh(g)
    return State(maths.sigmoid(o) * maths.tanh(c_BD), c_BD)


def no_input(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Every candidate is written whole."""
    f, g, o = in_parts(read_BK + state.h_BD @ weights.hidden_DK, 3)
    c_BD = maths.sigmoid(f) * state.c_BD + maths.tanh(g)
    return State(maths.sigmoid(o) * maths.tanh(c_BD), c_BD)


def no_output(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Everything is always shown."""
    i, f, g = in_parts(read_BK + state.h_BD @ weights.hidden_DK, 3)
    c_BD = maths.sigmoid(f) * state.c_BD + maths.sigmoid(i) * maths.tanh(g)
    return State(maths.tanh(c_BD), c_BD)


def peephole(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Each unit's gates also see its own cell state: the output gate the new one, the others the old one."""
    hidden_DK, seen_K = weights.hidden_DK[..., :-1, :], weights.hidden_DK[..., -1:, :]
    i, f, g, o = in_parts(read_BK + state.h_BD @ hidden_DK, 4)
    of_i, of_f, _, of_o = in_parts(seen_K, 4)
    forget, write = maths.sigmoid(f + of_f * state.c_BD), maths.sigmoid(i + of_i * state.c_BD)
    c_BD = forget * state.c_BD + write * maths.tanh(g)
    return State(maths.sigmoid(o + of_o * c_BD) * maths.tanh(c_BD), c_BD)


def coupled(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """One gate decides both: what is forgotten makes room for what is written."""
    f, g, o = in_parts(read_BK + state.h_BD @ weights.hidden_DK, 3)
    forget = maths.sigmoid(f)
    c_BD = forget * state.c_BD + (1 - forget) * maths.tanh(g)
    return State(maths.sigmoid(o) * maths.tanh(c_BD), c_BD)


def gru(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """No cell state of its own: keep some of h, and replace the rest by a candidate that saw part of h."""
    update, reset, candidate = in_parts(read_BK, 3)
    of_update, of_reset, of_candidate = in_parts(weights.hidden_DK, 3)
    keep = maths.sigmoid(update + state.h_BD @ of_update)
    seen_BD = maths.sigmoid(reset + state.h_BD @ of_reset) * state.h_BD
    h_BD = keep * state.h_BD + (1 - keep) * maths.tanh(candidate + seen_BD @ of_candidate)
    return State(h_BD, h_BD)


def rnn(read_BK: Any, state: State, weights: LayerWeights, maths: Maths) -> State:
    """Everything that is carried is computed anew."""
    h_BD = maths.tanh(read_BK + state.h_BD @ weights.hidden_DK)
    return State(h_BD, h_BD)


_GREFF = "Greff et al. 2017"
CELLS: dict[str, Cell] = {
    "lstm": Cell("LSTM", ("input", "forget", "candidate", "output"), lstm, "Gers, Schmidhuber & Cummins 2000"),
    "no_forget": Cell(
        "LSTM without forget gate",
        ("input", "candidate", "output"),
        no_forget,
        "Hochreiter & Schmidhuber 1997",
        keeps="",
    ),
    "no_input": Cell("LSTM without input gate", ("forget", "candidate", "output"), no_input, _GREFF),
    "no_output": Cell("LSTM without output gate", ("input", "forget", "candidate"), no_output, _GREFF),
    "peephole": Cell(
        "LSTM with peepholes",
        ("input", "forget", "candidate", "output"),
        peephole,
        "Gers, Schraudolph & Schmidhuber 2002",
        peepholes=True,
    ),
    "coupled": Cell("LSTM with coupled gates", ("forget", "candidate", "output"), coupled, _GREFF),
    "gru": Cell("GRU", ("update", "reset", "candidate"), gru, "Cho et al. 2014", keeps="update"),
    "rnn": Cell("plain RNN", ("candidate",), rnn, "Elman 1990", keeps=""),
}


def step(name: str, x_BC: Any, state: State, weights: LayerWeights, maths: Maths = NUMPY) -> State:
    """One step of the cell of that name: from an input (B, C) and a state, each (B, D), to the new state.

    Raises:
        KeyError: no cell has this name.
    """
    return CELLS[name].step(x_BC @ weights.input_CK + weights.bias_K, state, weights, maths)


# ----------------------------------------------------------------------------------------------------- the start


class Start(NamedTuple):
    """What a network begins as."""

    cell: str
    forget_bias: float = 1.0


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """A random matrix whose rows (the shorter side) are orthonormal: it turns a vector without shrinking it."""
    q, r = np.linalg.qr(rng.normal(size=(columns, rows)))
    return np.asarray((q * np.sign(np.diag(r))).T)


def begin(rng: np.random.Generator, start: Start, channels: int, units: int) -> LayerWeights:
    """The weights of one layer as Keras starts them: uniform input weights, one orthogonal matrix for the state.

    Biases are zero but for that of the part that keeps; peepholes start without weight.
    """
    cell = CELLS[start.cell]
    shapes = cell.shapes(channels, units)
    columns = shapes["bias_K"][0]
    hidden_DK, bias_K = np.zeros(shapes["hidden_DK"]), np.zeros(columns)
    limit = np.sqrt(6 / (channels + columns))
    input_CK = rng.uniform(-limit, limit, (channels, columns))
    hidden_DK[:units] = orthogonal(rng, units, columns)
    bias_K[cell.columns_that_keep(units)] = start.forget_bias
    return LayerWeights(input_CK, hidden_DK, bias_K)
