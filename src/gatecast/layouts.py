"""Whatever may come in as a table, as one kind of frame; and a forecast as the kind that came in.

A table is a frame of pandas, polars or pyarrow, one column of them, a dictionary of columns, or plain numbers: a list
or an array, whose rows are counted as the times.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.arrow import COUNTED, DATE, all_match, is_text, numpy_of, text_of, to_arrow
from gatecast.errors import DataError

_ACCEPTED = "a pandas, polars or pyarrow frame, a dictionary of columns, or numbers as a list or a NumPy array"
_SAMPLE = 200  # rows looked at to find out whether a column holds dates


def eager_frame(frame: Any) -> nw.DataFrame[Any]:
    """The table behind narwhals' one interface, with distinct column names; what came in is not changed.

    A single column or a row of numbers becomes the column ``y``, unless it has a name; an array of two dimensions
    becomes the columns ``0``, ``1`` …; dates in the index of pandas become a column, and its periods the time they
    start at.

    Raises:
        DataError: it is no table; what would be one is said.
    """
    if isinstance(frame, np.ndarray):
        frame = _table(_columns_of_array(frame))
    elif isinstance(frame, Mapping):
        frame = _table({str(name): _arrow_of(values, str(name)) for name, values in frame.items()})
    elif isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    elif isinstance(frame, pa.Array):
        frame = _table({"y": frame})
    elif nw.dependencies.is_into_series(frame):
        series = nw.from_native(frame, series_only=True)
        frame = series.alias(str(series.name or "y")).to_frame().to_native()
    elif isinstance(frame, Sequence) and not isinstance(frame, str | bytes):
        frame = _table(_columns_of_list(frame))
    table = _distinct(frame)
    return _distinct(_tidy_pandas(table.to_native())) if table.implementation.is_pandas() else table


def is_matrix(frame: Any) -> bool:
    """Whether a table is rows of numbers without names, each column a series."""
    if isinstance(frame, np.ndarray):
        return frame.ndim == 2
    return isinstance(frame, Sequence) and len(frame) > 0 and _is_row(frame[0])


def is_unnamed(frame: Any) -> bool:
    """Whether a table is plain numbers: its columns have no names of the user's, and none is the time."""
    return isinstance(frame, np.ndarray) or (isinstance(frame, Sequence) and not isinstance(frame, str | bytes))


def frame_like(table: pa.Table, like: Any) -> Any:
    """``table`` as the kind of table that ``like`` is; numbers and columns come back as a dictionary of columns."""
    if like is None or isinstance(like, pa.Table | pa.RecordBatch | pa.ChunkedArray | pa.Array):
        return table
    if isinstance(like, np.ndarray):
        return {name: _array_of(table[name]) for name in table.column_names}
    if isinstance(like, Mapping):
        arrays = any(isinstance(column, np.ndarray) for column in like.values())
        return frame_like(table, np.empty(0) if arrays else [])
    if is_unnamed(like):
        return {name: _array_of(table[name]).tolist() for name in table.column_names}
    known = nw.from_native(like, eager_only=True, allow_series=True)
    if known.implementation.is_polars():
        table = _named_zones(table)
    made = nw.from_arrow(table, backend=known.implementation)
    return made if isinstance(like, nw.DataFrame) else made.to_native()


def _distinct(frame: Any) -> nw.DataFrame[Any]:
    try:
        table: nw.DataFrame[Any] = nw.from_native(frame, eager_only=True)
        columns = table.columns
    except TypeError:
        hint = "; call .collect() on it first" if hasattr(frame, "collect") else ""
        hint = "; give its .panel" if hasattr(frame, "panel") else hint
        raise DataError(f"{type(frame).__name__} is not a table; give {_ACCEPTED}{hint}") from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"a column name appears twice; rename one of them ({' '.join(str(error).split())})") from None
    seen = set()
    for name in columns:
        if name in seen:
            raise DataError(f"the column name {name!r} appears twice; rename one of them")
        seen.add(name)
    return table


def _table(columns: Mapping[str, pa.Array]) -> pa.Table:
    """Columns as a table; they must be equally long."""
    if not columns:
        raise DataError("the table has no columns; give one of numbers, and one of times")
    lengths = {name: len(column) for name, column in columns.items()}
    first, *others = lengths
    for name in others:
        if lengths[name] != lengths[first]:
            raise DataError(
                f"column {first!r} has {lengths[first]:,} rows and column {name!r} {lengths[name]:,}; "
                "give columns of the same length"
            )
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


# ------------------------------------------------------------------------------------------- pandas


def _tidy_pandas(frame: Any) -> Any:
    """Names as text, periods as the time they start at, and an index of dates as a column if there is no other."""
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename(columns=str)
        if not frame.columns.is_unique:
            return frame
    for name, kind in frame.dtypes.items():
        if str(kind).startswith("period"):
            frame = frame.assign(**{name: frame[name].dt.to_timestamp()})
    kind = type(frame.index).__name__
    if kind not in ("DatetimeIndex", "PeriodIndex") or _has_dates(nw.from_native(frame, eager_only=True)):
        return frame
    times = frame.index.to_timestamp() if kind == "PeriodIndex" else frame.index
    wanted = ["ds", "time"] if frame.index.name is None else [str(frame.index.name), "ds", "time"]
    name = next((each for each in wanted if each not in frame.columns), None)
    return frame if name is None else frame.assign(**{name: times})


def _has_dates(table: nw.DataFrame[Any]) -> bool:
    """Whether a column is called ``ds`` or holds dates."""
    if "ds" in table.columns:
        return True
    for name, kind in table.head(_SAMPLE).schema.items():
        if isinstance(kind, nw.Datetime | nw.Date):
            return True
        if isinstance(kind, nw.String | nw.Object):
            cells = [cell for cell in table.head(_SAMPLE)[name].to_list() if isinstance(cell, str)]
            if all_match(text_of(cells), DATE):
                return True
    return False


# ------------------------------------------------------------------------------------------- arrays and lists


def _columns_of_array(values: npt.NDArray[Any]) -> dict[str, pa.Array]:
    """An array of one or two dimensions as columns of numbers."""
    if values.ndim not in (1, 2):
        raise DataError(
            f"the array has {values.ndim} dimensions, shape {values.shape}; give one row of numbers, or two dimensions "
            "(rows are times, each column is a series)"
        )
    if values.dtype.kind not in "biuf":
        held = {"O": "objects", "U": "text", "S": "text", "T": "text", "M": "dates"}.get(values.dtype.kind)
        hint = ": array.astype(float)" if values.dtype.kind == "O" else ""
        raise DataError(f"the array holds {held or values.dtype}, not numbers; give an array of numbers{hint}")
    if values.ndim == 1:
        return {"y": _arrow_of(values, "y")}
    return {str(place): _arrow_of(column, str(place)) for place, column in enumerate(values.T)}


def _columns_of_list(items: Sequence[Any]) -> dict[str, pa.Array]:
    """A list of numbers, or of equally long rows of them, as columns of numbers."""
    if not items or not _is_row(items[0]):
        return {"y": to_arrow(_numbers(items, "item {} of the list"))}
    width = len(items[0])
    for row, cells in enumerate(items, 1):
        if not _is_row(cells):
            raise DataError(
                f"item {row} of the list is {cells!r}, and the items before it are rows; give one or the other"
            )
        if len(cells) != width:
            raise DataError(f"row {row} of the list has {len(cells)} numbers, and row 1 has {width}; give equal rows")
    rows = [_numbers(cells, f"item {{}} of row {row} of the list") for row, cells in enumerate(items, 1)]
    return {str(place): to_arrow(column) for place, column in enumerate(np.stack(rows).T)}


def _is_row(item: Any) -> bool:
    return isinstance(item, Sequence | np.ndarray) and not isinstance(item, str | bytes)


def _numbers(items: Sequence[Any], where: str) -> npt.NDArray[np.float64]:
    """Numbers as (N,) float64; None is missing; the place of what is no number is said."""
    values = np.empty(len(items))
    for place, item in enumerate(items):
        if item is None:
            values[place] = np.nan
            continue
        try:
            if not isinstance(item, Real | Decimal):
                raise TypeError
            values[place] = float(item)
        except (TypeError, ValueError, OverflowError):
            what = "is a row, and the items before it are numbers" if _is_row(item) else f"is {item!r}, no number"
            raise DataError(
                f"{where.format(place + 1)} {what}; give numbers, and None where a value is not known"
            ) from None
    return values


def _arrow_of(values: Any, name: str) -> pa.Array:
    """One column of a dictionary as an arrow array."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if nw.dependencies.is_into_series(values):
        return _arrow_of(nw.from_native(values, series_only=True).to_arrow(), name)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"column {name!r} has shape {values.shape}; give one row of values")
        return _arrow_of_array(values, name)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return _arrow_of_list(values, name)
    raise DataError(f"column {name!r} is {type(values).__name__}, not a column; give a list or an array")


def _arrow_of_array(values: npt.NDArray[Any], name: str) -> pa.Array:
    kind = values.dtype.kind
    null = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    values = np.asarray(values)
    if kind in "bi" or (kind == "u" and (values <= np.iinfo(np.int64).max).all()):
        return to_arrow(values.astype(np.int64), null)
    if kind in "uf":
        return to_arrow(values.astype(np.float64), null)
    if kind == "M":
        return to_arrow(values.astype("datetime64[us]"), np.isnat(values))
    if kind == "S":
        return text_of([cell.decode(errors="replace") for cell in values.tolist()])
    if kind in "UTO":
        return _arrow_of_list(values.tolist(), name)
    raise DataError(f"column {name!r} holds {values.dtype}; give numbers, dates or text")


def _arrow_of_list(items: Sequence[Any], name: str) -> pa.Array:
    """A list of numbers, of text or of dates, with None where there is nothing, as an arrow array."""
    null = np.array([item is None or (isinstance(item, float) and math.isnan(item)) for item in items], np.bool_)
    there = [item for item, lacks in zip(items, null, strict=True) if not lacks]
    kinds = {_kind(item) for item in there}
    if len(kinds) > 1 or "other" in kinds:
        first = _kind(there[0])
        row, odd = next(
            (row, item)
            for row, item in enumerate(items, 1)
            if not null[row - 1] and (_kind(item) == "other" or _kind(item) != first)
        )
        raise DataError(
            f"row {row} of column {name!r} holds {odd!r} ({type(odd).__name__}) {COUNTED}; "
            "give a column of numbers, of text or of dates"
        )
    kind = next(iter(kinds), "numbers")
    if kind == "text":
        return text_of([None if lacks else str(item) for item, lacks in zip(items, null, strict=True)])
    if kind == "dates":
        naive = np.array(["NaT" if lacks else item for item, lacks in zip(items, null, strict=True)], "datetime64[us]")
        return to_arrow(naive, np.isnat(naive))
    if kind == "dates with a zone":
        return _arrow_of_aware(items, null, there)
    try:
        if there and all(isinstance(item, Integral) for item in there):
            whole = np.array([0 if lacks else int(item) for item, lacks in zip(items, null, strict=True)], np.int64)
            return to_arrow(whole, null)
    except OverflowError:
        pass  # too large for 64 bits: read as the nearest float
    return to_arrow(_numbers(items, f"row {{}} of column {name!r}"))


def _kind(item: Any) -> str:
    if isinstance(item, str):
        return "text"
    if isinstance(item, datetime) and item.tzinfo is not None:
        return "dates with a zone"
    if isinstance(item, date | np.datetime64):
        return "dates"
    return "numbers" if isinstance(item, Real | Decimal) else "other"


def _arrow_of_aware(items: Sequence[Any], null: npt.NDArray[np.bool_], there: Sequence[datetime]) -> pa.Array:
    """Dates with a zone; if they are of several, the zone is UTC."""
    zones = {_zone_of(item) for item in there}
    utc = [
        item if lacks else item.astimezone(UTC).replace(tzinfo=None) for item, lacks in zip(items, null, strict=True)
    ]
    times = np.array(["NaT" if lacks else item for item, lacks in zip(utc, null, strict=True)], "datetime64[us]")
    return to_arrow(times, null, zones.pop() if len(zones) == 1 else "UTC")


def _zone_of(item: datetime) -> str:
    """The name of its zone, or its offset."""
    if isinstance(item.tzinfo, zoneinfo.ZoneInfo) and item.tzinfo.key:
        return item.tzinfo.key
    named = getattr(item.tzinfo, "zone", None)  # of pytz
    if isinstance(named, str):
        return named
    minutes = int((item.utcoffset() or datetime.min - datetime.min).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}" if minutes else "UTC"


# ------------------------------------------------------------------------------------------- out


def _array_of(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column of a forecast as NumPy; times with a zone as objects, since NumPy's have none."""
    cells = column.combine_chunks()
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.chunk(0) if cells.num_chunks else pa.nulls(0, cells.type)
    if is_text(cells.type):
        return np.array(cells.to_pylist(), dtype=np.str_)
    if not pa.types.is_timestamp(cells.type):
        return numpy_of(cells, np.float64 if pa.types.is_floating(cells.type) else np.int64).copy()
    times = numpy_of(cells.cast(pa.timestamp("us", cells.type.tz)), np.int64).view("datetime64[us]").copy()
    return times if cells.type.tz is None else np.array(_aware(times.tolist(), cells.type.tz), dtype=object)


def _aware(utc: Iterable[datetime], zone: str) -> list[datetime]:
    shown: Any = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo if zone[0] in "+-" else None
    shown = shown or zoneinfo.ZoneInfo(zone)
    return [time.replace(tzinfo=UTC).astimezone(shown) for time in utc]


def _named_zones(table: pa.Table) -> pa.Table:
    """Offsets as names of zones, which is all that polars knows: Etc/GMT-1 is +01:00."""
    for place, field in enumerate(table.schema):
        zone = field.type.tz if pa.types.is_timestamp(field.type) else None
        if zone is not None and zone[0] in "+-":
            turned = "-" if zone[0] == "+" else "+"
            name = f"Etc/GMT{turned}{int(zone[1:3])}" if zone.endswith("00") else "UTC"
            table = table.set_column(place, field.name, table[field.name].cast(pa.timestamp("us", name)))
    return table
