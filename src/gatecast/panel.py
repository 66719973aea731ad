"""The long table as arrays: many series under each other, in and out of any data frame.

A frame of any kind (pandas, polars, pyarrow) becomes a panel and a forecast becomes the same kind of frame again.  What
is wrong with a frame is said with its row number, counted from 1 without the header; nothing is mended unasked, except
that a missing date becomes a step with missing values, and how many were added is kept to be shown.

Key: S series, N rows, O origins, H horizon step, Q quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.columns import (
    COUNTED,
    Names,
    choose_columns,
    column_of,
    eager_frame,
    first_row,
    listed,
    numbers_of,
    repeated_text,
    series_of,
    times_of,
    to_arrow,
)
from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.frequency import (
    Frequency,
    Times,
    advance,
    future_times,
    infer_frequency,
    parse_frequency,
    show_time,
    steps_between,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

MOST_FILLED = 10  # holes may add at most this many steps for each row that is there


@dataclass(frozen=True, eq=False)
class Panel:
    """Series under each other, each in time order.

    Attributes:
        ids: the S names of the series, in the order of their first rows.
        times: (N,) datetime64[us] or int64, increasing within a series.
        values: (N,) the target in its own units; NaN is missing.
        offsets: (S+1,) series s is the rows ``offsets[s]:offsets[s+1]``.
        frequency: the spacing of all series.
        inputs: further columns, (N,) each, known up to now only; NaN is missing.
        names: what the columns are called in the user's table.
        filled: how many steps were missing from the table and were added, with missing values, when it was read.
        known: columns known in advance, (N,) each, such as a price list or a holiday; NaN is missing.
        static: what stays the same for a series, (S,) each; NaN is missing.
        categories: for columns of words, what their numbers 0, 1, 2 … stand for.
        zone: the time zone of the table's times, if they had one; ``times`` are then UTC, or local days.
    """

    ids: tuple[str, ...]
    times: Times
    values: Floats
    offsets: Integers
    frequency: Frequency
    inputs: dict[str, Floats] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    filled: int = 0
    known: dict[str, Floats] = field(default_factory=dict)
    static: dict[str, Floats] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    zone: str | None = None

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> Integers:
        """The number of rows of each series, (S,)."""
        return np.diff(self.offsets)

    def series_values(self, s: int) -> Floats:
        """Return the values of series ``s``, as a view."""
        return self.values[self.offsets[s] : self.offsets[s + 1]]

    def series_times(self, s: int) -> Times:
        """Return the times of series ``s``, as a view."""
        return self.times[self.offsets[s] : self.offsets[s + 1]]

    def select(self, s: int) -> Panel:
        """Return series ``s`` alone."""
        rows = slice(int(self.offsets[s]), int(self.offsets[s + 1]))
        offsets = np.array([0, rows.stop - rows.start], np.int64)
        static = {name: column[s : s + 1] for name, column in self.static.items()}
        return replace(self._rows(rows), ids=(self.ids[s],), offsets=offsets, static=static)

    def head(self, steps: int) -> Panel:
        """Return the first ``steps`` rows of every series (all of a shorter one)."""
        kept = np.minimum(self.lengths, steps)
        position = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return replace(self._rows(position < steps), offsets=_offsets(kept))

    def _rows(self, rows: slice | Booleans) -> Panel:
        inputs = {name: column[rows] for name, column in self.inputs.items()}
        known = {name: column[rows] for name, column in self.known.items()}
        return replace(self, times=self.times[rows], values=self.values[rows], inputs=inputs, known=known)


class Forecaster(Protocol):
    """Anything that learns from a table and forecasts what comes after it."""

    @property
    def name(self) -> str:
        """The model's name in columns and JSON."""

    def fit(self, table: Any) -> Self:
        """Learn from a table: a frame of any kind, or a panel."""

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Return one row per series and step after the last time seen, with an interval for each ``level``."""


class ManyOrigins(Protocol):
    """A model that answers many origins in one pass."""

    @property
    def name(self) -> str:
        """The model's name in columns and JSON."""

    def predict_many(self, panel: Panel, origins: Integers, horizon: int) -> Floats:
        """Return the quantiles at ``config.QUANTILES`` in original units, (S, O, H, Q), as if made at each origin.

        An origin is the index, within a series, of the last step known; no value after it is read.
        """


def panel_from_arrays(
    values: npt.ArrayLike,
    times: npt.ArrayLike | None = None,
    unique_id: str = "series",
    inputs: dict[str, npt.ArrayLike] | None = None,
    frequency: Frequency | str | None = None,
) -> Panel:
    """Return one series as a panel.

    Args:
        values: (N,) numbers; NaN is missing.
        times: (N,) dates or whole numbers, increasing; None counts 0, 1, 2 …
        unique_id: the name of the series.
        inputs: further columns, (N,) each, known up to now only.
        frequency: the spacing or its code; None infers it.

    Raises:
        DataError: shapes differ, a value is infinite, fewer than two values are there, or times go back or repeat.
        SettingsError: the frequency's code is not known, or it does not go with the kind of times.
    """
    try:
        y = np.array(values, np.float64)
        columns = {name: np.array(column, np.float64) for name, column in (inputs or {}).items()}
    except (TypeError, ValueError) as error:
        raise DataError(f"values and inputs must be numbers ({error})") from None
    ds = np.arange(y.size, dtype=np.int64) if times is None else np.array(times)
    for name, column in {"times": ds, **columns}.items():
        if y.ndim != 1 or column.shape != y.shape:
            raise DataError(f"values has shape {y.shape} and {name} {column.shape}; give one row of numbers each")
    if ds.dtype.kind not in "iuM":
        raise DataError(f"times holds {ds.dtype}; give dates (datetime64) or whole numbers")
    ds = ds.astype("datetime64[us]" if ds.dtype.kind == "M" else np.int64)
    if ds.dtype.kind == "M" and np.isnat(ds).any():
        raise DataError(f"row {first_row(np.isnat(ds))} has no time {COUNTED}")
    if isinstance(frequency, str):
        frequency = parse_frequency(frequency)
    codes = np.zeros(len(y), np.int64)
    return _assemble(_Rows(codes, (unique_id,), ds, y, columns, Names(unique_id="unique_id"), False), frequency)


def panel_from_frame(
    frame: Any,
    *,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
) -> Panel:
    """Return the long table ``frame`` (pandas, polars, pyarrow or whatever narwhals knows) as a panel.

    A column not named is found: ``ds``, ``y`` and ``unique_id`` if there; otherwise the first column of dates is the
    time (or one of whole numbers whose name says time), and the first other column of numbers the target.  A table of
    one column is numbered 0, 1, 2 … Rows of several series may be mixed; each series must be in time order.  Text is
    read as numbers and dates where it can be.  Times with a zone become local times if all are midnights, else UTC.

    Raises:
        SettingsError: a named column is not there (the nearest one is named), or a column is used twice.
        DataError: the table cannot be forecast as it is; the message names the rows.
    """
    table = eager_frame(frame)
    names, has_time, has_id = choose_columns(table, time, target, series_id, inputs)
    count = len(table)
    if count == 0:
        raise DataError(f"the table has no rows; its columns are {listed(table.columns)}")
    ds = times_of(column_of(table, names.ds), names.ds) if has_time else np.arange(count, dtype=np.int64)
    y = numbers_of(column_of(table, names.y), names.y)
    columns = {name: numbers_of(column_of(table, name), name) for name in inputs}
    codes = np.zeros(count, np.int64)
    ids: tuple[str, ...] = (names.y,)
    if has_id:
        codes, ids = series_of(column_of(table, names.unique_id), names.unique_id)
    return _assemble(_Rows(codes, ids, ds, y, columns, names, has_id), None)


def fill_holes(panel: Panel) -> tuple[Panel, int]:
    """Return the panel with a row of missing values for every step that its times skip, and how many were added.

    Business days are left as observed: which weekdays were holidays is not known.

    Raises:
        DataError: so many steps are missing that the spacing cannot be right.
    """
    if panel.frequency.unit == "weekdays" or len(panel.values) < 2:
        return panel, 0
    steps = np.ones(len(panel.values), np.int64)
    steps[1:] = steps_between(panel.times[:-1], panel.times[1:], panel.frequency)
    steps[panel.offsets[:-1]] = 1  # the first row of a series follows nothing
    added = int(steps.sum()) - len(steps)
    if added == 0:
        return panel, 0
    if added > MOST_FILLED * len(steps) + 1000:
        worst = int(np.argmax(steps))
        before, after = (show_time(panel.times[row]) for row in (worst - 1, worst))
        raise DataError(
            f"the spacing looks like {panel.frequency.name!r}, but then {added:,} steps are missing among "
            f"{len(steps):,} rows, {int(steps[worst]) - 1:,} of them between {before} and {after}; "
            "give one row per regular step, or mend that time"
        )
    place = np.cumsum(steps) - 1  # where each row goes
    source = np.repeat(np.arange(len(steps)), steps)
    source[place] += 1  # an added row continues the row before it
    source -= 1
    since = np.arange(len(source)) - place[source]
    times = advance(panel.times[source], since, panel.frequency)
    times[place] = panel.times

    def spread(column: Floats) -> Floats:
        wide = np.full(len(source), np.nan)
        wide[place] = column
        return wide

    filled = replace(
        panel,
        times=times,
        values=spread(panel.values),
        offsets=np.append(place[panel.offsets[:-1]], len(source)).astype(np.int64),
        inputs={name: spread(column) for name, column in panel.inputs.items()},
        known={name: spread(column) for name, column in panel.known.items()},
        filled=panel.filled + added,
    )
    return filled, added


def forecast_frame(panel: Panel, quantiles_SHQ: Floats, model: str, level: Sequence[int], like: Any = None) -> Any:
    """Return a forecast as a long table: unique_id, ds, MODEL (the median) and MODEL-lo-80, MODEL-hi-80 for each level.

    Args:
        panel: the series that were forecast; the forecast starts one step after the last time of each.
        quantiles_SHQ: at ``config.QUANTILES``, in original units.
        model: the model's name, which names the columns.
        level: interval levels in percent, from ``config.LEVELS``.
        like: a frame of the kind that is wanted; None gives a pyarrow Table.

    Raises:
        SettingsError: a level is not offered.
    """
    series, horizon, _ = quantiles_SHQ.shape
    last = panel.times[panel.offsets[1:] - 1]
    ds = np.ascontiguousarray(future_times(last, panel.frequency, horizon)).reshape(-1)
    columns = {"unique_id": repeated_text(panel.ids, horizon), "ds": to_arrow(ds)}
    columns[model] = to_arrow(quantiles_SHQ[:, :, MEDIAN].reshape(series * horizon))
    for percent in dict.fromkeys(level):
        if percent not in LEVELS:
            raise SettingsError(f"level {percent} is not offered; choose from {', '.join(map(str, LEVELS))}")
        low = QUANTILES.index(round((100 - percent) / 200, 3))
        high = len(QUANTILES) - 1 - low
        columns[f"{model}-lo-{percent}"] = to_arrow(quantiles_SHQ[:, :, low].reshape(series * horizon))
        columns[f"{model}-hi-{percent}"] = to_arrow(quantiles_SHQ[:, :, high].reshape(series * horizon))
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
    if like is None or isinstance(like, pa.Table):
        return table
    return nw.from_arrow(table, backend=nw.from_native(like).implementation).to_native()


# ------------------------------------------------------------------------------------------- rows become a panel


@dataclass(frozen=True)
class _Rows:
    """A table's columns as arrays, in the order of its rows: (N,) each."""

    codes: Integers  # which series a row belongs to
    ids: tuple[str, ...]
    times: Times
    values: Floats
    inputs: dict[str, Floats]
    names: Names
    has_id: bool


def _assemble(rows: _Rows, frequency: Frequency | None) -> Panel:
    """Check the rows, put each series together, find the frequency and fill the holes."""
    for name, column in {rows.names.y: rows.values, **rows.inputs}.items():
        if np.isinf(column).any():
            row = first_row(np.isinf(column))
            raise DataError(
                f"row {row} of column {name!r} is infinite; leave the cell empty if the value is not known {COUNTED}"
            )
    order = np.argsort(rows.codes, kind="stable") if (np.diff(rows.codes) < 0).any() else np.arange(len(rows.codes))
    codes, times = rows.codes[order], rows.times[order]
    if (((np.diff(times).astype(np.int64)) <= 0) & (np.diff(codes) == 0)).any():
        _refuse_order(rows)
    known = np.bincount(rows.codes, ~np.isnan(rows.values), minlength=len(rows.ids)).astype(np.int64)
    for s in np.flatnonzero(known < 2)[:1]:
        which = f" of series {rows.ids[s]!r}" if rows.has_id else ""
        found = "holds no value at all" if known[s] == 0 else "holds a single value"
        raise DataError(
            f"column {rows.names.y!r}{which} {found}; a forecast needs at least 2 (and many more to be any good)"
        )
    offsets = _offsets(np.bincount(codes, minlength=len(rows.ids)))
    longest = int(np.argmax(np.diff(offsets)))
    if frequency is None:
        frequency = infer_frequency(times[offsets[longest] : offsets[longest + 1]])
    elif (frequency.unit == "numbers") != (times.dtype.kind == "i"):
        kind = "whole numbers" if times.dtype.kind == "i" else "dates"
        raise SettingsError(f"frequency {frequency.code!r} ({frequency.name}) does not go with times that are {kind}")
    inputs = {name: column[order] for name, column in rows.inputs.items()}
    return fill_holes(Panel(rows.ids, times, rows.values[order], offsets, frequency, inputs, rows.names))[0]


def _refuse_order(rows: _Rows) -> None:
    """Say which rows have the same time, or else which row goes back in time."""
    order = np.lexsort((rows.times, rows.codes))  # stable: equal times stay in the order of their rows
    same = (np.diff(rows.codes[order]) == 0) & (np.diff(rows.times[order]).astype(np.int64) == 0)
    if same.any():
        later = np.where(same, order[1:], len(order))
        at = int(np.argmin(later))
        time = show_time(rows.times[order[at]])
        which = f" of series {rows.ids[rows.codes[order[at]]]!r}" if rows.has_id else ""
        hint = "" if rows.has_id else "; if the table holds several series, name the column that tells them apart"
        raise DataError(
            f"rows {order[at] + 1} and {order[at + 1] + 1}{which} have the same time {time}, and {int(same.sum())} "
            f"row(s) in all repeat a time {COUNTED}; keep one row per time{hint}"
        )
    grouped = np.argsort(rows.codes, kind="stable")
    back = (np.diff(rows.times[grouped]).astype(np.int64) < 0) & (np.diff(rows.codes[grouped]) == 0)
    at = int(np.argmin(np.where(back, grouped[1:], len(grouped))))
    before, after = (show_time(rows.times[grouped[row]]) for row in (at, at + 1))
    raise DataError(
        f"row {grouped[at + 1] + 1} goes back in time, from {before} in row {grouped[at] + 1} to {after} {COUNTED}; "
        "sort the rows by time"
    )


def _offsets(lengths: Integers) -> Integers:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
