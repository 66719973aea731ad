"""Columns of a frame as arrays: which one is the time, the series and the target, and what their cells say.

Text is read by pyarrow, and its numbers are reached through their buffers: ``to_numpy`` and ``pyarrow.array`` would
import pandas, which takes longer than a zero-shot forecast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import DataError, SettingsError, nearest
from gatecast.frequency import Times

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

COUNTED = "(rows are counted from 1, without the header)"
MISSING = r"^(?:|[nN][aA][nN]|NA|N/A|null|NULL|None)$"  # a cell of text that means: no value

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


def first_row(mask: Booleans) -> int:
    """The number of the first row of which ``mask`` is true, counted from 1."""
    return int(np.argmax(mask)) + 1


# ------------------------------------------------------------------------------------------- which column is which


def eager_frame(frame: Any) -> nw.DataFrame[Any]:
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


def choose_columns(
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
                f"{role} column {name!r} is not in the table.{nearest(name, columns)} There are {listed(columns)}."
            )
        if name in used:
            raise SettingsError(
                f"column {name!r} is asked for as {used[name]} and as {role}; it can be only one of them"
            )
        used[name] = role
    if series_id is None and "unique_id" in columns and "unique_id" not in used:
        series_id, used["unique_id"] = "unique_id", "series id"
    rest = {name: column_of(table.head(_SAMPLE), name) for name in columns if name not in used}
    if time is None:
        time = _find_time(rest) if len(columns) > 1 else None
        rest = {name: cells for name, cells in rest.items() if name != time}
    if target is None:
        target = "y" if "y" in rest else next((name for name, cells in rest.items() if _looks_numeric(cells)), None)
        if target is None and len(rest) == 1:
            target = next(iter(rest))  # the only one left: what is wrong with it is said by its row
        if target is None:
            raise DataError(
                f"no column of numbers to forecast was found; there are {listed(columns)}; name the target column"
            )
    if time is None and len(columns) > 1:
        hint = (
            "; if the dates are the index of the frame, call .reset_index()" if table.implementation.is_pandas() else ""
        )
        raise DataError(f"no column of dates was found; there are {listed(columns)}; name the time column{hint}")
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


def listed(columns: Iterable[str]) -> str:
    """Column names as they stand in a message."""
    return ", ".join(repr(name) for name in columns)


# ------------------------------------------------------------------------------------------- one column, read


def column_of(table: nw.DataFrame[Any], name: str) -> pa.Array:
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


def series_of(cells: pa.Array, name: str) -> tuple[Integers, tuple[str, ...]]:
    """Which series each row belongs to, (N,), and the names of the series in the order of their first rows."""
    if cells.null_count:
        raise DataError(f"row {first_row(~_mask(cells.is_valid()))} of column {name!r} names no series {COUNTED}")
    encoded = cells.dictionary_encode()
    ids = tuple(str(value) for value in encoded.dictionary.to_pylist())
    return _numpy(encoded.indices.cast(pa.int64()), np.int64), ids


def numbers_of(cells: pa.Array, name: str) -> Floats:
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


def times_of(cells: pa.Array, name: str) -> Times:
    """A column as (N,) datetime64[us] or int64."""
    if cells.null_count and not pa.types.is_null(cells.type):
        raise DataError(f"row {first_row(~_mask(cells.is_valid()))} of column {name!r} has no time {COUNTED}")
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
        raise DataError(f"row {first_row(_matches(text, r'^$'))} of column {name!r} has no time {COUNTED}")
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
        one, other = first_row(day_first), first_row(month_first)
        raise DataError(
            f"column {name!r} mixes day/month/year ({text[one - 1].as_py()!r} in row {one}) and month/day/year "
            f"({text[other - 1].as_py()!r} in row {other}) {COUNTED}; write dates as 2020-01-31"
        )
    dotted = _matches(text, r"^\d{1,2}\.\d{1,2}\.\d{4}").all()  # nobody writes the month first with dots
    if not (day_first.any() or month_first.any() or dotted) and (first != second).any():
        row = first_row(first != second)
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


def to_arrow(values: npt.NDArray[Any]) -> pa.Array:
    """(N,) float64, int64 or datetime64[us] as an arrow array; NaN stays NaN."""
    kinds = {"f": pa.float64(), "i": pa.int64(), "M": pa.timestamp("us")}
    return pa.Array.from_buffers(
        kinds[values.dtype.kind], len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def repeated_text(words: Sequence[str], times: int) -> pa.Array:
    """Each word ``times`` times in a row, as an arrow array of text."""
    coded = [word.encode() for word in words]
    ends = np.cumsum(np.repeat(np.array([len(word) for word in coded], np.int64), times))
    wide = len(ends) > 0 and int(ends[-1]) > np.iinfo(np.int32).max
    offsets = np.concatenate(([0], ends)).astype(np.int64 if wide else np.int32)
    data = b"".join(word * times for word in coded)
    kind = pa.large_string() if wide else pa.string()
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
