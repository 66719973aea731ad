"""A table's rows, read past errors: what cannot be read is said and left out, so that the rest can be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.columns import (
    MISSING,
    Booleans,
    Floats,
    Integers,
    Names,
    column_of,
    numbers_of,
    repeated_text,
    series_of,
    times_of,
    to_arrow,
)
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many, sentence
from gatecast.frequency import Times, infer_frequency, show_time, steps_between


@dataclass(frozen=True)
class Read:
    """The rows whose series and time could be read, (N,) each; in the table's order, or sorted."""

    rows: Integers  # their numbers in the table, from 1
    codes: Integers
    ids: tuple[str, ...]
    times: Times | None  # None: no time could be made sense of
    values: Floats
    inputs: dict[str, Floats]
    spoilt: Booleans  # where the target is not missing, but is no number either
    has_id: bool

    def take(self, kept: Integers | Booleans) -> Read:
        """Return these rows only, in this order."""
        return replace(
            self,
            rows=self.rows[kept],
            codes=self.codes[kept],
            times=None if self.times is None else self.times[kept],
            values=self.values[kept],
            inputs={name: column[kept] for name, column in self.inputs.items()},
            spoilt=self.spoilt[kept],
        )

    def of(self, row: int) -> str:
        """Return " of series 'a'" for the series of a row, where there are several."""
        return f" of series {self.ids[self.codes[row]]!r}" if self.has_id else ""

    def bounds(self) -> Integers:
        """Return where each series starts, when the rows are grouped, and the end."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.codes, minlength=len(self.ids))))).astype(np.int64)


def read_rows(
    frame: nw.DataFrame[Any],
    names: Names,
    has_time: bool,
    has_id: bool,
    inputs: Sequence[str],
    findings: list[Finding],
) -> Read:
    """Return the rows whose series and time can be read; what cannot be is added to the findings."""
    count = len(frame)
    codes = np.zeros(count, np.int64)
    ids: tuple[str, ...] = (names.y,)
    kept = np.ones(count, np.bool_)
    if has_id:
        cells = column_of(frame, names.unique_id)
        kept = _flags(cells.is_valid())
        if not kept.all():
            lost = np.flatnonzero(~kept) + 1
            message = f"Column {names.unique_id!r} names no series in {many(len(lost), 'row')}, first in row {lost[0]}"
            findings.append(finding_of("missing-ids", f"{message}; every row belongs to a series.", lost))
        codes[kept], ids = series_of(cells.take(to_arrow(np.flatnonzero(kept))), names.unique_id)
    times: Times | None = np.arange(count, dtype=np.int64)
    if has_time:
        times, there = _read_times(column_of(frame, names.ds), names.ds, findings)
        kept = kept & there
    values, spoilt = _read_numbers(column_of(frame, names.y), names.y, findings)
    columns = {name: _read_numbers(column_of(frame, name), name, findings)[0] for name in inputs}
    return Read(np.arange(1, count + 1), codes, ids, times, values, columns, spoilt, has_id).take(kept)


def _read_numbers(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Floats, Booleans]:
    """The numbers of a column, NaN where there is none, and where there is something else, which is said."""
    bad: list[int] = []
    try:
        values = numbers_of(cells, name)
    except DataError as error:
        if not is_text(cells):
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


_PLAIN = r"^[+-]?(?:\d{1,300}\.?\d*|\.\d+)$"


def _numbers_past_text(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Floats, list[int]]:
    values = np.full(len(cells), np.nan)
    plain = _flags(pc.fill_null(pc.match_substring_regex(cells, pattern=_PLAIN), False))
    values[plain] = numbers_of(cells.take(to_arrow(np.flatnonzero(plain))), name)
    bad: list[int] = []
    for place in np.flatnonzero(~plain).tolist():
        if re.match(MISSING, (cells[place].as_py() or "").strip()):
            continue
        try:
            values[place] = numbers_of(cells.slice(place, 1), name)[0]
        except DataError:
            bad.append(place)
    if bad:
        example = str(cells[bad[0]].as_py())
        message = f"Column {name!r} holds {example!r} in row {bad[0] + 1}, which is not a number"
        more = f" ({many(len(bad), 'such cell')} in all)" if len(bad) > 1 else ""
        hint = _meant(example.strip())
        findings.append(finding_of("text-in-numbers", f"{message}{more}; {hint}.", [b + 1 for b in bad], example))
    return values, bad


def _meant(cell: str) -> str:
    """What a cell of text would be as a number."""
    if re.match(r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$", cell):
        return f"without thousands separators it is {cell.replace(',', '')}"
    if re.match(r"^[+-]?\d{1,3}(\.\d{3})+,\d*$", cell) or re.match(r"^[+-]?\d+,\d*$", cell):
        return f"with a decimal point it is {cell.replace('.', '').replace(',', '.')}"
    if not re.search(r"\d", cell):
        return "a value that is not known is an empty cell"
    return "write a plain number such as 1234.5, without units"


def is_text(cells: pa.Array) -> bool:
    """Return whether a column holds text."""
    return bool(pa.types.is_large_string(cells.type))  # ``column_of`` makes text of every kind so


def _flags(cells: pa.Array) -> Booleans:
    return np.array(cells.to_pylist(), np.bool_)


def _read_times(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Times | None, Booleans]:
    """The times, (N,), and which rows have one; None if no sense could be made of them."""
    kept = _flags(cells.is_valid())
    if is_text(cells):
        kept &= np.array([bool(cell and cell.strip()) for cell in cells.to_pylist()], np.bool_)
    if not kept.all():
        lost = np.flatnonzero(~kept) + 1
        message = f"Column {name!r} has no time in {many(len(lost), 'row')}, first in row {lost[0]}"
        findings.append(finding_of("missing-times", f"{message}; every row has a time.", lost))
    rows = np.flatnonzero(kept)
    part = cells.take(to_arrow(rows))
    if len(part) == 0 or (is_text(part) and _mixed_zones(part, rows, name, findings)):
        return None, np.ones(len(cells), np.bool_)
    found: Times | None
    try:
        found = times_of(part, name)
    except DataError as error:
        if not is_text(part):
            findings.append(finding_of("unreadable-dates", sentence(error)))
            return None, np.ones(len(cells), np.bool_)
        found, readable = _times_past_text(part, rows, name, error, findings)
        if found is None:
            return None, np.ones(len(cells), np.bool_)
        rows = rows[readable]
    _note_zone(part, found, name, findings)
    times = np.zeros(len(cells), found.dtype)
    times[rows] = found
    kept = np.zeros(len(cells), np.bool_)
    kept[rows] = True
    return times, kept


_ZONE = r"\d:\d\d(?::\d\d(?:\.\d+)?)? ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
_UTC = r"(?:Z|[+-]00(?::?00)?)$"


def _mixed_zones(text: pa.Array, rows: Integers, name: str, findings: list[Finding]) -> bool:
    """Whether only some times carry a zone."""
    zoned = _flags(pc.match_substring_regex(text, pattern=_ZONE))
    if zoned.all() or not zoned.any():
        return False
    few = np.flatnonzero(~zoned if zoned.mean() > 0.5 else zoned)
    what = "has no time zone, and others have one" if zoned.mean() > 0.5 else "has a time zone, and others have none"
    example = str(text[int(few[0])].as_py())
    message = f"Row {rows[few[0]] + 1} of column {name!r}, {example!r}, {what}; give every time a zone, or none."
    findings.append(finding_of("mixed-zones", message, rows[few] + 1, example))
    return True


def _note_zone(cells: pa.Array, times: Times, name: str, findings: list[Finding]) -> None:
    """Say so if times with a zone are read as UTC, which shifts the hours a reader sees."""
    if times.dtype.kind != "M":
        return
    if is_text(cells):
        zoned = _flags(pc.match_substring_regex(cells, pattern=_ZONE))
        shifted = bool((zoned & ~_flags(pc.match_substring_regex(cells, pattern=_UTC))).any())
    else:
        zone = cells.type.tz if pa.types.is_timestamp(cells.type) else None
        midnights = bool((times == times.astype("datetime64[D]")).all())
        shifted = zone not in (None, "UTC", "Etc/UTC", "Z", "+00:00") and not midnights
    if shifted:
        example = str(cells[0].as_py())
        message = f"Times of column {name!r} carry a zone and are read as UTC: {example!r} is {show_time(times[0])}."
        findings.append(finding_of("time-zone", message, range(1, len(times) + 1), example))


def _times_past_text(
    cells: pa.Array, rows: Integers, name: str, error: DataError, findings: list[Finding]
) -> tuple[Times | None, Integers]:
    """Times from text that the door refused: the likelier of two readings, and without the cells that are no dates."""
    text = [cell.strip() for cell in cells.to_pylist()]
    pairs = [re.match(r"^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})(.*)$", cell) for cell in text]
    whole = np.arange(len(text))
    first = np.array([int(pair[1]) if pair else 0 for pair in pairs])
    second = np.array([int(pair[3]) if pair else 0 for pair in pairs])
    if (first > 12).any() and (second > 12).any():
        one, other = int(np.argmax(first > 12)), int(np.argmax(second > 12))
        few = np.flatnonzero(first > 12 if (first > 12).sum() <= (second > 12).sum() else second > 12)
        message = (
            f"Column {name!r} mixes day/month/year ({text[one]!r} in row {rows[one] + 1}) and month/day/year "
            f"({text[other]!r} in row {rows[other] + 1}); write dates as 2020-01-31."
        )
        findings.append(finding_of("day-first", message, rows[few] + 1, text[int(few[0])]))
        return None, whole
    dotted = all(pair and pair[2] == "." for pair in pairs)
    if not ((first > 12).any() or (second > 12).any() or dotted) and (first != second).any():
        return _both_readings(pairs, text, rows, name, findings), whole
    bad = list(_unreadable(cells, name, 0, len(cells)))
    good = np.setdiff1d(whole, bad)
    if bad and len(good):
        try:
            found = times_of(cells.take(to_arrow(good)), name)
        except DataError:
            bad = []
        else:
            message = f"Column {name!r} holds {text[bad[0]]!r} in row {rows[bad[0]] + 1}, which is not a date"
            more = f" ({many(len(bad), 'such cell')} in all)" if len(bad) > 1 else ""
            message = f"{message}{more}; write dates as 2020-01-31 or 2020-01-31 14:30."
            findings.append(finding_of("unreadable-dates", message, rows[bad] + 1, text[bad[0]]))
            return found, good
    findings.append(finding_of("unreadable-dates", sentence(error)))
    return None, whole


def _both_readings(
    pairs: Sequence[re.Match[str] | None], text: list[str], rows: Integers, name: str, findings: list[Finding]
) -> Times | None:
    """The likelier times of dates that can be read day first and month first, and a finding that shows both."""
    readings: list[Times | None] = []
    for day, month in ((1, 3), (3, 1)):
        iso = [
            f"{p[4]}-{int(p[month]):02d}-{int(p[day]):02d}{p[5]}" if p else c for p, c in zip(pairs, text, strict=True)
        ]
        try:
            readings.append(times_of(repeated_text(iso, 1), name))
        except DataError:
            readings.append(None)
    strange = [_strangeness(times) for times in readings]
    either = np.array([pair is not None and int(pair[1]) != int(pair[3]) for pair in pairs])
    at = int(np.argmax(either))
    shown = pairs[at]
    assert shown is not None
    left, right, year = int(shown[1]), int(shown[3]), shown[4]
    likely = ""
    if strange[0] != strange[1]:
        likely = f" (read {'day' if strange[0] < strange[1] else 'month'} first the times are the more regular)"
    message = (
        f"Row {rows[at] + 1} of column {name!r} holds {text[at]!r}, which is {year}-{right:02d}-{left:02d} read day "
        f"first and {year}-{left:02d}-{right:02d} read month first, and no row decides{likely}; "
        "write dates as 2020-01-31."
    )
    findings.append(finding_of("day-first", message, rows[either] + 1, text[at]))
    return readings[1] if strange[1] < strange[0] else readings[0]


def _strangeness(times: Times | None) -> tuple[int, int]:
    """How unlikely a reading is: no date at all, steps back in time, no regular step, then steps missing."""
    if times is None:
        return 3, 0
    back = int((np.diff(times).astype(np.int64) < 0).sum())
    if back:
        return 2, back
    try:
        frequency = infer_frequency(np.unique(times))
    except DataError:
        return 1, 0
    return 0, int(steps_between(times[:-1], times[1:], frequency).sum())


def _unreadable(cells: pa.Array, name: str, low: int, high: int) -> Iterator[int]:
    """The places of cells that are no times even alone, by halving."""
    try:
        times_of(cells.slice(low, high - low), name)
    except DataError:
        if high - low == 1:
            yield low
            return
        middle = (low + high) // 2
        yield from _unreadable(cells, name, low, middle)
        yield from _unreadable(cells, name, middle, high)
