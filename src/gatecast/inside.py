"""What the page Inside is given: one network's weights, one series, and what each unit was measured to follow.

The page computes everything that it shows from these numbers, in ``web/inside_network.js``.  Nothing that it could
compute is handed to it but the order of the units, which is measured here by ``trace``.

Key: T step, D hidden unit, P past-only, J known-future and G static columns.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gatecast import phases, scaling
from gatecast.constants import QUANTILES
from gatecast.errors import SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.frames import keep
from gatecast.frequency import show_time
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.predictor import as_arrays, require_columns
from gatecast.runtime import weights_to_arrays
from gatecast.scaling import CHANNELS, FLOOR, Covariates
from gatecast.trace import FOLLOWED, trace

SHOWN = 1000  # newest steps that the page shows
READ = 8192  # newest steps that it reads: the state runs in over those before the shown ones
CONSTANTS = (
    "SIZE_RATE",
    "FAST_RATE",
    "SLOW_RATE",
    "MOST_AGE",
    "MOST_GAP",
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
    series: int = 0,
    name: str = "the trained LSTM",
    checkpoints: Sequence[Checkpoint] = (),
    unit: str = "",
) -> Markup:
    """Return what the page needs to open a network over one series, as JSON that can stand in a script element.

    Args:
        model: the network; of an ensemble, one member.
        panel: the series, with the columns that the model reads.
        series: which series of the panel.
        name: the network's name on the page.
        checkpoints: the same network at earlier moments of its training, first to last; the model itself comes after.
        unit: of the values.

    Raises:
        SettingsError: there is no such series.
        DataError: the panel lacks a column that the model reads.
    """
    if not 0 <= series < len(panel):
        raise SettingsError(f"there is no series {series}; the table holds {len(panel)}, counted from 0")
    require_columns(model, panel)
    rows = np.arange(len(panel.values))
    one = keep(panel, (rows >= panel.offsets[series]) & (rows < panel.offsets[series + 1]))
    values_ST, more = as_arrays(one, model.columns)
    begin = max(0, values_ST.shape[1] - READ)
    values, more = values_ST[0, begin:], None if more is None else _from(more, begin)
    first = max(0, len(values) - SHOWN)
    moments = [*checkpoints, Checkpoint("kept", weights_to_arrays(model.weights))]
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


def inside_run(forecaster: LSTMForecaster, panel: Panel, *, series: int = 0, unit: str = "") -> Markup:
    """Return what the page needs for a network that was just trained, with its training to slide through."""
    trained = forecaster.fitted_.trained
    moments = [
        Checkpoint("random weights" if update == 0 else f"update {update:,}", arrays)
        for update, arrays in trained.snapshots
    ]
    return inside_of(forecaster.model_, panel, series=series, checkpoints=moments, unit=unit)


def packed(array: NDArray[Any], kind: type) -> str:
    """Numbers as text: little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def _table(array: NDArray[Any]) -> dict[str, Any]:
    return {"columns": array.shape[1], "values": packed(array, np.float64)}


def _columns(table: NDArray[Any] | None) -> list[str]:
    return [] if table is None else [packed(column[0], np.float64) for column in table]


def _asinh(x: float) -> float:
    return math.asinh(x) if math.isfinite(x) else 0.0


def _from(more: Covariates, begin: int) -> Covariates:
    past, known, static = more
    return Covariates(
        None if past is None else past[..., begin:], None if known is None else known[..., begin:], static
    )


def _channel_names(model: Model) -> list[str]:
    """Names of the channels beside the series' own: three for each column of numbers that moves, one for a static one."""
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
