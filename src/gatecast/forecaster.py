"""``LSTMForecaster``: fit on a table, forecast beyond its end, from many origins at once, or on its own output."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gatecast import budget, predictor
from gatecast.cards import About, card_of, data_of, learn_columns, require_same_series
from gatecast.checkpoint import mark_done
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.covariates import Column
from gatecast.errors import OutsideTraining, SettingsError
from gatecast.fitting import (
    TUNING,
    Fitted,
    Report,
    Series,
    Wishes,
    columns_to_tune,
    continue_model,
    fit_model,
    ledger_of,
    refit_model,
    settle,
    tune_model,
    usual_updates,
)
from gatecast.frames import forecast_table
from gatecast.future import read_future
from gatecast.ledger import Ledger
from gatecast.manners import Estimator
from gatecast.modelfile import Model, load_model, save_model
from gatecast.notebook import shown
from gatecast.panel import Panel, panel_from_frame
from gatecast.picks import picked_words
from gatecast.predictor import WHAT_IF, as_arrays, change_future, forecast_panel, outside_training, require_columns
from gatecast.scaling import Floats
from gatecast.seasons import found_season
from gatecast.store import open_store
from gatecast.streaming import HORIZON, ForecastStream, Manner
from gatecast.streams import resume_stream, stream_over
from gatecast.supply import MemoryPlanes, Planes
from gatecast.tracing import Mute, Pin, Trace, arrays_of, one_series, trace
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
        checkpoint: a folder to keep checkpoints of a training in; one that was killed and is begun again goes on from
            there, to the same weights.  None writes nothing.

    Attributes after fitting:
        model_: the trained model, with its settings as they ran.
        fitted_: how the fit went.
        picked_: what was picked, in one sentence.
    """

    name = "LSTM"
    model_: Model
    fitted_: Fitted

    def __init__(
        self,
        network: NetworkConfig | None = None,
        training: TrainingConfig | None = None,
        *,
        season_length: tuple[int, ...] | None = None,
        validation: float = 0.1,
        checkpoint: str | Path | None = None,
    ) -> None:
        self.network = network
        self.training = training
        self.season_length = season_length
        self.validation = validation
        self.checkpoint = checkpoint

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
        begins anew.  The table has the columns that the model reads and no others: for a shipped network the
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
        series = _series(panel, columns, validation)
        ledger, how = ledger_of(series, wishes, "fine_tune", start), (TUNING, budget.now())
        made = _within(lambda asked, report: tune_model(start, series, asked, report), wishes, how, ledger)
        return self._take(made, panel, table)

    def continue_fit(
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
        """Go on with the model that was fitted or loaded: more updates on its series, which may have grown.

        ``fit`` begins anew, and ``fine_tune`` adapts to other series.  Network, scaling and seasons stay; the
        learning rate and the number of updates are those of tuning where none are set on purpose.  The weights are
        those that do best on the validation part, the last steps of the series as they are now; those that it begins
        with are among them.  Up to the last time that the model has learned from, the table must hold the same values.

        Args:
            table: any data frame narwhals knows, or a panel; this and the following as for ``fit``.
            time: its time column.
            target: the column to forecast, or several.
            series_id: the column that names the series.
            inputs: further columns, known up to now only.
            known: columns known in advance.
            static: columns that stay the same for a series.

        Raises:
            SettingsError: nothing was fitted yet, these are other series or columns, or a network of another shape,
                other seasons or another scaling are asked for.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        start = self._model("continue_fit")
        panel = _panel_of(table, time, target, series_id, (inputs, known, static))
        require_same_series(start.card, panel)
        columns = columns_to_tune(start, panel, "continue_fit")
        series = _series(panel, columns, self._validation_steps(panel.lengths))
        wishes, how = self._wishes(), (TUNING, budget.now())
        ledger = ledger_of(series, wishes, "continue_fit", start)
        made = _within(lambda asked, report: continue_model(start, series, asked, report), wishes, how, ledger)
        return self._take(made, panel, table)

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
        planes, about, _ = _series(panel, learn_columns(panel, validation_steps), validation_steps)
        self.fit_planes(planes, about, validation_steps, progress)
        self._panel = panel
        return self

    def refit_panel(self, panel: Panel) -> Self:
        """Go on with the series fitted before, which have grown: a few gentle updates from the weights that are there.

        What was decided then stays (scaling, shape, encodings of columns), nothing older is forgotten, and the
        intervals of a single series are checked anew.  ``fit_panel`` begins anew.

        Args:
            panel: all the series as they are now, in the columns of the fit before.

        Raises:
            SettingsError: nothing was fitted before, or the panel has other columns.
            DataError: a column is lacking.
        """
        before = self._fitted_panel("refit_panel")
        columns = columns_to_tune(self.model_, panel)
        about = About(panel.frequency, columns, data_of(panel), card_of(panel))
        series = Series(MemoryPlanes(panel, columns), about, self._validation_steps(panel.lengths))
        new = int((panel.times > before.times.max()).sum())
        self.model_, self.fitted_ = refit_model(self.model_, self.fitted_, series, new)
        self.__dict__.pop("_planes", None)
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
        begin, series = budget.now(), Series(planes, about, validation_steps)
        wishes = settle(series, self._wishes())
        how, ledger = (usual_updates(series, wishes), begin), ledger_of(series, wishes)
        self._keep(*_within(lambda asked, report: fit_model(series, asked, report), wishes, how, ledger, progress))
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

    def inspect(
        self, series: str | None = None, *, pins: Sequence[Pin] = (), mutes: Sequence[Mute] = (), since: int = 0
    ) -> Trace:
        """Look inside: all gates and states of the network over a series it was fitted on, and what if one is held.

        Args:
            series: the name of the series; None is the first.
            pins: gates to hold, from step ``since`` on.
            mutes: units that show nothing from then on.
            since: the first step that is traced.

        Raises:
            SettingsError: nothing was fitted yet, or a series, gate, unit or layer is not there.
        """
        panel = self._fitted_panel("inspect")
        if hasattr(self, "_planes"):
            raise SettingsError(
                "inspect: the series were read from a folder; hand one to gatecast.trace with the model"
            )
        values, more = arrays_of(one_series(panel, series), self.model_)
        return trace(self.model_, values, more, pins=pins, mutes=mutes, since=since)

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

    def _repr_html_(self) -> str:
        """What it is and what it has learned from, in a notebook."""
        model: Model | None = getattr(self, "model_", None)
        if model is None:
            return shown("LSTM, not fitted yet", words="fit(table) trains it; load(path) reads a model file.")
        data = model.card.get("data", {})
        facts = {
            "units": model.weights.units,
            "layers": len(model.weights.layers),
            "weights": model.weights.size,
            "steps ahead": model.direct_horizon,
            "scaling": str(model.scaling.as_dict()["kind"]),
            "season": " and ".join(map(str, model.scaling.seasons)),
        }
        known = {name: str(data[name]) for name in ("first", "last", "series", "steps") if name in data}
        return shown("LSTM, fitted", facts | known, ("column", "role"), [(c.name, c.role) for c in model.columns])

    def _keep(self, model: Model, fitted: Fitted, spent: str | None) -> None:
        self.model_, self.fitted_ = model, fitted
        self.picked_ = picked_words(model.config, fitted.race, spent)

    def _wishes(self) -> Wishes:
        checkpoint = None if self.checkpoint is None else Path(self.checkpoint)
        return Wishes(self.network, self.training, self.season_length, checkpoint)

    def _model(self, asked: str) -> Model:
        model: Model | None = getattr(self, "model_", None)
        if model is None:
            raise SettingsError(f"{asked}: fit the forecaster first, or load a model")
        return model

    def _take(self, made: tuple[Model, Fitted, str | None], panel: Panel, table: Any) -> Self:
        """Have this model from now on, and these series."""
        self._forget()
        self._keep(*made)
        self._panel, self._like = panel, None if isinstance(table, Panel) else table
        return self

    def _forget(self) -> None:
        for name in ("_panel", "_planes", "_like", "fitted_", "picked_"):
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


def _series(panel: Panel, columns: tuple[Column, ...], validation_steps: int) -> Series:
    """A panel as a fit takes it."""
    about = About(panel.frequency, columns, data_of(panel), card_of(panel))
    return Series(MemoryPlanes(panel, columns), about, validation_steps)


def _within(
    make: Callable[[Wishes, Report | None], tuple[Model, Fitted]],
    wishes: Wishes,
    how: tuple[int, float],
    ledger: Ledger | None,
    progress: Report | None = None,
) -> tuple[Model, Fitted, str | None]:
    """What ``make`` makes within the time budget of the wishes, and what came of the budget in words.

    ``how`` is the number of updates that the data ask for, and the time at which the budget begins.
    """

    def fit(training: TrainingConfig, report: Report | None, kept: bool) -> tuple[Model, Fitted]:
        return make(wishes._replace(training=training, checkpoint=wishes.checkpoint if kept else None), report)

    model, fitted, words = budget.fit_within(fit, wishes.training or TrainingConfig(), how, progress, ledger)
    if wishes.checkpoint is not None and model.config.training.stop is not None and not fitted.trained.interrupted:
        mark_done(wishes.checkpoint)
    return model, fitted, words


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
