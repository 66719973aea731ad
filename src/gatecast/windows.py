"""The time-ordered split, and the windows and questions a training update is made of.

Series are rows of one table, padded on the left, so that a window is a slice and a batch is one gather: no Python runs
per sample.  Lags and targets are gathered for the origins of a batch only, never for all.

Key: S series, T step, B window of a batch, N origin, K step ahead, C input channel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.errors import DataError
from gatecast.scaling import Covariates, Floats, Question, Scaled, Scaling, ask, scale_series

Indices = NDArray[np.int64]
LONGEST_HIDDEN = 256  # as long as four direct horizons
HIDDEN_SHARE = 0.3


class Split(NamedTuple):
    """Row numbers: training is [0, training), validation [training, validation), test [validation, total)."""

    training: int
    validation: int
    total: int


def split_steps(total: int, test: float = 0.1, validation: float = 0.1) -> Split:
    """Cut ``total`` steps in time order: the last share is the test, the share before it the validation.

    Raises:
        DataError: a part would be too short to learn from or to judge on.
    """
    test_steps, validation_steps = round(total * test), round(total * validation)
    split = Split(total - test_steps - validation_steps, total - test_steps, total)
    if min(test_steps, validation_steps) < 2 or split.training < 10:
        raise DataError(
            f"the series has {total} steps: too few to split into training, validation and test; "
            "20 are the least, and some hundreds make the judgement worth reading"
        )
    return split


def pad_left(series: list[Floats], least: int = 0) -> Floats:
    """Stack series of different lengths, (S, T), with NaN on the left."""
    steps = max([least, *(len(values) for values in series)])
    table = np.full((len(series), steps), np.nan)
    for row, values in enumerate(series):
        table[row, steps - len(values) :] = values
    return table


class TrainingSet(NamedTuple):
    """Everything training may see; truths beyond column ``training`` belong to validation."""

    values_ST: Floats
    scaled: Scaled
    seasons: tuple[int, ...]
    training: int
    first_S: Indices  # first observed step of each series
    source_S: Indices  # which series a row is: hidden copies repeat them
    unit_S: Floats  # mean absolute change of each series' training part, 0 without any: one unit of error


def training_set(
    values_ST: Floats,
    training: int,
    scaling: Scaling,
    rng: np.random.Generator,
    more: Covariates | None = None,
    hidden_copies: bool = True,
) -> TrainingSet:
    """Scale the series, and add copies of them with random runs of steps hidden.

    The network learns from the copies to run on when values are missing; their truths are the unhidden ones.  In the
    copies past-only columns have hidden runs of their own; what is known in advance is never hidden.
    """
    series = len(values_ST)
    shown, source = values_ST, np.arange(series)
    if hidden_copies:
        shown = np.concatenate([values_ST, hide_runs(values_ST, rng)])
        source = np.concatenate([source, source])
        if more is not None:
            past_PST = more.past_PBT
            more = more.rows(source)
            if past_PST is not None:
                hidden_PST = np.stack([hide_runs(part, rng) for part in past_PST])
                more = more._replace(past_PBT=np.concatenate([past_PST, hidden_PST], axis=1))
    change = np.abs(np.diff(values_ST[:, :training], axis=1))
    known = np.isfinite(change)
    unit = np.where(known, change, 0).sum(1) / np.maximum(known.sum(1), 1)
    return TrainingSet(
        values_ST,
        scale_series(shown, scaling, more),
        scaling.seasons,
        training,
        np.argmax(np.isfinite(shown), axis=1),
        source,
        unit,
    )


def hide_runs(values_ST: Floats, rng: np.random.Generator) -> Floats:
    """A copy with about 30 % of the steps hidden, in runs of 1 to 256 steps, short ones more often than long ones."""
    series, steps = values_ST.shape
    hidden = values_ST.copy()
    longest = max(1, min(LONGEST_HIDDEN, steps // 4))
    mean_run = (longest - 1) / np.log(longest) if longest > 1 else 1.0
    for row in range(series):
        for _ in range(max(1, round(HIDDEN_SHARE * steps / mean_run))):
            run = round(np.exp(rng.uniform(0, np.log(longest))))
            begin = int(rng.integers(0, steps))
            hidden[row, begin : begin + run] = np.nan
    return hidden


class Batch(NamedTuple):
    """Windows, and what is asked at some of their steps."""

    inputs_BTC: NDArray[np.float32]
    within_BN: Indices  # positions of the origins in their windows
    question: Question  # for all B x N origins, one after the other
    truth_NK: Floats  # normalised like the question; 0 where unknown
    known_NK: NDArray[np.bool_]
    scale_N: Floats  # of each origin, in the series' unit of error; 1 where there is none
    rows_N: Indices


def sample(
    data: TrainingSet, context: int, horizon: int, size: tuple[int, int, int], hide: float, rng: np.random.Generator
) -> Batch:
    """Draw a batch from the training part.

    Args:
        data: the training set.
        context: steps a window shows.
        horizon: the furthest step ahead.
        size: windows, origins per window, steps ahead per origin; one step ahead is always among them.
        hide: share of windows taken from the copies with hidden runs.
        rng: random numbers.
    """
    windows, origins, steps = size
    series = len(data.values_ST)
    rows_B = rng.integers(0, series, windows)
    if len(data.source_S) > series:
        rows_B = rows_B + series * (rng.random(windows) < hide)
    context = min(context, data.training - 1)
    first_B = np.minimum(data.first_S[rows_B], data.training - 2)
    begin_B = rng.integers(first_B, np.maximum(data.training - context, first_B + 1))
    usable_B = np.minimum(context, data.training - 1 - begin_B)[:, None]  # a truth must follow every origin
    within_BN = (usable_B // 3 + rng.random((windows, origins)) * (usable_B - usable_B // 3)).astype(np.int64)
    steps_K = np.ones(1, np.int64)
    if horizon > 1:
        further = rng.choice(np.arange(2, horizon + 1), min(steps, horizon) - 1, replace=False)
        steps_K = np.concatenate([steps_K, np.sort(further)])
    inputs = _slices(data, rows_B, begin_B, context)
    rows_N = np.repeat(rows_B, origins)
    origins_N = (begin_B[:, None] + within_BN).ravel()
    return _asked(data, inputs, within_BN, (rows_N, origins_N), steps_K, data.training)


def validation_batch(data: TrainingSet, context: int, horizon: int, most: int = 512) -> Batch:
    """Every part of the validation steps as one batch: the state runs in over the training part's end."""
    series, total = data.values_ST.shape
    most_series = 256
    rows_B = np.unique(np.linspace(0, series - 1, min(series, most_series)).round().astype(np.int64))
    origins = np.arange(data.training - 1, total - 1)
    keep = max(1, -(-len(origins) * len(rows_B) // max(most, 4 * len(rows_B))))
    origins = origins[::keep]
    begin_B = np.minimum(np.maximum(data.first_S[rows_B], data.training - 2 * context), data.training - 1)
    steps_K = np.unique(np.geomspace(1, horizon, 8).round().astype(np.int64))
    within_BN = origins - begin_B[:, None]
    rows_N, origins_N = np.repeat(rows_B, len(origins)), np.tile(origins, len(rows_B))
    inputs = _slices(data, rows_B, begin_B, int(within_BN.max()) + 1)
    return _asked(data, inputs, within_BN, (rows_N, origins_N), steps_K, total)


def _slices(data: TrainingSet, rows_B: Indices, begin_B: Indices, steps: int) -> NDArray[np.float32]:
    """Windows that begin at or after a series' first value; one that is too short repeats its last step, unread."""
    columns = np.minimum(begin_B[:, None] + np.arange(steps), data.values_ST.shape[1] - 1)
    return np.asarray(data.scaled.inputs_BTC[rows_B[:, None], columns])


def _asked(
    data: TrainingSet,
    inputs: NDArray[np.float32],
    within_BN: Indices,
    at: tuple[Indices, Indices],
    steps_K: Indices,
    end: int,
) -> Batch:
    """Put the question at the origins ``at`` and look up the truths before column ``end``."""
    rows_N, origins_N = at
    question = ask(data.scaled, rows_N, origins_N, steps_K, data.seasons)
    ahead_NK = origins_N[:, None] + steps_K
    source_N = data.source_S[rows_N]
    truth_NK = data.values_ST[source_N[:, None], np.minimum(ahead_NK, data.values_ST.shape[1] - 1)]
    level_N, scale_N = (part[rows_N, origins_N] for part in (data.scaled.level_BT, data.scaled.scale_BT))
    usable_N = (scale_N > 0) & (origins_N > data.first_S[rows_N])
    known_NK = np.isfinite(truth_NK) & (ahead_NK < end) & usable_N[:, None]
    safe_N = np.where(usable_N, scale_N, 1.0)
    normalised_NK = np.where(known_NK, (truth_NK - level_N[:, None]) / safe_N[:, None], 0.0)
    unit_N = data.unit_S[source_N]
    in_units_N = np.divide(safe_N, unit_N, out=np.ones_like(safe_N), where=unit_N > 0)
    return Batch(inputs, within_BN, question, normalised_NK, known_NK, in_units_N, source_N)
