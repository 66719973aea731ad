"""The long table as arrays: many series under each other, out of any data frame.

A table of any kind (pandas, polars, pyarrow, a list, an array) becomes a panel; ``frames`` makes a panel or a forecast
the same kind again.  What is wrong with a table is said with its row number, counted from 1 without the header; nothing
is mended unasked, except that a missing date becomes a step with missing values, and how many were added is kept to be
shown.

Key: S series, N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gatecast.arrow import COUNTED, first_row
from gatecast.columns import Columns, Names, names_in
from gatecast.dates import Zoned, show_zoned, utc_of_days
from gatecast.errors import DataError
from gatecast.frequency import Frequency, Times, advance, parse_frequency, steps_between
from gatecast.rows import Rows, grouped, rows_of, too_few
from gatecast.spacing import check_spacing, common_frequency

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

DAY = 86_400_000_000  # microseconds
MOST_FILLED = 10  # holes may add at most this many steps for each row that is there


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
        known: columns known in advance, (N,) each, such as a price list or a holiday; NaN is missing.
        static: what stays the same for a series, (S,) each; NaN is missing.
        categories: for columns of words, what their numbers 0, 1, 2 … stand for.
        zone: the time zone of the table's times, if they had one; ``times`` are then UTC, or local days.
        local_days: whether, with a zone, ``times`` are days of that zone (all are midnights there).
    """

    ids: tuple[str, ...]
    times: Times
    values: Floats
    offsets: Integers
    frequency: Frequency
    inputs: dict[str, Floats] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    filled: int = 0
    known: dict[str, Floats] = field(default_factory=dict)
    static: dict[str, Floats] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    zone: str | None = None
    local_days: bool = False

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
        static = {name: column[s : s + 1] for name, column in self.static.items()}
        return replace(self._rows(rows), ids=(self.ids[s],), offsets=offsets, static=static)

    def head(self, steps: int) -> Panel:
        """Return the first ``steps`` rows of every series (all of a shorter one)."""
        kept = np.minimum(self.lengths, steps)
        position = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return replace(self._rows(position < steps), offsets=_offsets(kept))

    def _rows(self, rows: slice | Booleans) -> Panel:
        inputs = {name: column[rows] for name, column in self.inputs.items()}
        known = {name: column[rows] for name, column in self.known.items()}
        return replace(self, times=self.times[rows], values=self.values[rows], inputs=inputs, known=known)


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
        raise DataError(f"row {first_row(np.isnat(ds))} has no time {COUNTED}")
    if isinstance(frequency, str):
        frequency = parse_frequency(frequency)
    codes = np.zeros(len(y), np.int64)
    rows = Rows((unique_id,), codes, Zoned(ds), {"y": y}, Names(unique_id="unique_id"), inputs=columns)
    return _assemble(grouped(rows), frequency)


def panel_from_frame(  # noqa: PLR0913 (the choice of columns, as keywords)
    frame: Any,
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
) -> Panel:
    """Return a table (pandas, polars, pyarrow, a dictionary of columns, a NumPy array or a list) as a panel.

    A column not named is found: ``ds``, ``y`` and ``unique_id`` if there; otherwise the first column of dates is the
    time (or one of whole numbers whose name says time), and the first other column of numbers the target.  A table of
    one column, a list and an array are numbered 0, 1, 2 … Rows of several series may be mixed; each series must be in
    time order.  Text is read as numbers and dates where it can be.

    Args:
        frame: the table; it is not changed.
        time: the column of times.
        target: the column to forecast; of several ("a,b" or a list), each becomes a series, named after it or
            ``ID/a``, with the others as inputs.
        series_id: the column that tells the series apart.
        inputs: further columns, known up to now only.
        known: further columns that are known in advance.
        static: further columns that stay the same for a series.
        wide: each other column of numbers is a series, from its first value on; so is each of a 2-D array.
        zone: the time zone of times that carry none.  Times with a zone become local days if all are midnights, else
            UTC, and the forecast has the zone again.
        frequency: the spacing or its code; None infers it.

    Raises:
        SettingsError: a named column is not there (the nearest one is named), or a column is used twice.
        DataError: the table cannot be forecast as it is; the message names the rows.
    """
    asked = Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static), wide, zone)
    return panel_of(frame, asked, frequency)


def panel_of(frame: Any, asked: Columns, frequency: Frequency | str | None = None) -> Panel:
    """Return a table as a panel, its columns as asked for; see ``panel_from_frame``."""
    if isinstance(frequency, str):
        frequency = parse_frequency(frequency)
    return _assemble(rows_of(frame, asked), frequency)


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
        before, after = (show_zoned(panel.times[row], panel.zone, panel.local_days) for row in (worst - 1, worst))
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
        known={name: spread(column) for name, column in panel.known.items()},
        filled=panel.filled + added,
    )
    return filled, added


def _assemble(rows: Rows, frequency: Frequency | None) -> Panel:
    """Find the frequency of grouped rows, or check the one given, and fill the holes."""
    refused = too_few(rows)
    if refused:
        raise DataError(refused)
    times, zone, days = rows.zoned
    offsets, given = rows.offsets, frequency is not None
    if days and zone is not None and frequency is not None and frequency.unit == "span" and frequency.step % DAY:
        times, days = utc_of_days(times, zone), False  # steps within a day need UTC
    if frequency is None:
        frequency = common_frequency(times, offsets, rows.ids)
    check_spacing(times, offsets, rows.ids, frequency, given)
    panel = Panel(
        rows.ids,
        times,
        rows.values,
        offsets,
        frequency,
        rows.inputs,
        rows.names,
        known=rows.known,
        static=rows.static,
        categories=rows.categories,
        zone=zone,
        local_days=days,
    )
    return fill_holes(panel)[0]


def _offsets(lengths: Integers) -> Integers:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
