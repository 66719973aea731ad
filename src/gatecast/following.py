"""Widths that follow, one value at a time: what ``adaptive`` makes of many origins, with a memory that does not grow.

When a value comes, the forecasts that were made for it get their scores.  ``adaptive`` keeps all scores and sorts them;
here each pool of steps keeps, for every interval, how much weight fell into each of ``BINS`` equal parts of the
logarithm of the score, and all weights fade at every step.  A factor is read off that histogram and lies within a part
of what sorting gives.  At each step one pool is read again, in turn.

Key: R step in the ring, N sampled step ahead, P pool, L interval from the widest inward, B part, K step ahead,
Q quantile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.adaptive import RANGE, SAMPLED, Pace
from gatecast.config import MEDIAN, QUANTILES
from gatecast.conformal import ASKED, between_knots, interval_scores, pools, rescale

Floats = NDArray[np.float64]

FEWEST = 3  # observed values, or a season of them, before a forecast counts: until then a series' scale is not known
BINS = 128
LOWEST = float(np.log(RANGE[0]))
WIDTH = float(np.log(RANGE[1]) - np.log(RANGE[0])) / BINS  # of a part, in logarithms


class Memory(NamedTuple):
    """What is remembered: arrays that are changed in place, saved with a stream, and read by a compiled step."""

    clock_1: Floats  # steps so far
    said_RNQ: Floats  # the newest forecasts at the sampled steps, NaN where none was made
    weight_PLB: Floats
    totals_P2: Floats  # sums of the weights of a pool's scores, and of their squares
    logs_PL: Floats  # of the factors, as last read


class Plan(NamedTuple):
    """What is the same for all streams of one horizon and pace."""

    ahead_N: NDArray[np.int64]  # the sampled steps
    pool_N: NDArray[np.int64]  # and the pool of each
    fade_P: Floats  # what is left of a weight after a step
    alike_P: Floats  # scores that count as one
    between_KP: Floats  # how far each step ahead follows each pool
    prior: float


def plan_for(horizon: int, direct: int, pace: Pace) -> Plan:
    """Return the plan of a stream; steps beyond the direct horizon follow its last."""
    around = pools(min(horizon, direct))
    steps = [
        np.unique(np.linspace(pool.steps[0], pool.steps[-1], min(SAMPLED, len(pool.steps))).round().astype(np.int64))
        for pool in around
    ]
    knots = [pool.knot for pool in around]
    between_KP = between_knots(np.eye(len(knots)), knots, min(horizon, direct))
    return Plan(
        np.concatenate(steps),
        np.repeat(np.arange(len(around)), [len(each) for each in steps]),
        0.5 ** (1 / (pace.half_life * np.sqrt(knots))),
        np.array(knots, np.float64) * [len(each) for each in steps],
        np.pad(between_KP, ((0, max(0, horizon - direct)), (0, 0)), mode="edge"),
        pace.prior,
    )


def empty_memory(plan: Plan) -> Memory:
    """Return the memory before anything was said."""
    count = len(plan.fade_P)
    return Memory(
        np.zeros(1),
        np.full((int(plan.ahead_N[-1]) + 1, len(plan.ahead_N), len(QUANTILES)), np.nan),
        np.zeros((count, MEDIAN, BINS)),
        np.zeros((count, 2)),
        np.zeros((count, MEDIAN)),
    )


def score(plan: Plan, memory: Memory, value: float) -> None:
    """Take a value: the forecasts made for it are scored, older scores fade, and one pool's factors are read again."""
    now, ring = int(memory.clock_1[0]), len(memory.said_RNQ)
    memory.clock_1[0] += 1
    memory.weight_PLB[:] *= plan.fade_P[:, None, None]
    memory.totals_P2[:] *= np.stack([plan.fade_P, plan.fade_P**2], axis=1)
    said_NQ = memory.said_RNQ[(now - plan.ahead_N) % ring, np.arange(len(plan.ahead_N))]
    scores_NL = interval_scores(np.full(len(said_NQ), value), said_NQ)
    whole_N = np.isfinite(scores_NL).all(axis=1)
    if whole_N.any():
        parts_NL = ((np.log(np.clip(scores_NL[whole_N], *RANGE)) - LOWEST) / WIDTH).astype(np.int64)
        pool_N = plan.pool_N[whole_N]
        at = pool_N[:, None], np.arange(MEDIAN), np.minimum(parts_NL, BINS - 1)
        np.add.at(memory.weight_PLB, at, 1)  # several forecasts may have the same pool
        np.add.at(memory.totals_P2, pool_N, 1)
    _read(plan, memory, now % len(plan.fade_P))
    memory.said_RNQ[now % ring] = np.nan


def _read(plan: Plan, memory: Memory, pool: int) -> None:
    """Read a pool's factors off its histogram, drawn to 1 while there are few scores; see ``adaptive``."""
    total, squares = memory.totals_P2[pool]
    if total <= 0:
        return
    n = total**2 / squares / plan.alike_P[pool]
    hold_L = np.minimum(ASKED * (1 + 1 / (n + plan.prior)), 1.0) * total * (1 - 1e-9)
    up_to_LB = np.cumsum(memory.weight_PLB[pool], axis=1)
    part_L = np.minimum((up_to_LB < hold_L[:, None]).sum(axis=1), BINS - 1)
    weight_L = memory.weight_PLB[pool, np.arange(MEDIAN), part_L]
    missing_L = hold_L - (up_to_LB[np.arange(MEDIAN), part_L] - weight_L)
    within_L = np.clip(missing_L / np.where(weight_L > 0, weight_L, 1.0), 0.0, 1.0)
    memory.logs_PL[pool] = n / (n + plan.prior) * (LOWEST + WIDTH * (part_L + within_L))


def say(plan: Plan, memory: Memory, quantiles_KQ: Floats) -> None:
    """Remember a forecast made after the newest value, as it was before any following."""
    memory.said_RNQ[(int(memory.clock_1[0]) - 1) % len(memory.said_RNQ)] = quantiles_KQ[plan.ahead_N - 1]


def followed(plan: Plan, memory: Memory, quantiles_KQ: Floats) -> Floats:
    """Return a forecast with its widths as they should be now."""
    factors_KL = np.exp(plan.between_KP @ memory.logs_PL)
    ones_K1 = np.ones((len(factors_KL), 1))
    return rescale(quantiles_KQ, np.concatenate([factors_KL, ones_K1, factors_KL[:, ::-1]], axis=1))
