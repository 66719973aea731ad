"""Mending a table, on request only: what was asked for is done, said in a sentence, and nothing else is touched.

The fixes, in the order in which they are applied, whatever the order they are asked for:

    separators                       "1,234.5", "1.234,5", "1 234" and "€ 12" as numbers, where the column decides
    decimal-point, decimal-comma     the same, where it does not
    day-first, month-first           dates such as 3/4/2020, where the column does not decide
    empty                            cells that are no finite numbers become missing
    drop                             rows whose series, time or target cannot be read, and series without any value
    sort                             the rows of each series in the order of time
    first, last, mean, sum           one row per time
    jump                             rows in another unit, by a clean power of ten
    outliers, tail                   leaps, and a constant tail, become missing
    regular, regular=CODE            one row per step of the coarsest frequency seen, or of this one: the mean
    fill, interpolate, zero          missing values and missing steps; never before the first value of a series
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from gatecast.columns import Columns, choose, column_of, names_in
from gatecast.draft import Draft, draft_of, table_of
from gatecast.errors import SettingsError, nearest
from gatecast.frequency import parse_frequency
from gatecast.layouts import eager_frame, is_matrix, is_unnamed
from gatecast.mending_of_rows import keep_one, leave_out_rows, leave_out_series, make_regular, sort_rows
from gatecast.mending_of_text import read_dates, read_separators
from gatecast.mending_of_values import empty_cells, fill_missing, make_missing, to_one_unit
from gatecast.reading import roles_of

FIXES = (
    *("separators", "decimal-point", "decimal-comma", "day-first", "month-first", "empty", "drop", "sort"),
    *("first", "last", "mean", "sum", "jump", "outliers", "tail", "regular", "fill", "interpolate", "zero"),
)
_EITHER = (  # of each of these only one makes sense
    ("separators", "decimal-point", "decimal-comma"),
    ("day-first", "month-first"),
    ("first", "last", "mean", "sum"),
    ("fill", "interpolate", "zero"),
    ("tail", "fill"),
    ("tail", "zero"),
)
_NUMBERS = ("separators", "decimal-point", "decimal-comma")
_DATES = ("day-first", "month-first")
_FOUND = {"outliers": "outliers", "tail": "constant-tail"}  # which check finds them
_UNTIMED = ("empty", "drop")  # can be done without knowing the times
READ_LATER = {  # fixes that read later values, and so carry them to before an origin; what may be used instead
    "interpolate": "fill",
    "outliers": None,
    "tail": None,
    "jump": None,
}
_NOTHING = "nothing to do"
_SIMPLE = {"empty": empty_cells, "sort": sort_rows, "jump": to_one_unit}


@dataclass(frozen=True)
class Mended:
    """A mended table, and what was done to it: a sentence for each thing."""

    table: pa.Table
    done: tuple[str, ...]


def mend(  # noqa: PLR0913 (the choice of columns, as keywords)
    table: Any,
    fixes: Sequence[str],
    *,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    wide: bool = False,
    frequency: str | None = None,
) -> Mended:
    """Return a table with the named things mended, and nothing else changed.

    Columns that are not used stay where each row is still a row of the table; where rows were added or merged, they are
    left out, which is said.

    Args:
        table: a frame of any kind, a dictionary of columns, numbers; it is not changed.
        fixes: what to mend, in any order; the module says what there is.
        time: the column of times; this and the following as for ``panel_from_frame``.
        target: the columns to forecast.
        series_id: the column that tells the series apart.
        inputs: columns known up to now only.
        known: columns known in advance.
        static: columns that stay the same for a series.
        wide: each other column of numbers is a series.
        frequency: the spacing; None infers it.

    Raises:
        SettingsError: a fix is not known or contradicts another, or a column is not there.
        DataError: a fix cannot be done; rows are named.
    """
    asked = Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static), wide)
    return mend_columns(table, fixes, asked, frequency)


def is_series_each(table: Any, target: Any, series_id: str | None) -> bool:
    """Return whether a table is rows of plain numbers, each column a series."""
    return is_matrix(table) and target is None and series_id is None


def mend_columns(table: Any, fixes: Sequence[str], asked: Columns, frequency: str | None = None) -> Mended:
    """Return a table mended, with its columns as asked for; see ``mend``."""
    wanted = check_fixes(fixes)
    frame = eager_frame(table)
    asked = replace(asked, wide=asked.wide or is_series_each(table, asked.target, asked.series_id))
    roles = roles_of(frame, choose(frame, asked, counted=is_unnamed(table)), asked)
    cells = pa.Table.from_arrays([column_of(frame, name) for name in frame.columns], names=list(frame.columns))
    done: dict[str, list[str]] = {fix: [] for fix in wanted}
    changed: frozenset[str] = frozenset()
    for fix in wanted:
        if fix in _NUMBERS:
            cells, done[fix], changed = read_separators(cells, roles.numeric, roles.words, fix)
            roles = replace(roles, words=tuple(name for name in roles.words if name not in changed))
        elif fix in _DATES and roles.time is not None:
            cells, done[fix] = read_dates(cells, roles.time, fix)
    draft = draft_of(cells, roles, changed)
    for fix, step in _steps(wanted, frequency):
        if draft.times is None and fix not in _UNTIMED:
            done[fix] = [f"not done, since the times of column {roles.time!r} cannot be read"]
            continue
        draft, what = step(draft)
        done[fix] += what
    mended, lost = table_of(draft)
    said = [f"{fix}: {what}" for fix in wanted for what in done[fix] or [_NOTHING]]
    if lost:
        names = ", ".join(repr(name) for name in lost)
        said.append(f"left out, since rows were added or merged: {'column' if len(lost) == 1 else 'columns'} {names}")
    return Mended(mended, tuple(said))


def later_words(done: Sequence[str]) -> list[str]:
    """Return a sentence on each fix that has carried later values to earlier steps, from what was done to a table."""
    return [
        f"The fix {fix!r} reads values that come later: a forecast made where it mended may know what follows, and "
        "these figures with it; judge without it."
        for fix in READ_LATER
        if any(each.startswith(f"{fix}: ") and each != f"{fix}: {_NOTHING}" for each in done)
    ]


def as_it_came(mended: Mended, table: Any) -> Any:
    """Return the mended table; if rows of plain numbers came in, as rows of plain numbers."""
    if not is_unnamed(table):
        return mended.table
    columns = [np.array(column.to_pylist(), np.float64) for column in mended.table.columns]
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def check_fixes(fixes: Sequence[str]) -> tuple[str, ...]:
    """Return the fixes in the order in which they are applied, each once.

    Raises:
        SettingsError: one is not known, or two contradict each other.
    """
    asked = dict.fromkeys(fix.strip() for fix in ([fixes] if isinstance(fixes, str) else fixes))
    for fix in asked:
        name, equals, code = fix.partition("=")
        if name not in FIXES or (equals and name != "regular"):
            raise SettingsError(
                f"fix {fix!r} is not known.{nearest(name, FIXES)} Known: {', '.join(FIXES)}; and regular=D, or another "
                "frequency"
            )
        if equals:
            parse_frequency(code)
    names = [fix.partition("=")[0] for fix in asked]
    for group in (*_EITHER, *((name,) for name in names if names.count(name) > 1)):
        both = [fix for fix in asked if fix.partition("=")[0] in group]
        if len(both) > 1:
            raise SettingsError(f"fixes {both[0]!r} and {both[1]!r} contradict each other; choose one of them")
    return tuple(sorted(asked, key=lambda fix: FIXES.index(fix.partition("=")[0])))


_Step = Callable[[Draft], tuple[Draft, list[str]]]


def _steps(wanted: Sequence[str], frequency: str | None) -> list[tuple[str, _Step]]:
    """What is done to the rows and values, in order; a series without values is seen only after the other fixes."""
    steps: list[tuple[str, _Step]] = []
    late: list[tuple[str, _Step]] = []
    for fix in wanted:
        name, _, code = fix.partition("=")
        if name == "drop":
            steps.append((fix, leave_out_rows))
            late.append((fix, leave_out_series))
        elif name == "regular":
            steps.append((fix, partial(make_regular, code=code or None)))
        elif name in ("first", "last", "mean", "sum"):
            steps.append((fix, partial(keep_one, how=name)))
        elif name in _FOUND:
            steps.append((fix, partial(make_missing, code=_FOUND[name])))
        elif name in ("fill", "interpolate", "zero"):
            late.append((fix, partial(fill_missing, how=name, frequency=frequency)))
        elif name in _SIMPLE:
            steps.append((fix, _SIMPLE[name]))
    return steps + late
