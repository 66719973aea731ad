"""What others' models say, as quantiles: numbers or tables of any kind, matched to the steps that were asked for.

Key: S series, H horizon step, N rows of a table, Q quantile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatecast.arrow import is_number
from gatecast.columns import column_of, listed, numbers_of, raw_column, series_of
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.dates import Zoned, show_zoned, times_like
from gatecast.errors import DataError, GatecastError
from gatecast.frames import TAKEN
from gatecast.frequency import Times
from gatecast.layouts import eager_frame
from gatecast.panel import Panel
from gatecast.wording import counted, each_of

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_INTERVAL = re.compile(r"^(?P<model>.+)-(?P<side>lo|hi)-(?P<level>\d+(?:\.\d+)?)$")
MISSING, TWICE = -1, -2  # in place of a row

_MEDIAN = "-median"  # neuralforecast's name for the median, beside a mean or alone


class Due(NamedTuple):
    """The steps that a model was asked for: rows (S, H) of a panel, of which it has seen those before the first."""

    panel: Panel
    rows_SH: Indices

    def show(self, s: int, step: int) -> str:
        """Name one of the steps."""
        panel = self.panel
        time = show_zoned(panel.times[self.rows_SH[s, step]], panel.zone, panel.local_days)
        return f"series {panel.ids[s]!r} at {time}"


def read_numbers(said: Any, due: Due, name: str) -> Floats:
    """Return numbers (H,) of one series, (S, H), or quantiles (S, H, Q), as quantiles (S, H, Q).

    Raises:
        DataError: they are none, or have another shape; the message names the model.
    """
    series, horizon = due.rows_SH.shape
    try:
        numbers = np.array(said, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} gave what is neither numbers nor a table ({error})") from None
    if numbers.shape == (horizon,) and series == 1:
        numbers = numbers[None]
    if numbers.shape == (series, horizon):
        made = nothing((series, horizon))
        made[..., MEDIAN] = numbers
    elif numbers.shape == (series, horizon, len(QUANTILES)):
        made = numbers
    else:
        one = f" or ({horizon},)" if series == 1 else ""
        raise DataError(
            f"{name} gave numbers of shape {numbers.shape}; expected ({series}, {horizon}){one}: {series} series x "
            f"{counted(horizon, 'step')} ahead"
        )
    return checked(made, due, name)


def read_answer(said: Any, due: Due, name: str) -> dict[str, Floats]:
    """Return a table of forecasts as quantiles (S, H, Q) by model, its rows matched by series and time.

    A column of numbers is a model, MODEL-lo-80 and MODEL-hi-80 are its intervals, and MODEL-median is its median.

    Raises:
        DataError: a row that was asked for is not there or is there twice, a number is missing, or it is no table.
    """
    if getattr(getattr(said, "index", None), "name", None) == "unique_id":  # older versions of the libraries
        said = said.reset_index()
    try:
        table = eager_frame(said)
        if "ds" not in table.columns:
            raise DataError(f"it has no column 'ds', only {listed(table.columns)}")
        rows_SH = _matched(table, due)
        beside = {*TAKEN, "index", *due.panel.inputs, *due.panel.known, *due.panel.static}
        cells = {each: column_of(table, each) for each in table.columns if each not in beside}
        numbers = {each: numbers_of(column, each)[rows_SH] for each, column in cells.items() if is_number(column.type)}
        found = quantiles_of(numbers)
        if not found:
            raise DataError(f"it has no column of forecasts, only {listed(table.columns)}")
    except GatecastError as error:
        raise DataError(f"{name} gave a table that cannot be used: {error}") from None
    return {model: checked(made, due, f"{name}, column {model}") for model, made in found.items()}


def quantiles_of(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return columns MODEL, MODEL-lo-80 … of any one shape as quantiles (…, Q) by model; other levels are left out."""
    models = models_of(columns)
    made = {}
    for model, point in models.items():
        made[model] = nothing(columns[point].shape)
        made[model][..., MEDIAN] = columns[point]
    for name, column in columns.items():
        match = _INTERVAL.match(name)
        if match is not None and match["model"] in made and float(match["level"]) in LEVELS:
            low = QUANTILES.index(round((100 - float(match["level"])) / 200, 3))
            place = low if match["side"] == "lo" else len(QUANTILES) - 1 - low
            made[match["model"]][..., place] = column
    return made


def models_of(columns: Iterable[str]) -> dict[str, str]:
    """Return the models among columns' names, and the column that holds the median of each, or else its point."""
    points = [name for name in columns if not is_interval(name)]
    models = {name: name for name in points if not name.endswith(_MEDIAN)}
    return models | {name.removesuffix(_MEDIAN): name for name in points if name.endswith(_MEDIAN)}


def is_interval(name: str) -> bool:
    """Return whether a column's name is that of an end of an interval, MODEL-lo-80."""
    return _INTERVAL.match(name) is not None


def nothing(shape: tuple[int, ...]) -> Floats:
    """Return quantiles (…, Q) of which none is known yet."""
    return np.full((*shape, len(QUANTILES)), np.nan)


def checked(made_SHQ: Floats, due: Due, name: str) -> Floats:
    """Return quantiles whose medians are all numbers.

    Raises:
        DataError: one is not.
    """
    lacking = ~np.isfinite(made_SHQ[..., MEDIAN])
    if lacking.any():
        s, step = (int(place) for place in np.argwhere(lacking)[0])
        raise DataError(
            f"{name} gave {made_SHQ[s, step, MEDIAN]} for {due.show(s, step)}, and {int(lacking.sum()):,} of "
            f"{lacking.size:,} forecasts are no numbers; give a number for each"
        )
    return made_SHQ


def _matched(table: Any, due: Due) -> Indices:
    """The table's row of each step, (S, H).

    On a calendar of days the forecaster may not know the holidays that ours does: there its rows after the origin are
    taken in their order where the days are others.
    """
    panel, (series, horizon) = due.panel, due.rows_SH.shape
    codes, s_N = None, np.zeros(len(table), np.int64)
    if "unique_id" in table.columns:
        codes, ids = series_of(raw_column(table, "unique_id"), "unique_id")
        place = {each: s for s, each in enumerate(panel.ids)}
        s_N = np.array([place.get(each, -1) for each in ids], np.int64)[codes]
    elif series > 1:
        raise DataError("it has no column 'unique_id', and there are several series")
    times_N = times_like(column_of(table, "ds"), "ds", Zoned(panel.times, panel.zone, panel.local_days), codes)
    wanted_SH = panel.times[due.rows_SH]
    if times_N.dtype.kind != wanted_SH.dtype.kind:
        raise DataError("its column 'ds' holds whole numbers where the series has dates, or the other way round")
    order = np.lexsort((times_N, s_N))
    order = order[s_N[order] >= 0]
    rows_SH = np.full((series, horizon), MISSING)
    for s in range(series):
        rows = order[slice(*np.searchsorted(s_N[order], (s, s + 1)))]
        rows_SH[s] = _of_series(rows, times_N[rows], wanted_SH[s])
        if (rows_SH[s] == MISSING).any() and panel.frequency.unit == "weekdays":
            after = rows[times_N[rows] > panel.times[due.rows_SH[s, 0] - 1]]
            if len(after) >= horizon and len(np.unique(times_N[after])) == len(after):
                rows_SH[s] = after[:horizon]
    if (rows_SH < 0).any():
        s, step = (int(each) for each in np.argwhere(rows_SH < 0)[0])
        twice = rows_SH[s, step] == TWICE
        raise DataError(
            f"it has {'two rows' if twice else 'no row'} for {due.show(s, step)}; expected one row for "
            f"{each_of(horizon, 'step')} ahead of {series} series, and it has {counted(len(table), 'row')}"
        )
    return rows_SH


def _of_series(rows_N: Indices, times_N: Times, wanted_H: Times) -> Indices:
    """The row of each step of one series, given its rows in the order of time; ``MISSING`` and ``TWICE`` are none."""
    first, last = (np.searchsorted(times_N, wanted_H, side) for side in ("left", "right"))
    found = np.full(len(wanted_H), MISSING)
    found[last == first + 1] = rows_N[first[last == first + 1]]
    found[last > first + 1] = TWICE
    return found
