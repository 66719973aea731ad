"""A table on its way from broken to whole: its cells as they were, and what the fixes make of its rows and numbers.

Key: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gatecast.arrow import Booleans, Floats, Integers, is_text, text_of, to_arrow
from gatecast.frequency import Times
from gatecast.reading import Read, Roles, alone, read_numbers, read_series
from gatecast.reading_of_times import has_zone, read_times
from gatecast.symptoms_of_times import repeated_hour


@dataclass(frozen=True)
class Draft:
    """A table being mended.

    Attributes:
        cells: the table that came in, but for text that was read anew.
        roles: which of its columns are what.
        source: (N,) the row of ``cells``, from 0, that a row is; or that an added row follows.
        added: (N,) whether a row was added.
        codes: (N,) the series of a row; -1 is none.
        ids: the names of the series.
        times: (N,), or None if no sense can be made of them.
        timed: (N,) whether a row has a time.
        words: for each column of categories, the row of ``cells`` that a row takes its word from, (N,); -1 is none.
        values: the columns of numbers that are used, (N,) each; NaN is missing.
        spoilt: for each of them, where a cell is neither missing nor a number, (N,).
        changed: those of them that differ from ``cells``.
        retimed: whether the times differ from ``cells``.
        merged: whether a row may stand for several rows of ``cells``.
    """

    cells: pa.Table
    roles: Roles
    source: Integers
    added: Booleans
    codes: Integers
    ids: tuple[str, ...]
    times: Times | None
    timed: Booleans
    words: dict[str, Integers]
    values: dict[str, Floats]
    spoilt: dict[str, Booleans]
    changed: frozenset[str] = frozenset()
    retimed: bool = False
    merged: bool = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.source)

    @property
    def usable(self) -> Booleans:
        """Which rows have a series and a time, (N,)."""
        return self.timed & (self.codes >= 0)

    def take(self, rows: Integers | Booleans) -> Draft:
        """Return these rows only, in this order."""
        return replace(
            self,
            source=self.source[rows],
            added=self.added[rows],
            codes=self.codes[rows],
            times=None if self.times is None else self.times[rows],
            timed=self.timed[rows],
            words={name: column[rows] for name, column in self.words.items()},
            values={name: column[rows] for name, column in self.values.items()},
            spoilt={name: column[rows] for name, column in self.spoilt.items()},
        )

    def with_values(self, name: str, places: Integers | Booleans, values: Floats | float) -> Draft:
        """Return the draft with other numbers at some places of a column."""
        column, spoilt = self.values[name].copy(), self.spoilt[name].copy()
        column[places], spoilt[places] = values, False
        return replace(
            self,
            values={**self.values, name: column},
            spoilt={**self.spoilt, name: spoilt},
            changed=self.changed | {name},
        )

    def grouped(self) -> Integers:
        """Return the places of the rows that can be put in order, a series after the other, in the table's order.

        An hour told for the second time, where clocks go back, is left out: it is neither late nor twice.
        """
        places = np.flatnonzero(self.usable)
        places = places[np.argsort(self.codes[places], kind="stable")]
        return places[~repeated_hour(self.read(self.roles.targets[0], places))]

    def in_order(self) -> Integers:
        """Return the places of these rows in the order of time, the first row of each time only."""
        assert self.times is not None
        places = self.by_time(self.grouped())
        codes, times = self.codes[places], self.times[places]
        again = np.zeros(len(places), np.bool_)
        again[1:] = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
        return places[~again]

    def by_time(self, places: Integers) -> Integers:
        """Return places of grouped rows in the order of time; rows of one time stay in their order."""
        assert self.times is not None
        codes, times = self.codes[places], self.times[places]
        if ((codes[1:] == codes[:-1]) & (times[1:] < times[:-1])).any():
            return places[np.lexsort((times, codes))]
        return places

    def read(self, name: str, places: Integers) -> Read:
        """Return rows as the doctor reads them, with one column as the target; their numbers are places from 0."""
        assert self.times is not None
        return Read(
            rows=places,
            codes=self.codes[places],
            ids=self.ids,
            times=self.times[places],
            values=self.values[name][places],
            spoilt=self.spoilt[name][places],
            has_id=self.roles.id is not None,
        )

    def row(self, place: Any) -> str:
        """Return ``in row 7``: the number of a row in the table that came in; or ``after row 7`` for one added."""
        return f"{'after' if self.added[place] else 'in'} row {int(self.source[place]) + 1}"


def column(cells: pa.Table, name: str) -> pa.Array:
    """Return one column of a table in one piece."""
    return pa.concat_arrays(cells[name].chunks) if cells[name].num_chunks != 1 else cells[name].chunk(0)


def draft_of(cells: pa.Table, roles: Roles, changed: frozenset[str]) -> Draft:
    """Return the rows of a table as they are, past whatever cannot be read."""
    count = cells.num_rows
    codes, ids = np.zeros(count, np.int64), alone(roles)
    times: Times | None = np.arange(count, dtype=np.int64)
    timed = np.ones(count, np.bool_)
    if roles.id is not None:
        codes, ids = read_series(column(cells, roles.id), roles.id, [])
    if roles.time is not None:
        zoned, timed = read_times(column(cells, roles.time), roles.time, [])
        times = None if zoned is None else zoned.times
    found = {name: read_numbers(column(cells, name), name, []) for name in roles.numeric}
    values = {name: numbers for name, (numbers, _) in found.items()}
    spoilt = {name: odd for name, (_, odd) in found.items()}
    rows = np.arange(count)
    words = dict.fromkeys(roles.words, rows)
    added = np.zeros(count, np.bool_)
    return Draft(cells, roles, rows, added, codes, ids, times, timed, words, values, spoilt, changed)


def table_of(draft: Draft) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the table that a draft has become, and the names of the columns that had to be left out."""
    whole = not draft.merged and not draft.added.any()
    same = whole and len(draft) == draft.cells.num_rows and bool((draft.source == np.arange(len(draft))).all())
    columns, lost = {}, []
    for name in draft.cells.column_names:
        cells = column(draft.cells, name)
        if name in draft.changed:
            columns[name] = _numbers(draft, name, cells)
        elif name == draft.roles.time and (draft.retimed or draft.added.any()):
            columns[name] = _times(draft, cells)
        elif name in draft.words:
            columns[name] = cells.take(to_arrow(np.maximum(draft.words[name], 0), draft.words[name] < 0))
        elif whole or name in draft.roles.used:
            kept = cells if same else cells.take(to_arrow(draft.source))
            vary = draft.added.any() and name in draft.roles.numeric
            columns[name] = _without(kept, draft.added) if vary else kept
        else:
            lost.append(name)
    return pa.Table.from_arrays(list(columns.values()), names=list(columns)), tuple(lost)


def _numbers(draft: Draft, name: str, cells: pa.Array) -> pa.Array:
    """A column whose numbers changed; it stays text if it holds cells that are still no numbers."""
    values, spoilt = draft.values[name], draft.spoilt[name]
    if not spoilt.any() or not is_text(cells.type):
        endless = np.where(spoilt, np.inf, values)
        return to_arrow(endless, np.isnan(endless))
    words = cells.to_pylist()
    rows = zip(draft.source.tolist(), values.tolist(), spoilt.tolist(), strict=True)
    return text_of([words[row] if odd else None if value != value else repr(value) for row, value, odd in rows])  # noqa: PLR0124


def _times(draft: Draft, cells: pa.Array) -> pa.Array:
    """The times of all rows anew; in UTC if they had a zone, unless all are midnights of it."""
    times = draft.times
    assert times is not None
    zoned = has_zone(cells) and times.dtype.kind == "M" and bool((times != times.astype("datetime64[D]")).any())
    own = cells.type.tz if pa.types.is_timestamp(cells.type) else "UTC"
    return to_arrow(times, ~draft.timed, own if zoned else None)


def _without(cells: pa.Array, rows: Booleans) -> pa.Array:
    """A column with nothing in some rows."""
    places = np.arange(len(cells))
    return cells.take(to_arrow(places, rows))
