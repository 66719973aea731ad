"""Forecasts from very many origins at once: the arithmetic of ``runtime``, laid out for speed.

A long series is read in blocks side by side, many short ones as the columns of one matrix, and the head works in
float32 on a few origins at a time, so that what it touches stays in the cache.  ``runtime`` in float64 remains what is
right; a test holds this to it.  What an origin is told depends on nothing after it, to the last bit: no value, no block
and no decision to stop early.

Key: B series, T step, M block, C input channel, D hidden unit, K the four gates' 4 D in the LSTM and steps ahead in the
head, E head unit, N origin, F feature, A candidate, J path polynomial, O head output, Q quantile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.cell import LayerWeights
from gatecast.constants import MEDIAN
from gatecast.runtime import AGE, OUTPUTS, Array, HeadWeights, Weights, halve, read
from gatecast.scaling import CANDIDATES, FARTHEST, FEATURES, REACH, Scaled, candidates_then, describe, known_then

Indices = NDArray[np.int64]

SIDE_BY_SIDE = 32  # blocks of all series that are walked through together
SHORTEST = 512  # steps of a block: it pays where what a network remembers is shorter
LOOK = 32  # steps after which it is seen whether a block has met its own earlier path
MET = {np.dtype(np.float32): 5e-7, np.dtype(np.float64): 1e-10}  # difference of states at which it has
SHUT = -1e4  # into an input gate: it lets nothing through
TOGETHER = 32  # origins the head answers at a time
STEEPEST = 10.0  # what a path may make of an error of the state for float32 to be good enough


def is_plain(weights: Weights) -> bool:
    """Whether float32 is good enough for the state: a path that is steep in it makes much of a small error."""
    head = weights.head
    reach_KJ = describe(tuple(range(1, REACH + 1)), (1,))[1]
    return bool(np.abs(head.path_DJ @ reach_KJ.T).sum(axis=0).max() <= STEEPEST)


def read_long(weights: Weights, x_BTC: Array) -> Array:
    """What the head sees at every step, (B, T, D): what ``runtime.read`` gives, to some 1e-9, in less time.

    An LSTM forgets.  Blocks of a series start from nothing, all at once; then each again from where the one before it
    has ended, until it meets its own earlier path: from there on nothing would change.

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
    padded_BTC = np.zeros((batch, blocks * length, channels), x_BTC.dtype)  # steps after the end are cut off again
    padded_BTC[:, :steps] = x_BTC
    x_TCM = padded_BTC.reshape(batch * blocks, length, channels).transpose(1, 2, 0)
    z_TKM = layer.input_CK.T @ np.ascontiguousarray(x_TCM) + layer.bias_K[:, None]
    if before_BT is not None:
        shut_BT = np.zeros((batch, blocks * length), np.bool_)
        shut_BT[:, :steps] = before_BT
        shut_TM = shut_BT.reshape(batch * blocks, length).T
        z_TKM[:, :units] = np.where(shut_TM[:, None], SHUT, z_TKM[:, :units])
    hidden_KD = np.ascontiguousarray(layer.hidden_DK.T)
    h_TDM = np.full((length, units, batch * blocks), np.nan, x_BTC.dtype)
    c_LDM = np.full((length // LOOK, *h_TDM.shape[1:]), np.nan, x_BTC.dtype)  # at every look
    begins = _Columns(*np.zeros((2, *h_TDM.shape[1:]), x_BTC.dtype))
    open_M = np.ones(batch * blocks, np.bool_)
    for _ in range(blocks):  # each settles one more block at least
        _sweep(z_TKM, hidden_KD, begins, (h_TDM, c_LDM), open_M)
        after = _Columns(*(np.roll(part[-1], 1, axis=1) for part in (h_TDM, c_LDM)))
        for part in after:
            part[:, ::blocks] = 0  # the first block of a series
        open_M, begins = ~_alike(after, begins), after
        if not open_M.any():
            break
    return np.ascontiguousarray(h_TDM.transpose(2, 0, 1)).reshape(batch, -1, units)[:, :steps]


class _Columns(NamedTuple):
    """The state of many blocks."""

    h_DM: Array
    c_DM: Array


def _sweep(z_TKM: Array, hidden_KD: Array, state: _Columns, path: tuple[Array, Array], open_M: Array) -> None:
    """Walk through blocks and write to ``path`` (h, and at every look c) until the open ones meet what is there."""
    h_TDM, c_LDM = path
    open_M = open_M.copy()
    fresh_TDM = np.empty((LOOK, *h_TDM.shape[1:]), h_TDM.dtype)
    for look in range(len(c_LDM)):
        steps = slice(look * LOOK, (look + 1) * LOOK)
        state = _walk(z_TKM[steps], hidden_KD, state, fresh_TDM)
        met_M = _alike(state, _Columns(h_TDM[steps][-1], c_LDM[look]))
        np.copyto(h_TDM[steps], fresh_TDM, where=open_M)
        np.copyto(c_LDM[look], state.c_DM, where=open_M)
        open_M &= ~met_M
        if not open_M.any():
            return


def _walk(z_TKM: Array, hidden_KD: Array, state: _Columns, out_TDM: Array) -> _Columns:
    """Walk one halved layer through its steps, as ``runtime.read`` does; returns the final state."""
    h_DM, c_DM = state.h_DM, state.c_DM.copy()
    units = len(h_DM)
    gates_KM, new_DM = np.empty(z_TKM.shape[1:], z_TKM.dtype), np.empty_like(c_DM)
    doors_KM = gates_KM[: 2 * units]
    input_DM, forget_DM, candidate_DM, output_DM = gates_KM.reshape(4, units, -1)
    for z_KM, out_DM in zip(z_TKM, out_TDM, strict=True):
        np.matmul(hidden_KD, h_DM, out=gates_KM)
        gates_KM += z_KM
        np.tanh(gates_KM, out=gates_KM)
        doors_KM += 1  # twice the sigmoids
        output_DM += 1
        input_DM *= candidate_DM
        np.multiply(forget_DM, c_DM, out=c_DM)
        c_DM += input_DM
        c_DM *= 0.5
        np.tanh(c_DM, out=new_DM)
        new_DM *= output_DM
        np.multiply(new_DM, 0.5, out=out_DM)
        h_DM = out_DM
    return _Columns(h_DM.copy(), c_DM)


def _alike(one: _Columns, other: _Columns) -> Array:
    """Which states are the same but for what may be neglected, (M,)."""
    near = [np.abs(this - that).max(axis=0) < MET[this.dtype] for this, that in zip(one, other, strict=True)]
    return np.asarray(near[0] & near[1])


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


class Told(NamedTuple):
    """What the head is asked, as ``scaling.Question``, with the origins and steps last."""

    features_FNK: Array  # float32
    candidates_ANK: Array
    missing_ANK: Array | None  # None where all candidates are there
    path_KJ: Array


def tell(scaled: Scaled, at: tuple[Indices, Indices], steps_K: Indices, seasons: tuple[int, ...]) -> Told:
    """Ask as ``scaling.ask`` does: at these series and steps, what comes ``steps_K`` steps later?"""
    found_ANK = candidates_then(scaled, *at, steps_K, seasons)
    level_N1, scale_N1 = (part[at][:, None] for part in (scaled.level_BT, scaled.scale_BT))
    finite_ANK = np.isfinite(found_ANK)
    missing_ANK = None if finite_ANK.all() else ~finite_ANK
    found_ANK -= level_N1
    found_ANK /= np.where(scale_N1 > 0, scale_N1, np.inf)
    if missing_ANK is not None:
        found_ANK[missing_ANK] = 0
    np.clip(found_ANK, -FARTHEST, FARTHEST, out=found_ANK)
    described_KF, path_KJ = describe(tuple(int(step) for step in steps_K), seasons)
    known_NKJ = np.empty((*found_ANK.shape[1:], 0))
    if scaled.known is not None:
        known_NKJ = known_then(scaled.known, *at, steps_K)
    features_FNK = np.empty((FEATURES + known_NKJ.shape[-1], *found_ANK.shape[1:]), np.float32)
    features_FNK[:3], features_FNK[14:FEATURES] = found_ANK[1:4], found_ANK[4:]
    for part in (features_FNK[:3], features_FNK[14:FEATURES]):
        np.arcsinh(part, out=part)
    features_FNK[3:6] = finite_ANK[1:4]
    features_FNK[6:14] = described_KF.T[:, None]
    features_FNK[FEATURES:] = np.moveaxis(known_NKJ, -1, 0)
    return Told(features_FNK, found_ANK, missing_ANK, path_KJ)


class _Prepared(NamedTuple):
    """A head's weights in float32; what leads to a SiLU is halved: with u half of x it is u + u tanh(u)."""

    question_FE: Array
    middle_ED: Array
    middle_bias_D: Array
    out_OD: Array
    out_bias_O1: Array


class _Room(NamedTuple):
    """Where the head works: the same few arrays for every handful of origins."""

    told: Array
    turned: Array
    middle: Array
    out: Array


def answer_many(
    head: HeadWeights, h_ND: Array, told: Told, around: tuple[Array, Array], widening_KQ: Array | None, made_NKQ: Array
) -> None:
    """Write quantiles in original units: what ``answer``, ``in_units`` and ``widen`` of ``runtime`` make in turn.

    Args:
        head: the head's weights, in float64.
        h_ND: what the LSTM layers gave at the origins.
        told: what is asked there.
        around: level and scale at the origins, (N,) each.
        widening_KQ: the model's factors on the distances from the median, if it has any.
        made_NKQ: where they go, float64.
    """
    count, steps = told.features_FNK.shape[1:]
    state_NE = (0.5 * (h_ND @ head.state_DE + head.bias_E)).astype(np.float32)
    centre_NK = (h_ND @ head.path_DJ + head.path_bias_J) @ told.path_KJ.T  # float64, since polynomials cancel
    parts = 0.5 * head.question_FE, 0.5 * head.middle_ED, 0.5 * head.middle_bias_D, head.out_DO.T
    prepared = _Prepared(*(np.ascontiguousarray(part, np.float32) for part in (*parts, head.out_bias_O[:, None])))
    factors_W1K = None if widening_KQ is None else _outward(widening_KQ, steps)
    level_N1, scale_N1 = (part[:, None] for part in around)
    rows, (wide, units) = min(TOGETHER, count) * steps, head.middle_ED.shape
    room = _Room(*(np.empty(shape, np.float32) for shape in [(rows, wide)] * 2 + [(rows, units), (OUTPUTS * rows,)]))
    for begin in range(0, count, TOGETHER):
        some = slice(begin, begin + TOGETHER)
        out_ONK = _head(prepared, state_NE[some], told.features_FNK[:, some], room)
        missing_ANK = None if told.missing_ANK is None else told.missing_ANK[:, some]
        centre_NK[some] += _mixed(out_ONK[:CANDIDATES], told.candidates_ANK[:, some], missing_ANK)
        centre_NK[some] += out_ONK[CANDIDATES]
        away_WNK = scale_N1[some] * _stepped(out_ONK[CANDIDATES + 1 :], factors_W1K)  # in float64: scales may be huge
        middle_NK = level_N1[some] + scale_N1[some] * centre_NK[some]
        for place, away_NK in enumerate(away_WNK[:MEDIAN]):
            np.subtract(middle_NK, away_NK, out=made_NKQ[some, :, place])
        made_NKQ[some, :, MEDIAN] = middle_NK
        for place, away_NK in enumerate(away_WNK[MEDIAN:], MEDIAN + 1):
            np.add(middle_NK, away_NK, out=made_NKQ[some, :, place])


def _head(head: _Prepared, state_NE: Array, features_FNK: Array, room: _Room) -> Array:
    """What the head says of a handful of origins, (O, N, K)."""
    count, steps = features_FNK.shape[1:]
    rows = count * steps
    told, turned, middle = (part[:rows] for part in room[:3])
    np.matmul(features_FNK.reshape(len(features_FNK), rows).T, head.question_FE, out=told)
    told.reshape(count, steps, -1)[...] += state_NE[:, None]
    np.tanh(told, out=turned)
    turned *= told
    told += turned
    np.matmul(told, head.middle_ED, out=middle)
    middle += head.middle_bias_D
    turned = turned.reshape(-1)[: middle.size].reshape(middle.shape)
    np.tanh(middle, out=turned)
    turned *= middle
    middle += turned
    out = room.out[: OUTPUTS * rows].reshape(OUTPUTS, rows)
    np.matmul(head.out_OD, middle.T, out=out)
    out += head.out_bias_O1
    return out.reshape(OUTPUTS, count, steps)


def _mixed(logits_ANK: Array, candidates_ANK: Array, missing_ANK: Array | None) -> Array:
    """The candidates' mixture, (N, K)."""
    if missing_ANK is not None:
        logits_ANK[missing_ANK] = -np.inf
    logits_ANK -= logits_ANK.max(axis=0)
    np.exp(logits_ANK, out=logits_ANK)
    mixed_NK: Array = np.einsum("ank,ank->nk", logits_ANK, candidates_ANK)
    mixed_NK /= logits_ANK.sum(axis=0)
    return mixed_NK


def _stepped(outward_WNK: Array, factors_W1K: Array | None) -> Array:
    """Distances from the median, from the lowest quantile to the highest without it; never less further out."""
    above_WNK = np.maximum(outward_WNK, 0)
    np.abs(outward_WNK, out=outward_WNK)
    np.negative(outward_WNK, out=outward_WNK)
    np.exp(outward_WNK, out=outward_WNK)
    np.log1p(outward_WNK, out=outward_WNK)
    outward_WNK += above_WNK  # the softplus
    sides = outward_WNK[MEDIAN - 1 :: -1], outward_WNK[MEDIAN:]
    for side_WNK in sides:
        for place in range(1, len(side_WNK)):
            side_WNK[place] += side_WNK[place - 1]
    if factors_W1K is not None:
        outward_WNK *= factors_W1K
        for side_WNK in sides:
            for place in range(1, len(side_WNK)):
                np.maximum(side_WNK[place], side_WNK[place - 1], out=side_WNK[place])
    return outward_WNK


def _outward(widening_KQ: Array, steps: int) -> Array:
    """Factors of the steps ahead, (W, 1, K), of all quantiles but the median; the last row serves all later steps."""
    rows = np.minimum(np.arange(steps), len(widening_KQ) - 1)
    return np.delete(widening_KQ[rows], MEDIAN, axis=1).T[:, None].astype(np.float32)
