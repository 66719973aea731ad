"""A forecast beyond the end of a table, in one call: with a trained model, in the kind of table that came in."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import add, mul, sub, truediv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast.adaptive import adaptive_factors, remembered, rescale
from gatecast.columns import WIDE, Columns
from gatecast.config import DIRECT_HORIZON, QUANTILES
from gatecast.errors import DataError, OutsideTraining, SettingsError
from gatecast.frames import forecast_table
from gatecast.frequency import season_lengths
from gatecast.future import read_future
from gatecast.modelfile import Model, load_model
from gatecast.opening import Opened, open_table
from gatecast.panel import Panel
from gatecast.predictor import (
    CELLS,
    WHAT_IF,
    change_future,
    forecast_panel,
    outside_training,
    predict_many,
    require_columns,
    unlike_training,
)
from gatecast.seasons import seasons_in_words
from gatecast.streaming import unseen_steps
from gatecast.supply import MemoryPlanes, read_planes
from gatecast.tablefiles import read_table
from gatecast.zeroshot import NAME, ZeroShot

LEAST_HISTORY = 20  # steps of a series before a forecast of it says how wide the next should be


def forecast(  # noqa: PLR0913 (the choice of columns, as keywords)
    table: Any,
    horizon: int,
    model: Model | str | Path | None = None,
    *,
    level: Sequence[int] = (80, 95),
    future: Any = None,
    what_if: Mapping[str, Any] | Sequence[str] = (),
    adapt: bool = True,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    wide: bool = False,
    zone: str | None = None,
    frequency: str | None = None,
    fix: Sequence[str] = (),
    note: Callable[[str], None] | None = None,
) -> Any:
    """Return the next ``horizon`` steps of every series: unique_id, ds, ZeroShot, ZeroShot-lo-80, ZeroShot-hi-80 …

    Without a model nothing is trained: the shipped weights forecast any series at once.  A model's columns are called
    LSTM instead.

    Args:
        table: a frame, numbers, a named set, or the path of a file or folder; it is not changed.
        horizon: steps ahead.
        model: a trained model, or the file it was saved in; it knows which columns it reads.  None takes the shipped
            weights, which read the target alone.
        level: interval levels in percent.
        future: for a model that reads columns in advance, a table (or its path) of their values.
        what_if: changes of columns known in advance, ``{"price": 9.9}`` or ``["price=9.9", "price*=1.1"]``: what then
            comes stands in the columns WhatIf beside the forecast as planned.
        adapt: let the intervals follow what came after the model's training, see ``past_factors``.  Those of the
            shipped weights always follow what came of earlier forecasts.
        time: the column of times; this and the following as for ``panel_from_frame``.
        target: the column to forecast; None takes the one the model was trained on, if the table has it.
        series_id: the column that names the series.
        wide: each column of numbers is a series.
        zone: the time zone of times that carry none.
        frequency: the spacing.
        fix: what to mend first, see ``mending``.
        note: is told what was mended, and of a horizon beyond the trained one; ``print``, say.

    Raises:
        SettingsError: a name, level or change cannot work.
        DataError: the table or its future cannot be read; rows are named.
        ModelFileError: the model file is damaged, foreign or newer.

    Warns:
        OutsideTraining: the table is unlike what the model was trained on.
    """
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} forecasts nothing; give 1 or more steps")
    if model is None:
        chosen = Columns(time, target, series_id, wide=wide, zone=zone)
        opened = open_table(table, chosen, frequency=frequency, fix=fix)
        return _zero_shot(opened, horizon, (future, what_if), level, note)
    trained = model if isinstance(model, Model) else load_model(Path(model))
    reads = trained.config.data
    asked = Columns(time, target, series_id, reads.inputs, reads.known, reads.static, wide, zone)
    opened = open_table(table, asked, frequency=frequency, fix=fix, usual=reads)
    panel = opened.panel
    if note is not None:
        for sentence in opened.mended:
            note(sentence)
        if horizon > trained.direct_horizon:
            note(
                f"the model was trained for {trained.direct_horizon} steps ahead; beyond them it runs on without "
                "looking, and its intervals are checked less"
            )
    require_columns(trained, panel)
    ahead = _future_of(future, panel, horizon)
    _warn([*_other_target(reads.target, target, panel), *unlike_training(trained, panel, ahead)])
    made = {"LSTM": forecast_panel(trained, panel, horizon, ahead)}
    if what_if:
        changed = change_future(trained, panel, ahead, _changes(what_if, panel.categories))
        _warn(outside_training(trained, panel, changed))
        made[WHAT_IF] = forecast_panel(trained, panel, horizon, changed)
    unseen = int(unseen_steps(trained, panel).max())
    if adapt and unseen:
        factors_SHQ = past_factors(trained, panel, horizon)
        made = {name: rescale(quantiles, factors_SHQ) for name, quantiles in made.items()}
        if note is not None:
            note(_what_was_adapted(factors_SHQ, unseen))
    return forecast_table(panel, made, level, opened.like)


def _zero_shot(
    opened: Opened, horizon: int, asked: tuple[Any, Any], level: Sequence[int], note: Callable[[str], None] | None
) -> Any:
    """What the shipped weights make of the series."""
    future, what_if = asked
    if future is not None or what_if:
        name = "what if" if what_if else "future"
        raise SettingsError(
            f"{name}: without a model the shipped weights forecast, and they read no columns beside the target; "
            "train one with gatecast run --known COLUMN, and name it with --model"
        )
    usual = season_lengths(opened.panel.frequency)
    forecaster = ZeroShot(season_length=None if opened.season_length == usual else opened.season_length)
    if note is not None:
        for sentence in (*opened.mended, *seasons_in_words(opened.panel, forecaster.season_length)):
            note(sentence)
        if horizon > DIRECT_HORIZON:
            note(
                f"the shipped weights were trained for {DIRECT_HORIZON} steps ahead; beyond them they run on without "
                "looking, and their intervals are checked less"
            )
    return forecast_table(opened.panel, {NAME: forecaster.forecast_panel(opened.panel, horizon)}, level, opened.like)


def past_factors(model: Model, panel: Panel, horizon: int) -> NDArray[np.float64]:
    """Return factors (S, H, Q) on distances from the median, from what the model says at past origins and what came.

    Origins are those not long ago (see ``adaptive``) at which everything ahead is later than the model's training data:
    errors on what it learned from are too small.  Where there are none the factors are 1.  Steps beyond the direct
    horizon have the factor of its last.
    """
    unseen_S, steps = unseen_steps(model, panel), min(horizon, model.direct_horizon)
    factors = np.ones((len(panel), horizon, len(QUANTILES)))
    planes, lengths = MemoryPlanes(panel, model.columns), panel.lengths
    waiting = np.flatnonzero(unseen_S)
    waiting = waiting[np.argsort(lengths[waiting], kind="stable")]
    while len(waiting):
        together = max(1, 16 * CELLS // (int(lengths[waiting[-1]]) * steps))
        rows, waiting = waiting[:together], waiting[together:]
        values_ST, more = read_planes(planes, rows, np.zeros_like(rows), lengths[rows])
        total = values_ST.shape[1]
        back = min(remembered(steps) + steps, int(unseen_S[rows].max()))
        origins = np.arange(max(0, total - 1 - back), total - 1)
        first_S = total - np.minimum(unseen_S[rows] + 1, lengths[rows] - LEAST_HISTORY + 1)
        ahead = origins[:, None] + np.arange(1, steps + 1)
        known_SOH = (ahead < total) & (origins >= first_S[:, None])[..., None]
        truth = np.where(known_SOH, values_ST[:, np.minimum(ahead, total - 1)], np.nan)
        made = predict_many(model, values_ST, origins, steps, more)
        factors[rows, :steps] = adaptive_factors(truth, made, origins, [total - 1])[:, 0]
    factors[:, steps:] = factors[:, steps - 1 : steps]
    return factors


def _what_was_adapted(factors_SHQ: NDArray[np.float64], steps: int) -> str:
    """What became of the intervals, in a sentence."""
    ninety = float(np.median(factors_SHQ[:, 0, QUANTILES.index(0.05)]))
    return (
        f"intervals follow what came on the {steps:,} step{'s' if steps > 1 else ''} after the model's training: "
        f"the 90 % interval of the first step ahead is {ninety:.2f} times as wide"
        f"{' in the middle of the series' if len(factors_SHQ) > 1 else ''}"
    )


def _other_target(trained: str | Sequence[str] | None, asked: str | Sequence[str] | None, panel: Panel) -> list[str]:
    """Say so if a column is forecast that the model was not trained on, and nobody asked for that."""
    names = [trained] if isinstance(trained, str) else list(trained or ())
    if not names or asked is not None or panel.names.y == ",".join(names):
        return []
    hint = "; say --wide if each column is a series" if names == [WIDE] else ""
    return [f"the model was trained on {', '.join(names)}, and {panel.names.y} is forecast{hint}"]


def _future_of(future: Any, panel: Panel, horizon: int) -> dict[str, Any]:
    if isinstance(future, str | Path):
        try:
            future = read_table(future)
        except DataError as error:
            raise DataError(f"{future}: {error}") from None
    return read_future(future, panel, horizon)


_CHANGE = re.compile(r"^(?P<name>.+?)\s*(?P<how>[*+/-]?=)\s*(?P<value>.+)$")


def _changes(what_if: Mapping[str, Any] | Sequence[str], words: Collection[str]) -> dict[str, Any]:
    """Changes written as ``price=9.9``, ``price*=1.1`` or ``price+=2``, as ``change_future`` takes them.

    Args:
        what_if: what is written.
        words: the columns of words, which can only be set: ``day=holiday``.
    """
    if isinstance(what_if, Mapping):
        return dict(what_if)
    changes: dict[str, Any] = {}
    for text in [what_if] if isinstance(what_if, str) else what_if:
        match = _CHANGE.match(text)
        if match is None:
            raise SettingsError(f"what if: {text!r} is no change; write price=9.9, price*=1.1, price+=2 or price-=2")
        name, how, value = match["name"].strip(), match["how"], match["value"].strip()
        if name in changes:
            raise SettingsError(f"what if: {name} is changed twice, the second time by {text!r}; give one change of it")
        if name in words:
            if how != "=":
                raise SettingsError(f"what if: {text!r}: {name} holds words, which can only be set: {name}={value}")
            changes[name] = value
            continue
        try:
            number = float(value)
        except ValueError:
            if how != "=":
                raise SettingsError(f"what if: {text!r}: {value!r} is not a number") from None
            changes[name] = value
            continue
        changes[name] = number if how == "=" else _turned(how, number)
    return changes


def _turned(how: str, number: float) -> Callable[[Any], Any]:
    by: dict[str, Callable[[Any, float], Any]] = {"*=": mul, "/=": truediv, "+=": add, "-=": sub}

    def turned(planned: Any) -> Any:
        with np.errstate(all="ignore"):  # what is no number then is refused in words
            return by[how](planned, number)

    return turned


def _warn(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        warnings.warn(f"{sentence}; do not trust this forecast", OutsideTraining, stacklevel=3)
