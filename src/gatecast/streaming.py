"""A forecast that goes on: a value in, all quantiles of the next steps out, at the same cost however long it has run.

``LSTMForecaster.stream`` and ``ZeroShot.stream`` give a ``ForecastStream``.  It reads values with ``Stream`` (the
readable arithmetic, in NumPy) and lets widths follow with ``following``; after ``AFTER`` values, or when asked, both go
on as one compiled step.

Key: T step of the history, H step ahead, Q quantile, L interval, P past-only, J known-future and G static numbers.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.adaptive import Pace
from gatecast.config import LEVELS, QUANTILES
from gatecast.covariates import Column, Floats, Role
from gatecast.errors import DataError, MissingExtraError, ModelFileError, SettingsError, nearest
from gatecast.following import FEWEST, Memory, Plan, empty_memory, followed, plan_for, say, score
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.rows import LARGEST
from gatecast.runtime import weights_to_arrays
from gatecast.scaling import Running
from gatecast.statefiles import StreamFile, load_stream_file, save_stream_file
from gatecast.stream import Stream, StreamState
from gatecast.supply import MemoryPlanes, read_planes

HORIZON = 24
AFTER = 1000  # values after which a stream compiles its step by itself
COUNTED = 1000  # newest values of a history from which forecasts are made, so that widths can follow
Cell = float | str | None


class Manner(NamedTuple):
    """What a stream should be like."""

    horizon: int = HORIZON
    adapt: bool = True  # let widths follow what came of earlier forecasts
    compiled: bool | None = None  # at once, never, or after AFTER values


class Start(NamedTuple):
    """Where a stream begins: what has come so far, as a model reads it."""

    values_T: Floats
    past_PT: Floats
    known_JT: Floats
    static_G: Floats
    counted: int  # the first step from which forecasts say how wide the next should be


class ForecastStream:
    """One series, value by value; get one from ``LSTMForecaster.stream`` or ``ZeroShot.stream``.

    Attributes:
        name: the forecaster's name, which columns of its forecasts have.
        horizon: steps ahead.
        steps: how many values it has read, hidden ones included.
        forecast: quantiles (H, Q) at ``config.QUANTILES`` of the steps after the newest value, in original units; None
            before the first, and where the future of columns known in advance was not given.
    """

    def __init__(self, models: Sequence[Model], name: str, pace: Pace, manner: Manner, static: Floats) -> None:
        """Start before the first value; ``static`` are the series' static columns, encoded."""
        if manner.horizon < 1:
            raise SettingsError(f"a horizon of {manner.horizon} has no steps; choose 1 or more")
        self.name, self.horizon, self.steps = name, manner.horizon, 0
        self.forecast: Floats | None = None
        self._observed = 0  # values that were not missing; before the first a forecast is NaN
        self.models, self.pace, self.manner, self.static = tuple(models), pace, manner, static
        self._columns = {role: [c for c in models[0].columns if c.role == role] for role in ("past", "known")}
        self._reads = any(self._columns.values())
        self._nothing = np.zeros(0), np.zeros((manner.horizon, 0))
        self.plan = plan_for(manner.horizon, models[0].direct_horizon, pace)
        self.memory = empty_memory(self.plan) if manner.adapt else None
        self._steps: Any = _NumpySteps(self.models, static, self.plan, self.memory)
        if manner.compiled:
            self._compile()

    def update(
        self,
        value: float | None,
        *,
        inputs: Mapping[str, Cell] | None = None,
        known: Mapping[str, Cell] | None = None,
        future: Mapping[str, Sequence[Cell]] | None = None,
    ) -> Floats:
        """Read the next value and return the forecast of the steps after it, (H, Q), in original units.

        Nothing changes where an argument is refused.  Before the first value that is not missing a forecast is NaN.

        Args:
            value: the series' next value; None or NaN is missing, and the forecasts go on.
            inputs: by name, the past-only columns at this step; left out, they are missing.
            known: by name, the columns known in advance, at this step.
            future: by name, the columns known in advance at the ``horizon`` steps after this one.

        Raises:
            SettingsError: the model does not read a column of that name.
            DataError: a value is no number or absurd, or the future of a column known in advance is not given.
        """
        number = _number(value, "the value")
        given_N, ahead_HJ = self._nothing
        if self._reads or inputs or known or future:
            given_N = np.concatenate([self._cells("past", inputs), self._cells("known", known)])
            ahead_HJ = self._future(future)
        made_HQ: Floats = self._steps.update(number, given_N, ahead_HJ)
        self._observed += math.isfinite(number)
        if not self._observed:
            made_HQ[:] = math.nan
        self.forecast = made_HQ
        self.steps += 1
        if self.steps == AFTER and self.manner.compiled is None:
            self._compile()
        return made_HQ

    def outside(self, value: float | None, level: int = 95) -> bool:
        """Whether the next value would fall outside the interval that the newest forecast gives it: an anomaly.

        A missing value never does, and none does while the series' scale is not known, see ``band``.

        Raises:
            SettingsError: a level is not offered.
        """
        low, high = self.band(level)
        return value is not None and (value < low or value > high)

    def band(self, level: int = 95) -> tuple[float, float]:
        """The interval of a level that the newest forecast gives the next value.

        It is NaN until more than three values, or a season of them, have shown what the series' scale is.

        Raises:
            SettingsError: a level is not offered.
        """
        if level not in LEVELS:
            raise SettingsError(f"level {level} is not offered; choose from {', '.join(map(str, LEVELS))}")
        if self.forecast is None or self._observed <= max(FEWEST, self.models[0].scaling.seasons[0]):
            return math.nan, math.nan
        low = QUANTILES.index(round((100 - level) / 200, 3))
        return float(self.forecast[0, low]), float(self.forecast[0, len(QUANTILES) - 1 - low])

    @property
    def compiled(self) -> bool:
        """Whether its step is compiled by now."""
        return not isinstance(self._steps, _NumpySteps)

    @property
    def states(self) -> list[StreamState]:
        """Where each network is."""
        states: list[StreamState] = self._steps.states
        return states

    def save(self, path: str | Path) -> None:
        """Write where the stream is to one small file; ``load_stream`` of the forecaster goes on from it.

        Raises:
            OutputError: the folder cannot be written to.
        """
        save_stream_file(
            Path(path),
            StreamFile(
                _fingerprint(self.models),
                self.manner.horizon,
                self.manner.adapt,
                self.models[0].scaling.seasons,
                self.steps,
                self.static,
                tuple(self.states),
                self.memory,
                self.forecast,
            ),
        )

    def go_on(self, states: Sequence[StreamState], memory: Memory | None, steps: int, forecast: Floats | None) -> None:
        """Go on from where another stream of the same networks, horizon and manner was."""
        streams = self._numpy().streams
        for stream, state in zip(streams, states, strict=True):
            stream.state = state
        self._observed = streams[0].observed
        for mine, other in zip(self.memory or (), memory or (), strict=True):
            mine[...] = other
        self.steps, self.forecast = steps, forecast
        if self.manner.compiled or (self.manner.compiled is None and steps >= AFTER):
            self._compile()

    def read(self, start: Start) -> None:
        """Read a history: the newest part of it with forecasts, so that widths follow, and what is before without."""
        end = len(start.values_T)
        self._observed = int(np.isfinite(start.values_T).sum())
        if self.manner.compiled is None and end >= AFTER:
            self._compile()
        counted = max(start.counted, end - COUNTED)
        nothing_HJ = np.full((self.horizon, len(start.known_JT)), np.nan)
        for t in range(end):
            given_N = np.concatenate([start.past_PT[:, t], start.known_JT[:, t]])
            last = t == end - 1 and not len(start.known_JT)
            if t >= counted or last:
                ahead_HJ = start.known_JT[:, t + 1 : t + 1 + self.horizon].T
                ahead_HJ = np.concatenate([ahead_HJ, nothing_HJ])[: self.horizon]
                made_HQ = self._steps.update(float(start.values_T[t]), given_N, ahead_HJ)
                self.forecast = made_HQ if last else None
            else:
                self._steps.read(float(start.values_T[t]), given_N)
        self.steps = end

    def _compile(self) -> None:
        """Go on with a compiled step, where numba can be loaded and the step can be compiled."""
        reason = _cannot_compile(self.models, self.horizon)
        if not reason and not self.compiled:
            try:
                module = importlib.import_module("gatecast.compiled")
            except ImportError:
                reason = "numba is not installed (pip install numba)"
            else:
                self._steps = module.CompiledSteps(self.models, self.static, self._steps.states, self.plan, self.memory)
        if reason and self.manner.compiled:
            raise (
                MissingExtraError(f"compiled: {reason}; leave it out")
                if "numba" in reason
                else SettingsError(f"compiled: {reason}; leave it out")
            )

    def _numpy(self) -> _NumpySteps:
        """The readable steps, from the start."""
        self._steps = steps = _NumpySteps(self.models, self.static, self.plan, self.memory)
        return steps

    def _cells(self, role: Role, cells: Mapping[str, Cell] | None) -> Floats:
        """What was given of the columns of a role, as numbers that a network reads."""
        columns, cells = self._columns[role], cells or {}
        names = [column.name for column in columns]
        for name in cells:
            if name not in names:
                what = "past-only columns" if role == "past" else "columns known in advance"
                raise SettingsError(
                    f"the model reads no column {name!r} as one of its {what} ({', '.join(names) or 'it has none'})."
                    f"{nearest(str(name), names)}"
                )
        return np.array([x for column in columns for x in encoded(column, cells.get(column.name))], np.float64)

    def _future(self, future: Mapping[str, Sequence[Cell]] | None) -> Floats:
        """The steps ahead of the columns known in advance, (H, J)."""
        columns, given = self._columns["known"], dict(future or {})
        if not columns and given:
            raise SettingsError("future: the model has no columns that are known in advance; leave it out")
        for column in columns:
            cells = given.pop(column.name, None)
            if cells is None or isinstance(cells, str) or len(cells) != self.horizon:
                found = "nothing is" if cells is None else f"{len(cells)} value(s) are"
                raise DataError(
                    f"future: the model reads {column.name!r} in advance; give its {self.horizon} next values, "
                    f"{found} given"
                )
        for name in given:
            names = [column.name for column in columns]
            raise SettingsError(f"future: the model reads no column {name!r} in advance.{nearest(str(name), names)}")
        if not columns:
            return np.zeros((self.horizon, 0))
        rows = zip(*(future[column.name] for column in columns), strict=True) if future else ()
        return np.array(
            [[x for column, cell in zip(columns, row, strict=True) for x in encoded(column, cell)] for row in rows]
        )


class _NumpySteps:
    """The readable step: a ``Stream`` for each network, the mean of what they say, and widths that follow."""

    def __init__(self, models: Sequence[Model], static: Floats, plan: Plan, memory: Memory | None) -> None:
        self.streams = [Stream(model, static) for model in models]
        self._plan, self._memory = plan, memory
        self._past = sum(column.width for column in models[0].columns if column.role == "past")
        self._counts_from = max(FEWEST, models[0].scaling.seasons[0])

    def update(self, value: float, given_N: Floats, known_HJ: Floats) -> Floats:
        self.read(value, given_N)
        made_HQ = np.mean([stream.forecast(len(known_HJ), known_HJ) for stream in self.streams], axis=0)
        if self._memory is None:
            return np.asarray(made_HQ)
        if self.streams[0].observed > self._counts_from:
            say(self._plan, self._memory, made_HQ)
        return followed(self._plan, self._memory, made_HQ)

    def read(self, value: float, given_N: Floats) -> None:
        if self._memory is not None:
            score(self._plan, self._memory, value)
        for stream in self.streams:
            stream.update(value, given_N[: self._past], given_N[self._past :])

    @property
    def states(self) -> list[StreamState]:
        return [stream.state for stream in self.streams]


def _cannot_compile(models: Sequence[Model], horizon: int) -> str:
    """Why a stream's step cannot be compiled; empty when it can."""
    if horizon > models[0].direct_horizon:
        return f"a compiled stream forecasts up to {models[0].direct_horizon} steps ahead, {horizon} are asked for"
    if len({(model.weights.units, len(model.weights.layers)) for model in models}) > 1:
        return "the networks are of different shapes"
    other = next((model.weights.cell for model in models if model.weights.cell != "lstm"), None)
    return f"only an LSTM's step is compiled, and the cell here is {other}" if other else ""


def encoded(column: Column, cell: Cell) -> list[float]:
    """Return one cell of a column as the numbers that a network reads; None and NaN are missing.

    Raises:
        DataError: a number is asked for and the cell is none.
    """
    if column.categories:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return [math.nan] * column.width
        return [float(str(cell) == word) for word in column.categories]
    return [(_number(cell, column.name) - column.centre) / column.spread]


def _number(cell: Any, what: str) -> float:
    """A cell as a number; None and NaN are missing."""
    if cell is None:
        return math.nan
    try:
        number = float(cell)
    except (TypeError, ValueError):
        raise DataError(f"{what} is {cell!r}; give a number, or None where it is missing") from None
    if abs(number) > LARGEST:
        raise DataError(f"{what} is {number:g}; give numbers up to {LARGEST:g}, or None where it is missing")
    return number


def start_from(model: Model, panel: Panel | None, count: Callable[[Panel], int] = lambda panel: 0) -> Start:
    """Return where a stream over the one series of a panel begins.

    Args:
        model: which columns are read.
        panel: the history; None begins before the first value.
        count: gives the first step from which forecasts say how wide the next should be.

    Raises:
        SettingsError: there is not one series.
    """
    if panel is None:
        if model.reads("static"):
            raise SettingsError(
                f"the model reads {', '.join(model.reads('static'))} of every series; give a history that holds it"
            )
        past_PT, known_JT = np.zeros((_width(model, "past"), 0)), np.zeros((_width(model, "known"), 0))
        return Start(np.zeros(0), past_PT, known_JT, np.zeros(0), 0)
    if len(panel) != 1:
        raise SettingsError(f"the history holds {len(panel)} series, and a stream follows one; give the rows of one")
    zero = np.zeros(1, np.int64)
    values_ST, more = read_planes(MemoryPlanes(panel, model.columns), zero, zero, panel.lengths)
    past, known, static = more or (None, None, None)
    steps = values_ST.shape[1]
    return Start(
        values_ST[0],
        np.zeros((0, steps)) if past is None else past[:, 0],
        np.zeros((0, steps)) if known is None else known[:, 0],
        np.zeros(0) if static is None else static[:, 0],
        count(panel),
    )


def load_stream(
    path: str | Path, models: Sequence[Model], name: str, pace: Pace, compiled: bool | None
) -> ForecastStream:
    """Return the stream that was saved, over the networks it was made with.

    Raises:
        ModelFileError: the file is missing, damaged, foreign, newer, or of a stream over other networks.
    """
    found = load_stream_file(Path(path))
    models = [
        replace(model, scaling=replace(model.scaling, seasons=found.seasons))
        if isinstance(model.scaling, Running)
        else model
        for model in models
    ]
    if found.fingerprint != _fingerprint(models):
        raise ModelFileError(
            f"{path}: the state of a stream over another model; load it with the model it was made with"
        )
    stream = ForecastStream(models, name, pace, Manner(found.horizon, found.adapt, compiled), found.static_G)
    try:
        stream.go_on(found.states, found.memory, found.steps, found.forecast_HQ)
    except (ValueError, IndexError, TypeError) as error:
        raise ModelFileError(f"{path}: the state does not fit the model ({error})") from None
    return stream


def _fingerprint(models: Sequence[Model]) -> str:
    """What tells networks and their scaling from others."""
    digest = hashlib.sha256()
    for model in models:
        digest.update(json.dumps(model.scaling.as_dict()).encode())
        for name, array in sorted(weights_to_arrays(model.weights).items()):
            digest.update(name.encode() + np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()


def _width(model: Model, role: Role) -> int:
    return sum(column.width for column in model.columns if column.role == role)


def unseen_steps(model: Model, panel: Panel) -> NDArray[np.int64]:
    """Return how many steps at the end of each series are later than all that the model was trained on, (S,).

    A model file says when its data ended; of one that does not say, nothing is known to be later.
    """
    last = model.card.get("data", {}).get("last")
    try:
        later = np.zeros(len(panel.times), bool) if last is None else panel.times > np.array(last, panel.times.dtype)
    except ValueError:  # its data had times of another kind
        later = np.zeros(len(panel.times), bool)
    return np.add.reduceat(later, panel.offsets[:-1], dtype=np.int64)
