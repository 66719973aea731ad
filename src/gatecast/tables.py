"""A table of forecasts as text or as a file; light, so that a forecast on the command line starts at once."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gatecast.dates import zoned_text
from gatecast.errors import OutputError
from gatecast.frequency import show_time
from gatecast.modelfile import write_atomically

DIGITS = 7  # significant digits of a forecast in text
ALL_DIGITS = 17  # those of a number that must stay as it is


def table_as(table: pa.Table, kind: str, digits: int = DIGITS) -> str:
    """A table as text: ``csv``, or ``json`` as one list of rows; times as short as they can be.

    Times with a zone are written with their offset, 2024-03-31T03:00:00+02:00.
    """
    columns = [_cells(table[name].combine_chunks(), digits) for name in table.column_names]
    rows = zip(*columns, strict=True)
    if kind == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(rows)
        return buffer.getvalue()
    listed = [dict(zip(table.column_names, row, strict=True)) for row in rows]
    return json.dumps(listed, ensure_ascii=False, indent=2) + "\n"


def write_table(table: pa.Table, path: Path, digits: int = DIGITS) -> None:
    """Write a table as CSV (with so many digits) or Parquet, as the name's ending says.

    Raises:
        OutputError: the ending is neither, or the place cannot be written to.
    """
    kind = check_ending(path)
    if kind == ".csv":
        write_atomically(path, table_as(table, "csv", digits).encode())
    else:
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        write_atomically(path, buffer.getvalue())


def check_ending(path: Path) -> str:
    """The ending of a table's file name.

    Raises:
        OutputError: it is none that can be written.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet", ".pq"):
        raise OutputError(f"{path}: ends in {ending or 'nothing'}; name a file ending in .csv or .parquet")
    return ending


def _cells(column: pa.Array, digits: int) -> list[Any]:
    """A column as it should be read."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return zoned_text(column)
    return [_plain(x, digits) for x in column.to_pylist()]


def _plain(x: Any, digits: int) -> Any:
    """Times and numbers as they should be read."""
    if isinstance(x, datetime):
        return show_time(np.datetime64(x, "us"))
    return float(f"{x:.{digits}g}") if isinstance(x, float) else x
