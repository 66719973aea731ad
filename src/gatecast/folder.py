"""A folder of Parquet files as one long table that is never in memory as a whole: its rows, batch by batch.

Files are read in the order of their paths.  What is wrong with a row is said with its file and its number there.

Key: N rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gatecast.arrow import Booleans, Floats, Integers, first_row, is_number, is_text, mask_of, matches
from gatecast.columns import (
    Chosen,
    Columns,
    choose,
    column_of,
    covariate_of,
    listed,
    numbers_of,
    raw_column,
    series_of,
    words_of,
)
from gatecast.dates import zoned_times
from gatecast.errors import DataError, SettingsError
from gatecast.frequency import Times
from gatecast.layouts import eager_frame

BATCH = 65_536  # rows read at a time
FIRST_ROWS = 200  # rows that tell which column is what, at least

_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$"
_COUNTED = "(rows are counted from 1 in each file)"


class Batch(NamedTuple):
    """Some rows of a file, one at least."""

    file: Path
    above: int  # rows of the file before these
    table: nw.DataFrame[Any]

    def refuse(self, row: int, what: str) -> NoReturn:
        """Refuse a row of the batch, counted from 0."""
        raise DataError(f"{self.file}, row {self.above + row + 1}: {what} {_COUNTED}")

    def numbers(self, name: str) -> Floats:
        """Return a column as (N,) float64, NaN where there is no value."""
        rows = np.arange(self.above + 1, self.above + 1 + len(self.table))
        with naming(self.file):
            numbers = numbers_of(column_of(self.table, name), name, rows)
        infinite = np.isinf(numbers)
        if infinite.any():
            self.refuse(
                first_row(infinite) - 1, f"column {name!r} is infinite; leave the cell empty if the value is not known"
            )
        return numbers

    def words(self, name: str) -> tuple[Floats, tuple[str, ...]]:
        """Return a column of words as numbers, (N,), and what they stand for."""
        with naming(self.file):
            return words_of(column_of(self.table, name), name)

    def series(self, name: str, codes_of: dict[str, int]) -> Integers:
        """Return which series each row belongs to, (N,); new ones are added to ``codes_of``."""
        cells = raw_column(self.table, name)
        if cells.null_count:
            self.refuse(int(np.argmin(_there(cells))), f"column {name!r} names no series")
        codes, ids = series_of(cells, name)
        return np.array([codes_of.setdefault(each, len(codes_of)) for each in ids], np.int64)[codes]

    def times(self, name: str) -> Times:
        """Return the times of the rows, (N,); those that carry a zone in UTC."""
        cells = column_of(self.table, name)
        if cells.null_count:
            self.refuse(int(np.argmin(_there(cells))), f"column {name!r} has no time")
        if is_text(cells.type):
            other = ~matches(cells, _ISO)
            if other.any():
                row = first_row(other) - 1
                self.refuse(
                    row,
                    f"column {name!r} holds the text {cells[row].as_py()!r}; write the column as dates, or as text "
                    "such as 2020-01-31 or 2020-01-31 14:30",
                )
        if pa.types.is_timestamp(cells.type):
            cells = cells.cast(pa.timestamp(cells.type.unit))
        with naming(f"{self.file}, counting from row {self.above + 1}"):
            return zoned_times(cells, name).times


class Files(NamedTuple):
    """The files, and which of their columns are what."""

    paths: list[Path]
    asked: Columns
    chosen: Chosen
    words: frozenset[str]  # those of the columns beside the target that hold words
    zone: str | None  # of the times

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yield these columns, batch by batch."""
        for path in self.paths:
            above = 0
            for rows in _read(path, columns):
                yield Batch(path, above, eager_frame(rows))
                above += len(rows)


def open_files(folder: Path, asked: Columns) -> Files:
    """Find the files, choose their columns by the first rows, and check that all files have them.

    Args:
        folder: a folder, or one file; files in folders inside it count too, hidden ones (``.name``, ``_name``) do not.
        asked: the columns that are named.

    Raises:
        SettingsError: a named column is not there or used twice, or several targets are named.
        DataError: there are no files or no rows, a file is damaged, or the files differ.
    """
    paths = _paths_in(folder)
    first = _first_rows(folder, paths)
    table = eager_frame(first)
    with naming(folder):
        chosen = choose(table, asked)
    if len(chosen.targets) > 1:
        raise SettingsError(f"{folder}: a folder is read for one target at a time, not for {listed(chosen.targets)}")
    if not chosen.has_time:
        raise DataError(f"{folder}: the files have no column of times; add one, of dates or of whole numbers")
    beside = (*asked.inputs, *asked.known, *asked.static)
    used = [chosen.names.ds, chosen.names.y, *([chosen.names.unique_id] if chosen.has_id else []), *beside]
    _check_columns(paths, used)
    words = frozenset(name for name in beside if _holds_words(paths, table, name))
    kind = first.schema.field(chosen.names.ds).type
    return Files(paths, asked, chosen, words, kind.tz if pa.types.is_timestamp(kind) else None)


@contextlib.contextmanager
def naming(where: str | Path) -> Iterator[None]:
    """Errors inside say where."""
    try:
        yield
    except (DataError, SettingsError) as error:
        raise type(error)(f"{where}: {error}") from None


def _paths_in(folder: Path) -> list[Path]:
    if not folder.exists():
        raise DataError(f"{folder}: not found; give a folder of Parquet files")
    if folder.is_file():
        return [folder]
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".parquet", ".pq")
        and path.is_file()
        and not any(part[0] in "._" for part in path.relative_to(folder).parts)
    ]
    if not paths:
        raise DataError(f"{folder}: the folder holds no Parquet files (*.parquet or *.pq); give one that does")
    return paths


def _first_rows(folder: Path, paths: Sequence[Path]) -> pa.Table:
    """So many of the first rows that they tell which column is what."""
    rows: list[pa.RecordBatch] = []
    for batch in (batch for path in paths for batch in _read(path, None)):
        if not rows or batch.schema.equals(rows[0].schema):
            rows.append(batch)
        if sum(map(len, rows)) >= FIRST_ROWS:
            break
    if not rows:
        raise DataError(f"{folder}: the Parquet files hold no rows; give some that do")
    return pa.Table.from_batches(rows)


def _holds_words(paths: Sequence[Path], first: nw.DataFrame[Any], name: str) -> bool:
    """Whether a column holds words; if its first rows are empty, the first that are not decide."""
    with naming(paths[0]):
        numbers, words = covariate_of(first, name)
    if words is not None or not is_text(column_of(first, name).type) or not np.isnan(numbers).all():
        return words is not None
    for path in paths:
        for batch in _read(path, [name]):
            with naming(path):
                numbers, words = covariate_of(eager_frame(batch), name)
            if words is not None or not np.isnan(numbers).all():
                return words is not None
    return False


def _read(path: Path, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows of a file; a large row group is not read as a whole either."""
    with _refusing(path):
        file = pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
    with file:
        batches = file.iter_batches(BATCH, columns=columns, use_threads=False)
        while True:
            with _refusing(path):
                rows = next(batches, None)
            if rows is None:
                return
            if len(rows):
                yield rows


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """What pyarrow cannot read is refused."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        found = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{path} cannot be read as Parquet ({found}); write it again, or take it out") from None


def _check_columns(paths: Sequence[Path], columns: Sequence[str]) -> None:
    """Refuse a file that lacks a column, or has another kind of it than the files before."""
    seen: dict[str, tuple[str, Path]] = {}
    for path in paths:
        with _refusing(path):
            schema = pq.read_schema(path)
        for name in columns:
            if schema.get_field_index(name) < 0:
                raise DataError(
                    f"{path} has no column {name!r}, as {paths[0]} has; it has {listed(schema.names)}; give files with "
                    "the same columns"
                )
            kind = _kind(schema.field(name).type)
            before, where = seen.setdefault(name, (kind, path))
            if before == "nothing":
                seen[name] = (kind, path)
            elif kind not in (before, "nothing"):
                raise DataError(f"column {name!r} holds {before} in {where} and {kind} in {path}; write both alike")


def _kind(kind: pa.DataType) -> str:
    """What a column holds, in words; several types of Parquet are one kind."""
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if is_text(kind):
        return "text"
    if is_number(kind) or pa.types.is_boolean(kind):
        return "numbers"
    if pa.types.is_date(kind):
        return "dates"
    if pa.types.is_timestamp(kind):
        return "dates" if kind.tz is None else f"dates of the zone {kind.tz!r}"
    return "nothing" if pa.types.is_null(kind) else str(kind)


def _there(cells: Any) -> Booleans:
    valid = cells.is_valid()
    return mask_of(valid.combine_chunks() if isinstance(valid, pa.ChunkedArray) else valid)
