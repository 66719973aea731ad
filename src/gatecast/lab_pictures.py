"""Lab: how a picture flatters.  The S&P 500 point by point, beside yesterday's value and numbers that no picture shows.

Key: O origin in time order, H step ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gatecast.config import MEDIAN, NetworkConfig, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.lab_charts import curves
from gatecast.lab_questions import MODES, USUAL, checked_seeds
from gatecast.lab_results import Answer, LabResult, Lines, Row, apart, pick
from gatecast.metrics import rmse
from gatecast.scaling import Floats
from gatecast.sources import load
from gatecast.windows import split_steps

Note = Callable[[str], None]

LSTM, LAST = "LSTM", "today's value"
WITH_TOMORROW, WITH_TODAY = "correlation with tomorrow's value", "correlation with today's value"
CHANGES_TOMORROW, CHANGES_TODAY = "of changes, with tomorrow's", "of changes, with today's"
ERROR = "RMSE, points"
DRAWN = 60  # days in the pictures
HORIZON = 20


class Told(NamedTuple):
    """What networks said about the test part."""

    truth_OH: Floats
    last_O: Floats
    said: tuple[Floats, ...]  # by seed, medians (O, H)


def modes(
    seeds: int = USUAL,
    predict: str | None = None,
    training: TrainingConfig | None = None,
    note: Note | None = None,
) -> LabResult:
    """Train on the S&P 500 and measure what its point-by-point picture hides.

    Args:
        seeds: how many networks.
        predict: one of the question's choices, said before.
        training: how each is trained.
        note: told what is trained next.

    Raises:
        SettingsError: too few seeds, or a prediction that is none of the choices.
    """
    predicted = MODES.checked(predict)
    training = training or TrainingConfig(updates=150, horizon=HORIZON, scaling="running")
    told = tell(checked_seeds(seeds), training, note)
    rows = rows_of(told)
    method = (
        f"Networks of 16 units, {training.updates:,} updates, trained on the first 90 % of the daily closes; "
        f"{len(told.last_O):,} origins in the rest. A correlation of changes compares the forecast's move from one day "
        "to the next with that of the value it is for (tomorrow's) and of the newest value seen (today's)."
    )
    drawn = pictures(told)
    figures = tuple(curves(each) for each in drawn)
    return LabResult(MODES, rows, answer(rows), method, seeds, figures, predicted, lines=drawn)


def tell(seeds: int, training: TrainingConfig, note: Note | None = None) -> Told:
    """Train a network with every seed and ask it at every origin of the test part."""
    panel = load("sp500").panel
    values, split = panel.series_values(0), split_steps(int(panel.lengths[0]), 0.1, 0.1)
    origins = np.arange(split.validation - 1, split.total - HORIZON)
    said = []
    for seed in range(seeds):
        if note is not None:
            note(f"training network {seed + 1} of {seeds}")
        model = LSTMForecaster(NetworkConfig(units=16), training.model_copy(update={"seed": seed}))
        model.fit_panel(panel.head(split.validation), split.validation - split.training)
        said.append(model.predict_many(panel, origins, HORIZON)[0, :, :, MEDIAN])
    truth_OH = values[origins[:, None] + np.arange(1, HORIZON + 1)]
    return Told(truth_OH, values[origins], tuple(said))


def rows_of(told: Told) -> tuple[Row, ...]:
    """Correlations and errors of the networks and of the last value."""
    truth, last = told.truth_OH[:, 0], told.last_O
    rows = []
    for name, said in ((LSTM, [each[:, 0] for each in told.said]), (LAST, [last] * len(told.said))):
        measures = {
            WITH_TOMORROW: [_correlation(each, truth) for each in said],
            WITH_TODAY: [_correlation(each, last) for each in said],
            CHANGES_TOMORROW: [_correlation(np.diff(each), np.diff(truth)) for each in said],
            CHANGES_TODAY: [_correlation(np.diff(each), np.diff(last)) for each in said],
            ERROR: [rmse(truth, each) for each in said],
        }
        rows += [Row(name, measure, tuple(values)) for measure, values in measures.items()]
    for step in (1, 5, HORIZON):
        gains = tuple(float(gain) for gain in skill(told)[:, step - 1])
        rows.append(Row(LSTM, f"less RMSE than today's value, {step} ahead, %", gains))
    return tuple(rows)


def skill(told: Told) -> Floats:
    """By how many percent the networks' RMSE is lower than that of repeating today's value, (seeds, H)."""
    error_H = np.sqrt(np.mean((told.truth_OH - told.last_O[:, None]) ** 2, axis=0))
    errors = [np.sqrt(np.mean((told.truth_OH - said) ** 2, axis=0)) for said in told.said]
    return np.asarray(100 * (1 - np.stack(errors) / error_H))


def answer(rows: Sequence[Row]) -> Answer:
    """Whose moves the forecast follows, and whether it errs less than repeating today's value."""
    today, tomorrow = pick(rows, LSTM, CHANGES_TODAY), pick(rows, LSTM, CHANGES_TOMORROW)
    level, own, last = pick(rows, LSTM, WITH_TOMORROW), pick(rows, LSTM, ERROR), pick(rows, LAST, ERROR)
    if max(today.median, tomorrow.median) < 0.2 or not apart(today, tomorrow):
        choice, follows = "neither", "Its moves follow neither clearly"
    elif today.median > tomorrow.median:
        choice, follows = "today", "Its moves are today's, one day late"
    else:
        choice, follows = "tomorrow", "Its moves are tomorrow's: it does forecast"
    better = sum(value < last.median for value in own.values)
    judged = (
        "so every seed is better"
        if better == len(own.values)
        else "so no seed is better"
        if better == 0
        else f"so {better} of {len(own.values)} seeds are better, which is no gain"
    )
    return Answer(
        choice,
        f"The picture looks right: the forecast's correlation with tomorrow's value is {level.median:.3f}. "
        f"{follows}: the correlation of changes is {today.median:.2f} with today's and {tomorrow.median:.2f} with "
        f"tomorrow's. Its RMSE is {own.median:.2f} points ({own.low:.2f} to {own.high:.2f}), that of repeating today's "
        f"value {last.median:.2f}, {judged}.",
    )


def pictures(told: Told) -> tuple[Lines, ...]:
    """The flattering picture, the same with the forecast a day earlier, and skill by step ahead."""
    truth, said = told.truth_OH[-DRAWN:, 0], told.said[0][-DRAWN:, 0]
    colours = {"truth": "ink", LSTM: "LSTM", LAST: "LastValue", "LSTM, drawn a day earlier": "LSTM"}
    picture = Lines(
        "picture",
        f"The last {DRAWN} days, point by point",
        {"truth": truth[None], LSTM: said[None], LAST: told.last_O[None, -DRAWN:]},
        colours,
        ("day", "close, points"),
    )
    shifted = Lines(
        "shifted",
        "The same forecast, drawn one day earlier than it is for",
        {"truth": truth[None, :-1], "LSTM, drawn a day earlier": said[None, 1:]},
        colours,
        ("day", "close, points"),
    )
    by_step = Lines(
        "skill",
        "How much less it errs than repeating today's value",
        {LSTM: skill(told), LAST: np.zeros((1, HORIZON))},
        colours,
        ("steps ahead", "less RMSE, %"),
        range(1, HORIZON + 1),
    )
    return picture, shifted, by_step


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1])
