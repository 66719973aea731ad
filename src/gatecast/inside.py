"""What the page Inside is given: one network's weights, one series, and what each unit was measured to follow.

The page computes everything that it shows from these numbers, in ``web/inside_network.js``.  Nothing that it could
compute is handed to it but the order of the units, which is measured here by ``tracing``.

Key: T step, D hidden unit, P past-only, J known-future and G static columns.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gatecast import phases, scaling
from gatecast.columns import Columns
from gatecast.constants import QUANTILES
from gatecast.forecaster import LSTMForecaster
from gatecast.frequency import show_time
from gatecast.modelfile import Model, load_model
from gatecast.opening import open_table
from gatecast.panel import Panel
from gatecast.predictor import require_columns
from gatecast.runtime import weights_to_arrays
from gatecast.scaling import CHANNELS, FLOOR, Covariates
from gatecast.tracing import FOLLOWED, arrays_of, one_series, require_lstm, trace
from gatecast.zeroshot import ZeroShot, shipped

SHOWN = 1000  # newest steps that the page shows
READ = 8192  # newest steps that it reads: the state runs in over those before the shown ones
CONSTANTS = (
    "SIZE_RATE",
    "FAST_RATE",
    "SLOW_RATE",
    "MOST_AGE",
    "MOST_GAP",
    "CANDIDATES",
    "FARTHEST",
    "REACH",
    "KNOWN_FLOOR",
)
DIGITS = 4


class Checkpoint(NamedTuple):
    """The weights at one moment of training."""

    label: str
    arrays: dict[str, NDArray[Any]]


def inside_of(
    model: Model,
    panel: Panel,
    *,
    series: str | None = None,
    name: str = "the trained LSTM",
    checkpoints: Sequence[Checkpoint] = (),
    unit: str = "",
) -> Markup:
    """Return what the page needs to open a network over one series, as JSON that can stand in a script element.

    Args:
        model: the network; of an ensemble, one member.
        panel: the series, with the columns that the model reads.
        series: the name of the series; None is the first.
        name: the network's name on the page.
        checkpoints: the same network at earlier moments of its training, first to last; the model itself comes after.
        unit: of the values.

    Raises:
        SettingsError: there is no such series, or the network's cells are no LSTM's.
        DataError: the table lacks a column that the model reads.
    """
    require_lstm(model)
    require_columns(model, panel)
    one = one_series(panel, series)
    values, more = arrays_of(one, model, READ)
    begin = len(one.values) - len(values)
    first = max(0, len(values) - SHOWN)
    moments = [*checkpoints, Checkpoint("best, kept", weights_to_arrays(model.weights))]
    names = list(moments[0].arrays)
    past, known, static = more or Covariates()
    told = {
        "name": name,
        "series": str(one.ids[0]) if len(panel) > 1 else "",
        "target": one.names.y,
        "unit": unit,
        "skipped": begin,
        "first": first,
        "times": [show_time(time) for time in one.series_times(0)[begin + first :]],
        "values": packed(values, np.float64),
        "past": _columns(past),
        "known": _columns(known),
        "static": [] if static is None else [_asinh(x) for x in static[:, 0]],
        "scaling": model.scaling.as_dict(),
        "constants": {each: getattr(scaling, each) for each in CONSTANTS}
        | {"PHASE_RATE": phases.PHASE_RATE, "FLOOR": FLOOR},
        "channels": [*CHANNELS, *_channel_names(model)],
        "quantiles": QUANTILES,
        "horizon": model.direct_horizon,
        "widening": None if model.widening_KQ is None else _table(np.asarray(model.widening_KQ)),
        "shapes": {each: moments[0].arrays[each].shape for each in names},
        "checkpoints": [
            {
                "label": moment.label,
                "weights": packed(np.concatenate([np.ravel(moment.arrays[each]) for each in names]), np.float32),
            }
            for moment in moments
        ],
        "units": _units(model, values, more, first),
    }
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # nothing in it can end a script element


def inside_run(forecaster: LSTMForecaster, panel: Panel, *, unit: str = "") -> Markup | None:
    """Return what the page needs for a network that was just trained, with its training to slide through.

    None if its cells are no LSTM's: the page computes that one alone.
    """
    trained, model = forecaster.fitted_.trained, forecaster.model_
    if model.weights.cell != "lstm":
        return None
    begun = "as shipped" if model.config.training.start == "shipped" else "before training"
    moments = [
        Checkpoint(begun if update == 0 else f"update {update:,}", arrays) for update, arrays in trained.snapshots
    ]
    return inside_of(model, panel, checkpoints=moments, unit=unit)


def inside_table(
    table: Any,
    model: Model | str | Path | None = None,
    *,
    series: str | None = None,
    season_length: tuple[int, ...] | None = None,
    columns: Columns | None = None,
) -> tuple[str, Markup]:
    """Return a network's name, and what the page needs to open it over one series of a table.

    Args:
        table: a frame, numbers, a panel, a named set, or the path of a file or folder.
        model: a trained model, or the file it was saved in; None takes the first network of the shipped ensemble.
        series: the name of the series; None is the first.
        season_length: steps per season for the shipped network; None takes or finds them as a forecast does.
        columns: which columns of the table are what; those not named are found.

    Raises:
        SettingsError: a name cannot work.
        DataError: the table cannot be read, or lacks a column that the model reads.
        ModelFileError: the model file is damaged, foreign or newer.
    """
    asked = columns or Columns()
    if model is None:
        panel = one_series(open_table(table, asked).panel, series)
        network = ZeroShot(season_length=season_length).member(panel)
        name = f"the shipped network, member 1 of {len(shipped())} of the ensemble that forecasts without training"
        return name, inside_of(network, panel, name=name)
    trained = model if isinstance(model, Model) else load_model(Path(model))
    reads = trained.config.data
    asked = replace(asked, inputs=reads.inputs, known=reads.known, static=reads.static)
    panel = open_table(table, asked, usual=reads).panel
    name = "the trained LSTM"
    return name, inside_of(trained, panel, series=series, name=name)


def packed(array: NDArray[Any], kind: type) -> str:
    """Numbers as text: little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def _table(array: NDArray[Any]) -> dict[str, Any]:
    return {"columns": array.shape[1], "values": packed(array, np.float64)}


def _columns(table: NDArray[Any] | None) -> list[str]:
    return [] if table is None else [packed(column[0], np.float64) for column in table]


def _asinh(x: float) -> float:
    return math.asinh(x) if math.isfinite(x) else 0.0


def _channel_names(model: Model) -> list[str]:
    """Names of the channels beside the series' own: three for each column that moves, one for a static one."""
    moving = [
        f"{part}{column.name}{f' is {word}' if word else ''}"
        for role in ("past", "known")
        for column in model.columns
        if column.role == role
        for word in column.categories or ("",)
        for part in ("", "change of ", "observed: ")
    ]
    still = [
        f"{column.name}{f' is {word}' if word else ''}"
        for column in model.columns
        if column.role == "static"
        for word in column.categories or ("",)
    ]
    return [*moving, *still]


def _units(model: Model, values: NDArray[Any], more: Covariates | None, first: int) -> list[dict[str, Any]]:
    """For each layer what its units follow and remember, over the shown steps."""
    traced = trace(model, values, more, since=first)
    told = []
    for layer in range(len(traced.layers)):
        units = traced.units(layer)
        columns = {name: [_rounded(x) for x in getattr(units, name)] for name in ("half_life", *FOLLOWED)}
        told.append(columns | {"strongest": units.strongest})
    return told


def _rounded(x: float) -> float | None:
    return float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None
