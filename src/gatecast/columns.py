"""Columns of a frame as arrays: which one is the time, the series and the target, and what their cells say.

Numbers may be written as text; words become the numbers 0, 1, 2 …  What a column is, is said or found; the first cell
that does not go with it is refused with its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.arrow import (
    COUNTED,
    DATE,
    MISSING,
    Booleans,
    Floats,
    Integers,
    all_match,
    first_refused,
    first_row,
    is_number,
    is_text,
    mask_of,
    matches,
    numpy_of,
    to_arrow,
)
from gatecast.errors import DataError, SettingsError, nearest
from gatecast.numerals import are_numerals, meant

MOST_WORDS = 1000  # different words in one column; with more it is a name, not a category

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TIME_NAMES = {"ds", "date", "datetime", "time", "timestamp", "year", "quarter", "month", "week", "day", "hour"}
_TIME_NAMES |= {"period", "step", "index", "t", "k"}
_SAMPLE = 200  # rows looked at to find out which column is which
_LISTED = 30  # columns named in a message


WIDE = "value"  # what the target of a wide table is called


@dataclass(frozen=True)
class Names:
    """What the columns are called in the user's table."""

    unique_id: str = "unique_id"
    ds: str = "ds"
    y: str = "y"


@dataclass(frozen=True)
class Columns:
    """What is asked of a table: which columns are what (None is found), its layout and the zone of its times.

    ``target`` may name several columns, in a list or with commas; ``inputs`` are known up to now only, ``known`` are
    known in advance, and ``static`` stay the same for a series.  ``wide``: every other column of numbers is a series.
    """

    time: str | None = None
    target: str | Sequence[str] | None = None
    series_id: str | None = None
    inputs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    wide: bool = False
    zone: str | None = None


def names_in(given: Sequence[str] | str) -> tuple[str, ...]:
    """Return names that were given as a list, or as a single one."""
    return (given,) if isinstance(given, str) else tuple(given)


@dataclass(frozen=True)
class Chosen:
    """Which columns were chosen; every target is a series of its own."""

    names: Names
    has_time: bool
    has_id: bool
    targets: tuple[str, ...]


# ------------------------------------------------------------------------------------------- which column is which


def choose(table: nw.DataFrame[Any], asked: Columns, counted: bool = False) -> Chosen:
    """Find the columns that were not named.

    Args:
        table: the table.
        asked: what is named.
        counted: the rows are the times, unless a time column is named.

    Raises:
        SettingsError: a named column is not there, is used twice, or the settings exclude each other.
        DataError: a column is needed and cannot be found.
    """
    columns = list(table.columns)
    if not columns:
        raise DataError("the table has no columns; give one of times, and one of numbers")
    targets = _targets(asked.target, columns)
    used = _used(columns, asked, targets)
    series_id = asked.series_id
    if asked.wide:
        _check_wide(asked, targets, columns)
    elif series_id is None and "unique_id" in columns and "unique_id" not in used:
        series_id = "unique_id"
    taken = {*used, series_id}
    rest = {name: _sample(table, name) for name in columns if name not in taken}
    time = asked.time
    if time is None and not counted:
        time = _find_time(rest) if len(columns) > 1 else None
        rest = {name: cells for name, cells in rest.items() if name != time}
    if asked.wide:
        targets = _of_numbers(rest)
    elif not targets:
        targets = _find_target(rest)
    if not targets:
        raise DataError(
            f"no column of numbers to forecast was found; there are {listed(columns)}; name the target column"
        )
    if time is None and len(columns) > 1 and not asked.wide and not counted:
        raise DataError(
            f"no column of dates was found; there are {listed(columns)}; name the time column{_hint(table)}"
        )
    name = WIDE if asked.wide else ",".join(targets)
    names = Names(series_id or "unique_id", time if time is not None else "ds", name)
    return Chosen(names, time is not None, series_id is not None, targets)


def _hint(table: nw.DataFrame[Any]) -> str:
    """What else may be meant by a table without a column of dates."""
    hint = "; if every column is a series, say so: wide"
    if not table.implementation.is_pandas():
        return hint
    index = table.to_native().index
    return (
        hint
        if type(index).__name__ == "RangeIndex"
        else "; if the dates are the index of the frame, call .reset_index()"
    )


def _targets(target: str | Sequence[str] | None, columns: Sequence[str]) -> tuple[str, ...]:
    """The targets that are named; "a,b" is two, unless a column is called so."""
    if target is None:
        return ()
    if isinstance(target, str):
        return (
            (target,) if target in columns or "," not in target else tuple(name.strip() for name in target.split(","))
        )
    return tuple(target)


def _used(columns: Sequence[str], asked: Columns, targets: Sequence[str]) -> dict[str, str]:
    """The named columns and what each is asked for as."""
    roles = [("time", asked.time), *(("target", name) for name in targets), ("series id", asked.series_id)]
    for role, names in (("input", asked.inputs), ("known", asked.known), ("static", asked.static)):
        roles += [(f"{role} {name}", name) for name in names]
    used: dict[str, str] = {}
    for role, name in roles:
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
    return used


def _check_wide(asked: Columns, targets: Sequence[str], columns: Sequence[str]) -> None:
    if targets:
        raise SettingsError(
            f"wide makes every column of numbers a series, and target names {listed(targets)}; leave wide out (several "
            "targets may be named: a,b), or leave the target out"
        )
    named = asked.series_id or ("unique_id" if "unique_id" in columns else None)
    if named is not None:
        raise SettingsError(
            f"a wide table has a column for each series, and column {named!r} names the series of each row; leave wide "
            "out, or leave that column out"
        )
    if asked.static:
        raise SettingsError(
            f"static columns ({listed(asked.static)}) say something of each series, and a wide table has one row for "
            "all of them; give a long table: unique_id, ds, y"
        )


def _find_target(columns: dict[str, pa.Array]) -> tuple[str, ...]:
    """The target among samples of the columns: ``y``, the first of numbers, or the only one."""
    if "y" in columns:
        return ("y",)
    found = _of_numbers(columns)
    if found:
        return found[:1]
    return tuple(columns) if len(columns) == 1 else ()  # what is wrong with the only one is said by its row


def _find_time(columns: dict[str, pa.Array]) -> str | None:
    """The time column among samples of the columns: ``ds``, the first of dates, or one of whole numbers."""
    if "ds" in columns:
        return "ds"
    for name, cells in columns.items():
        if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type) or all_match(cells, DATE):
            return name
    whole = [name for name, cells in columns.items() if pa.types.is_integer(cells.type) or all_match(cells, r"^\d+$")]
    for name in whole:
        if name.strip().lower() in _TIME_NAMES:
            return name
    if whole and whole[0] == next(iter(columns)):
        counts = [int(cell) for cell in columns[whole[0]].to_pylist() if cell is not None and str(cell).strip()]
        if all(one < next_ for one, next_ in pairwise(counts)):
            return whole[0]
    return None


def _sample(table: nw.DataFrame[Any], name: str) -> pa.Array:
    """The first rows of a column; of text, if these are empty, the first cells that are not."""
    cells = column_of(table.head(_SAMPLE), name)
    if not is_text(cells.type) or len(table) <= _SAMPLE or _filled(cells).any():
        return cells
    cells = column_of(table, name)
    return cells.take(to_arrow(np.flatnonzero(_filled(cells))[:_SAMPLE]))


def _filled(text: pa.Array) -> Booleans:
    """Which cells of text are not empty."""
    return mask_of(text.is_valid()) & ~matches(pc.utf8_trim_whitespace(text), MISSING)


def _of_numbers(columns: dict[str, pa.Array]) -> tuple[str, ...]:
    """Samples of columns that are numbers; if there are none, those of numbers such as 12,5 or 1.234,5 or € 12.

    The cells of these are refused when they are read, and it is said what would mend them; unseen they would not be.
    """
    numeric = tuple(name for name, cells in columns.items() if _looks_numeric(cells))
    return numeric or tuple(name for name, cells in columns.items() if is_text(cells.type) and are_numerals(cells))


def _looks_numeric(cells: pa.Array) -> bool:
    """Whether a sample of a column is numbers, or text most of which is numbers."""
    if not is_text(cells.type):
        return is_number(cells.type)
    share = _share_of_numbers(cells)
    return share is not None and share > 0.5


def _share_of_numbers(text: pa.Array) -> float | None:
    """Which share of the cells that are not empty looks like a number; None if all are empty."""
    cells = [cell.strip() for cell in text.to_pylist() if cell is not None]
    cells = [cell for cell in cells if not re.match(MISSING, cell)]
    return sum(re.match(_NUMBER, cell) is not None for cell in cells) / len(cells) if cells else None


def listed(columns: Iterable[str]) -> str:
    """Column names as they stand in a message."""
    names = [repr(name) for name in columns]
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")


# ------------------------------------------------------------------------------------------- one column, read


def raw_column(table: nw.DataFrame[Any], name: str) -> Any:
    """One column as it is, as an arrow array or the chunks of one; a column of mixed objects as text."""
    series = table.get_column(name)
    if series.implementation.is_pyarrow():
        return series.to_native()
    try:
        return series.to_arrow()
    except (pa.ArrowException, TypeError):  # a pandas column of mixed objects
        return pa.array([None if cell is None or cell != cell else str(cell) for cell in series.to_list()])  # noqa: PLR0124


def column_of(table: nw.DataFrame[Any], name: str) -> pa.Array:
    """One column as one arrow array; text of every kind as large_string."""
    array = raw_column(table, name)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if is_text(array.type):
        array = array.cast(pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def series_of(cells: Any, name: str) -> tuple[Integers, tuple[str, ...]]:
    """Which series each row belongs to, (N,), and the names of the series in the order of their first rows.

    Raises:
        DataError: a row names no series, or the cells are lists or the like.
    """
    if pa.types.is_nested(cells.type):
        raise DataError(f"column {name!r} holds {cells.type}; give words or numbers as the names of series")
    if cells.null_count:
        row = first_row(~mask_of(_one(cells.is_valid())))
        raise DataError(f"row {row} of column {name!r} names no series {COUNTED}")
    if pa.types.is_dictionary(cells.type):
        cells = _one(cells.unify_dictionaries() if isinstance(cells, pa.ChunkedArray) else cells)
        encoded = cells.indices.dictionary_encode()
        names = cells.dictionary.take(encoded.dictionary)
    else:
        cells = cells.dictionary_encode()
        encoded = _one(cells.unify_dictionaries() if isinstance(cells, pa.ChunkedArray) else cells)
        names = encoded.dictionary
    ids = tuple(str(value) for value in names.to_pylist())
    return numpy_of(encoded.indices.cast(pa.int64()), np.int64), ids


def _one(cells: Any) -> pa.Array:
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def covariate_of(table: nw.DataFrame[Any], name: str) -> tuple[Floats, tuple[str, ...] | None]:
    """A column as (N,) float64, and for a column of words what its numbers 0, 1, 2 … stand for.

    Categories are words, and so is text of which fewer than half of the cells look like numbers.
    """
    kind = raw_column(table, name).type
    cells = column_of(table, name)
    if pa.types.is_dictionary(kind):
        return words_of(cells, name)
    if is_text(cells.type):
        share = _share_of_numbers(_sample(table, name))
        if share is not None and share < 0.5:
            return words_of(cells, name)
    return numbers_of(cells, name), None


def words_of(cells: pa.Array, name: str) -> tuple[Floats, tuple[str, ...]]:
    """A column of words as the numbers 0, 1, 2 …, (N,), NaN where a cell is empty; and the words, sorted."""
    encoded = pc.utf8_trim_whitespace(cells.cast(pa.large_string())).dictionary_encode()
    words = encoded.dictionary.to_pylist()
    labels = tuple(sorted(word for word in words if word))
    if len(labels) > MOST_WORDS:
        raise DataError(
            f"column {name!r} holds {len(labels):,} different words such as {labels[0]!r}; a category has at most "
            f"{MOST_WORDS:,}; leave the column out, or group its words"
        )
    place = {word: code for code, word in enumerate(labels)}
    codes = np.array([place.get(word, np.nan) for word in words] or [np.nan])
    empty = ~mask_of(cells.is_valid())
    return np.where(empty, np.nan, codes[np.where(empty, 0, numpy_of(encoded.indices, np.int32))]), labels


def numbers_of(cells: pa.Array, name: str, rows: Integers | None = None) -> Floats:
    """A column as (N,) float64, NaN where there is no value.

    Args:
        cells: the column.
        name: what it is called.
        rows: the numbers of its rows in the table; None counts from 1.
    """
    kind = cells.type
    if is_text(kind):
        cells = _numbers_from_text(cells, name, rows)
    elif is_number(kind) or pa.types.is_null(kind):
        cells = cells.cast(pa.float64(), safe=False)
    elif pa.types.is_boolean(kind):
        cells = cells.cast(pa.int8()).cast(pa.float64())
    else:
        raise DataError(f"column {name!r} holds {kind}; give a column of numbers")
    values = numpy_of(cells, np.float64).copy()
    if cells.null_count:
        values[~mask_of(cells.is_valid())] = np.nan
    return values


def numbers_in(text: pa.Array) -> pa.Array:
    """Text as float64, with spaces around it or not; NaN where it means that there is no value.

    Raises:
        pyarrow.ArrowInvalid: a cell is no number.
    """
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return _tidy(text).cast(pa.float64())


def _tidy(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(text), pattern=MISSING, replacement="nan")


def _numbers_from_text(cells: pa.Array, name: str, rows: Integers | None) -> pa.Array:
    """Text as numbers; the first cell that is none is refused."""
    try:
        return numbers_in(cells)
    except pa.ArrowInvalid:
        at = first_refused(_tidy(cells), lambda part: part.cast(pa.float64()))
        row = at if rows is None else int(rows[at - 1])
        hint, fix = meant((cells[at - 1].as_py() or "").strip(), cells, [at - 1])
        if fix:
            hint += ", and gatecast check says which --fix reads it so"
        else:
            hint = "write it without thousands separators and with a decimal point, such as 1234.5"
        raise DataError(
            f"row {row} of column {name!r} holds {cells[at - 1].as_py()!r}, which is not a number {COUNTED}; {hint}, "
            "or leave the cell empty if the value is not known"
        ) from None
