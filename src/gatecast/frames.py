"""Panels and forecasts as tables of the kind that came in.

Key: S series, H horizon step, Q quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.arrow import repeated_text, text_of, to_arrow
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.dates import in_zone
from gatecast.errors import SettingsError
from gatecast.frequency import Times, future_times
from gatecast.layouts import frame_like
from gatecast.panel import Panel

Floats = npt.NDArray[np.float64]

TAKEN = ("unique_id", "ds", "y", "cutoff")  # names of a table's own columns


def quantile_columns(name: str, quantiles: Floats, level: Sequence[int] | int) -> dict[str, Floats]:
    """Return the columns MODEL, MODEL-lo-80, MODEL-hi-80 … of quantiles (…, Q), each (N,); none that is all missing.

    Raises:
        SettingsError: a level is not offered.
    """
    columns = {name: quantiles[..., MEDIAN].reshape(-1)}
    for percent in dict.fromkeys([level] if isinstance(level, int) else level):
        if percent not in LEVELS:
            raise SettingsError(f"level {percent} is not offered; choose from {', '.join(map(str, LEVELS))}")
        low = QUANTILES.index(round((100 - percent) / 200, 3))
        for side, place in (("lo", low), ("hi", len(QUANTILES) - 1 - low)):
            column = quantiles[..., place].reshape(-1)
            if not np.isnan(column).all():
                columns[f"{name}-{side}-{percent}"] = column
    return columns


def forecast_table(panel: Panel, made: Mapping[str, Floats], level: Sequence[int], like: Any = None) -> Any:
    """Return forecasts as a long table: unique_id, ds, and the columns of every model.

    Args:
        panel: the series that were forecast; the forecast starts one step after the last time of each.
        made: by model, quantiles (S, H, Q) at ``config.QUANTILES``, in original units.
        level: interval levels in percent, from ``config.LEVELS``.
        like: a table of the kind that is wanted, as it came in; None gives a pyarrow Table.

    Raises:
        SettingsError: a level is not offered.
    """
    horizon = next(iter(made.values())).shape[1]
    ds = future_times(panel.times[panel.offsets[1:] - 1], panel.frequency, horizon)
    columns: dict[str, Floats] = {}
    for name, quantiles_SHQ in made.items():
        columns |= quantile_columns(name, quantiles_SHQ, level)
    return long_table(panel, horizon, {"ds": ds}, columns, like)


def panel_table(panel: Panel, like: Any = None, beside: Sequence[str] | None = None) -> Any:
    """Return a panel as a long table: unique_id, ds, y and the columns beside it, words as words.

    Args:
        panel: the series.
        like: a table of the kind that is wanted.
        beside: which of the columns beside the target; None is all of them.

    Raises:
        SettingsError: a column beside the target has the name of one of the first three.
    """
    static = {name: np.repeat(column, panel.lengths) for name, column in panel.static.items()}
    columns: dict[str, Any] = {"y": panel.values}
    columns |= _named(panel, panel.inputs | panel.known | static, beside)
    return long_table(panel, panel.lengths, {"ds": panel.times}, columns, like)


def known_table(panel: Panel, rows_SH: npt.NDArray[np.int64], like: Any = None) -> Any:
    """Return what is known in advance at some rows of a panel, (S, H) of them: unique_id, ds and the known columns."""
    rows = rows_SH.reshape(-1)
    columns = _named(panel, {name: column[rows] for name, column in panel.known.items()})
    return long_table(panel, rows_SH.shape[1], {"ds": panel.times[rows]}, columns, like)


def static_table(panel: Panel, like: Any = None) -> Any:
    """Return what stays the same for each series, one row for each: unique_id and the static columns."""
    return long_table(panel, 1, {}, _named(panel, panel.static), like)


def _named(panel: Panel, columns: Mapping[str, Floats], wanted: Sequence[str] | None = None) -> dict[str, Any]:
    """Columns by name, those of words as words."""
    taken = next((name for name in columns if name in TAKEN), None)
    if taken is not None:
        raise SettingsError(f"a column beside the target is called {taken!r}, as one of the table's own; rename it")
    told: dict[str, Any] = {}
    for name, column in columns.items():
        if wanted is None or name in wanted:
            labels = panel.categories.get(name)
            told[name] = column if labels is None else _words(column, labels)
    return told


def _words(codes: Floats, labels: Sequence[str]) -> list[str | None]:
    return [labels[int(code)] if np.isfinite(code) else None for code in codes]


def long_table(
    panel: Panel, rows: int | npt.NDArray[np.int64], times: Mapping[str, Times], columns: Mapping[str, Any], like: Any
) -> Any:
    """Return a table with the series' names first, then times, then numbers or words.

    Args:
        panel: whose names and time zone it has.
        rows: how many rows each series has, one number or (S,).
        times: columns of times, in any shape.
        columns: columns of numbers (N,), or lists of words and None.
        like: a table of the kind that is wanted.
    """
    counts = np.broadcast_to(rows, (len(panel),))
    names = (
        repeated_text(panel.ids, int(counts[0]))
        if (counts == counts[0]).all()
        else repeated_text([panel.ids[s] for s in np.repeat(np.arange(len(panel)), counts)], 1)
    )
    arrays: dict[str, pa.Array] = {"unique_id": names}
    for name, column in times.items():
        flat = np.ascontiguousarray(column).reshape(-1)
        arrays[name] = to_arrow(flat) if panel.zone is None else in_zone(flat, panel.zone, panel.local_days)
    for name, column in columns.items():
        arrays[name] = text_of(column) if isinstance(column, list) else to_arrow(column)
    return frame_like(pa.Table.from_arrays(list(arrays.values()), names=list(arrays)), like)


def until(panel: Panel, ends_S: npt.NDArray[np.int64], ahead: int = 0) -> Panel:
    """Copy the first ``ends_S`` rows of every series, and ``ahead`` more with only what is known in advance.

    Nothing of the result is a view of the panel's arrays: what comes later cannot be reached from it.
    """
    lengths = np.minimum(panel.lengths, ends_S + ahead)
    cut = keep(panel, _positions(panel) < np.repeat(lengths, panel.lengths))
    if ahead == 0:
        return cut
    after = _positions(cut) >= np.repeat(ends_S[lengths > 0], cut.lengths)
    inputs = {name: np.where(after, np.nan, column) for name, column in cut.inputs.items()}
    return replace(cut, values=np.where(after, np.nan, cut.values), inputs=inputs)


def since(panel: Panel, begins_S: npt.NDArray[np.int64]) -> Panel:
    """Copy the rows of every series from ``begins_S`` on."""
    return keep(panel, _positions(panel) >= np.repeat(begins_S, panel.lengths))


def only(panel: Panel, series: npt.NDArray[np.bool_]) -> Panel:
    """Copy the series (S,) that are true."""
    return keep(panel, np.repeat(series, panel.lengths))


def keep(panel: Panel, rows: npt.NDArray[np.bool_]) -> Panel:
    """Copy the rows (N,) that are true; a series that has none is left out."""
    before = np.concatenate(([0], np.cumsum(rows)))
    lengths = np.diff(before[panel.offsets])
    stays = lengths > 0
    return replace(
        panel,
        ids=tuple(name for name, here in zip(panel.ids, stays, strict=True) if here),
        times=panel.times[rows],
        values=panel.values[rows],
        offsets=np.concatenate(([0], np.cumsum(lengths[stays]))).astype(np.int64),
        inputs={name: column[rows] for name, column in panel.inputs.items()},
        known={name: column[rows] for name, column in panel.known.items()},
        static={name: column[stays] for name, column in panel.static.items()},
        categories=dict(panel.categories),
    )


def _positions(panel: Panel) -> npt.NDArray[np.int64]:
    """Each row's place in its series, (N,)."""
    return np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)
