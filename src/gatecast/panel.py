"""The long table as arrays: many series under each other, in and out of any data frame.

A frame of any kind (pandas, polars, pyarrow) becomes a panel and a forecast becomes the same kind of frame again.  What
is wrong with a frame is said with its row number, counted from 1 without the header; nothing is mended unasked, except
that a missing date becomes a step with missing values, and how many were added is kept to be shown.

Text is read by pyarrow, and its numbers are reached through their buffers: ``to_numpy`` and ``pyarrow.array`` would
import pandas, which takes longer than a zero-shot forecast.

Key: S series, N rows, O origins, H horizon step, Q quantile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError, nearest
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

COUNTED = "(rows are counted from 1, without the header)"
MISSING = r"^(?:|[nN][aA][nN]|NA|N/A|null|NULL|None)$"  # a cell of text that means: no value
MOST_FILLED = 10  # holes may add at most this many steps for each row that is there

_DATE = (  # a cell of text that is certainly meant as a date
    r"^(?:\d{4}[-/]\d{1,2}(?:[-/]\d{1,2})?|\d{4}\.\d{1,2}\.\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?:[T ].*)?$"
    r"|^\d{4}[- ]?Q[1-4]$"
)
_TIME_NAMES = {"ds", "date", "datetime", "time", "timestamp", "year", "quarter", "month", "week", "day", "hour"}
_TIME_NAMES |= {"period", "step", "index", "t", "k"}
_SAMPLE = 200  # rows looked at to find out which column is which
_PAIR = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"  # day and month, or month and day, before the year
_TO_ISO = (  # rewrites that turn a date of some other form into an ISO one; the order matters
    (r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3"),
    (r"^(\d{4})/(\d{1,2})$", r"\1-\2"),
    *((rf"^(\d{{4}})[- ]?Q{quarter}$", rf"\1-{3 * quarter - 2:02d}") for quarter in (1, 2, 3, 4)),
    (r"^(\d{4})-(\d)(\D|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)-(\d)(\D|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)$", r"\1-01"),
    (r"[T ]+(\d):", r" 0\1:"),
)


@dataclass(frozen=True)
class Names:
    """What the columns are called in the user's table."""

    unique_id: str = "unique_id"
    ds: str = "ds"
    y: str = "y"


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
    """

    ids: tuple[str, ...]
    times: Times
    values: Floats
    offsets: Integers
    frequency: Frequency
    inputs: dict[str, Floats] = field(default_factory=dict)
    names: Names = Names()
    filled: int = 0

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
        return replace(self._rows(rows), ids=(self.ids[s],), offsets=offsets)

    def head(self, steps: int) -> Panel:
        """Return the first ``steps`` rows of every series (all of a shorter one)."""
        kept = np.minimum(self.lengths, steps)
        position = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return replace(self._rows(position < steps), offsets=_offsets(kept))

    def _rows(self, rows: slice | Booleans) -> Panel:
        inputs = {name: column[rows] for name, column in self.inputs.items()}
        return replace(self, times=self.times[rows], values=self.values[rows], inputs=inputs)


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
        raise DataError(f"row {_first(np.isnat(ds))} has no time {COUNTED}")
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
    table = _eager(frame)
    names, has_time, has_id = _choose(table, time, target, series_id, inputs)
    count = len(table)
    if count == 0:
        raise DataError(f"the table has no rows; its columns are {_listed(table.columns)}")
    ds = _times(_column(table, names.ds), names.ds) if has_time else np.arange(count, dtype=np.int64)
    y = _numbers(_column(table, names.y), names.y)
    columns = {name: _numbers(_column(table, name), name) for name in inputs}
    codes = np.zeros(count, np.int64)
    ids: tuple[str, ...] = (names.y,)
    if has_id:
        codes, ids = _series(_column(table, names.unique_id), names.unique_id)
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
    columns = {"unique_id": _repeated_text(panel.ids, horizon), "ds": _arrow(ds)}
    columns[model] = _arrow(quantiles_SHQ[:, :, MEDIAN].reshape(series * horizon))
    for percent in dict.fromkeys(level):
        if percent not in LEVELS:
            raise SettingsError(f"level {percent} is not offered; choose from {', '.join(map(str, LEVELS))}")
        low = QUANTILES.index(round((100 - percent) / 200, 3))
        high = len(QUANTILES) - 1 - low
        columns[f"{model}-lo-{percent}"] = _arrow(quantiles_SHQ[:, :, low].reshape(series * horizon))
        columns[f"{model}-hi-{percent}"] = _arrow(quantiles_SHQ[:, :, high].reshape(series * horizon))
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
            row = _first(np.isinf(column))
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


def _first(mask: Booleans) -> int:
    """The number of the first row of which ``mask`` is true, counted from 1."""
    return int(np.argmax(mask)) + 1


# ------------------------------------------------------------------------------------------- which column is which


def _eager(frame: Any) -> nw.DataFrame[Any]:
    """The frame behind narwhals' one interface, with distinct column names."""
    try:
        table: nw.DataFrame[Any] = nw.from_native(frame, eager_only=True)
        columns = table.columns
    except TypeError:
        hint = "; call .collect() on it first" if hasattr(frame, "collect") else ""
        raise DataError(
            f"{type(frame).__name__} is not a table; give a pandas, polars or pyarrow frame{hint}"
        ) from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"a column name appears twice; rename one of them ({' '.join(str(error).split())})") from None
    for place, name in enumerate(columns):
        if name in columns[:place]:
            raise DataError(f"the column name {name!r} appears twice; rename one of them")
    return table


def _choose(
    table: nw.DataFrame[Any], time: str | None, target: str | None, series_id: str | None, inputs: Sequence[str]
) -> tuple[Names, bool, bool]:
    """Which columns are id, time and target, whether there is a time column at all, and whether there is an id."""
    columns = list(table.columns)
    named = {"time": time, "target": target, "series id": series_id, **{f"input {name}": name for name in inputs}}
    used: dict[str, str] = {}
    for role, name in named.items():
        if name is None:
            continue
        if name not in columns:
            raise SettingsError(
                f"{role} column {name!r} is not in the table.{nearest(name, columns)} There are {_listed(columns)}."
            )
        if name in used:
            raise SettingsError(
                f"column {name!r} is asked for as {used[name]} and as {role}; it can be only one of them"
            )
        used[name] = role
    if series_id is None and "unique_id" in columns and "unique_id" not in used:
        series_id, used["unique_id"] = "unique_id", "series id"
    rest = {name: _column(table.head(_SAMPLE), name) for name in columns if name not in used}
    if time is None:
        time = _find_time(rest) if len(columns) > 1 else None
        rest = {name: cells for name, cells in rest.items() if name != time}
    if target is None:
        target = "y" if "y" in rest else next((name for name, cells in rest.items() if _looks_numeric(cells)), None)
        if target is None and len(rest) == 1:
            target = next(iter(rest))  # the only one left: what is wrong with it is said by its row
        if target is None:
            raise DataError(
                f"no column of numbers to forecast was found; there are {_listed(columns)}; name the target column"
            )
    if time is None and len(columns) > 1:
        hint = (
            "; if the dates are the index of the frame, call .reset_index()" if table.implementation.is_pandas() else ""
        )
        raise DataError(f"no column of dates was found; there are {_listed(columns)}; name the time column{hint}")
    has_time, has_id = time is not None, series_id is not None
    return Names(series_id or "unique_id", time if time is not None else "ds", target), has_time, has_id


def _find_time(columns: dict[str, pa.Array]) -> str | None:
    """The time column among samples of the columns: ``ds``, the first of dates, or one of whole numbers."""
    if "ds" in columns:
        return "ds"
    for name, cells in columns.items():
        if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type) or _all_match(cells, _DATE):
            return name
    whole = [name for name, cells in columns.items() if pa.types.is_integer(cells.type) or _all_match(cells, r"^\d+$")]
    for name in whole:
        if name.strip().lower() in _TIME_NAMES:
            return name
    if whole and whole[0] == next(iter(columns)):
        counts = [int(cell) for cell in columns[whole[0]].to_pylist() if cell is not None and str(cell).strip()]
        if all(one < next_ for one, next_ in pairwise(counts)):
            return whole[0]
    return None


def _looks_numeric(cells: pa.Array) -> bool:
    """Whether a sample of a column is numbers, or text most of which is numbers."""
    if not _is_text(cells.type):
        return _is_number(cells.type)
    text = [cell.strip() for cell in cells.to_pylist() if cell is not None]
    text = [cell for cell in text if not re.match(MISSING, cell)]
    return sum(re.match(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$", cell) is not None for cell in text) > len(text) / 2


def _all_match(cells: pa.Array, pattern: str) -> bool:
    """Whether a sample is text of which every cell that is not empty matches."""
    if not _is_text(cells.type):
        return False
    text = [cell.strip() for cell in cells.to_pylist() if cell and cell.strip()]
    return bool(text) and all(re.match(pattern, cell) for cell in text)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in columns)


# ------------------------------------------------------------------------------------------- one column, read


def _column(table: nw.DataFrame[Any], name: str) -> pa.Array:
    """One column as one arrow array; text of every kind as large_string."""
    series = table.get_column(name)
    try:
        array = series.to_arrow()
    except (pa.ArrowException, TypeError):  # a pandas column of mixed objects
        array = pa.array([None if cell is None or cell != cell else str(cell) for cell in series.to_list()])  # noqa: PLR0124
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if _is_text(array.type):
        array = array.cast(pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _series(cells: pa.Array, name: str) -> tuple[Integers, tuple[str, ...]]:
    """Which series each row belongs to, (N,), and the names of the series in the order of their first rows."""
    if cells.null_count:
        raise DataError(f"row {_first(~_mask(cells.is_valid()))} of column {name!r} names no series {COUNTED}")
    encoded = cells.dictionary_encode()
    ids = tuple(str(value) for value in encoded.dictionary.to_pylist())
    return _numpy(encoded.indices.cast(pa.int64()), np.int64), ids


def _numbers(cells: pa.Array, name: str) -> Floats:
    """A column as (N,) float64, NaN where there is no value."""
    kind = cells.type
    if _is_text(kind):
        cells = _numbers_from_text(cells, name)
    elif _is_number(kind) or pa.types.is_null(kind):
        cells = cells.cast(pa.float64(), safe=False)
    elif pa.types.is_boolean(kind):
        cells = cells.cast(pa.int8()).cast(pa.float64())
    else:
        raise DataError(f"column {name!r} holds {kind}; give a column of numbers")
    values = _numpy(cells, np.float64).copy()
    if cells.null_count:
        values[~_mask(cells.is_valid())] = np.nan
    return values


def _numbers_from_text(cells: pa.Array, name: str) -> pa.Array:
    """Text as numbers; the first cell that is none is refused."""

    def read(part: pa.Array) -> pa.Array:
        return pc.cast(part, pa.float64())

    try:
        return read(cells)
    except pa.ArrowInvalid:
        tidy = pc.replace_substring_regex(pc.utf8_trim_whitespace(cells), pattern=MISSING, replacement="nan")
    try:
        return read(tidy)
    except pa.ArrowInvalid:
        row = _first_refused(tidy, read)
        hint = "write it without thousands separators and with a decimal point, such as 1234.5"
        raise DataError(
            f"row {row} of column {name!r} holds {cells[row - 1].as_py()!r}, which is not a number {COUNTED}; {hint}, "
            "or leave the cell empty if the value is not known"
        ) from None


def _times(cells: pa.Array, name: str) -> Times:
    """A column as (N,) datetime64[us] or int64."""
    if cells.null_count and not pa.types.is_null(cells.type):
        raise DataError(f"row {_first(~_mask(cells.is_valid()))} of column {name!r} has no time {COUNTED}")
    kind = cells.type
    if _is_text(kind):
        return _times_from_text(cells, name)
    if pa.types.is_integer(kind):
        try:
            return _numpy(cells.cast(pa.int64()), np.int64).copy()
        except pa.ArrowInvalid as error:
            raise DataError(f"column {name!r} cannot be used as the time ({error}); give smaller numbers") from None
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        local = _dates(pc.local_timestamp(cells))
        return local if (local == local.astype("datetime64[D]")).all() else _dates(cells.cast(pa.timestamp(kind.unit)))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _dates(cells)
    raise DataError(f"column {name!r} holds {kind}; give a column of dates or of whole numbers as the time")


def _dates(cells: pa.Array) -> Times:
    return _numpy(cells.cast(pa.timestamp("us"), safe=False), np.int64).astype("datetime64[us]")


def _times_from_text(cells: pa.Array, name: str) -> Times:
    """Text as times: ISO dates, 2020-01, 2020Q1, 20200131, years, numbers, and day/month/year where it is clear."""
    try:
        return _dates(cells.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(cells)
    if _matches(text, r"^$").any():
        raise DataError(f"row {_first(_matches(text, r'^$'))} of column {name!r} has no time {COUNTED}")
    if _matches(text, r"^[+-]?\d{1,18}$").all():
        return _times_from_digits(text, name)
    if _matches(text, _PAIR).any():
        text = _year_first(text, name)

    def read(part: pa.Array) -> pa.Array:
        try:
            return part.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return part.cast(pa.timestamp("us", "UTC"))

    try:
        return _dates(read(text))
    except pa.ArrowInvalid:
        for pattern, replacement in _TO_ISO:
            text = pc.replace_substring_regex(text, pattern=pattern, replacement=replacement)
    try:
        return _dates(read(text))
    except pa.ArrowInvalid:
        row = _first_refused(text, read)
        raise DataError(
            f"row {row} of column {name!r} holds {cells[row - 1].as_py()!r}, which is not a date like those before it "
            f"{COUNTED}; write dates as 2020-01-31 or 2020-01-31 14:30"
        ) from None


def _times_from_digits(text: pa.Array, name: str) -> Times:
    """Whole numbers as years or as 20200131 where they can only be meant so, and as numbers otherwise."""
    numbers = _numpy(text.cast(pa.int64()), np.int64)
    word = name.strip().lower()
    if ("year" in word or word in ("ds", "date", "time", "period")) and ((numbers >= 1600) & (numbers <= 2200)).all():
        return (numbers - 1970).astype("datetime64[Y]").astype("datetime64[us]")
    if _matches(text, r"^(1[6-9]|2[01])\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$").all():
        iso = pc.replace_substring_regex(text, pattern=r"^(\d{4})(\d\d)(\d\d)$", replacement=r"\1-\2-\3")
        return _times_from_text(iso, name)
    return numbers.copy()


def _year_first(text: pa.Array, name: str) -> pa.Array:
    """Turn 31/1/2020 and 1/31/2020 into 2020-1-31; which of the two it is must follow from the whole column."""
    parts = pc.extract_regex(text, pattern=r"^(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.]\d{4}")
    there = parts.is_valid()
    first, second = np.zeros(len(text), np.int64), np.zeros(len(text), np.int64)
    for place, part in enumerate((first, second)):
        part[_mask(there)] = _numpy(pc.struct_field(parts.filter(there), [place]).cast(pa.int64()), np.int64)
    day_first, month_first = first > 12, second > 12
    if day_first.any() and month_first.any():
        one, other = _first(day_first), _first(month_first)
        raise DataError(
            f"column {name!r} mixes day/month/year ({text[one - 1].as_py()!r} in row {one}) and month/day/year "
            f"({text[other - 1].as_py()!r} in row {other}) {COUNTED}; write dates as 2020-01-31"
        )
    dotted = _matches(text, r"^\d{1,2}\.\d{1,2}\.\d{4}").all()  # nobody writes the month first with dots
    if not (day_first.any() or month_first.any() or dotted) and (first != second).any():
        row = _first(first != second)
        year = re.findall(r"\d{4}", text[row - 1].as_py())[0]
        left, right = f"{first[row - 1]:02d}", f"{second[row - 1]:02d}"
        raise DataError(
            f"row {row} of column {name!r} holds {text[row - 1].as_py()!r}, which is {year}-{right}-{left} read day "
            f"first and {year}-{left}-{right} read month first, and no row decides {COUNTED}; write dates as 2020-01-31"
        )
    order = r"\3-\1-\2" if month_first.any() else r"\3-\2-\1"
    return pc.replace_substring_regex(text, pattern=r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", replacement=order)


def _first_refused(cells: pa.Array, read: Callable[[pa.Array], pa.Array]) -> int:
    """The number of the first row, counted from 1, that ``read`` refuses, by halving."""
    low, high = 0, len(cells)  # the cells before low are fine; one before high is not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            read(cells.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low + 1


# ------------------------------------------------------------------------------------------- arrow and NumPy


def _numpy(cells: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An arrow array of fixed width as (N,) NumPy, without a copy; what stands where it is null is arbitrary."""
    if len(cells) == 0:
        return np.empty(0, dtype)
    return np.frombuffer(cells.buffers()[1], dtype, count=cells.offset + len(cells))[cells.offset :]


def _mask(flags: pa.Array) -> Booleans:
    """An arrow array of booleans as (N,) NumPy; a null is false."""
    validity, bits = flags.buffers()
    ends = (flags.offset, flags.offset + len(flags))

    def unpack(packed: pa.Buffer) -> Booleans:
        return np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[slice(*ends)].astype(np.bool_)

    return unpack(bits) if validity is None else unpack(bits) & unpack(validity)


def _matches(text: pa.Array, pattern: str) -> Booleans:
    return _mask(pc.match_substring_regex(text, pattern=pattern))


def _arrow(values: npt.NDArray[Any]) -> pa.Array:
    """(N,) float64, int64 or datetime64[us] as an arrow array; NaN stays NaN."""
    kinds = {"f": pa.float64(), "i": pa.int64(), "M": pa.timestamp("us")}
    return pa.Array.from_buffers(
        kinds[values.dtype.kind], len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def _repeated_text(words: Sequence[str], times: int) -> pa.Array:
    """Each word ``times`` times in a row, as an arrow array of text."""
    coded = [word.encode() for word in words]
    ends = np.cumsum(np.repeat(np.array([len(word) for word in coded], np.int64), times))
    wide = len(ends) > 0 and int(ends[-1]) > np.iinfo(np.int32).max
    offsets = np.concatenate(([0], ends)).astype(np.int64 if wide else np.int32)
    data = b"".join(word * times for word in coded)
    kind = pa.large_string() if wide else pa.string()
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
