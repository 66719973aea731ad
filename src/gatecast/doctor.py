"""What is wrong with a table, all of it at once: each finding names the rows, an example and what to do.

The door (``panel_from_frame``) refuses a table at its first error.  The doctor reads past errors as far as it can, so
that one look shows everything; at the end it asks the door, and what the door refuses is never called fine.  It mends
nothing.  What it suspects but cannot know (a stuck sensor, another unit) is a warning, and what may well be true (a
spike, a negative value) a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.columns import (
    MISSING,
    Names,
    choose_columns,
    column_of,
    eager_frame,
    numbers_of,
    repeated_text,
    series_of,
    times_of,
    to_arrow,
)
from gatecast.errors import DataError
from gatecast.frequency import Frequency, Times, infer_frequency, season_lengths, show_time, steps_between
from gatecast.panel import panel_from_frame
from gatecast.sources import DATASETS, load, read_table

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Severity = Literal["error", "warning", "note"]

SHOWN = 10  # rows named in a finding
SHORT = 20  # steps; a shorter series cannot be split into training, validation and test
CLOSED = 10  # weekdays in a row that a trading calendar may skip without a word
STUCK = 10  # equal values at the end that are suspicious, if the longest run before them is a third as long at most
SPIKE = 25.0  # robust standard deviations there and back again that make an outlier
RARE = 0.01  # share of negative values up to which they are worth a note
LAGS = 12  # steps by which an input may be moved against the target and still be found a copy

_HOUR = 3_600_000_000  # times are counted in microseconds
_KINDS: dict[str, tuple[Severity, str]] = {  # code: severity, what the user can do now
    "unreadable": ("error", "save the table as a regular CSV or Parquet file"),
    "columns": ("error", "name the columns with --time, --target and --id"),
    "missing-ids": ("error", "fill in the series of these rows, or leave the rows out"),
    "missing-times": ("error", "fill in the times of these rows, or leave the rows out"),
    "unreadable-dates": ("error", "write dates as 2020-01-31 or 2020-01-31 14:30, or name another column with --time"),
    "day-first": ("error", "write dates as 2020-01-31"),
    "mixed-zones": ("error", "give every time a zone, or none"),
    "time-zone": ("note", "write times without a zone if local time is what matters"),
    "repeated-hour": ("error", "write these times in UTC, or with their zone"),
    "skipped-hour": ("warning", "write the times in UTC, or with their zone"),
    "duplicate-times": ("error", "keep one row per time, or name the column that tells the series apart with --id"),
    "unsorted-rows": ("error", "sort the rows by time"),
    "mixed-frequency": ("error", "bring all rows to one frequency, or leave out the rows of the other"),
    "irregular-times": ("error", "give one row per regular step"),
    "holes": ("warning", "nothing, if the values are not known: they count as missing; otherwise add the rows"),
    "text-in-numbers": ("error", "write plain numbers such as 1234.5, and leave unknown cells empty"),
    "infinities": ("error", "leave the cells empty if the values are not known"),
    "missing-values": ("warning", "nothing, if the values are not known: they count as missing"),
    "no-values": ("error", "leave the series out, or name another column with --target"),
    "too-short": ("warning", "add rows: some hundreds make a judgement worth reading"),
    "constant": ("warning", "name another column with --target, if this is not what you meant"),
    "constant-tail": ("warning", "leave these cells empty if the values are not true"),
    "unit-jump": ("warning", "bring all rows to one unit"),
    "outliers": ("note", "leave these cells empty if the values are not true"),
    "negative-values": ("note", "leave these cells empty if the values are not true"),
    "target-in-inputs": ("warning", "leave this --input out: it says nothing new"),
    "future-in-inputs": ("error", "leave this --input out: it holds the future"),
    "refused": ("error", ""),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    ``code`` says what, in words that stay the same; an "error" must be mended before a forecast, a "warning" should be
    looked at, a "note" may be fine.  ``rows`` are the first ten, counted from 1 without the header; ``count`` is how
    many there are in all (for holes: missing steps).  ``fix`` is what to do, with the option that does it if there is
    one.
    """

    code: str
    severity: Severity
    message: str
    rows: tuple[int, ...]
    count: int
    example: str
    fix: str


@dataclass(frozen=True)
class Report:
    """What was found out about a table; empty and 0 stand for what could not be."""

    findings: tuple[Finding, ...]
    rows: int = 0
    time: str = ""
    target: str = ""
    series_id: str = ""
    inputs: tuple[str, ...] = ()
    frequency: str = ""
    frequency_code: str = ""
    season_length: tuple[int, ...] = ()
    series: int = 0
    steps: int = 0  # of all series; the missing ones are counted when there is no error
    first: str = ""
    last: str = ""

    @property
    def ok(self) -> bool:
        """Whether the table can be forecast as it is: there is no error."""
        return all(finding.severity != "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        values = asdict(self)
        findings = [{**found, "rows": list(found["rows"])} for found in values.pop("findings")]
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"ok": self.ok, **plain, "findings": findings}

    def as_text(self) -> str:
        """Return everything as plain text, with one paragraph per finding."""
        several = f"{self.series:,} (column {self.series_id})" if self.series_id else ""
        facts = {
            "rows": f"{self.rows:,}",
            "time": f"{self.time or '(counted)'}, {self.first} to {self.last}" if self.first else self.time,
            "target": self.target,
            "inputs": ", ".join(self.inputs),
            "series": several,
            "frequency": f"{self.frequency} ({self.frequency_code})" if self.frequency else "",
            "season": " and ".join(map(str, self.season_length)) + " steps"
            if max(self.season_length, default=1) > 1
            else "",
            "steps": f"{self.steps:,}" if self.steps not in (0, self.rows) else "",
        }
        lines = [f"{name:<10} {fact}" for name, fact in facts.items() if fact]
        for found in self.findings:
            rows = ", ".join(f"{row:,}" for row in found.rows) + (" …" if found.count > len(found.rows) else "")
            lines += ["", f"{found.severity}: {found.code}", f"  {found.message}"]
            lines += [f"  rows:  {rows}"] if found.rows else []
            lines += [f"  to do: {found.fix}"] if found.fix else []
        count = {kind: sum(found.severity == kind for found in self.findings) for kind in ("error", "warning", "note")}
        verdict = ", ".join(_many(number, kind) for kind, number in count.items() if number)
        return "\n".join([*lines, "", verdict or "Nothing wrong was found."])


def check(
    table: Any,
    *,
    time: str | None = None,
    target: str | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
) -> Report:
    """Return what is wrong with ``table``: a frame narwhals knows, a named set, or the path of a CSV or Parquet file.

    Columns not named are found, as by ``panel_from_frame``.  The table is not changed.

    Raises:
        SettingsError: a named column or set is not there; the nearest one is named.
        DataError: ``table`` is no table, or the file is not there.
    """
    season: tuple[int, ...] | None = None
    if isinstance(table, str | Path):
        known = DATASETS.get(str(table))
        if known is not None:
            table, season = known.read(), known.season_length
            time, target = time or known.time, target or known.target
        elif not Path(table).exists():
            load(str(table))  # refuses, with the nearest name
        else:
            path = Path(table)
            try:
                table = read_table(path)
            except DataError as error:
                return Report((_finding("unreadable", f"{path.name}: {error}."),))
    frame = eager_frame(table)
    try:
        names, has_time, has_id = choose_columns(frame, time, target, series_id, inputs)
    except DataError as error:
        return Report((_finding("columns", _sentence(error)),), rows=len(frame))
    findings: list[Finding] = []
    read = _read(frame, names, has_time, has_id, inputs, findings)
    report = Report(
        (),
        rows=len(frame),
        time=names.ds if has_time else "",
        target=names.y,
        series_id=names.unique_id if has_id else "",
        inputs=tuple(inputs),
        series=len(read.ids),
    )
    report = _examine(frame, read, report, findings)
    if all(finding.severity != "error" for finding in findings):
        try:
            panel = panel_from_frame(table, time=time, target=target, series_id=series_id, inputs=inputs)
            report = replace(report, steps=len(panel.values))
        except DataError as error:
            findings.append(_finding("refused", _sentence(error)))
    order = {code: place for place, code in enumerate(_KINDS)}
    ranks = ("error", "warning", "note")
    findings.sort(key=lambda found: (ranks.index(found.severity), order[found.code]))
    return replace(report, findings=tuple(findings), season_length=season or report.season_length)


def _finding(
    code: str, message: str, rows: Sequence[int] | Integers = (), example: str = "", count: int | None = None
) -> Finding:
    severity, fix = _KINDS[code]
    numbers = [int(row) for row in rows]
    return Finding(
        code, severity, message, tuple(numbers[:SHOWN]), len(numbers) if count is None else count, example, fix
    )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _many(count: int, one: str, several: str = "") -> str:
    """``1 row``, ``1,234 rows``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


# ------------------------------------------------------------------------------------------- reading past errors


@dataclass(frozen=True)
class _Read:
    """The rows whose series and time could be read, (N,) each; in the table's order, or sorted."""

    rows: Integers  # their numbers in the table, from 1
    codes: Integers
    ids: tuple[str, ...]
    times: Times | None  # None: no time could be made sense of
    values: Floats
    inputs: dict[str, Floats]
    spoilt: Booleans  # where the target is not missing, but is no number either
    has_id: bool

    def take(self, kept: Integers | Booleans) -> _Read:
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


def _read(
    frame: nw.DataFrame[Any],
    names: Names,
    has_time: bool,
    has_id: bool,
    inputs: Sequence[str],
    findings: list[Finding],
) -> _Read:
    count = len(frame)
    codes = np.zeros(count, np.int64)
    ids: tuple[str, ...] = (names.y,)
    kept = np.ones(count, np.bool_)
    if has_id:
        cells = column_of(frame, names.unique_id)
        kept = _flags(cells.is_valid())
        if not kept.all():
            lost = np.flatnonzero(~kept) + 1
            message = f"Column {names.unique_id!r} names no series in {_many(len(lost), 'row')}, first in row {lost[0]}"
            findings.append(_finding("missing-ids", f"{message}; every row belongs to a series.", lost))
        codes[kept], ids = series_of(cells.take(to_arrow(np.flatnonzero(kept))), names.unique_id)
    times: Times | None = np.arange(count, dtype=np.int64)
    if has_time:
        times, there = _read_times(column_of(frame, names.ds), names.ds, findings)
        kept = kept & there
    values, spoilt = _read_numbers(column_of(frame, names.y), names.y, findings)
    columns = {name: _read_numbers(column_of(frame, name), name, findings)[0] for name in inputs}
    return _Read(np.arange(1, count + 1), codes, ids, times, values, columns, spoilt, has_id).take(kept)


def _read_numbers(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Floats, Booleans]:
    """The numbers of a column, NaN where there is none, and where there is something else, which is said."""
    bad: list[int] = []
    try:
        values = numbers_of(cells, name)
    except DataError as error:
        if not _is_text(cells):
            findings.append(_finding("columns", _sentence(error)))
            return np.full(len(cells), np.nan), np.ones(len(cells), np.bool_)
        values, bad = _numbers_past_text(cells, name, findings)
    spoilt = np.isinf(values)
    endless = np.flatnonzero(spoilt)
    if len(endless):
        message = f"Column {name!r} is infinite in {_many(len(endless), 'row')}, first in row {endless[0] + 1}"
        example = str(cells[int(endless[0])].as_py())
        findings.append(_finding("infinities", f"{message}; a value is a finite number.", endless + 1, example))
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
        more = f" ({_many(len(bad), 'such cell')} in all)" if len(bad) > 1 else ""
        hint = _meant(example.strip())
        findings.append(_finding("text-in-numbers", f"{message}{more}; {hint}.", [b + 1 for b in bad], example))
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


def _is_text(cells: pa.Array) -> bool:
    return bool(pa.types.is_large_string(cells.type))  # ``column_of`` makes text of every kind so


def _flags(cells: pa.Array) -> Booleans:
    return np.array(cells.to_pylist(), np.bool_)


def _read_times(cells: pa.Array, name: str, findings: list[Finding]) -> tuple[Times | None, Booleans]:
    """The times, (N,), and which rows have one; None if no sense could be made of them."""
    kept = _flags(cells.is_valid())
    if _is_text(cells):
        kept &= np.array([bool(cell and cell.strip()) for cell in cells.to_pylist()], np.bool_)
    if not kept.all():
        lost = np.flatnonzero(~kept) + 1
        message = f"Column {name!r} has no time in {_many(len(lost), 'row')}, first in row {lost[0]}"
        findings.append(_finding("missing-times", f"{message}; every row has a time.", lost))
    rows = np.flatnonzero(kept)
    part = cells.take(to_arrow(rows))
    if len(part) == 0 or (_is_text(part) and _mixed_zones(part, rows, name, findings)):
        return None, np.ones(len(cells), np.bool_)
    found: Times | None
    try:
        found = times_of(part, name)
    except DataError as error:
        if not _is_text(part):
            findings.append(_finding("unreadable-dates", _sentence(error)))
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
    findings.append(_finding("mixed-zones", message, rows[few] + 1, example))
    return True


def _note_zone(cells: pa.Array, times: Times, name: str, findings: list[Finding]) -> None:
    """Say so if times with a zone are read as UTC, which shifts the hours a reader sees."""
    if times.dtype.kind != "M":
        return
    if _is_text(cells):
        zoned = _flags(pc.match_substring_regex(cells, pattern=_ZONE))
        shifted = bool((zoned & ~_flags(pc.match_substring_regex(cells, pattern=_UTC))).any())
    else:
        zone = cells.type.tz if pa.types.is_timestamp(cells.type) else None
        midnights = bool((times == times.astype("datetime64[D]")).all())
        shifted = zone not in (None, "UTC", "Etc/UTC", "Z", "+00:00") and not midnights
    if shifted:
        example = str(cells[0].as_py())
        message = f"Times of column {name!r} carry a zone and are read as UTC: {example!r} is {show_time(times[0])}."
        findings.append(_finding("time-zone", message, range(1, len(times) + 1), example))


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
        findings.append(_finding("day-first", message, rows[few] + 1, text[int(few[0])]))
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
            more = f" ({_many(len(bad), 'such cell')} in all)" if len(bad) > 1 else ""
            message = f"{message}{more}; write dates as 2020-01-31 or 2020-01-31 14:30."
            findings.append(_finding("unreadable-dates", message, rows[bad] + 1, text[bad[0]]))
            return found, good
    findings.append(_finding("unreadable-dates", _sentence(error)))
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
    findings.append(_finding("day-first", message, rows[either] + 1, text[at]))
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


# ------------------------------------------------------------------------------------------- times


def _examine(frame: nw.DataFrame[Any], read: _Read, report: Report, findings: list[Finding]) -> Report:
    """Look at the times, then at the values in the order of time; says what is known about the spacing."""
    read = read.take(np.argsort(read.codes, kind="stable"))
    if read.times is not None and len(read.rows):
        read = _in_order(frame, read, report, findings)
        assert read.times is not None
        first, last = show_time(read.times.min()), show_time(read.times.max())
        report = replace(report, steps=len(read.rows), first=first, last=last)
        frequency = _spacing(read, findings)
        if frequency is not None:
            report = replace(
                report,
                frequency=frequency.name,
                frequency_code=frequency.code,
                season_length=season_lengths(frequency),
            )
    _look_at_values(read, report.target, findings)
    for name, column in read.inputs.items():
        _look_for_copy(read, column, name, report.target, findings)
    return report


def _in_order(frame: nw.DataFrame[Any], read: _Read, report: Report, findings: list[Finding]) -> _Read:
    """The rows in order and each time once; what stood in the way is said."""
    read = read.take(~_repeated_hour(read, findings))
    assert read.times is not None
    within = np.diff(read.codes) == 0
    back = np.flatnonzero(within & (np.diff(read.times).astype(np.int64) < 0)) + 1
    if len(back):
        at = int(back[np.argmin(read.rows[back])])
        before, after = show_time(read.times[at - 1]), show_time(read.times[at])
        all_back = len(back) == int(within.sum()) and len(back) > 1
        message = f"Row {read.rows[at]} goes back in time, from {before} in row {read.rows[at - 1]} to {after}"
        more = " (all rows do: the newest comes first)" if all_back else ""
        rows = np.sort(read.rows[back])
        findings.append(_finding("unsorted-rows", f"{message}{more}; sort the rows by time.", rows, after))
    read = read.take(np.lexsort((read.times, read.codes)))
    assert read.times is not None
    again = np.append(False, (np.diff(read.codes) == 0) & (np.diff(read.times).astype(np.int64) == 0))
    if again.any():
        findings.append(_duplicates(frame, read, again, report))
    return read.take(~again)


def _duplicates(frame: nw.DataFrame[Any], read: _Read, again: Booleans, report: Report) -> Finding:
    assert read.times is not None
    at = int(np.flatnonzero(again)[np.argmin(read.rows[again])])
    when = show_time(read.times[at])
    apart = "" if read.has_id else _telling_apart(frame, report)
    message = f"Rows {read.rows[at - 1]} and {read.rows[at]}{read.of(at)} have the same time {when}"
    more = f", and {_many(int(again.sum()), 'row')} in all repeat a time"
    hint = f"column {apart!r} tells them apart" if apart else "keep one row per time"
    found = _finding("duplicate-times", f"{message}{more}; {hint}.", np.sort(read.rows[again]), when)
    return replace(found, fix=f"--id {apart}") if apart else found


def _telling_apart(frame: nw.DataFrame[Any], report: Report) -> str:
    """A column of names that, with the time, makes every row the only one of its kind; or nothing."""
    times = column_of(frame, report.time).to_pylist() if report.time else []
    for name in frame.columns:
        if not times or name in (report.time, report.target, *report.inputs):
            continue
        cells = column_of(frame, name)
        if not _is_text(cells) or cells.null_count or len(set(cells.to_pylist())) > len(times) / 2:
            continue
        if len(set(zip(times, cells.to_pylist(), strict=True))) == len(times):
            return name
    return ""


def _clock_changes(times: Times) -> Booleans:
    """Which times are in the small hours of a Sunday in a month in which clocks change somewhere."""
    days = times.astype("datetime64[D]")
    sunday = (days.astype(np.int64) + 3) % 7 == 6
    months = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return np.asarray(sunday & np.isin(months, (3, 4, 9, 10, 11)) & ((times - days).astype(np.int64) <= 4 * _HOUR))


def _step(read: _Read) -> int:
    """The most common step forward within a series, in microseconds, if it is an hour or less; otherwise 0."""
    if read.times is None or read.times.dtype.kind != "M" or len(read.times) < 3:
        return 0
    gaps = np.diff(read.times).astype(np.int64)[np.diff(read.codes) == 0]
    sizes, counts = np.unique(gaps[gaps > 0], return_counts=True)
    step = int(sizes[np.argmax(counts)]) if len(sizes) else 0
    return step if 0 < step <= _HOUR and _HOUR % step == 0 else 0


def _repeated_hour(read: _Read, findings: list[Finding]) -> Booleans:
    """Which rows tell an hour for the second time, because the clocks went back."""
    again, step = np.zeros(len(read.rows), np.bool_), _step(read)
    if not step or read.times is None:
        return again
    gaps = np.diff(read.times).astype(np.int64)
    starts = np.flatnonzero((gaps == step - _HOUR) & (np.diff(read.codes) == 0) & _clock_changes(read.times[1:])) + 1
    for start in starts:
        again[start : start + _HOUR // step] = True
    again &= np.isin(read.codes, read.codes[starts])
    if again.any():
        at = int(starts[0])
        when = show_time(read.times[at])
        message = (
            f"The hour from {when} comes twice (row {read.rows[at]}{read.of(at)}), as where clocks go back; "
            "write these times in UTC or with their zone."
        )
        findings.append(_finding("repeated-hour", message, np.sort(read.rows[again]), when))
    return again


def _spacing(read: _Read, findings: list[Finding]) -> Frequency | None:
    """The frequency of the longest series, and what contradicts it."""
    assert read.times is not None
    bounds = read.bounds()
    changed = False
    for s in range(len(read.ids)):
        rows = slice(bounds[s], bounds[s + 1])
        at = _change_of_frequency(read.times[rows])
        if at is not None and not changed:
            changed = True
            findings.append(_mixed(read.take(np.arange(rows.start, rows.stop)), at))
    longest = int(np.argmax(np.diff(bounds)))
    times = read.times[bounds[longest] : bounds[longest + 1]]
    if len(times) < 2:
        return None
    try:
        frequency = infer_frequency(times)
    except DataError as error:
        if not changed:
            findings.append(_finding("irregular-times", _sentence(error)))
        return None
    if not changed:
        _holes(read, frequency, findings)
    return frequency


def _change_of_frequency(times: Times) -> int | None:
    """The place from which on the gaps are of another size, or None."""
    gaps = np.diff(times).astype(np.int64)
    if len(gaps) < 16:
        return None
    if times.dtype.kind == "M":
        months = np.rint(gaps / (30.4369 * 24 * _HOUR)).astype(np.int64)
        gaps = np.where(gaps >= 28 * 24 * _HOUR, -months, gaps)  # months are not all of one length

    def usual(part: Integers) -> Any:
        sizes, counts = np.unique(part, return_counts=True)
        return sizes[np.argmax(counts)]

    early, late = usual(gaps[:8]), usual(gaps[-8:])
    if early == late:
        return None
    fitting = np.append(0, np.cumsum(gaps == early)) + np.append(0, np.cumsum((gaps == late)[::-1]))[::-1]
    at = int(np.argmax(fitting))
    if not 8 <= at <= len(gaps) - 8:
        return None
    clear = np.mean(gaps[:at] == early) >= 0.8 and np.mean(gaps[at:] == late) >= 0.8
    return at if clear else None


def _mixed(series: _Read, at: int) -> Finding:
    """A finding about one series, whose gaps change after the row at ``at``."""
    assert series.times is not None
    names = []
    for part in (series.times[: at + 1], series.times[at:]):
        try:
            names.append(infer_frequency(part).name)
        except DataError:
            names.append("irregular")
    when = show_time(series.times[at])
    row = series.rows[at]
    message = f"The times{series.of(at)} are {names[0]} up to {when} (row {row}) and {names[1]} from there on"
    return _finding("mixed-frequency", f"{message}; one table has one frequency.", series.rows[at + 1 :], when)


def _holes(read: _Read, frequency: Frequency, findings: list[Finding]) -> None:
    """Say which steps are missing; an hour skipped where clocks go forward is said apart."""
    assert read.times is not None
    if len(read.times) < 2:
        return
    missing = steps_between(read.times[:-1], read.times[1:], frequency) - 1
    missing[np.diff(read.codes) != 0] = 0
    if frequency.unit == "weekdays":
        missing[missing <= CLOSED] = 0  # holidays
    step = _step(read)
    if step:
        forward = (np.diff(read.times).astype(np.int64) == step + _HOUR) & _clock_changes(read.times[1:])
        forward &= missing > 0
        if forward.any():
            at = int(np.argmax(forward)) + 1
            before, when = show_time(read.times[at - 1]), show_time(read.times[at])
            message = (
                f"An hour is skipped between {before} and {when} (row {read.rows[at]}{read.of(at)}), as where clocks "
                "go forward; write the times in UTC or with their zone."
            )
            findings.append(_finding("skipped-hour", message, np.sort(read.rows[1:][forward]), when))
            missing[forward] = 0
    if missing.any():
        at = int(np.argmax(missing)) + 1
        before, after = show_time(read.times[at - 1]), show_time(read.times[at])
        places = int((missing > 0).sum())
        total = int(missing.sum())
        where = f"the longest ({_many(int(missing.max()), 'step')})" if places > 1 else "all"
        message = (
            f"{_many(total, 'step is', 'steps are')} missing in {_many(places, 'place')}, {where} between {before} and "
            f"{after}{read.of(at)}, if the times are {frequency.name}."
        )
        rows = np.sort(read.rows[1:][missing > 0])
        findings.append(_finding("holes", message, rows, f"{before} to {after}", total))


# ------------------------------------------------------------------------------------------- values


@dataclass(frozen=True)
class _Hit:
    """What one check saw in one series: at which of its places, and in words."""

    at: Integers
    what: str
    example: str = ""


def _look_at_values(read: _Read, name: str, findings: list[Finding]) -> None:
    """Run every check on every series; what several series share is one finding, in the words of the first."""
    hits: dict[str, list[tuple[int, _Hit]]] = {}
    bounds = read.bounds()
    for s in range(len(read.ids)):
        own = slice(bounds[s], bounds[s + 1])
        with np.errstate(over="ignore", invalid="ignore"):  # of absurdly large values
            for code, hit in _hits(read.values[own], read.spoilt[own]):
                hits.setdefault(code, []).append((s, hit))
    for code, seen in hits.items():
        rows = np.sort(np.concatenate([read.rows[bounds[s] + hit.at] for s, hit in seen]))
        s, hit = seen[0]
        row = f"row {read.rows[bounds[s] + hit.at[0]]}" if len(hit.at) else ""
        which = f" of series {read.ids[s]!r}" if read.has_id else ""
        more = f" (and {len(seen) - 1:,} more series)" if len(seen) > 1 else ""
        what = hit.what.format(row=row)
        findings.append(_finding(code, f"Column {name!r}{which}{more} {what}.", rows, hit.example))
    if not read.ids:
        findings.append(_finding("no-values", f"Column {name!r} has no rows that can be read."))


def _hits(values: Floats, spoilt: Booleans) -> Iterator[tuple[str, _Hit]]:
    """What the checks see in the values of one series, in the order of time."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2:
        found = "holds no value at all" if len(known) == 0 else "holds a single value"
        yield "no-values", _Hit(np.arange(len(values)), f"{found}; a forecast needs at least 2")
        return
    gone = np.flatnonzero(np.isnan(values) & ~spoilt)
    if len(gone):
        yield (
            "missing-values",
            _Hit(gone, f"has no value in {_many(len(gone), 'row')}, first in {{row}}; they are read as missing"),
        )
    if len(values) < SHORT:
        what = f"has {len(values)} steps, too few to split into training, validation and test; {SHORT} are the least"
        yield "too-short", _Hit(np.arange(len(values)), what)
    y = values[known]
    if (y == y[0]).all():
        what = f"is {_number(y[0])} in every row; a constant series needs no network"
        yield "constant", _Hit(known, what, _number(y[0]))
        return
    checks: tuple[tuple[str, Callable[[Floats], _Hit | None]], ...] = (
        ("constant-tail", _constant_tail),
        ("unit-jump", _unit_jump),
        ("outliers", _outliers),
        ("negative-values", _negative),
    )
    for code, look in checks:
        hit = look(y)
        if hit is not None:
            yield code, replace(hit, at=known[hit.at])
            if code == "unit-jump":
                return  # all further measures would be of two units


def _number(value: float) -> str:
    return f"{value:.6g}"


def _constant_tail(y: Floats) -> _Hit | None:
    """The last value many times over, in a series that otherwise moves."""
    starts = np.append(0, np.flatnonzero(np.diff(y) != 0) + 1)
    runs = np.diff(np.append(starts, len(y)))
    if runs[-1] < STUCK or runs[-1] < 3 * runs[:-1].max():
        return None
    what = f"stays at {_number(y[-1])} from {{row}} to the end ({runs[-1]:,} rows), as a stuck sensor does"
    return _Hit(
        np.arange(starts[-1], len(y)), f"{what}; a value that was not measured is an empty cell", _number(y[-1])
    )


def _unit_jump(y: Floats) -> _Hit | None:
    """The rows that look as if they were in another unit: 10, 100 or 1000 times the others, or as small a part."""
    if len(y) < SHORT or (y == 0).any():
        return None
    size = np.log10(np.abs(y))
    moves = np.diff(size)
    powers = np.rint(moves)
    if np.median(np.abs(moves)) > 0.1:
        return None
    jumps = np.flatnonzero((np.abs(powers) >= 1) & (np.abs(powers) <= 3) & (np.abs(moves - powers) < 0.15)) + 1
    for place, at in enumerate(jumps):
        back = [int(later) for later in jumps[place + 1 :] if powers[later - 1] == -powers[at - 1]]
        end = back[0] if back else len(y)
        before, after = size[max(0, at - 20) : at], size[at : min(end, at + 20)]
        if min(len(before), len(after)) < 5:
            continue
        if abs(np.median(after) - np.median(before) - powers[at - 1]) < 0.15:
            factor = int(10 ** abs(powers[at - 1]))
            times = f"{factor:,} times" if powers[at - 1] > 0 else f"1/{factor:,} of"
            until = f"for {_many(end - int(at), 'row')}" if back else "to the end"
            what = f"is about {times} what it was, from {{row}} on {until}, as if the unit had changed"
            return _Hit(np.arange(at, end), f"{what}; one column has one unit", _number(y[at]))
    return None


def _outliers(y: Floats) -> _Hit | None:
    """Values that leap away from both neighbours, many times farther than the series usually moves."""
    moves = np.diff(y)
    moves = moves - np.median(moves)
    usual = 1.4826 * np.median(np.abs(moves))
    if len(y) < SHORT or usual == 0:
        return None
    there, back = moves[:-1], moves[1:]
    leap = np.where(there * back < 0, np.minimum(np.abs(there), np.abs(back)), 0.0)
    at = np.flatnonzero(leap > SPIKE * usual) + 1
    if len(at) == 0 or len(at) > RARE * len(y) + 1:
        return None  # leaps that are common are how the series is
    worst = int(at[np.argmax(leap[at - 1])])
    example = _number(y[worst])
    what = f"leaps in {_many(len(at), 'row')}, first in {{row}}; the farthest value is {example}, "
    return _Hit(at, f"{what}{leap[worst - 1] / usual:,.0f} times the usual move from its neighbours", example)


def _negative(y: Floats) -> _Hit | None:
    """A few values below zero where all others are above."""
    below = np.flatnonzero(y < 0)
    if len(y) < SHORT or not 0 < len(below) <= max(1, RARE * len(y)):
        return None
    example = _number(y[below[0]])
    what = f"is below zero in {_many(len(below), 'row')}, first in {{row}} ({example}), and nowhere else"
    return _Hit(below, f"{what}; check that it may be", example)


def _look_for_copy(read: _Read, column: Floats, name: str, target: str, findings: list[Finding]) -> None:
    """Say so if an input is the target, shifted or scaled; one that runs ahead of it holds the future."""
    bounds = read.bounds()
    inside = np.arange(len(column)) - np.repeat(bounds[:-1], np.diff(bounds))
    lengths = np.repeat(np.diff(bounds), np.diff(bounds))
    for lead in sorted(range(-LAGS, LAGS + 1), key=abs):
        here = np.flatnonzero((inside + lead >= 0) & (inside + lead < lengths))
        x, y = column[here], read.values[here + lead]
        both = ~(np.isnan(x) | np.isnan(y))
        if not _one_line(x[both], y[both]):
            continue
        same = lead == 0 and bool(np.array_equal(x[both], y[both]))
        what = f"is the target {target!r}" + ("" if same else " on another scale" if lead == 0 else "")
        if lead:
            what += f" {_many(abs(lead), 'step')} {'ahead of its time' if lead > 0 else 'late'}"
        code = "future-in-inputs" if lead > 0 else "target-in-inputs"
        ending = "a forecast made with it would know the answer" if lead > 0 else "it tells the network nothing new"
        rows = np.sort(read.rows[here[both]])
        findings.append(_finding(code, f"Input {name!r} {what}; {ending}.", rows, name))
        return


def _one_line(x: Floats, y: Floats) -> bool:
    """Whether ``x`` is ``a·y + b`` with one ``a`` and ``b``, up to rounding; short or constant columns are not."""
    if len(x) < SHORT or np.unique(y).size < 5:
        return False
    with np.errstate(all="ignore"):
        x, y = (x - x.mean()) / np.abs(x - x.mean()).max(), (y - y.mean()) / np.abs(y - y.mean()).max()
        slope = (x @ y) / (y @ y)
        return bool(np.abs(x - slope * y).max() < 1e-6) and slope != 0
