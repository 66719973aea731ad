"""The path refitted by least squares, once the network has learned; the validation part decides whether it is kept.

Gradient steps leave a noise-free signal at an error of their own step size; the path, the centre's linear part, is
linear in the state, so its best weights are one linear system away (a ridge read-out, as in Jaeger 2001, "The echo
state approach").  It is offered on top of what mixture and correction say, and alone, from the level.

Key: S series, T step, N origin, K step ahead, D hidden unit, J path polynomial, Q quantile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gatecast import bulk, runtime
from gatecast.answering import Asked, answer_many
from gatecast.constants import MEDIAN, QUANTILES
from gatecast.runtime import HeadWeights, Weights
from gatecast.scaling import CANDIDATES, PATH, Floats, describe
from gatecast.windows import Batch, Indices, TrainingSet

LARGEST_ERROR = 20.0  # one absurd truth weighs no more than this many scales
READ = 32_768  # steps that are read for it, the newest of some series
ORIGINS = 768  # that it learns from
RUN_IN = 512  # steps that the state runs in before it is looked at, or a third of the series
LEAST_KNOWN = 0.5  # share of the truths of an origin that it takes to learn from it where none has them all
REFILLS = 12  # times that missing truths are filled from the fit before
RIDGES = (1e-10, 1e-7, 1e-4)
SURE = 40.0  # the logit of a candidate that is the whole mixture


class Refitted(NamedTuple):
    """A network whose path was refitted, and its loss on the validation part."""

    weights: Weights
    loss: float


def refit_path(
    weights: Weights, data: TrainingSet, judge: Batch, best: float, rng: np.random.Generator, horizon: int
) -> Refitted | None:
    """Offer least-squares refits of the path, and return the best; None if none beats ``best`` on validation.

    Args:
        weights: the network's, in float64.
        data: what the path learns from: steps before column ``training`` only.
        judge: the validation part.
        best: the network's own loss on it.
        rng: random numbers, for the choice of origins.
        horizon: steps ahead that the path is fitted on.
    """
    learned = _learned_from(weights, data, horizon, rng)
    if learned is None:
        return None
    h_ND, truth_NK, rest_NK, path_KJ = learned
    h_BTD, _ = runtime.read(weights, judge.inputs_BTC)
    judged_ND = np.take_along_axis(h_BTD, judge.within_BN[..., None], axis=1).reshape(-1, weights.units)
    plain_NKQ = runtime.answer(_with_path(weights.head, *_no_path(weights.units)), judged_ND, judge.question)
    found: Refitted | None = None
    for alone in (False, True):
        # without mixture and correction the centre is the level, 0, and the steps outward from it stay
        around_NKQ = plain_NKQ - plain_NKQ[..., MEDIAN, None] if alone else plain_NKQ
        left_NK = np.clip(truth_NK if alone else truth_NK - rest_NK, -LARGEST_ERROR, LARGEST_ERROR)
        head = _level_alone(weights.head) if alone else weights.head
        for path_DJ, bias_J in _ridge(h_ND, left_NK, path_KJ):
            offered = _with_path(head, path_DJ.astype(np.float32), bias_J.astype(np.float32))
            told_NK = (judged_ND @ offered.path_DJ + offered.path_bias_J) @ judge.question.path_KJ.T
            loss = _loss(judge, around_NKQ + told_NK[..., None])
            if loss < best:
                best, found = loss, Refitted(weights._replace(head=offered), loss)
    return found


def _learned_from(
    weights: Weights, data: TrainingSet, horizon: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats] | None:
    """States (N, D), truths and what mixture and correction say (N, K), normalised; None where too little is known."""
    series = len(data.values_ST)
    begin = max(0, data.training - READ)
    rows_S = rng.permutation(series)[: max(1, READ // (data.training - begin))]
    first_S = np.maximum(data.first_S[rows_S], begin)
    first_S = np.minimum(first_S + np.minimum(RUN_IN, (data.training - first_S) // 3), data.training - 2)
    room_S = data.training - 1 - first_S  # a truth must follow every origin
    chosen_N = np.sort(rng.choice(len(rows_S), ORIGINS, p=room_S / room_S.sum()))
    origins_N = first_S[chosen_N] + (rng.random(ORIGINS) * room_S[chosen_N]).astype(np.int64)
    rows_N = rows_S[chosen_N]
    truth_NK = _truths(data, rows_N, origins_N, horizon)
    use_N = np.isfinite(truth_NK).all(1)
    if use_N.sum() < 2 * weights.units:  # values are missing nearly everywhere
        use_N = np.isfinite(truth_NK).mean(1) >= LEAST_KNOWN
    if use_N.sum() < 2 * weights.units:
        return None
    h_RTD = bulk.read_long(weights, data.scaled.inputs_BTC[rows_S, begin : data.training])
    h_ND = h_RTD[chosen_N, origins_N - begin][use_N]
    at, steps_K = (rows_N[use_N], origins_N[use_N]), np.arange(1, horizon + 1)
    made_NKQ = np.empty((len(h_ND), horizon, len(QUANTILES)))
    head = _with_path(weights.head, *_no_path(weights.units))
    answer_many(head, None, Asked(data.scaled, steps_K, data.seasons), at, h_ND, made_NKQ, in_units=False)
    path_KJ = describe(tuple(range(1, horizon + 1)), data.seasons)[1]
    return h_ND, truth_NK[use_N], made_NKQ[..., MEDIAN], path_KJ


def _truths(data: TrainingSet, rows_N: Indices, origins_N: Indices, horizon: int) -> Floats:
    """What came after the origins, normalised, (N, K); NaN where unknown, after the training part, or without scale."""
    ahead_NK = origins_N[:, None] + np.arange(1, horizon + 1)
    truth_NK = data.values_ST[rows_N[:, None], np.minimum(ahead_NK, data.values_ST.shape[1] - 1)]
    level_N, scale_N = (part[rows_N, origins_N] for part in (data.scaled.level_BT, data.scaled.scale_BT))
    known_NK = (ahead_NK < data.training) & (scale_N > 0)[:, None] & np.isfinite(truth_NK)
    return np.where(known_NK, (truth_NK - level_N[:, None]) / np.where(scale_N > 0, scale_N, 1.0)[:, None], np.nan)


def _no_path(units: int) -> tuple[Floats, Floats]:
    return np.zeros((units, PATH)), np.zeros(PATH)


def _with_path(head: HeadWeights, path_DJ: Floats, bias_J: Floats) -> HeadWeights:
    return head._replace(path_DJ=path_DJ.astype(np.float64), path_bias_J=bias_J.astype(np.float64))


def _level_alone(head: HeadWeights) -> HeadWeights:
    """A head whose mixture is the level and nothing else, without a correction."""
    out_DO, out_bias_O = head.out_DO.copy(), head.out_bias_O.copy()
    out_DO[:, : CANDIDATES + 1] = 0
    out_bias_O[: CANDIDATES + 1] = 0
    out_bias_O[0] = SURE
    return head._replace(out_DO=out_DO, out_bias_O=out_bias_O)


def _loss(judge: Batch, quantiles_NKQ: Floats) -> float:
    """Mean pinball loss over the validation part, in units of the series' mean absolute change."""
    levels_Q = np.array(QUANTILES)
    error_NKQ = judge.truth_NK[..., None] - quantiles_NKQ
    loss_NK = np.maximum(levels_Q * error_NKQ, (levels_Q - 1) * error_NKQ).mean(-1) * judge.scale_N[:, None]
    return float(loss_NK[judge.known_NK].mean()) if judge.known_NK.any() else float("inf")


def _ridge(h_ND: Floats, left_NK: Floats, path_KJ: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Least squares for left = [h, 1] W path', with a ridge; the two small eigenproblems serve every ridge.

    What is missing (NaN) takes the value that the fit before gives it, again and again (Dempster, Laird, Rubin 1977).
    """
    h1_ND = np.concatenate([h_ND, np.ones((len(h_ND), 1))], axis=1)
    of_state, u = np.linalg.eigh(h1_ND.T @ h1_ND)
    of_path, v = np.linalg.eigh(path_KJ.T @ path_KJ)
    power = np.maximum(of_state, 0)[:, None] * np.maximum(of_path, 0)
    known_NK = np.isfinite(left_NK)
    for ridge in RIDGES:
        filled_NK = np.where(known_NK, left_NK, 0.0)
        for _ in range(1 if known_NK.all() else REFILLS):
            turned = u.T @ (h1_ND.T @ filled_NK @ path_KJ) @ v
            solved = u @ (turned / (power + ridge * power.mean())) @ v.T
            filled_NK = np.where(known_NK, left_NK, h1_ND @ solved @ path_KJ.T)
        yield solved[:-1].reshape(-1, PATH), solved[-1]
