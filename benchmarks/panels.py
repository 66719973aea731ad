"""Panels of any size on disk, made a block at a time: daily series that wander, with a weekly season and noise.

    .venv/bin/python benchmarks/panels.py FOLDER --series 2000 --steps 2500              Parquet, series after series
    .venv/bin/python benchmarks/panels.py FOLDER --series 2000 --steps 2500 --by time    Parquet, all series in each
    .venv/bin/python benchmarks/panels.py FILE.csv --series 100000 --steps 100           one CSV or one Parquet file

The same numbers every time.  Key: S series, T step.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

ROWS = 1_000_000  # of a file in a folder, about
FIRST = np.datetime64("2015-01-01", "us")


def values_of(series: range, steps: int) -> np.ndarray:
    """The values of some series, (S, T); those of a series do not depend on which others are asked for."""
    level_ST = np.empty((len(series), steps))
    for row, s in enumerate(series):
        rng = np.random.default_rng(s)
        season = rng.normal(size=7)[np.arange(steps) % 7]
        wander = np.cumsum(0.2 * rng.normal(size=steps))
        level_ST[row] = 10 ** rng.uniform(0, 4) * (10 + season + wander + 0.5 * rng.normal(size=steps))
    return level_ST


def table_of(series: range, steps: range, values_ST: np.ndarray) -> pa.Table:
    """Values as a long table, series after series."""
    names = pa.array([f"series {s}" for s in series])
    which = pa.array(np.repeat(np.arange(len(series), dtype=np.int32), len(steps)))
    times = FIRST + np.arange(steps.start, steps.stop) * np.timedelta64(1, "D")
    columns = {
        "unique_id": pa.DictionaryArray.from_arrays(which, names).cast(pa.string()),
        "ds": pa.array(np.tile(times, len(series))),
        "y": pa.array(values_ST.ravel()),
    }
    return pa.table(columns)


def blocks(series: int, steps: int) -> Iterator[pa.Table]:
    """The panel, some whole series at a time."""
    together = max(1, ROWS // steps)
    for begin in range(0, series, together):
        some = range(begin, min(begin + together, series))
        yield table_of(some, range(steps), values_of(some, steps))


def write_by_series(folder: Path, series: int, steps: int) -> None:
    """A folder of files, each with some whole series."""
    for number, table in enumerate(blocks(series, steps)):
        pq.write_table(table, folder / f"part-{number:05d}.parquet")


def write_by_time(folder: Path, series: int, steps: int) -> None:
    """A folder of files, each with some days of all series."""
    values_ST = values_of(range(series), steps)
    together = max(1, ROWS // series)
    for number, begin in enumerate(range(0, steps, together)):
        some = range(begin, min(begin + together, steps))
        table = table_of(range(series), some, values_ST[:, some.start : some.stop])
        pq.write_table(table, folder / f"part-{number:05d}.parquet")


def write_file(path: Path, series: int, steps: int) -> None:
    """One file; in a CSV dates and numbers stand as people write them."""
    is_csv = path.suffix == ".csv"
    schema = next(blocks(1, 1)).schema
    if is_csv:
        schema = schema.set(1, pa.field("ds", pa.date32()))
    with pacsv.CSVWriter(path, schema) if is_csv else pq.ParquetWriter(path, schema) as file:
        for table in blocks(series, steps):
            if is_csv:
                short = pa.array(np.round(table["y"].to_numpy(), 3))
                table = table.set_column(2, "y", short)  # noqa: PLW2901
            file.write_table(table.cast(schema))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a folder, or a file that ends in .csv or .parquet")
    parser.add_argument("--series", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--by", choices=("series", "time"), default="series")
    asked = parser.parse_args()
    if asked.path.suffix:
        write_file(asked.path, asked.series, asked.steps)
        return
    asked.path.mkdir(parents=True, exist_ok=True)
    write = write_by_series if asked.by == "series" else write_by_time
    write(asked.path, asked.series, asked.steps)


if __name__ == "__main__":
    main()
