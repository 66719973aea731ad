"""A table's columns as arrays, checked row by row and grouped by series: what a panel is made of.

What is wrong with a row is said here, where rows still have the numbers they have in the user's table.  Each column of
a wide table, and each of several targets, becomes a series of its own.

Key: N rows, S series, J targets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import narwhals as nw
import numpy as np

from gatecast.arrow import COUNTED, Booleans, Floats, Integers, first_row
from gatecast.columns import Chosen, Columns, Names, choose, column_of, covariate_of, listed, numbers_of, raw_column
from gatecast.columns import series_of as codes_of
from gatecast.dates import Zoned, show_zoned, zoned_times
from gatecast.errors import DataError, SettingsError
from gatecast.layouts import eager_frame, is_matrix, is_unnamed

OTHER = "other target"  # the other targets are inputs of each target, called "other target 1" …
WHICH = "target"  # the static column that says which target a series is
LARGEST = 1e100  # of a value's size: sums and squares of such are numbers still


@dataclass(frozen=True)
class Rows:
    """Columns as arrays, (N,) each: in the order of the table's rows, or grouped by series and in time order.

    Attributes:
        ids: the S names of the series.
        codes: which series a row belongs to, (N,).
        zoned: the times and their zone.
        targets: the J columns to forecast; one, when each series has its own rows.
        names: what the columns are called.
        has_id: whether a column names the series.
        inputs: columns known up to now only.
        known: columns known in advance.
        static: (N,) as read, (S,) when grouped.
        categories: for columns of words, what their numbers stand for.
    """

    ids: tuple[str, ...]
    codes: Integers
    zoned: Zoned
    targets: dict[str, Floats]
    names: Names
    has_id: bool = False
    inputs: dict[str, Floats] = field(default_factory=dict)
    known: dict[str, Floats] = field(default_factory=dict)
    static: dict[str, Floats] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def values(self) -> Floats:
        """The only target, (N,)."""
        (values,) = self.targets.values()
        return values

    @property
    def offsets(self) -> Integers:
        """Where each series starts, when the rows are grouped, and the end, (S+1,)."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.codes, minlength=len(self.ids))))).astype(np.int64)

    def take(self, rows: Integers) -> Rows:
        """Return these rows in this order."""
        return replace(
            self,
            codes=self.codes[rows],
            zoned=self.zoned._replace(times=self.zoned.times[rows]),
            targets={name: column[rows] for name, column in self.targets.items()},
            inputs={name: column[rows] for name, column in self.inputs.items()},
            known={name: column[rows] for name, column in self.known.items()},
        )


def rows_of(frame: Any, asked: Columns) -> Rows:
    """Return a table of any layout as grouped rows, each series with one target.

    Raises:
        SettingsError: a named column is not there or used twice, or the settings exclude each other.
        DataError: a cell cannot be read, times repeat or go back, or a static column changes; rows are named.
    """
    table = eager_frame(frame)
    if is_matrix(frame) and asked.target is None and asked.series_id is None:
        asked = replace(asked, wide=True)
    chosen = choose(table, asked, counted=is_unnamed(frame))
    if len(table) == 0:
        raise DataError(f"the table has no rows; its columns are {listed(table.columns)}")
    rows = grouped(_read(table, asked, chosen))
    if asked.wide:
        return _one_series_each(rows)
    return _one_target_each(rows) if len(chosen.targets) > 1 else rows


def _read(table: nw.DataFrame[Any], asked: Columns, chosen: Chosen) -> Rows:
    names, count = chosen.names, len(table)
    codes = np.zeros(count, np.int64)
    ids: tuple[str, ...] = (names.y,)
    if chosen.has_id:
        codes, ids = codes_of(raw_column(table, names.unique_id), names.unique_id)
    if chosen.has_time:
        zoned = zoned_times(column_of(table, names.ds), names.ds, asked.zone, codes)
    elif asked.zone is not None:
        raise SettingsError(f"zone {asked.zone!r} goes with a column of dates, and the table has none; leave it out")
    else:
        zoned = Zoned(np.arange(count, dtype=np.int64))
    targets = {name: numbers_of(column_of(table, name), name) for name in chosen.targets}
    categories: dict[str, tuple[str, ...]] = {}

    def read(columns: tuple[str, ...]) -> dict[str, Floats]:
        found = {}
        for name in columns:
            found[name], words = covariate_of(table, name)
            if words is not None:
                categories[name] = words
        return found

    inputs, known, static = read(asked.inputs), read(asked.known), read(asked.static)
    return Rows(ids, codes, zoned, targets, names, chosen.has_id, inputs, known, static, categories)


def grouped(rows: Rows) -> Rows:
    """Return the rows grouped by series; each series must be in time order already.

    Raises:
        DataError: a value is infinite or too large, a time repeats or goes back, or a static column changes.
    """
    for name, column in {**rows.targets, **rows.inputs, **rows.known, **rows.static}.items():
        if np.isinf(column).any():
            raise DataError(
                f"row {first_row(np.isinf(column))} of column {name!r} is infinite; leave the cell empty if the value "
                f"is not known {COUNTED}"
            )
        too_large = np.abs(column) > LARGEST
        if too_large.any():
            row = first_row(too_large)
            raise DataError(
                f"row {row} of column {name!r} holds {column[row - 1]:g}, and numbers are reckoned with up to "
                f"{LARGEST:g}; leave the cell empty if it is a mistake, or give the column in other units {COUNTED}"
            )
    rows = replace(rows, static={name: _of_series(rows, name) for name in rows.static})
    codes, times = rows.codes, rows.zoned.times
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
        codes, times = codes[order], times[order]
    else:
        order = None
    if ((times[1:] <= times[:-1]) & (codes[1:] == codes[:-1])).any():
        _refuse_order(rows)
    return rows if order is None else rows.take(order)


def _of_series(rows: Rows, name: str) -> Floats:
    """A static column, (S,): the one value of each series; NaN if it has none."""
    column, codes = rows.static[name], rows.codes
    there = np.flatnonzero(~np.isnan(column))
    first = np.full(len(rows.ids), -1)
    first[codes[there[::-1]]] = there[::-1]  # the last one written stays: the first row
    values = np.where(first >= 0, column[first], np.nan)
    other = there[column[there] != values[codes[there]]]
    if len(other) == 0:
        return values
    row, s = int(other[0]), int(codes[other[0]])
    labels = rows.categories.get(name)
    one, two = (repr(labels[int(value)]) if labels else f"{value:g}" for value in (values[s], column[row]))
    which = f" for series {rows.ids[s]!r}" if rows.has_id else ""
    raise DataError(
        f"static column {name!r} has two values{which}, {one} in row {first[s] + 1} and {two} in row {row + 1} "
        f"{COUNTED}; a static column stays the same for a series: name it as known in advance, or as an input"
    )


def _refuse_order(rows: Rows) -> NoReturn:
    """Say which rows have the same time, or else which row goes back in time."""
    times = rows.zoned.times

    def show(row: int) -> str:
        return show_zoned(times[row], rows.zoned.zone, rows.zoned.days)

    order = np.lexsort((times, rows.codes))  # stable: equal times stay in the order of their rows
    same = (np.diff(rows.codes[order]) == 0) & (np.diff(times[order]).astype(np.int64) == 0)
    if same.any():
        later = np.where(same, order[1:], len(order))
        at = int(np.argmin(later))
        which = f" of series {rows.ids[rows.codes[order[at]]]!r}" if rows.has_id else ""
        hint = "" if rows.has_id else "; if the table holds several series, name the column that tells them apart"
        raise DataError(
            f"rows {order[at] + 1} and {order[at + 1] + 1}{which} have the same time {show(order[at])}, and "
            f"{int(same.sum())} row(s) in all repeat a time {COUNTED}; keep one row per time{hint}"
        )
    by_series = np.argsort(rows.codes, kind="stable")
    back = (np.diff(times[by_series]).astype(np.int64) < 0) & (np.diff(rows.codes[by_series]) == 0)
    at = int(np.argmin(np.where(back, by_series[1:], len(by_series))))
    before, after = (show(by_series[row]) for row in (at, at + 1))
    raise DataError(
        f"row {by_series[at + 1] + 1} goes back in time, from {before} in row {by_series[at] + 1} to {after} "
        f"{COUNTED}; sort the rows by time"
    )


# ------------------------------------------------------------------------------------------- a series per column


def _one_series_each(rows: Rows) -> Rows:
    """Each target as a series of its own, from its first value on."""
    values = list(rows.targets.values())
    starts = [first_row(~np.isnan(column)) - 1 for column in values]
    count = len(rows.codes)
    place = np.concatenate([np.arange(start, count) for start in starts])
    codes = np.repeat(np.arange(len(values)), count - np.array(starts))
    joined = np.concatenate([column[start:] for column, start in zip(values, starts, strict=True)])
    return replace(
        replace(rows, targets={}).take(place), ids=tuple(rows.targets), codes=codes, targets={rows.names.y: joined}
    )


def _one_target_each(rows: Rows) -> Rows:
    """Each target of each series as a series of its own, with the other targets as inputs."""
    names = tuple(rows.targets)
    others = [f"{OTHER} {k}" for k in range(1, len(names))]
    taken = [name for name in others if name in {**rows.inputs, **rows.known, **rows.static}]
    if WHICH in {**rows.inputs, **rows.known, **rows.static} or taken:
        raise SettingsError(
            f"the column {(taken or [WHICH])[0]!r} has the name that is needed to tell several targets apart; rename "
            "it, or name one target"
        )
    count, many = len(rows.codes), len(names)
    target = np.repeat(np.arange(many), count)
    place = np.tile(np.arange(count), many)
    order = np.argsort(rows.codes[place] * many + target, kind="stable")
    place, target = place[order], target[order]
    values_JN = np.stack(list(rows.targets.values()))
    spread = replace(rows, targets={}).take(place)
    inputs = {name: values_JN[k + (k >= target), place] for k, name in enumerate(others)}
    ids = names if not rows.has_id else tuple(f"{series}/{name}" for series in rows.ids for name in names)
    if len(set(ids)) < len(ids):
        again = next(name for place, name in enumerate(ids) if name in ids[:place])
        raise SettingsError(f"two series would be called {again!r}; rename a target or a series")
    static = {name: np.repeat(column, many) for name, column in rows.static.items()}
    return replace(
        spread,
        ids=ids,
        codes=spread.codes * many + target,
        targets={rows.names.y: values_JN[target, place]},
        inputs={**spread.inputs, **inputs},
        static={**static, WHICH: np.tile(np.arange(many, dtype=np.float64), len(rows.ids))},
        categories={**rows.categories, WHICH: names},
    )


def too_few(rows: Rows) -> str:
    """What to say of a table that has a series without values, or none with two; an empty text if it is fine."""
    there: Booleans = ~np.isnan(rows.values)
    counts = np.add.reduceat(there, rows.offsets[:-1], dtype=np.int64)
    empty = np.flatnonzero(counts == 0)
    if len(empty) == 0 and counts.max() >= 2:
        return ""
    s = int(empty[0]) if len(empty) else 0
    needed = "a forecast needs at least 2 (and many more to be any good)"
    if len(rows.ids) == 1 and not rows.has_id:
        which = f"column {rows.ids[0]!r}"
    else:
        which = f"column {rows.names.y!r} of series {rows.ids[s]!r}" if rows.has_id else f"series {rows.ids[s]!r}"
    if not len(empty):
        return f"{which} holds a single value{', and no series holds more' if len(rows.ids) > 1 else ''}; {needed}"
    if len(rows.ids) == 1:
        return f"{which} holds no value at all; {needed}"
    more = f", and {len(empty):,} series in all do not" if len(empty) > 1 else ""
    return f"{which} holds no value at all{more}; {needed}: leave such series out (--fix drop)"
