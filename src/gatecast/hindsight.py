"""What untrained networks say from every origin of a series, set right by what they said before and what came then.

A series is read once and every network says its quantiles; their mean is the forecast.  The same pass says what they
would have said at earlier origins.  From that follows how the centre should move (``postprocess``), and then how wide
the intervals should be (``adaptive``).  In a panel all series together say both; each then moves its widths a little.

Key: S series, T step, O origin asked for, G past origin that is checked, N question, H horizon step, K sampled step,
A candidate, D number of the states, Q quantile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast import postprocess, runtime
from gatecast.adaptive import Pace, adaptive_factors, rescale, sampled_steps
from gatecast.config import MEDIAN, QUANTILES
from gatecast.covariates import Floats
from gatecast.modelfile import Model
from gatecast.postprocess import Corrections, Past
from gatecast.predictor import CHUNK, predict_many
from gatecast.scaling import CANDIDATES, Question, Scaled, ask, scale_series

Indices = NDArray[np.int64]

ALONE, TOGETHER, BESIDE = Pace(200, 20), Pace(200, 20), Pace(200, 60)  # of one series, of a panel, of a series in it
MOST_CHECKED = 600  # past origins of a series that are checked
LEARNED_FROM = 6_000  # past origins of a panel from which corrections are learned


class Seen(NamedTuple):
    """Series as the networks see them: what they see up to a step serves series that end there."""

    values_ST: Floats
    seasons: tuple[int, ...]
    scaled: Scaled
    heads: list[Floats]  # what each network's head sees at every step, (S, T, D)

    def serves(self, values_ST: Floats, seasons: tuple[int, ...]) -> bool:
        """Whether series are these, or end before them."""
        begin_ST = self.values_ST[:, : values_ST.shape[1]]
        return seasons == self.seasons and np.array_equal(begin_ST, values_ST, equal_nan=True)

    def until(self, end: int) -> Seen:
        """Return what was seen of series that end before step ``end``."""
        return self._replace(values_ST=self.values_ST[:, :end])


class Shared(NamedTuple):
    """What the series of a panel say together."""

    corrections: Corrections | None
    factors_OHQ: Floats  # on widths


class _Checked(NamedTuple):
    """What was said at past origins of every series, and what came; NaN where a series has none, or none is sampled."""

    truth_SGH: Floats
    said_SGHQ: Floats
    origins_SG: Indices  # counted from the series' end: 0 is the last step


def see(members: Sequence[Model], values_ST: Floats) -> Seen:
    """Read series with every network; they are scaled once."""
    scaling = members[0].scaling
    scaled = scale_series(values_ST, scaling)
    heads = [runtime.read(model.weights, scaled.inputs_BTC)[0] for model in members]
    return Seen(values_ST, scaling.seasons, scaled, heads)


def share(members: Sequence[Model], parts: Sequence[Seen], now_O: Indices, horizon: int, correct: bool) -> Shared:
    """Return what some series of a panel, of like length in each part, say together at the origins ``now_O``."""
    direct = min(horizon, members[0].direct_horizon)
    longest = max(seen.values_ST.shape[1] for seen in parts)
    apart = _apart(parts[0].seasons, longest + int(now_O.min()), alone=False)
    corrections = None
    if correct:
        every = max(1, -(-sum(int(_origins(seen, apart)[1].sum()) for seen in parts) // LEARNED_FROM))
        pasts = [_past_of(members, seen, direct, apart, every) for seen in parts]
        corrections = postprocess.learn(Past.joined(pasts), direct, members[0].direct_horizon, float(every * apart))
    truths, said, origins = [], [], []
    for seen in parts:
        past = _check(members, seen, direct, corrections, apart)
        real_SG = np.isfinite(past.truth_SGH).any(axis=2)
        truths.append(past.truth_SGH[real_SG])
        said.append(past.said_SGHQ[real_SG])
        origins.append(past.origins_SG[real_SG])
    at_N = np.concatenate(origins)
    order = np.argsort(at_N, kind="stable")
    truth_NH, said_NHQ = np.concatenate(truths)[order], np.concatenate(said)[order]
    factors_1OHQ = adaptive_factors(truth_NH[None], said_NHQ[None], at_N[order], now_O, TOGETHER)
    return Shared(corrections, np.asarray(factors_1OHQ[0]))


def from_origins(
    members: Sequence[Model], seen: Seen, now_O: Indices, horizon: int, shared: Shared | None, correct: bool = True
) -> Floats:
    """Quantiles (S, O, H, Q) from every origin, counted from the end; set right by the origins before it.

    Args:
        members: the networks.
        seen: series as they see them; one series where nothing is shared.
        now_O: the origins: 0 is the last step.
        horizon: steps ahead.
        shared: what the panel says together; None where a series is by itself.
        correct: whether the centre is corrected; widths always follow.
    """
    direct, alone = min(horizon, members[0].direct_horizon), shared is None
    (series, steps), asked = seen.values_ST.shape, len(now_O)
    apart = _apart(seen.seasons, steps + int(now_O.min()), alone)
    corrections = None if shared is None else shared.corrections
    if alone and correct:
        past = _past_of(members, seen, direct, apart)
        corrections = postprocess.learn(past, direct, members[0].direct_horizon, float(apart))
    checked = _check(members, seen, direct, corrections, apart)
    at = np.repeat(np.arange(series), asked), np.tile(now_O + steps - 1, series)
    said_NHQ = _corrected(members, seen, at, np.arange(1, direct + 1), corrections)
    made_SOHQ = said_NHQ.reshape(series, asked, direct, len(QUANTILES))
    if horizon > direct:
        far = [predict_many(model, seen.values_ST, now_O + steps - 1, horizon) for model in members]
        made_SOHQ = _joined(made_SOHQ, np.mean(far, axis=0), seen, now_O)
    pace, common = (ALONE, np.ones(1)) if shared is None else (BESIDE, shared.factors_OHQ)
    factors_SOHQ = adaptive_factors(checked.truth_SGH, checked.said_SGHQ, checked.origins_SG, now_O, pace, common)
    return rescale(made_SOHQ, factors_SOHQ[:, :, np.minimum(np.arange(horizon), direct - 1)])


def _joined(near_SOHQ: Floats, far_SOHQ: Floats, seen: Seen, now_O: Indices) -> Floats:
    """Quantiles that go on beyond the direct horizon: each block of steps is moved to go on from the one before.

    Run on over hidden steps a network knows the level less well than when it sees it, so a block may begin far from the
    last.  From the last step of one to the first of the next a median should move as these phases of the longer season
    usually differ; without a season, as it moved last.  What it is off by beyond a mean step, a block is moved by.
    """
    direct, horizon = near_SOHQ.shape[2], far_SOHQ.shape[2]
    parts = [near_SOHQ]
    for begin in range(direct, horizon, direct):
        block_SOHQ, last_SOH = far_SOHQ[:, :, begin : begin + direct], parts[-1][..., MEDIAN]
        if seen.seasons == (1,):
            step_SO = last_SOH[:, :, -1] - last_SOH[:, :, -2] if direct > 1 else np.zeros(last_SOH.shape[:2])
        else:
            step_SO = _usual(seen, now_O, begin + 1) - _usual(seen, now_O, begin)
        off_SO = last_SOH[:, :, -1] + step_SO - block_SOHQ[:, :, 0, MEDIAN]
        mean_SO = np.abs(np.diff(last_SOH, axis=2)).sum(axis=2) / max(1, direct - 1)
        moved_SO = np.sign(off_SO) * np.maximum(np.abs(off_SO) - mean_SO, 0.0)
        parts.append(block_SOHQ + np.where(np.isfinite(moved_SO), moved_SO, 0.0)[..., None, None])
    return np.concatenate(parts, axis=2)


def _usual(seen: Seen, now_O: Indices, step: int) -> Floats:
    """What the phase so many steps after an origin is usually like, (S, O), of the longer season; NaN if not known."""
    season, phases = seen.seasons[-1], seen.scaled.phases[-1]
    at_O = now_O + seen.values_ST.shape[1] - 1 + step - -(-step // season) * season
    return np.asarray(np.where(at_O < 0, np.nan, phases.usual_BT[:, np.maximum(at_O, 0)]))


def _apart(seasons: tuple[int, ...], steps: int, alone: bool) -> int:
    """Steps from one past origin to the next in series of so many steps.

    Of a panel they are a good third of a season apart; one series shows all it has.  In long ones they are further
    apart, so that they are not too many.  No season is a multiple of what they are apart by, nor shares a factor with
    it: so every phase comes.
    """
    apart = int(max(1 if alone else seasons[0] // 3 + 1, -(-steps // MOST_CHECKED)))
    while any(gcd(apart, season) > 1 for season in seasons):
        apart += 1
    return apart


def _origins(seen: Seen, apart: int) -> tuple[Indices, NDArray[np.bool_]]:
    """Past origins (S, G) from where a series' scale is known, and which of them come before its end."""
    steps = seen.values_ST.shape[1]
    seen_ST = np.isfinite(seen.values_ST)
    first_S = np.where(seen_ST.any(1), np.argmax(seen_ST, axis=1), steps) + max(3, seen.seasons[0])
    count = max(0, -(-(steps - 1 - int(first_S.min(initial=steps))) // apart))
    origins_SG = first_S[:, None] + apart * np.arange(count)
    return origins_SG, origins_SG < steps - 1


def _past_of(members: Sequence[Model], seen: Seen, horizon: int, apart: int, every: int = 1) -> Past:
    """What was said at past origins and how far off it was, series by series; at one in ``every`` origins."""
    direct = members[0].direct_horizon
    steps_K = postprocess.learned_steps(horizon, direct)
    origins_SG, real_SG = _origins(seen, apart)
    places_SG = np.add.outer(np.arange(real_SG.shape[0]), np.arange(real_SG.shape[1]))  # others in every series
    rows_N, places_N = np.nonzero(real_SG & (places_SG % every == 0))
    at_N = origins_SG[rows_N, places_N]
    truth_NK = _came(seen, (rows_N, at_N), steps_K)
    scale_N1, level_N1 = (part[rows_N, at_N][:, None] for part in (seen.scaled.scale_BT, seen.scaled.level_BT))
    errors = [np.empty((0, len(steps_K)))]
    told = [np.empty((0, len(steps_K), CANDIDATES), np.float32)]
    for some, question, quantiles_NKQ in _answers(members, seen, (rows_N, at_N), steps_K):
        median_NK = quantiles_NKQ[..., MEDIAN]
        unit_N1 = np.where(scale_N1[some] > 0, scale_N1[some], np.nan)  # nothing but zeros so far says nothing
        errors.append((truth_NK[some] - level_N1[some]) / unit_N1 - median_NK)
        told.append(_less(question, median_NK).astype(np.float32))
    state_ND = np.concatenate([head_STD[rows_N, at_N] for head_STD in seen.heads], axis=1)
    return Past(np.concatenate(errors), np.concatenate(told), state_ND, at_N - (seen.values_ST.shape[1] - 1))


def _came(seen: Seen, at: tuple[Indices, Indices], steps_K: Indices) -> Floats:
    """What came so many steps after series and origin ``at``, (N, K), in original units; NaN after the end."""
    rows_N, at_N = at
    steps, ahead_NK = seen.values_ST.shape[1], at_N[:, None] + steps_K
    return np.where(ahead_NK < steps, seen.values_ST[rows_N[:, None], np.minimum(ahead_NK, steps - 1)], np.nan)


def _less(question: Question, median_NK: Floats) -> Floats:
    """The candidates less the median, (N, K, A), in units of the scale; 0 where there is none."""
    return np.where(question.available_NKA, question.candidates_NKA - median_NK[..., None], 0.0)


def _answers(
    members: Sequence[Model], seen: Seen, at: tuple[Indices, Indices], steps_K: Indices
) -> Iterator[tuple[slice, Question, Floats]]:
    """The networks' mean quantiles (N, K, Q) of series and origin ``at``, in units of the scale, a few at a time."""
    together = max(1, CHUNK // len(steps_K))
    for begin in range(0, len(at[0]), together):
        some = slice(begin, begin + together)
        here = at[0][some], at[1][some]
        question = ask(seen.scaled, *here, steps_K, seen.seasons)
        made = [
            runtime.answer(model.weights.head, head_STD[here], question)
            for model, head_STD in zip(members, seen.heads, strict=True)
        ]
        yield some, question, np.mean(made, axis=0)


def _check(members: Sequence[Model], seen: Seen, horizon: int, corrections: Corrections | None, apart: int) -> _Checked:
    """What was said at past origins, with widths as the networks say them, and what came; of sampled steps ahead."""
    steps = seen.values_ST.shape[1]
    origins_SG, real_SG = _origins(seen, apart)
    steps_K = sampled_steps(horizon)
    said_SGHQ = np.zeros((*real_SG.shape, horizon, len(QUANTILES)))
    truth_SGH = np.full((*real_SG.shape, horizon), np.nan)
    at = np.nonzero(real_SG)[0], origins_SG[real_SG]
    said_NKQ, truth_NK = _corrected(members, seen, at, steps_K, corrections), _came(seen, at, steps_K)
    for place, step in enumerate(steps_K - 1):
        said_SGHQ[real_SG, step] = said_NKQ[:, place]
        truth_SGH[real_SG, step] = truth_NK[:, place]
    return _Checked(truth_SGH, said_SGHQ, np.where(real_SG, origins_SG, steps) - (steps - 1))


def _corrected(
    members: Sequence[Model],
    seen: Seen,
    at: tuple[Indices, Indices],
    steps_H: Indices,
    corrections: Corrections | None,
) -> Floats:
    """Quantiles (N, H, Q) of series and origin ``at``, in original units."""
    said_NHQ = np.empty((len(at[0]), len(steps_H), len(QUANTILES)))
    clock = seen.values_ST.shape[1] - 1
    for some, question, said_here_NHQ in _answers(members, seen, at, steps_H):
        here, quantiles_NHQ = (at[0][some], at[1][some]), said_here_NHQ
        level_N, scale_N = seen.scaled.level_BT[here], seen.scaled.scale_BT[here]
        if corrections is not None:
            state_ND = np.concatenate([head_STD[here] for head_STD in seen.heads], axis=1)
            less_NHA = _less(question, said_here_NHQ[..., MEDIAN])
            added_NH = corrections.of(less_NHA, state_ND, here[1] - clock, steps_H)
            quantiles_NHQ = said_here_NHQ + added_NH[..., None]
        said_NHQ[some] = runtime.in_units(quantiles_NHQ, level_N, scale_N)
    return said_NHQ
