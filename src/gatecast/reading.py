"""A table's rows, read past errors: what cannot be read is said and left out, so that the rest can be looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from gatecast.arrow import MISSING, Booleans, Floats, Integers, is_text, mask_of, matches, to_arrow
from gatecast.columns import Chosen, Columns, column_of, numbers_in, numbers_of, raw_column, series_of
from gatecast.dates import Zoned, show_zoned
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many, sentence
from gatecast.frequency import Times
from gatecast.numerals import meant
from gatecast.reading_of_times import read_times


@dataclass(frozen=True)
class Roles:
    """Which columns of a table are what.

    ``words`` are those of the inputs and the columns known in advance that hold categories, not numbers.
    """

    targets: tuple[str, ...]
    time: str | None = None
    id: str | None = None
    inputs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    wide: bool = False

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns that hold numbers and change from row to row."""
        return tuple(name for name in (*self.targets, *self.inputs, *self.known) if name not in self.words)

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that are read."""
        own = (name for name in (self.time, self.id) if name is not None)
        return (*own, *self.targets, *self.inputs, *self.known, *self.static)


def roles_of(frame: nw.DataFrame[Any], chosen: Chosen, asked: Columns) -> Roles:
    """Return which columns of a frame are what, once they are chosen."""
    return Roles(
        chosen.targets,
        chosen.names.ds if chosen.has_time else None,
        chosen.names.unique_id if chosen.has_id else None,
        asked.inputs,
        asked.known,
        asked.static,
        tuple(name for name in (*asked.inputs, *asked.known) if is_words(frame, name)),
        asked.wide,
    )


@dataclass(frozen=True)
class Read:
    """The rows whose series and time could be read, (N,) each; in the table's order, or sorted."""

    rows: Integers  # their numbers in the table, from 1
    codes: Integers
    ids: tuple[str, ...]
    times: Times | None  # None: no time could be made sense of
    values: Floats
    spoilt: Booleans  # where the target is not missing, but is no number either
    has_id: bool
    zone: str | None = None  # of the times, which are then UTC, or days of the zone
    days: bool = False

    def take(self, kept: Integers | Booleans) -> Read:
        """Return these rows only, in this order."""
        return replace(
            self,
            rows=self.rows[kept],
            codes=self.codes[kept],
            times=None if self.times is None else self.times[kept],
            values=self.values[kept],
            spoilt=self.spoilt[kept],
        )

    def of(self, row: int) -> str:
        """Return " of series 'a'" for the series of a row, where there are several."""
        return f" of series {self.ids[self.codes[row]]!r}" if self.has_id else ""

    def show(self, row: int) -> str:
        """Return the time of a row as people would write it, in its zone."""
        assert self.times is not None
        return show_zoned(self.times[row], self.zone, self.days)

    def bounds(self) -> Integers:
        """Return where each series starts, when the rows are grouped, and the end."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.codes, minlength=len(self.ids))))).astype(np.int64)


def read_rows(
    frame: nw.DataFrame[Any], roles: Roles, findings: list[Finding], zone: str | None = None
) -> tuple[Read, dict[str, tuple[Floats, Booleans]]]:
    """Return the rows whose series and time can be read, with the first target, and all columns of numbers.

    What cannot be read is added to the findings.  Of each column there are its values and where it is spoilt, for all
    rows of the table.
    """
    count = len(frame)
    codes, ids = np.zeros(count, np.int64), alone(roles)
    zoned: Zoned | None = Zoned(np.arange(count, dtype=np.int64))
    timed = np.ones(count, np.bool_)
    if roles.id is not None:
        codes, ids = read_series(column_of(frame, roles.id), roles.id, findings)
    if roles.time is not None:
        zoned, timed = read_times(column_of(frame, roles.time), roles.time, findings, zone, codes)
    columns = {name: read_numbers(column_of(frame, name), name, findings) for name in roles.numeric}
    kept = timed & (codes >= 0)
    values, spoilt = columns[roles.targets[0]]
    read = Read(np.arange(1, count + 1), codes, ids, None, values, spoilt, roles.id is not None)
    if zoned is not None:
        read = replace(read, times=zoned.times, zone=zoned.zone, days=zoned.days)
    return (read if kept.all() else read.take(kept)), columns


def alone(roles: Roles) -> tuple[str, ...]:
    """Return the name of the only series of a table that names none."""
    return (",".join(roles.targets),)


def read_series(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Integers, tuple[str, ...]]:
    """The series of each row, (N,), and their names; -1 where a row names none, which is said."""
    if not cells.null_count:
        return series_of(cells, name)
    there = mask_of(cells.is_valid())
    lost = np.flatnonzero(~there) + 1
    message = f"Column {name!r} names no series in {many(len(lost), 'row')}, first in row {lost[0]}"
    findings.append(finding_of("missing-ids", f"{message}; every row belongs to a series.", lost))
    codes = np.full(len(cells), -1, np.int64)
    codes[there], ids = series_of(cells.take(to_arrow(np.flatnonzero(there))), name)
    return codes, ids


def is_words(frame: nw.DataFrame[Any], name: str) -> bool:
    """Return whether a column holds categories, as the door has it: text of which less than half is numbers."""
    if pa.types.is_dictionary(raw_column(frame.head(1), name).type):
        return True
    cells = column_of(frame, name)
    if not is_text(cells.type):
        return False
    cells = cells.take(to_arrow(np.flatnonzero(mask_of(cells.is_valid()) & ~matches(cells, _EMPTY))[:_SAMPLE]))
    return len(cells) > 0 and bool(matches(cells, _NUMBER).mean() < 0.5)


def read_numbers(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Floats, Booleans]:
    """The numbers of a column, NaN where there is none, and where there is something else, which is said."""
    bad: list[int] = []
    try:
        values = numbers_of(cells, name)
    except DataError as error:
        if not is_text(cells.type):
            findings.append(finding_of("columns", sentence(error)))
            return np.full(len(cells), np.nan), np.ones(len(cells), np.bool_)
        values, bad = _numbers_past_text(cells, name, findings)
    spoilt = np.isinf(values)
    endless = np.flatnonzero(spoilt)
    if len(endless):
        message = f"Column {name!r} is infinite in {many(len(endless), 'row')}, first in row {endless[0] + 1}"
        example = str(cells[int(endless[0])].as_py())
        findings.append(finding_of("infinities", f"{message}; a value is a finite number.", endless + 1, example))
        values[endless] = np.nan
    spoilt[bad] = True
    return values, spoilt


_SAMPLE = 200  # cells looked at to find out whether a column is words
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_EMPTY = rf"^\s*(?:{MISSING[1:-1]})\s*$"
_PLAIN = r"^[+-]?(?:\d{1,300}\.?\d*|\.\d+)$"


def _numbers_past_text(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Floats, list[int]]:
    values = np.full(len(cells), np.nan)
    plain = matches(cells, _PLAIN)
    values[plain] = numbers_of(cells.take(to_arrow(np.flatnonzero(plain))), name)
    bad: list[int] = []
    for place in np.flatnonzero(~plain).tolist():
        if re.match(MISSING, (cells[place].as_py() or "").strip()):
            continue
        try:
            values[place] = numbers_in(cells.slice(place, 1))[0].as_py()
        except pa.ArrowInvalid:
            bad.append(place)
    if bad:
        example = str(cells[bad[0]].as_py())
        message = f"Column {name!r} holds {example!r} in row {bad[0] + 1}, which is not a number"
        more = f" ({many(len(bad), 'such cell')} in all)" if len(bad) > 1 else ""
        hint, fix = meant(example.strip(), cells, bad)
        rows = [place + 1 for place in bad]
        findings.append(finding_of("text-in-numbers", f"{message}{more}; {hint}.", rows, example, fix=fix))
    return values, bad
