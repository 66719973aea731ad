"""``LSTMForecaster``: fit on a table, forecast beyond its end, from many origins at once, or on its own output."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gatecast import predictor
from gatecast.cards import About, card_of, data_of, learn_columns
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import OutsideTraining, SettingsError
from gatecast.fitting import Fitted, Series, Wishes, columns_to_tune, fit_model, tune_model
from gatecast.frames import forecast_table
from gatecast.future import read_future
from gatecast.manners import Estimator
from gatecast.modelfile import Model, load_model, save_model
from gatecast.panel import Panel, panel_from_frame
from gatecast.predictor import WHAT_IF, as_arrays, change_future, forecast_panel, outside_training, require_columns
from gatecast.scaling import Floats
from gatecast.seasons import found_season
from gatecast.store import open_store
from gatecast.streaming import HORIZON, ForecastStream, Manner
from gatecast.streams import resume_stream, stream_over
from gatecast.supply import MemoryPlanes, Planes
from gatecast.training import Progress
from gatecast.zeroshot import shipped

__all__ = ["About", "Fitted", "LSTMForecaster", "card_of", "data_of", "learn_columns"]


class LSTMForecaster(Estimator):
    """An LSTM trained on the table it is given.

    Args:
        network: the network's shape.
        training: how the weights are found.
        season_length: steps per season, at most two; None takes them from the table's frequency.
        validation: share of the steps at the end that choose the weights, and are not trained on.
    """

    name = "LSTM"

    def __init__(
        self,
        network: NetworkConfig | None = None,
        training: TrainingConfig | None = None,
        *,
        season_length: tuple[int, ...] | None = None,
        validation: float = 0.1,
    ) -> None:
        self.network = network
        self.training = training
        self.season_length = season_length
        self.validation = validation

    def fit(
        self,
        table: Any,
        *,
        time: str | None = None,
        target: str | Sequence[str] | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        static: Sequence[str] = (),
    ) -> Self:
        """Train on a table: any data frame narwhals knows, long, with one row per series and time; or a panel.

        Args:
            table: the table.
            time: its time column; columns not named are found, see ``panel_from_frame``.
            target: the column to forecast, or several.
            series_id: the column that names the series.
            inputs: further columns, known up to now only.
            known: columns known in advance.
            static: columns that stay the same for a series.

        Raises:
            SettingsError: a named column is not there.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        panel = _panel_of(table, time, target, series_id, (inputs, known, static))
        self.fit_panel(panel, self._validation_steps(panel.lengths))
        self._like = None if isinstance(table, Panel) else table
        return self

    def fine_tune(
        self,
        table: Any,
        *,
        time: str | None = None,
        target: str | Sequence[str] | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        static: Sequence[str] = (),
    ) -> Self:
        """Adapt the model that was fitted or loaded to a table's series; without one, the first shipped network.

        The network keeps its shape and what it has learned, and goes on learning, gently and not for long; ``fit``
        starts from nothing.  The table has the columns that the model reads and no others: for a shipped network the
        target alone.  The seasons are those of the table, found in the numbers where its times are plain ones.

        Args:
            table: any data frame narwhals knows, or a panel; this and the following as for ``fit``.
            time: its time column.
            target: the column to forecast, or several.
            series_id: the column that names the series.
            inputs: further columns, known up to now only.
            known: columns known in advance.
            static: columns that stay the same for a series.

        Raises:
            SettingsError: a named column is not there, the model reads other columns, its scaling is fixed, or a
                network of another shape is asked for.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        panel = _panel_of(table, time, target, series_id, (inputs, known, static))
        start: Model = getattr(self, "model_", None) or shipped()[0]
        columns, validation = columns_to_tune(start, panel), self._validation_steps(panel.lengths)
        wishes = self._wishes()
        if wishes.season_length is None and panel.frequency.unit == "numbers":
            wishes = wishes._replace(season_length=(found_season(panel, validation),))
        about = About(panel.frequency, columns, data_of(panel), card_of(panel))
        series = Series(MemoryPlanes(panel, columns), about, validation)
        model, fitted = tune_model(start, series, wishes)
        self._forget()
        self.model_, self.fitted_ = model, fitted
        self._panel, self._like = panel, None if isinstance(table, Panel) else table
        return self

    def fit_folder(  # noqa: PLR0913 (the choice of columns, as keywords)
        self,
        folder: str | Path,
        *,
        time: str | None = None,
        target: str | None = None,
        series_id: str | None = None,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        static: Sequence[str] = (),
        frequency: str | None = None,
        scratch: str | Path | None = None,
    ) -> Self:
        """Train on a folder of Parquet files that need not fit in memory, see ``open_store`` for the settings.

        The numbers lie in a scratch file without a name, which goes when the forecaster does.

        Raises:
            SettingsError: a named column is not there.
            DataError: the files cannot be read or forecast as they are; file and row are named.
            OutputError: there is no room for the scratch file.
        """
        store = open_store(
            folder,
            time=time,
            target=target,
            series_id=series_id,
            inputs=inputs,
            known=known,
            static=static,
            frequency=frequency,
            scratch=scratch,
        )
        validation_steps = self._validation_steps(store.lengths)
        columns = store.learn_columns(validation_steps)
        planes = store.planes(columns)
        self._forget()
        self.fit_planes(planes, About(store.frequency, columns, store.data(), store.card()), validation_steps)
        self._panel, self._planes = store.ends(), planes
        return self

    def fit_panel(
        self, panel: Panel, validation_steps: int, progress: Callable[[Progress], None] | None = None
    ) -> Self:
        """Train on a panel whose last ``validation_steps`` of every series are the validation part.

        Ctrl-C stops training early and keeps the best weights so far; ``fitted_.trained.interrupted`` says so.

        Raises:
            DataError: no series is long enough to train on.
        """
        self.__dict__.pop("_planes", None)
        columns = learn_columns(panel, validation_steps)
        about = About(panel.frequency, columns, data_of(panel), card_of(panel))
        self.fit_planes(MemoryPlanes(panel, columns), about, validation_steps, progress)
        self._panel = panel
        return self

    def fit_planes(
        self,
        planes: Planes,
        about: About,
        validation_steps: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Train on series in memory or on disk, see ``supply``; the last steps of each are the validation part.

        Raises:
            DataError: no series is long enough to train on.
        """
        series = Series(planes, about, validation_steps)
        self.model_, self.fitted_ = fit_model(series, self._wishes(), progress)
        return self

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after the last one fitted on: a table of the kind that came in.

        Args:
            horizon: steps ahead.
            level: interval levels in percent, from ``config.LEVELS``.
            future: a table with the values of the columns known in advance, one row per series and step ahead.

        Raises:
            SettingsError: nothing was fitted yet, or a level is not one of the model's.
            DataError: a future value is missing; the message says of which series and time.
        """
        panel = self._fitted_panel("predict")
        made = self._made(panel, horizon, self._future(panel, future, horizon))
        return forecast_table(panel, {self.name: made}, level, self._kind())

    def what_if(self, horizon: int, changes: Mapping[str, Any], level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast twice: as planned, and with what is known in advance changed; the columns are LSTM and WhatIf.

        Args:
            horizon: steps ahead.
            changes: by column known in advance, what it is instead: a number or word for every step, a list of one per
                step, or a function of the planned numbers, (series, horizon) to the same.
            level: interval levels in percent.
            future: the plan, as in ``predict``.

        Raises:
            SettingsError: a column is not known in advance, or a change has another length than the horizon.
            DataError: a future value is missing.

        Warns:
            OutsideTraining: a change leaves the range that training saw.
        """
        panel = self._fitted_panel("what_if")
        planned = self._future(panel, future, horizon)
        changed = change_future(self.model_, panel, planned, changes)
        for sentence in outside_training(self.model_, panel, changed):
            warnings.warn(f"{sentence}; do not trust this forecast", OutsideTraining, stacklevel=2)
        made = {name: self._made(panel, horizon, then) for name, then in ((self.name, planned), (WHAT_IF, changed))}
        return forecast_table(panel, made, level, self._kind())

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Floats:
        """Quantiles (S, O, H, Q) at config.QUANTILES from every origin, in one pass.

        Args:
            panel: the series, aligned at their ends as in training.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.
        """
        model = self._model("predict_many")
        require_columns(model, panel)
        values_ST, more = as_arrays(panel, model.columns)
        return predictor.predict_many(model, values_ST, np.asarray(origins), horizon, more)

    def full_sequence(self, panel: Panel, origin: int, steps: int, block: int) -> Floats:
        """One run over ``steps`` steps on its own output, medians of the first series, (steps,)."""
        model = self._model("full_sequence")
        require_columns(model, panel)
        values_ST, more = as_arrays(panel, model.columns)
        known = None if more is None else more.rows(slice(0, 1)).until(origin + 1, steps)
        return predictor.full_sequence(model, values_ST[0, : origin + 1], steps, block, known)

    def stream(
        self, history: Any = None, *, horizon: int = HORIZON, adapt: bool = True, compiled: bool | None = None
    ) -> ForecastStream:
        """Return a stream that goes on where a history ends: ``stream.update(value)`` gives the next forecast.

        Args:
            history: one series with the columns the model reads, as a table or a panel, or its numbers; None takes the
                series that was fitted, or begins before the first value where a model was loaded.
            horizon: steps ahead of every forecast.
            adapt: let widths follow what comes of forecasts of values that the training did not see.
            compiled: compile the step at once, or never; None compiles after 1,000 values.

        Raises:
            SettingsError: there is no model yet, the history holds several series, or a setting cannot work.
            DataError: the history lacks a column or cannot be forecast as it is.
        """
        model = self._model("stream")
        given = getattr(self, "_panel", None) if history is None else history
        return stream_over(model, given, Manner(horizon, adapt, compiled))

    def load_stream(self, path: str | Path, *, compiled: bool | None = None) -> ForecastStream:
        """Return the stream that was saved with ``ForecastStream.save``, over this model.

        Raises:
            SettingsError: there is no model yet.
            ModelFileError: the file is missing, damaged, foreign, newer, or of a stream over another model.
        """
        return resume_stream(path, self._model("load_stream"), compiled=compiled)

    def save(self, path: str | Path) -> None:
        """Write the model to one file; ``gatecast forecast DATA --model FILE`` reads it."""
        save_model(self._model("save"), Path(path))

    def load(self, path: str | Path) -> Self:
        """Read a model file written by ``save``; what was fitted before is forgotten."""
        self.model_ = load_model(Path(path))
        self._forget()
        return self

    def _wishes(self) -> Wishes:
        return Wishes(self.network, self.training, self.season_length)

    def _model(self, asked: str) -> Model:
        model: Model | None = getattr(self, "model_", None)
        if model is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or load a model")
        return model

    def _forget(self) -> None:
        for name in ("_panel", "_planes", "_like", "fitted_"):
            self.__dict__.pop(name, None)

    def _made(self, panel: Panel, horizon: int, ahead: Mapping[str, Floats]) -> Floats:
        return forecast_panel(self.model_, panel, horizon, ahead, getattr(self, "_planes", None))

    def _validation_steps(self, lengths: NDArray[np.int64]) -> int:
        return max(1, round(self.validation * float(np.median(lengths))))

    def _fitted_panel(self, asked: str) -> Panel:
        panel: Panel | None = getattr(self, "_panel", None)
        if panel is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or use gatecast.forecast(table, horizon, model)")
        return panel

    def _future(self, panel: Panel, future: Any, horizon: int) -> dict[str, Floats]:
        known = self.model_.reads("known")
        if future is not None and not known:
            raise SettingsError("future: this model has no columns that are known in advance; leave it out")
        return read_future(future, panel, horizon) if known else {}

    def _kind(self) -> Any:
        return getattr(self, "_like", None)


def _panel_of(
    table: Any,
    time: str | None,
    target: str | Sequence[str] | None,
    series_id: str | None,
    beside: tuple[Sequence[str], Sequence[str], Sequence[str]],
) -> Panel:
    """A table as a panel; ``beside`` names its inputs, and its known and static columns."""
    if isinstance(table, Panel):
        return table
    inputs, known, static = beside
    return panel_from_frame(
        table, time=time, target=target, series_id=series_id, inputs=inputs, known=known, static=static
    )
