"""A stream in one call, without torch: over a model file or the shipped weights, from a history or from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatecast.adaptive import Pace
from gatecast.columns import Columns
from gatecast.errors import SettingsError
from gatecast.modelfile import Model, load_model
from gatecast.opening import open_table
from gatecast.panel import Panel
from gatecast.predictor import require_columns
from gatecast.streaming import HORIZON, ForecastStream, Manner, load_stream, start_from, unseen_steps
from gatecast.zeroshot import ZeroShot

__all__ = ["open_stream", "resume_stream", "stream_over"]

NAME = "LSTM"


def open_stream(
    history: Any = None,
    model: Model | str | Path | None = None,
    *,
    horizon: int = HORIZON,
    season_length: tuple[int, ...] | None = None,
    adapt: bool = True,
    compiled: bool | None = None,
) -> ForecastStream:
    """Return a stream that goes on where a history ends: ``stream.update(value)`` gives the next forecast.

    Args:
        history: one series with the columns the model reads: a frame, numbers, a named set, or the path of a file;
            None begins before the first value.
        model: a trained model or its file; None takes the shipped weights, which read the target alone.
        horizon: steps ahead of every forecast.
        season_length: of the shipped weights; None takes the one of the history.  A trained model has its own.
        adapt: let widths follow what comes of earlier forecasts.
        compiled: compile the step at once, or never; None compiles after 1,000 values.

    Raises:
        SettingsError: the history holds several series, or a setting cannot work.
        DataError: the history cannot be read or forecast as it is.
        ModelFileError: the model file is damaged, foreign or newer.
    """
    if model is None:
        panel = None if history is None else open_table(history, Columns()).panel
        forecaster = ZeroShot(season_length=season_length)
        return forecaster.stream(panel, horizon=horizon, adapt=adapt, compiled=compiled)
    if season_length is not None:
        raise SettingsError("season_length: a trained model has its season; leave it out")
    trained = model if isinstance(model, Model) else load_model(Path(model))
    return stream_over(trained, history, Manner(horizon, adapt, compiled))


def stream_over(model: Model, history: Any, manner: Manner) -> ForecastStream:
    """Return a stream over a trained model; see ``open_stream``."""
    panel = history
    if history is not None and not isinstance(history, Panel):
        reads = model.config.data
        asked = Columns(inputs=reads.inputs, known=reads.known, static=reads.static)
        panel = open_table(history, asked, usual=reads).panel
    if panel is not None:
        require_columns(model, panel)
    start = start_from(model, panel, lambda panel: int(panel.lengths[0] - unseen_steps(model, panel)[0]))
    stream = ForecastStream([model], NAME, Pace(), manner, start.static_G)
    stream.read(start)
    return stream


def resume_stream(
    path: str | Path, model: Model | str | Path | None = None, *, compiled: bool | None = None
) -> ForecastStream:
    """Return the stream that ``ForecastStream.save`` wrote, over the model it was made with.

    Raises:
        ModelFileError: a file is missing, damaged, foreign, newer, or the stream was one over another model.
    """
    if model is None:
        return ZeroShot().load_stream(path, compiled=compiled)
    trained = model if isinstance(model, Model) else load_model(Path(model))
    return load_stream(path, [trained], NAME, Pace(), compiled)
