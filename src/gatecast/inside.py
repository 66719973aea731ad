"""What the page Inside is given: weights of networks, series, and what each unit was measured to follow.

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
from gatecast.contrast import Trained
from gatecast.errors import SettingsError
from gatecast.frequency import show_time
from gatecast.modelfile import Model, load_model
from gatecast.opening import open_table
from gatecast.panel import Panel
from gatecast.predictor import require_columns
from gatecast.runtime import prefix_of, weights_to_arrays
from gatecast.scaling import CHANNELS, FLOOR, Covariates
from gatecast.tracing import FOLLOWED, TRACED, arrays_of, one_series, require_traced, trace
from gatecast.zeroshot import ZeroShot, shipped

SHOWN = 1000  # newest steps that the page shows
NAME, PLAIN = "the trained LSTM", "the plain RNN"
MOST_SERIES = 6  # of a panel, between which the page lets one choose
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


class OpenNetwork(NamedTuple):
    """A network that the page opens; of an ensemble, one member."""

    name: str
    model: Model
    checkpoints: Sequence[Checkpoint] = ()  # at earlier moments of its training, first to last; the model comes after


def inside_of(
    networks: Sequence[OpenNetwork] | Model,
    panel: Panel,
    *,
    series: Sequence[str] | str | None = None,
    unit: str = "",
) -> Markup:
    """Return what the page needs to open networks over series, as JSON that can stand in a script element.

    Args:
        networks: one network, or two that read the same columns, the first of which is shown first.
        panel: the series, with the columns that the networks read.
        series: the names of the series, the first of which is shown first; None is the first of the panel.
        unit: of the values.

    Raises:
        SettingsError: there is no such series, or a network's cells are neither an LSTM's nor a plain RNN's.
        DataError: the table lacks a column that a network reads.
    """
    opened = [OpenNetwork(NAME, networks)] if isinstance(networks, Model) else list(networks)
    names = [series] if series is None or isinstance(series, str) else list(series)
    for each in opened:
        require_traced(each.model)
        require_columns(each.model, panel)
    if len({each.model.columns for each in opened}) > 1:
        raise SettingsError("the networks read different columns; open them on pages of their own")
    read = [_read(one_series(panel, name), opened[0].model, len(panel) > 1) for name in names]
    told = {
        "unit": unit,
        "constants": {each: getattr(scaling, each) for each in CONSTANTS}
        | {"PHASE_RATE": phases.PHASE_RATE, "FLOOR": FLOOR},
        "quantiles": QUANTILES,
        "series": [each.told for each in read],
        "networks": [_network(each, read) for each in opened],
    }
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # nothing in it can end a script element


class _Read(NamedTuple):
    """One series as networks read it, and what the page is told of it."""

    values: NDArray[np.float64]
    more: Covariates | None
    first: int  # the first step that is shown
    told: dict[str, Any]


def _read(one: Panel, model: Model, named: bool) -> _Read:
    values, more = arrays_of(one, model, READ)
    begin, first = len(one.values) - len(values), max(0, len(values) - SHOWN)
    past, known, static = more or Covariates()
    told = {
        "name": str(one.ids[0]) if named else "",
        "target": one.names.y,
        "skipped": begin,
        "first": first,
        "times": [show_time(time) for time in one.series_times(0)[begin + first :]],
        "values": packed(values, np.float64),
        "past": _columns(past),
        "known": _columns(known),
        "static": [] if static is None else [_asinh(x) for x in static[:, 0]],
    }
    return _Read(values, more, first, told)


def _network(opened: OpenNetwork, read: Sequence[_Read]) -> dict[str, Any]:
    """What the page is told of one network."""
    model = opened.model
    moments = [*opened.checkpoints, Checkpoint("best, kept", weights_to_arrays(model.weights))]
    names = list(moments[0].arrays)
    return {
        "name": opened.name,
        "cell": model.weights.cell,
        "prefix": prefix_of(model.weights.cell),
        "scaling": model.scaling.as_dict(),
        "channels": [*CHANNELS, *_channel_names(model)],
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
        "units": [_units(model, each.values, each.more, each.first) for each in read],
    }


def inside_run(
    forecaster: Trained,
    panel: Panel,
    *,
    plain: Trained | None = None,
    series: Sequence[str] = (),
    unit: str = "",
) -> Markup | None:
    """Return what the page needs for a network that was just trained, with its training to slide through.

    None if its cells are neither an LSTM's nor a plain RNN's: the page computes those alone.

    Args:
        forecaster: the fitted forecaster.
        panel: what it was fitted on, with what came after.
        plain: a plain RNN that was trained beside it, for contrast.
        series: the names of the series that can be chosen; the first of the panel if there are none.
        unit: of the values.
    """
    if forecaster.model_.weights.cell not in TRACED:
        return None
    networks = [_trained(forecaster), *([] if plain is None else [_trained(plain)])]
    return inside_of(networks, panel, series=series or None, unit=unit)


def _trained(forecaster: Trained) -> OpenNetwork:
    trained, model = forecaster.fitted_.trained, forecaster.model_
    begun = "as shipped" if model.config.training.start == "shipped" else "before training"
    moments = [
        Checkpoint(begun if update == 0 else f"update {update:,}", arrays) for update, arrays in trained.snapshots
    ]
    return OpenNetwork(NAME if model.weights.cell == "lstm" else PLAIN, model, moments)


def inside_table(
    table: Any,
    model: Model | str | Path | None = None,
    *,
    series: Sequence[str] | str | None = None,
    season_length: tuple[int, ...] | None = None,
    columns: Columns | None = None,
) -> tuple[str, Markup]:
    """Return a network's name, and what the page needs to open it over one series of a table.

    Args:
        table: a frame, numbers, a panel, a named set, or the path of a file or folder.
        model: a trained model, or the file it was saved in; None takes the first network of the shipped ensemble.
        series: the name of the series, or several, between which the page lets one choose; None is the first few.
        season_length: steps per season for the shipped network; None takes or finds them as a forecast does, from the
            first of the series.
        columns: which columns of the table are what; those not named are found.

    Raises:
        SettingsError: a name cannot work.
        DataError: the table cannot be read, or lacks a column that the model reads.
        ModelFileError: the model file is damaged, foreign or newer.
    """
    asked = columns or Columns()
    if model is None:
        panel = open_table(table, asked).panel
        names = _few(panel, series)
        network = ZeroShot(season_length=season_length).member(one_series(panel, names[0]))
        name = f"the shipped network, member 1 of {len(shipped())} of the ensemble that forecasts without training"
        return name, inside_of([OpenNetwork(name, network)], panel, series=names)
    trained = model if isinstance(model, Model) else load_model(Path(model))
    reads = trained.config.data
    asked = replace(asked, inputs=reads.inputs, known=reads.known, static=reads.static)
    panel = open_table(table, asked, usual=reads).panel
    name = NAME if trained.weights.cell == "lstm" else PLAIN
    return name, inside_of([OpenNetwork(name, trained)], panel, series=_few(panel, series))


def _few(panel: Panel, series: Sequence[str] | str | None) -> list[str]:
    """The series that are asked for, or the first few of a panel."""
    if series is None:
        return [str(name) for name in panel.ids[:MOST_SERIES]]
    return [series] if isinstance(series, str) else list(series)


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
        measured = ("half_life", *FOLLOWED) if model.weights.cell == "lstm" else FOLLOWED
        columns = {name: [_rounded(x) for x in getattr(units, name)] for name in measured}
        told.append(columns | {"strongest": units.strongest})
    return told


def _rounded(x: float) -> float | None:
    return float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None
