"""Forecasts from very many origins at once: the arithmetic of ``runtime``, laid out for speed.

A long series is read in blocks side by side, many short ones as the columns of one matrix; ``answering`` asks the head.
``runtime`` in float64 remains what is right; a test holds this to it.  What an origin is told depends on nothing after
it, to the last bit: no value, no block and no decision to stop early.

Key: B series, T step, L look, M block, C input channel, D hidden unit, K the four gates' 4 D.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gatecast.cell import LayerWeights
from gatecast.runtime import AGE, Array, Weights, halve, read
from gatecast.scaling import REACH, describe

SIDE_BY_SIDE = 32  # blocks of all series that are walked through together
SHORTEST = 512  # steps of a block: it pays where what a network remembers is shorter
LOOK = 32  # steps after which it is seen whether a block has met its own earlier path
MET = {np.dtype(np.float32): 5e-7, np.dtype(np.float64): 1e-10}  # difference of states at which it has
SHUT = -1e4  # into an input gate: it lets nothing through
NOTHING = 1e-10  # of a difference that forget gates have let through: too little to matter
LINE = 64  # bytes of a line of the cache
STEEPEST = 10.0  # what a path may make of an error of the state for float32 to be good enough


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Room that begins at a cache line: sums and products of such arrays take half the time."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + size].view(dtype).reshape(shape)


def is_plain(weights: Weights) -> bool:
    """Whether float32 is good enough for the state: a path that is steep in it makes much of a small error."""
    head = weights.head
    reach_KJ = describe(tuple(range(1, REACH + 1)), (1,))[1]
    return bool(np.abs(head.path_DJ @ reach_KJ.T).sum(axis=0).max() <= STEEPEST)


def read_long(weights: Weights, x_BTC: Array) -> Array:
    """What the head sees at every step, (B, T, D): what ``runtime.read`` gives, to some 1e-9, in less time.

    An LSTM forgets.  Blocks of a series start from nothing, all at once; then each again from where the one before it
    will about end, until it meets its own earlier path: from there on nothing would change.  When each has begun where
    the one before it ended, all is read.

    Args:
        weights: the network's, in the precision that is wanted; float32 is good to some 1e-6.
        x_BTC: inputs of whole series.
    """
    if weights.cell != "lstm":
        return read(weights, x_BTC)[0]
    batch, steps, _ = x_BTC.shape
    blocks = max(1, min(SIDE_BY_SIDE // batch, steps // SHORTEST))
    before_BT = x_BTC[..., AGE] == 0
    h_BTD = x_BTC.astype(weights.head.state_DE.dtype, copy=False)
    for place, layer in enumerate(weights.layers):
        out_BTD = _in_blocks(halve(layer), h_BTD, blocks, before_BT if before_BT.any() else None)
        h_BTD = out_BTD if place == 0 else h_BTD + out_BTD
    return h_BTD


def _in_blocks(layer: LayerWeights, x_BTC: Array, blocks: int, before_BT: Array | None) -> Array:
    """One halved layer over series that are cut into blocks, (B, T, D).  Blocks are columns here: M comes last.

    Before a series' first value (``before_BT``) a closed input gate leaves its state at zero.
    """
    batch, steps, channels = x_BTC.shape
    units, length = layer.hidden_DK.shape[0], -(-steps // (blocks * LOOK)) * LOOK
    padded_BTC = np.zeros((batch, blocks * length, channels + 1), x_BTC.dtype)  # steps after the end are cut off again
    padded_BTC[:, :steps, :channels], padded_BTC[..., channels] = x_BTC, 1  # for the bias
    x_TCM = padded_BTC.reshape(batch * blocks, length, -1).transpose(1, 2, 0)
    rows = np.r_[: 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]  # the three gates, then the candidate
    z_TKM = aligned((length, len(rows), batch * blocks), x_BTC.dtype)
    of_input_KC = np.concatenate([layer.input_CK, layer.bias_K[None]]).T[rows]
    np.matmul(of_input_KC, np.ascontiguousarray(x_TCM), out=z_TKM)
    if before_BT is not None:
        shut_BT = np.zeros((batch, blocks * length), np.bool_)
        shut_BT[:, :steps] = before_BT
        shut_TM = shut_BT.reshape(batch * blocks, length).T
        z_TKM[:, :units] = np.where(shut_TM[:, None], SHUT, z_TKM[:, :units])
    hidden_KD = np.ascontiguousarray(layer.hidden_DK.T[rows])
    columns, dtype = (units, batch * blocks), x_BTC.dtype
    shapes = (length, *columns), (length // LOOK, *columns), columns
    path = _Path(*(np.full(shape, np.nan, dtype) for shape in shapes))
    begins, open_M = _Columns(*np.zeros((2, *columns), dtype)), np.ones(batch * blocks, np.bool_)
    for _ in range(blocks):  # each settles one more block at least
        _sweep(z_TKM, hidden_KD, begins, path, open_M)
        begins, open_M = _begin_again(begins, path, blocks)
        if not open_M.any():
            break
    return np.ascontiguousarray(path.h_TDM.transpose(2, 0, 1)).reshape(batch, -1, units)[:, :steps]


class _Columns(NamedTuple):
    """The state of many blocks."""

    h_DM: Array
    c_DM: Array


class _Path(NamedTuple):
    """Where many blocks went: NaN where they have not been yet."""

    h_TDM: Array
    c_LDM: Array  # at every look
    kept_DM: Array  # of a difference at the begin, what the forget gates let through to the end


def _begin_again(begins: _Columns, path: _Path, blocks: int) -> tuple[_Columns, Array]:
    """Where blocks begin next, and which have to: those after one that did not begin where the one before it ended.

    A block that begins elsewhere will end elsewhere, by what its forget gates let through of the difference: the next
    one need not wait for it (parareal, Lions, Maday & Turinici 2001; the gates take the place of the coarse solver).
    """
    size_DM = np.maximum(np.abs(path.c_LDM).max(axis=0), np.abs(begins.c_DM))
    h_MDS, c_MDS, h_end_MDS, c_end_MDS, kept_MDS, size_MDS = (
        np.ascontiguousarray(part.reshape(len(size_DM), -1, blocks).transpose(2, 0, 1))
        for part in (*begins, path.h_TDM[-1], path.c_LDM[-1], path.kept_DM, size_DM)
    )
    begun, ended = _Columns(h_MDS[1:], c_MDS[1:]), _Columns(h_end_MDS[:-1], c_end_MDS[:-1])
    open_MS = np.zeros((blocks, h_MDS.shape[2]), np.bool_)
    np.logical_or.accumulate(~_alike(begun, ended, size_MDS[:-1], axis=1), axis=0, out=open_MS[1:])
    then_MDS, moved_DS = c_MDS.copy(), np.zeros_like(c_MDS[0])
    for block in np.flatnonzero(open_MS.any(axis=1)):
        to_DS = kept_MDS[block - 1] * moved_DS
        to_DS += c_end_MDS[block - 1]
        np.copyto(then_MDS[block], to_DS, where=open_MS[block])
        moved_DS = then_MDS[block] - c_MDS[block]
    then = np.where(open_MS[:, None], np.roll(h_end_MDS, 1, axis=0), h_MDS), then_MDS
    columns = (np.ascontiguousarray(part.transpose(1, 2, 0)).reshape(size_DM.shape) for part in then)
    return _Columns(*columns), np.ascontiguousarray(open_MS.T).reshape(-1)


def _sweep(z_TKM: Array, hidden_KD: Array, state: _Columns, path: _Path, open_M: Array) -> None:
    """Walk through blocks and write to ``path`` until the open ones meet what is there."""
    open_M, size_DM, kept_DM = open_M.copy(), np.abs(state.c_DM), aligned(state.c_DM.shape, state.c_DM.dtype)
    kept_DM[...] = 1
    fresh_TDM = aligned((LOOK, *state.h_DM.shape), state.h_DM.dtype)
    for look, c_DM in enumerate(path.c_LDM):
        steps = slice(look * LOOK, (look + 1) * LOOK)
        state = _walk(z_TKM[steps], hidden_KD, state, fresh_TDM, kept_DM)
        np.fmax(size_DM, np.abs(c_DM), out=size_DM)
        met_M = _alike(state, _Columns(path.h_TDM[steps][-1], c_DM), size_DM)
        written_M = True if open_M.all() else open_M  # a copy of all of it is quicker
        np.copyto(path.h_TDM[steps], fresh_TDM, where=written_M)
        np.copyto(c_DM, state.c_DM, where=written_M)
        open_M &= ~met_M
        if not open_M.any():
            return
    np.copyto(path.kept_DM, kept_DM, where=open_M)


def _walk(z_TKM: Array, hidden_KD: Array, state: _Columns, out_TDM: Array, kept_DM: Array) -> _Columns:
    """Walk one halved layer through its steps; returns the final state.

    ``kept_DM`` is multiplied by what the forget gates let through.
    """
    h_DM, units = state.h_DM, len(state.h_DM)
    gates_KM, c_DM, new_DM = (aligned(shape, z_TKM.dtype) for shape in (z_TKM.shape[1:], *[h_DM.shape] * 2))
    c_DM[...] = state.c_DM
    doors_KM, one, half = gates_KM[: 3 * units], *np.array([1, 0.5], z_TKM.dtype)[:, None]
    input_DM, forget_DM, output_DM, candidate_DM = gates_KM.reshape(4, units, -1)
    for z_KM, out_DM in zip(z_TKM, out_TDM, strict=True):
        np.matmul(hidden_KD, h_DM, out=gates_KM)
        gates_KM += z_KM
        np.tanh(gates_KM, out=gates_KM)
        doors_KM += one
        doors_KM *= half  # the sigmoids
        input_DM *= candidate_DM
        kept_DM *= forget_DM
        c_DM *= forget_DM
        c_DM += input_DM
        np.tanh(c_DM, out=new_DM)
        np.multiply(new_DM, output_DM, out=out_DM)
        h_DM = out_DM
    kept_DM[kept_DM < NOTHING] = 0  # or it becomes so small that a processor is slow with it
    return _Columns(h_DM.copy(), c_DM)


def _alike(one: _Columns, other: _Columns, size: Array, axis: int = 0) -> Array:
    """Which states are the same but for what may be neglected: of a cell that is or was large, ``size``, more may."""
    most = MET[size.dtype]
    near_h = (np.abs(one.h_DM - other.h_DM) < most).all(axis=axis)
    near_c = (np.abs(one.c_DM - other.c_DM) < most * np.maximum(1, size)).all(axis=axis)
    return np.asarray(near_h & near_c)


def read_ends(weights: Weights, x_BTC: Array) -> Array:
    """What the head sees after the last step of many series, (B, D): the end of what ``runtime.read`` gives.

    Series are columns here.  At each step all layers are walked through in turn, one matrix product each: a layer's
    input, its own h and a 1 for the bias lie one above the other.  Nothing is kept but the newest state.

    Args:
        weights: the network's, of LSTM cells, in the precision that is wanted.
        x_BTC: inputs of whole series.
    """
    batch, steps, channels = x_BTC.shape
    units, dtype = weights.units, weights.head.state_DE.dtype
    walks = [_Walked.of(layer, channels if place == 0 else units, batch) for place, layer in enumerate(weights.layers)]
    x_TCB = np.ascontiguousarray(x_BTC.transpose(1, 2, 0), dtype)
    begun_TB = (x_BTC[..., AGE] > 0).T
    whole = int(np.argmax(begun_TB.all(axis=1))) if begun_TB.all(axis=1).any() else steps  # from here on all have begun
    gates_KB, new_DB = np.empty((4 * units, batch), dtype), np.empty((units, batch), dtype)
    doors_KB, (input_DB, forget_DB, candidate_DB, output_DB) = gates_KB[: 2 * units], gates_KB.reshape(4, units, batch)
    seen_DB = np.zeros((units, batch), dtype)
    for t in range(steps):
        for place, walk in enumerate(walks):
            walk.reads[...] = x_TCB[t] if place == 0 else seen_DB
            np.matmul(walk.weights, walk.column, out=gates_KB)
            np.tanh(gates_KB, out=gates_KB)
            doors_KB += 1  # twice the sigmoids
            output_DB += 1
            input_DB *= candidate_DB
            c_DB = walk.c
            c_DB *= forget_DB
            c_DB += input_DB
            c_DB *= 0.5
            if t < whole:
                c_DB *= begun_TB[t]  # the state before a series' first value is zero, and stays so
            np.tanh(c_DB, out=new_DB)
            new_DB *= output_DB
            np.multiply(new_DB, 0.5, out=walk.h)
            seen_DB[...] = walk.h if place == 0 else seen_DB + walk.h
    return np.ascontiguousarray(seen_DB.T)


class _Walked(NamedTuple):
    """A halved layer and the states of many series, in columns; ``reads`` and ``h`` are views of ``column``."""

    weights: Array
    column: Array
    reads: Array
    h: Array
    c: Array

    @classmethod
    def of(cls, layer: LayerWeights, inputs: int, batch: int) -> _Walked:
        halved, units = halve(layer), len(layer.hidden_DK)
        weights = np.concatenate([halved.input_CK, halved.hidden_DK, halved.bias_K[None]]).T
        column = np.zeros((weights.shape[1], batch), weights.dtype)
        column[-1] = 1
        state = np.zeros((units, batch), weights.dtype)
        return cls(np.ascontiguousarray(weights), column, column[:inputs], column[inputs:-1], state)


# ------------------------------------------------------------------------------------------- the head
