"""Anything that forecasts, asked in one way: quantiles from many origins, each from what was known there.

Understood are gatecast's own forecasters and baselines, models and collections of statsforecast, mlforecast and
neuralforecast, whatever has ``fit(table)`` and ``predict(horizon)``, and plain functions ``f(table, horizon)``.  What
cannot be moved forward without fitting is fitted at every origin.

Others are given tables that are copies cut before the origin: unique_id, ds, y and the columns beside the target.  They
are of the kind that came in; fit and predict are given pandas where that is neither pandas nor polars, since that is
what the libraries read.  What is known in advance goes on beyond the origin in a table of its own, for whoever takes
one: as ``X_df``, ``futr_df`` or ``future``.

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

from gatecast.answers import Due, checked, nothing, quantiles_of, read_answer, read_numbers
from gatecast.baselines import SeriesForecaster
from gatecast.errors import DataError, SettingsError
from gatecast.frames import known_table, only, panel_table, static_table, until
from gatecast.panel import Panel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

CELLS = 200_000  # series x steps that a network is given at a time
AGREES = 1e-6  # share by which a forecast may differ when it is made alone


@dataclass(frozen=True)
class Question:
    """What every forecaster is asked: origins of every series, and how far ahead.

    Attributes:
        origins_SO: (S, O) index within the series of the last step known, increasing along O.
        horizon: steps ahead, the gap included.
        season_length: steps per season, for baselines.
        level: interval levels in percent that are asked of others.
        like: a frame of the kind that others are given.
        fresh: whether a network is fitted from nothing each time, not only the first.
    """

    origins_SO: Indices
    horizon: int
    season_length: int
    level: tuple[int, ...]
    like: Any
    fresh: bool = False

    def due(self, panel: Panel, place: int) -> Due:
        """The steps that are asked for from one of the origins."""
        first = panel.offsets[:-1] + self.origins_SO[:, place] + 1
        return Due(panel, first[:, None] + np.arange(self.horizon))


class Asked(Protocol):
    """A forecaster ready to be asked."""

    name: str
    forecaster: Any  # what was given
    refits: bool  # whether it cannot be moved forward, and is fitted at every origin
    goes_on: bool  # whether a fit after the first goes on from the one before

    @property
    def refused(self) -> str:
        """Why it gave no intervals when it was asked for them; empty if it did, or takes no such question."""

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        """Fit on what is known at the first origin, and return quantiles (S, O, H, Q) by model.

        No value after an origin reaches its forecast; where the forecaster says no quantile, it is NaN.  What goes on
        from the fit before is asked for one block of origins after the other, in their order.
        """


def adapt(forecaster: Any, name: str | None = None) -> Asked:
    """Return a forecaster as one that can be asked.

    Args:
        forecaster: what forecasts; a class is made an object first.
        name: what it is called; None takes its ``name``, ``alias``, or that of its class or function.

    Raises:
        SettingsError: it has none of the known shapes.
    """
    if isinstance(forecaster, type):
        try:
            forecaster = forecaster()
        except TypeError as error:
            raise SettingsError(f"{forecaster.__name__} is a class; give an object made of it ({error})") from None
    own = getattr(forecaster, "name", None) or getattr(forecaster, "alias", None)
    called = name if name is not None else own if isinstance(own, str) else None
    shown = _class_of(forecaster) if called is None else called
    if hasattr(forecaster, "fit_values") and hasattr(forecaster, "predict_many"):
        return _OfSeries(forecaster, shown)
    if hasattr(forecaster, "fit_panel") and hasattr(forecaster, "predict_many"):
        return _OfPanels(forecaster, shown)
    if hasattr(forecaster, "forecast") and hasattr(forecaster, "fit") and _takes(forecaster.forecast, "y"):
        return _Statistical(forecaster, shown)
    if hasattr(forecaster, "fit") and hasattr(forecaster, "predict"):
        if _takes(forecaster.fit, "X") and _takes(forecaster.fit, "y"):
            raise SettingsError(
                f"{shown} learns y from X; give a function of a table and a horizon that builds them, or use mlforecast"
            )
        return _OfTables(forecaster, shown, called is not None)
    if callable(forecaster):
        return _Function(forecaster, shown)
    raise SettingsError(
        f"{shown} has neither fit and predict, nor is it a function of a table and a horizon; "
        "give a forecaster of gatecast, statsforecast, mlforecast or neuralforecast, or f(table, horizon)"
    )


class _OfSeries:
    """A baseline: one model per series, many origins in one pass; the object given is copied, never fitted."""

    refits, goes_on, refused = False, False, ""

    def __init__(self, forecaster: SeriesForecaster, name: str) -> None:
        self.name, self.forecaster = name, forecaster

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        made = []
        for s, origins in enumerate(question.origins_SO):
            values, first = panel.series_values(s), int(origins[0]) + 1
            season = question.season_length if 2 * question.season_length <= first else 1
            try:
                model = copy.deepcopy(self.forecaster).fit_values(values[:first].copy(), season)
                of_series = model.predict_many(values[: origins[-1] + 1].copy(), origins, question.horizon)
            except DataError as error:
                raise DataError(f"{self.name} on series {panel.ids[s]!r}: {error}") from None
            if len(origins) > 1 and _is_foreign(self.forecaster):
                alone = model.predict_many(values[:first].copy(), origins[:1], question.horizon)
                _check_causal(self.name, of_series[:1], alone)
            made.append(of_series)
        return {self.name: np.stack(made)}


class _OfPanels:
    """A network: one model for all series, many origins in one pass; what is fitted is a copy of the object given.

    With ``refit_panel`` it goes on from its fit before, which saw earlier steps only.
    """

    refits, refused = False, ""

    def __init__(self, forecaster: Any, name: str) -> None:
        self.name, self.forecaster = name, forecaster
        self._before: Any = None
        self.goes_on = hasattr(forecaster, "refit_panel")

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        origins_SO = question.origins_SO
        known = until(panel, origins_SO[:, 0] + 1)
        if self._before is not None and self.goes_on and not question.fresh:
            model = self._before.refit_panel(known)
        else:
            model = copy.copy(self.forecaster)
            model.fit(known)
        self._before = model
        made = self._pass(model, panel, origins_SO, question.horizon)
        if origins_SO.shape[1] > 1 and _is_foreign(self.forecaster):
            _check_causal(self.name, made[:, :1], self._pass(model, panel, origins_SO[:, :1], question.horizon))
        return {self.name: made}

    @staticmethod
    def _pass(model: Any, panel: Panel, origins_SO: Indices, horizon: int) -> Floats:
        """Every origin from what is known at the last of them, and what is known in advance; few series at a time."""
        shown = until(panel, origins_SO[:, -1] + 1, horizon)
        longest = int(shown.lengths.max())
        aligned = origins_SO + (longest - shown.lengths)[:, None]  # counted from the start of the longest
        alike = bool((aligned == aligned[0]).all())
        together = max(1, CELLS // longest) if alike else 1
        made = []
        for begin in range(0, len(shown), together):
            part = (np.arange(len(shown)) >= begin) & (np.arange(len(shown)) < begin + together)
            few = only(shown, part)
            origins = origins_SO[begin] + int(few.lengths.max()) - int(few.lengths[0])
            made.append(np.asarray(model.predict_many(few, origins, horizon), np.float64))
        return made[0] if len(made) == 1 else np.concatenate(made)


class _Statistical:
    """One model of statsforecast: numbers in, numbers out; fitted anew at every origin.

    A missing value is read as the newest observed one; missing ones at the start are left out.
    """

    refits, goes_on = True, False

    def __init__(self, model: Any, name: str) -> None:
        self.name, self.forecaster = name, model
        self._ask = _Levels(model.forecast)

    @property
    def refused(self) -> str:
        """Why it gave no intervals."""
        return self._ask.refused

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        made = nothing((*question.origins_SO.shape, question.horizon))
        for place in range(question.origins_SO.shape[1]):
            for s, origin in enumerate(question.origins_SO[:, place]):
                known = _carried(panel.series_values(s)[: origin + 1])
                said = self._ask(question.level, y=known, h=question.horizon)
                columns = {
                    self.name if key == "mean" else f"{self.name}-{key}": np.asarray(numbers, np.float64)
                    for key, numbers in said.items()
                    if key == "mean" or str(key).startswith(("lo-", "hi-"))
                }
                made[s, place] = quantiles_of(columns)[self.name]
            checked(made[:, place], question.due(panel, place), self.name)
        return {self.name: made}


class _OfTables:
    """Whatever is fitted on a table and predicts one; moved forward if ``predict`` takes a table, else refitted."""

    goes_on = False

    def __init__(self, forecaster: Any, name: str, named: bool) -> None:
        self.name, self.forecaster, self._named = name, forecaster, named
        self._ask = _Levels(forecaster.predict)
        self._table = next((word for word in ("df", "new_df") if _takes(forecaster.predict, word)), None)
        self._steps = next((word for word in ("h", "horizon") if _takes(forecaster.predict, word)), None)
        self._ahead = next((word for word in ("X_df", "futr_df", "future") if _takes(forecaster.predict, word)), None)
        self.refits = self._table is None

    @property
    def refused(self) -> str:
        """Why it gave no intervals."""
        return self._ask.refused

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        like, made = _readable(question.like), []
        if not self.refits:
            self._fit(until(panel, question.origins_SO[:, 0] + 1), like)
        for place in range(question.origins_SO.shape[1]):
            shown, due = until(panel, question.origins_SO[:, place] + 1), question.due(panel, place)
            if self.refits:
                self._fit(shown, like)
            said = read_answer(self._predict(shown, due, question, like), due, self.name)
            made.append(_called(said, self.name, self._named))
        return _joined(made, self.name)

    def _fit(self, panel: Panel, like: Any) -> None:
        fit, more = self.forecaster.fit, {}
        if _takes(fit, "static_features"):
            more["static_features"] = list(panel.static)
        elif _takes(fit, "static_df") and panel.static:
            more["static_df"] = _given(static_table(panel, like), like)
        fit(self._shown(panel, like), **more)

    def _shown(self, panel: Panel, like: Any) -> Any:
        """The table of what is known; where ``X_df`` has to go on with every column, only those that can."""
        beside = None
        if self._ahead == "X_df":
            beside = [*panel.known, *(panel.static if _takes(self.forecaster.fit, "static_features") else ())]
        elif _takes(self.forecaster.fit, "static_df"):
            beside = [*panel.inputs, *panel.known]
        return _given(panel_table(panel, like, beside), like)

    def _predict(self, panel: Panel, due: Due, question: Question, like: Any) -> Any:
        said: dict[str, Any] = {}
        if self._table is not None:
            said[self._table] = self._shown(panel, like)
            if _takes(self.forecaster.predict, "static_df") and panel.static:
                said["static_df"] = _given(static_table(panel, like), like)
        if self._ahead is not None and panel.known:
            said[self._ahead] = _given(known_table(due.panel, due.rows_SH, like), like)
        if self._steps is not None:
            own = getattr(self.forecaster, "h", None)  # neuralforecast refuses fewer steps than its models make
            said[self._steps] = max(question.horizon, own) if isinstance(own, int) else question.horizon
        elif self._table is None:
            return self._ask(question.level, question.horizon, **said)
        return self._ask(question.level, **said)


class _Function:
    """A plain function of a table and a horizon: numbers (H,), (S, H) or (S, H, Q), or a table.

    With a third parameter ``future`` it is given what is known in advance of the steps ahead; None if there is nothing.
    """

    refits, goes_on, refused = True, False, ""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.name, self.forecaster = name, function

    def answer(self, panel: Panel, question: Question) -> dict[str, Floats]:
        made = []
        for place in range(question.origins_SO.shape[1]):
            shown, due = until(panel, question.origins_SO[:, place] + 1), question.due(panel, place)
            more = {}
            if _takes(self.forecaster, "future"):
                more["future"] = known_table(panel, due.rows_SH, question.like) if panel.known else None
            said = self.forecaster(panel_table(shown, question.like), question.horizon, **more)
            if isinstance(said, Sequence | np.ndarray | float | int) or nw.dependencies.is_into_series(said):
                made.append({self.name: read_numbers(said, due, self.name)})
            else:
                made.append(_called(read_answer(said, due, self.name), self.name, True))
        return _joined(made, self.name)


class _Levels:
    """A function that is asked with ``level`` if it takes one, and without from the first refusal on.

    Many models of the libraries take the argument and raise an error: they have no intervals.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._takes = function, _takes(function, "level")
        self.refused = ""

    def __call__(self, level: tuple[int, ...], *steps: int, **said: Any) -> Any:
        if self._takes and level:
            try:
                return self._function(*steps, **said, level=list(level))
            except Exception as error:  # noqa: BLE001 (statsforecast raises plain ones; a real error comes again below)
                why = str(error) or type(error).__name__
                answer = self._function(*steps, **said)
            self._takes, self.refused = False, why
            return answer
        return self._function(*steps, **said)


def _called(said: dict[str, Floats], name: str, named: bool) -> dict[str, Floats]:
    """Models by the forecaster's name if it has one of its own: NAME, or NAME/COLUMN where there are several."""
    if not named:
        return said
    return {name if len(said) == 1 else f"{name}/{model}": made for model, made in said.items()}


def _joined(made: list[dict[str, Floats]], name: str) -> dict[str, Floats]:
    """The origins' answers side by side, (S, O, H, Q) by model.

    Raises:
        DataError: the models are others at another origin.
    """
    models = list(made[0])
    other = next((each for each in made if set(each) != set(models)), None)
    if other is not None:
        raise DataError(f"{name} gave {', '.join(models)} at its first origin and {', '.join(other)} at a later one")
    return {model: np.stack([each[model] for each in made], axis=1) for model in models}


def _check_causal(name: str, in_pass: Floats, alone: Any) -> None:
    """Refuse a forecast that is another when later values are there.

    Raises:
        DataError: it is.
    """
    size = float(np.nanmax(np.abs(in_pass), initial=0.0))
    if not np.allclose(in_pass, alone, rtol=AGREES, atol=AGREES * size, equal_nan=True):
        raise DataError(
            f"{name} reads what comes after an origin: asked for many origins in one pass, its forecast from the first "
            "is another than when nothing later is there"
        )


def _readable(like: Any) -> Any:
    """A table of the kind that the libraries are given: pandas or polars as it came in; None stands for pandas."""
    frame = nw.dependencies.is_pandas_dataframe(like) or nw.dependencies.is_polars_dataframe(like)
    return like if frame else None


def _given(table: Any, like: Any) -> Any:
    return table.to_pandas() if like is None else table


def _carried(values: Floats) -> Floats:
    """Values with the newest observed one carried over the missing ones; what is missing at the start is left out."""
    seen = np.isfinite(values)
    where = np.maximum.accumulate(np.where(seen, np.arange(len(values)), -1))
    return values[where[where >= 0]]


def _is_foreign(forecaster: Any) -> bool:
    """Whether what answers from many origins at once is not gatecast's own."""
    answering = getattr(type(forecaster), "predict_many", None)
    return str(getattr(answering, "__module__", "")).split(".")[0] != "gatecast"


def _takes(function: Any, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in functions have no signature
        return False


def _class_of(forecaster: Any) -> str:
    name = getattr(forecaster, "__name__", None) or type(forecaster).__name__
    return "function" if name == "<lambda>" else str(name)
