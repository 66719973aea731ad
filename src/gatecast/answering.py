"""Answers to very many questions at once: the head of ``runtime`` in float32, a few origins at a time.

What it touches so stays in the cache.  ``runtime`` in float64 remains what is right; a test holds this to it.

Key: B series, T step, K step ahead, D hidden unit, E head unit, N origin, F feature, A candidate, J path polynomial, O
head output, W distance from the median, Q quantile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.bulk import aligned
from gatecast.constants import MEDIAN
from gatecast.runtime import OUTPUTS, Array, HeadWeights
from gatecast.scaling import (
    CANDIDATES,
    FARTHEST,
    FEATURES,
    KNOWN_FEATURES,
    Scaled,
    candidates_then,
    describe,
    known_then,
)

Indices = NDArray[np.int64]

ASKED = 128  # origins that are told of at a time, so that what is told stays in the cache
TOGETHER = 32  # of them the head answers at a time


class Asked(NamedTuple):
    """What the head is asked of: series, the steps ahead, and the season lengths of the scaling."""

    scaled: Scaled
    steps_K: Indices
    seasons: tuple[int, ...]


class Told(NamedTuple):
    """What the head is asked, as ``scaling.Question``, with the origins and steps last."""

    features_FNK: Array  # float32
    candidates_ANK: Array
    missing_ANK: Array | None  # None where all candidates are there


def _room_to_tell(asked: Asked, origins: int) -> Array:
    """Where features go, (F, N, K): what is the same at every origin stands there already."""
    more = 0 if asked.scaled.known is None else KNOWN_FEATURES * len(asked.scaled.known.value_JBT)
    features_FNK = aligned((FEATURES + more, origins, len(asked.steps_K)), np.float32)
    features_FNK[6:14] = describe(tuple(asked.steps_K.tolist()), asked.seasons)[0].T[:, None]
    return features_FNK


def tell(asked: Asked, at: tuple[Indices, Indices], features_FNK: Array) -> Told:
    """Ask as ``scaling.ask`` does: at these series and steps, what comes ``steps_K`` steps later?"""
    scaled, steps_K, seasons = asked
    found_ANK = candidates_then(scaled, *at, steps_K, seasons)
    level_N1, scale_N1 = (part[at][:, None] for part in (scaled.level_BT, scaled.scale_BT))
    finite_ANK = np.isfinite(found_ANK)
    missing_ANK = None if finite_ANK.all() else ~finite_ANK
    found_ANK -= level_N1
    found_ANK *= 1 / np.where(scale_N1 > 0, scale_N1, np.inf)
    if missing_ANK is not None:
        found_ANK[missing_ANK] = 0
    np.clip(found_ANK, -FARTHEST, FARTHEST, out=found_ANK)
    features_FNK[:3], features_FNK[14:FEATURES] = found_ANK[1:4], found_ANK[4:]
    for part in (features_FNK[:3], features_FNK[14:FEATURES]):
        np.arcsinh(part, out=part)
    features_FNK[3:6] = finite_ANK[1:4]
    if scaled.known is not None:
        features_FNK[FEATURES:] = np.moveaxis(known_then(scaled.known, *at, steps_K), -1, 0)
    return Told(features_FNK, found_ANK, missing_ANK)


class _Head(NamedTuple):
    """A head in float32, and where it works: the same few arrays for every handful of origins.

    What leads to a SiLU is halved: with u half of x it is u + u tanh(u).  Origins and steps are columns.
    """

    question_EF: Array
    middle_DE: Array  # and a column for the bias, as below
    out_OD: Array
    factors_W1K: Array | None  # on the distances from the median
    told: Array
    turned: Array
    middle: Array
    out: Array

    @classmethod
    def of(cls, head: HeadWeights, widening_KQ: Array | None, steps: int, origins: int) -> _Head:
        """Make a head ready for so many steps ahead of so many origins at a time."""
        middle_ED = 0.5 * np.concatenate([head.middle_ED, head.middle_bias_D[None]])
        out_DO = np.concatenate([head.out_DO, head.out_bias_O[None]])
        question_EF, middle_DE, out_OD = (
            part.T.astype(np.float32, order="C") for part in (0.5 * head.question_FE, middle_ED, out_DO)
        )
        factors_W1K = None if widening_KQ is None else _outward(widening_KQ, steps)
        wide, units = len(middle_ED), len(out_DO)
        told, turned, middle, out = (
            aligned((rows * origins * steps,), np.float32) for rows in (wide, wide, units, OUTPUTS)
        )
        return cls(question_EF, middle_DE, out_OD, factors_W1K, told, turned, middle, out)


def answer_many(
    head: HeadWeights,
    widening_KQ: Array | None,
    asked: Asked,
    at: tuple[Indices, Indices],
    h_ND: Array,
    made_NKQ: Array,
    in_units: bool = True,
) -> None:
    """Write quantiles: what ``answer``, ``in_units`` and ``widen`` of ``runtime`` make in turn.

    Args:
        head: the head's weights, in float64.
        widening_KQ: the model's factors on the distances from the median, if it has any.
        asked: of what.
        at: for each of the N origins its series, and its step.
        h_ND: what the LSTM layers gave there.
        made_NKQ: where they go, float64.
        in_units: whether they are in original units; else in units of the scale around the level at each origin.
    """
    count, scaled = len(h_ND), asked.scaled
    room_FNK, path_KJ = (
        _room_to_tell(asked, min(ASKED, count)),
        describe(tuple(asked.steps_K.tolist()), asked.seasons)[1],
    )
    ready = _Head.of(head, widening_KQ, len(asked.steps_K), min(TOGETHER, count))
    for begin in range(0, count, ASKED):
        few = slice(begin, begin + ASKED)
        here = at[0][few], at[1][few]
        state_EN = (0.5 * (h_ND[few] @ head.state_DE + head.bias_E)).T.astype(np.float32, order="C")
        path_NK = (h_ND[few] @ head.path_DJ + head.path_bias_J) @ path_KJ.T  # float64, since polynomials cancel
        told = tell(asked, here, room_FNK[:, : len(here[0])])
        around = (scaled.level_BT[here], scaled.scale_BT[here]) if in_units else None
        _answer_few(ready, (state_EN, path_NK), told, around, made_NKQ[few])


def _answer_few(
    head: _Head, states: tuple[Array, Array], told: Told, around: tuple[Array, Array] | None, made_NKQ: Array
) -> None:
    """Write quantiles, from what the states say to question and path, and level and scale at the origins."""
    state_EN, centre_NK = states
    for begin in range(0, len(centre_NK), TOGETHER):
        some = slice(begin, begin + TOGETHER)
        out_ONK = _head(head, state_EN[:, some], told.features_FNK[:, some])
        missing_ANK = None if told.missing_ANK is None else told.missing_ANK[:, some]
        middle_NK, away_WNK = centre_NK[some], _stepped(out_ONK[CANDIDATES + 1 :], head.factors_W1K)
        middle_NK += _mixed(out_ONK[:CANDIDATES], told.candidates_ANK[:, some], missing_ANK)
        middle_NK += out_ONK[CANDIDATES]
        if around is not None:
            level_N1, scale_N1 = (part[some, None] for part in around)
            middle_NK *= scale_N1
            middle_NK += level_N1
            away_WNK = scale_N1 * away_WNK  # in float64: scales may be huge
        for place, away_NK in enumerate(away_WNK[:MEDIAN]):
            np.subtract(middle_NK, away_NK, out=made_NKQ[some, :, place])
        made_NKQ[some, :, MEDIAN] = middle_NK
        for place, away_NK in enumerate(away_WNK[MEDIAN:], MEDIAN + 1):
            np.add(middle_NK, away_NK, out=made_NKQ[some, :, place])


def _head(head: _Head, state_EN: Array, features_FNK: Array) -> Array:
    """What the head says of a handful of origins, (O, N, K)."""
    count, steps = features_FNK.shape[1:]
    columns = count * steps

    def room_for(part: Array, rows: int) -> Array:
        return part[: rows * columns].reshape(rows, columns)

    told_1, turned = room_for(head.told, head.middle_DE.shape[1]), room_for(head.turned, len(head.question_EF))
    told, told_1[-1] = told_1[:-1], 1
    np.matmul(head.question_EF, features_FNK.reshape(-1, columns), out=told)
    told.reshape(-1, count, steps)[...] += state_EN[..., None]
    np.tanh(told, out=turned)
    turned *= told
    told += turned
    middle_1, turned = room_for(head.middle, head.out_OD.shape[1]), room_for(head.turned, len(head.middle_DE))
    middle, middle_1[-1] = middle_1[:-1], 1
    np.matmul(head.middle_DE, told_1, out=middle)
    np.tanh(middle, out=turned)
    turned *= middle
    middle += turned
    return np.matmul(head.out_OD, middle_1, out=room_for(head.out, OUTPUTS)).reshape(OUTPUTS, count, steps)


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
