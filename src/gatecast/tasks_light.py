"""What a server's light workers do: check, preview and forecast, without torch.  Each task calls one function.

A table comes as bytes of a file, as columns, as values, or as the name of a bundled set, and never as a path: nothing
that a client sends is looked up in the file system.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gatecast.columns import Columns
from gatecast.doctor import check as examine
from gatecast.errors import DataError, OutsideTraining, SettingsError, nearest
from gatecast.forecasts import forecast as ask
from gatecast.frequency import show_time
from gatecast.limits import Refusal, too_many_rows
from gatecast.opening import open_table
from gatecast.sources import DATASETS, load
from gatecast.tablefiles import table_of
from gatecast.tables import table_as
from gatecast.wording import finite
from gatecast.workers import Say

Arguments = Mapping[str, Any]
WIDEST = 1_000  # columns of a table
MOST_IDS = 500  # series that are named


def table_from(given: Arguments, most: int) -> Any:
    """Return a table as the library takes it: the name of a bundled set, numbers, or an Arrow table.

    Args:
        given: one of ``dataset``; ``content`` and its ``name``; ``values``; ``columns``.
        most: rows that are taken.

    Raises:
        SettingsError: no such bundled set.
        DataError: the content is no table.
        Refusal: it has too many rows.
    """
    if "dataset" in given:
        if given["dataset"] not in DATASETS:
            raise SettingsError(
                f"unknown data set {given['dataset']!r}.{nearest(given['dataset'], DATASETS)} "
                f"Known sets: {', '.join(DATASETS)}"
            )
        return given["dataset"]
    if "values" in given:
        values = np.array([np.nan if value is None else value for value in given["values"]], np.float64)
        if not len(values):
            raise DataError("there are no values; give at least one")
        return _within(values, most)
    if "columns" in given:
        return _within(_from_columns(given["columns"]), most)
    return _within(read_content(given["content"], given["name"], most), most)


def read_content(content: bytes, name: str, most: int) -> pa.Table:
    """Return the table in the bytes of a CSV or Parquet file; what is packed is not unpacked.

    Raises:
        DataError: it is no table.
        Refusal: it is packed, or has too many rows or columns.
    """
    if content[:2] in (b"PK", b"\x1f\x8b"):
        raise Refusal("wrong_type", f"{name} is packed; send it as plain CSV or as Parquet", 415)
    if content[:4] == b"PAR1":
        try:
            about = pq.ParquetFile(BytesIO(content)).metadata
            rows, columns = about.num_rows, about.num_columns
        except (pa.ArrowException, OSError, ValueError):
            rows, columns = 0, 0  # the reader says what is wrong with it
    else:
        rows, columns = content.count(b"\n") - 1, content[:65_536].split(b"\n", 1)[0].count(b",") + 1
    if rows > most:
        raise too_many_rows(rows, most)
    if columns > WIDEST:
        raise Refusal("too_large", f"{name} has {columns:,} columns; at most {WIDEST:,} are taken here", 413)
    try:
        return table_of(content, name)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def ready(say: Say) -> None:
    """Do nothing: the worker is up once it has."""


def datasets(say: Say) -> list[dict[str, Any]]:
    """Return what ``gatecast datasets --json`` prints."""
    return [
        {"name": row.name, "title": row.title, "points": int(row.panel.lengths[0]), "about": row.about}
        for row in map(load, DATASETS)
    ]


def inspect(say: Say, content: bytes, name: str, most: int) -> dict[str, Any]:
    """Return how many rows and which columns an upload has."""
    table = _within(read_content(content, name, most), most)
    return {"rows": table.num_rows, "columns": table.column_names}


def check(say: Say, data: Arguments, most: int, choice: Arguments) -> dict[str, Any]:
    """Return what ``gatecast check --json`` prints."""
    made: dict[str, Any] = finite(examine(table_from(data, most), **choice).as_dict())
    return made


def preview(
    say: Say, data: Arguments, most: int, choice: Arguments, points: int, unique_id: str | None
) -> dict[str, Any]:
    """Return the newest values of one series."""
    opened = open_table(table_from(data, most), _columns(choice), frequency=choice["frequency"], fix=choice["fix"])
    panel = opened.panel
    if unique_id is not None and unique_id not in panel.ids:
        raise SettingsError(f"there is no series {unique_id!r}.{nearest(unique_id, panel.ids)}")
    s = 0 if unique_id is None else panel.ids.index(unique_id)
    return {
        "unique_id": panel.ids[s],
        "series": len(panel),
        "ids": list(panel.ids[:MOST_IDS]),
        "steps": int(panel.lengths[s]),
        "target": panel.names.y,
        "season_length": list(opened.season_length),
        "ds": [shown(time) for time in panel.series_times(s)[-points:]],
        "y": finite(panel.series_values(s)[-points:].tolist()),
    }


def forecast(say: Say, data: Arguments, most: int, choice: Arguments, asked: Arguments) -> dict[str, Any]:
    """Return the forecast, as rows, and what is to be said of it."""
    notes: list[str] = []
    table = table_from(data, most)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", OutsideTraining)
        made = ask(
            table,
            asked["horizon"],
            None if asked["model"] is None else Path(asked["model"]),
            level=asked["level"],
            adapt=asked["adapt"],
            future=None if asked["future"] is None else _from_columns(asked["future"]),
            note=notes.append,
            **choice,
        )
    if not isinstance(made, pa.Table):
        made = pa.table(made)
    notes += [str(warning.message) for warning in caught]
    return {"model": "ZeroShot" if asked["model"] is None else "LSTM", "rows": rows_of(made), "notes": notes}


def forecast_csv(say: Say, data: Arguments, most: int, horizon: int) -> str:
    """Return the forecast of a CSV as a CSV."""
    return table_as(ask(table_from(data, most), horizon), "csv")


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table of forecasts as the command line prints them; what is not finite is None."""
    made: list[dict[str, Any]] = finite(json.loads(table_as(table, "json")))
    return made


def shown(time: Any) -> str | int:
    """Return a time as the command line prints it: a date, or a whole number where steps are counted."""
    return int(time) if np.issubdtype(np.asarray(time).dtype, np.integer) else show_time(time)


def _within(table: Any, most: int) -> Any:
    if len(table) > most:
        raise too_many_rows(len(table), most)
    return table


def _from_columns(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Columns of numbers and text; a column of both is text, so that the reader can name the cell that is wrong."""
    lengths = {name: len(cells) for name, cells in columns.items()}
    if not lengths or len(set(lengths.values())) > 1 or not next(iter(lengths.values())):
        found = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:10]) or "no column"
        raise DataError(f"columns of one length, with a row at least, make a table; found {found}")
    if len(lengths) > WIDEST:
        raise Refusal("too_large", f"there are {len(lengths):,} columns; at most {WIDEST:,} are taken here", 413)
    mixed = {name: any(isinstance(cell, str) for cell in cells) for name, cells in columns.items()}
    return pa.table(
        {
            name: pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
            if mixed[name]
            else pa.array(_whole(cells))
            for name, cells in columns.items()
        }
    )


def _whole(cells: Sequence[Any]) -> list[Any]:
    """Whole numbers as such: they may be the count of steps."""
    if all(cell is not None and float(cell).is_integer() and abs(cell) < 2**53 for cell in cells):
        return [int(cell) for cell in cells]
    return list(cells)


def _columns(choice: Arguments) -> Columns:
    target = choice["target"]
    return Columns(
        choice["time"],
        target if target is None or isinstance(target, str) else tuple(target),
        choice["series_id"],
        wide=choice["wide"],
        zone=choice["zone"],
    )
