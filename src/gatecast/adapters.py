"""Anything that forecasts, asked in one way: quantiles from many origins, each from what was known there.

Understood are gatecast's own forecasters and baselines, models and collections of statsforecast, mlforecast and
neuralforecast, whatever has ``fit(table)`` and ``predict(horizon)``, and plain functions ``f(table, horizon)``.  What
cannot be moved forward without fitting is fitted at every origin.

Key: S series, T step, O origin, H horizon step, Q quantile.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gatecast.baselines import SeriesForecaster
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.frames import panel_table, until
from gatecast.frequency import future_times
from gatecast.panel import Panel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Question:
    """What every forecaster is asked: origins of every series, and how far ahead.

    Attributes:
        origins_SO: (S, O) index within the series of the last step known, increasing along O.
        horizon: steps ahead, the gap included.
        season_length: steps per season, for baselines.
        level: interval levels in percent that are asked of others.
        like: a frame of the kind that others are given.
    """

    origins_SO: Indices
    horizon: int
    season_length: int
    level: tuple[int, ...]
    like: Any


class Asked(Protocol):
    """A forecaster ready to be asked."""

    name: str
    refits: bool  # whether it cannot be moved forward, and is fitted at every origin

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        """Quantiles (S, O, H, Q); NaN where the forecaster says none.

        Args:
            panel: the series; no value after an origin may reach its forecast.
            question: what is asked.
            fitted_until: (S,) rows of each series to fit on first; None keeps what was fitted before.
        """


def adapt(forecaster: Any, name: str | None = None) -> Asked:
    """Return a forecaster as one that can be asked.

    Raises:
        SettingsError: it has none of the known shapes.
    """
    called = name or str(
        getattr(forecaster, "name", None) or getattr(forecaster, "alias", None) or _class_of(forecaster)
    )
    if hasattr(forecaster, "fit_values") and hasattr(forecaster, "predict_many"):
        return _OfSeries(forecaster, called)
    if hasattr(forecaster, "fit_panel") and hasattr(forecaster, "predict_many"):
        return _OfPanels(forecaster, called)
    if hasattr(forecaster, "forecast") and hasattr(forecaster, "fit") and _takes(forecaster.forecast, "y"):
        return _Statistical(forecaster, called)
    if hasattr(forecaster, "fit") and hasattr(forecaster, "predict"):
        return _OfTables(forecaster, called)
    if callable(forecaster):
        return _Function(forecaster, called)
    raise SettingsError(
        f"{called} has neither fit and predict, nor is it a function of a table and a horizon; "
        "give a forecaster of gatecast, statsforecast, mlforecast or neuralforecast, or f(table, horizon)"
    )


class _OfSeries:
    """A baseline: one model per series, many origins in one pass."""

    refits = False

    def __init__(self, forecaster: SeriesForecaster, name: str) -> None:
        self.name, self._first = name, forecaster
        self._models: dict[int, SeriesForecaster] = {}

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        made = []
        for s, origins in enumerate(question.origins_SO):
            values = panel.series_values(s)
            if fitted_until is not None:
                model = copy.deepcopy(self._first)
                season = question.season_length if 2 * question.season_length <= fitted_until[s] else 1
                self._models[s] = model.fit_values(values[: fitted_until[s]].copy(), season)
            known = values[: origins[-1] + 1].copy()
            made.append(self._models[s].predict_many(known, origins, question.horizon))
        return np.stack(made)


class _OfPanels:
    """A network: one model for all series, many origins in one pass."""

    refits = False

    def __init__(self, forecaster: Any, name: str) -> None:
        self.name, self._model = name, forecaster

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        if fitted_until is not None:
            self._model.fit(until(panel, fitted_until))
        last = question.origins_SO[:, -1]
        shown = until(panel, last + 1, question.horizon)
        longest = int(shown.lengths.max())
        aligned = question.origins_SO + (longest - shown.lengths)[:, None]
        if (aligned == aligned[0]).all():
            return np.asarray(self._model.predict_many(shown, aligned[0], question.horizon))
        parts = [
            self._model.predict_many(shown.select(s), origins, question.horizon)
            for s, origins in enumerate(question.origins_SO)
        ]
        return np.concatenate(parts)


class _Statistical:
    """One model of statsforecast: numbers in, numbers out; fitted anew at every origin."""

    refits = True

    def __init__(self, model: Any, name: str) -> None:
        self.name, self._model = name, model

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        made = _nothing(question)
        for s, origins in enumerate(question.origins_SO):
            for place, origin in enumerate(origins):
                known = _carried(panel.series_values(s)[: origin + 1])
                said = self._model.forecast(y=known, h=question.horizon, level=list(question.level))
                _enter(made[s, place], {key: np.asarray(column) for key, column in said.items()}, "mean")
        return made


class _OfTables:
    """Whatever is fitted on a table and predicts one; moved forward if ``predict`` takes a table, else refitted."""

    def __init__(self, forecaster: Any, name: str) -> None:
        self.name, self._model = name, forecaster
        self._moves = next((word for word in ("df", "new_df") if _takes(forecaster.predict, word)), None)
        self.refits = self._moves is None

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        made = _nothing(question)
        if fitted_until is not None and not self.refits:
            self._fit(until(panel, fitted_until), question)
        for place in range(question.origins_SO.shape[1]):
            shown = until(panel, question.origins_SO[:, place] + 1)
            if self.refits:
                self._fit(shown, question)
            _read_table(made[:, place], self._predict(shown, question), shown, self.name)
        return made

    def _fit(self, panel: Panel, question: Question) -> None:
        table = panel_table(panel, question.like)
        self._model.fit(table, **({"freq": panel.frequency.code} if _takes(self._model.fit, "freq") else {}))

    def _predict(self, panel: Panel, question: Question) -> Any:
        predict, horizon = self._model.predict, question.horizon
        said: dict[str, Any] = {}
        if _takes(predict, "level"):
            said["level"] = list(question.level)
        if self._moves is not None:
            said[self._moves] = panel_table(panel, question.like)
        if _takes(predict, "h"):
            return predict(h=horizon, **said)
        return predict(horizon, **said) if _takes(predict, "horizon") else predict(**said)


class _Function:
    """A plain function of a table and a horizon: numbers (H,) or (S, H), or a table."""

    refits = True

    def __init__(self, function: Callable[[Any, int], Any], name: str) -> None:
        self.name, self._function = name, function

    def answer(self, panel: Panel, question: Question, fitted_until: Indices | None) -> Floats:
        made = _nothing(question)
        for place in range(question.origins_SO.shape[1]):
            shown = until(panel, question.origins_SO[:, place] + 1)
            said = self._function(panel_table(shown, question.like), question.horizon)
            if isinstance(said, Sequence | np.ndarray):
                numbers = np.asarray(said, np.float64)
                expected = (len(panel), question.horizon)
                if numbers.reshape(-1).shape != (expected[0] * expected[1],):
                    raise DataError(f"{self.name} gave numbers of shape {numbers.shape}; expected {expected}")
                made[:, place, :, MEDIAN] = numbers.reshape(expected)
            else:
                _read_table(made[:, place], said, shown, self.name)
        return made


def _read_table(made_SHQ: Floats, said: Any, panel: Panel, name: str) -> None:
    """Enter a table of forecasts, matched by series and time.

    Raises:
        DataError: a row that was asked for is not there, or there is no column of forecasts.
    """
    frame = nw.from_native(said, eager_only=True)
    columns = frame.columns
    if "ds" not in columns:
        raise DataError(f"{name} gave a table without a column 'ds'; it has {', '.join(columns)}")
    own = [column for column in columns if column not in ("unique_id", "ds", "cutoff", "y")]
    point = next((column for column in own if "-lo-" not in column and "-hi-" not in column), None)
    if point is None:
        raise DataError(f"{name} gave a table without a column of forecasts; it has {', '.join(columns)}")
    horizon = made_SHQ.shape[1]
    ids = frame["unique_id"].to_list() if "unique_id" in columns else [panel.ids[0]] * len(frame)
    rows = {
        (str(one), _moment(when)): row for row, (one, when) in enumerate(zip(ids, frame["ds"].to_list(), strict=True))
    }
    times = future_times(panel.times[panel.offsets[1:] - 1], panel.frequency, horizon)
    numbers = {column: np.asarray(frame[column].to_list(), np.float64) for column in own}
    for s, unique_id in enumerate(panel.ids):
        at = [rows.get((unique_id, _moment(when))) for when in times[s]]
        if None in at:
            raise DataError(
                f"{name} gave no forecast for series {unique_id!r} at {times[s][at.index(None)]}; "
                f"expected one row for each of the {horizon} steps ahead"
            )
        _enter(made_SHQ[s], {column: numbers[column][np.asarray(at)] for column in own}, point)


def _enter(made_HQ: Floats, columns: dict[str, Floats], point: str) -> None:
    """Enter point forecasts and the ends of intervals where they are quantiles of ours."""
    made_HQ[:, MEDIAN] = columns[point]
    prefix = "" if point == "mean" else f"{point}-"
    for percent in LEVELS:
        low = QUANTILES.index(round((100 - percent) / 200, 3))
        for side, place in (("lo", low), ("hi", len(QUANTILES) - 1 - low)):
            for key in (f"{prefix}{side}-{percent}", f"{prefix}{side}-{percent}.0"):
                if key in columns:
                    made_HQ[:, place] = columns[key]


def _nothing(question: Question) -> Floats:
    return np.full((*question.origins_SO.shape, question.horizon, len(QUANTILES)), np.nan)


def _moment(when: Any) -> Any:
    return np.datetime64(when, "us") if hasattr(when, "year") else when


def _carried(values: Floats) -> Floats:
    """Values with the newest observed one carried over the missing ones; what is missing at the start is left out."""
    seen = np.isfinite(values)
    where = np.maximum.accumulate(np.where(seen, np.arange(len(values)), -1))
    return values[where[where >= 0]]


def _takes(function: Any, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in functions have no signature
        return False


def _class_of(forecaster: Any) -> str:
    return str(getattr(forecaster, "__name__", None) or type(forecaster).__name__)
