"""A column of times, read past errors: the likelier of two readings, without the cells that are no times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from gatecast.arrow import Booleans, Integers, is_text, mask_of, matches, repeated_text, to_arrow
from gatecast.dates import Zoned, times_of, zoned_times
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many, sentence
from gatecast.frequency import Times, infer_frequency, show_time, steps_between


def read_times(
    cells: pa.Array, name: str, findings: list[Finding], zone: str | None = None, codes: Integers | None = None
) -> tuple[Zoned | None, Booleans]:
    """The times, (N,), and which rows have one; None if no sense could be made of them."""
    kept = mask_of(cells.is_valid()) if cells.null_count else np.ones(len(cells), np.bool_)
    if is_text(cells.type):
        kept = kept & matches(cells, r"\S")
    if not kept.all():
        lost = np.flatnonzero(~kept) + 1
        message = f"Column {name!r} has no time in {many(len(lost), 'row')}, first in row {lost[0]}"
        findings.append(finding_of("missing-times", f"{message}; every row has a time.", lost))
    everywhere = np.ones(len(cells), np.bool_)
    rows = np.flatnonzero(kept)
    part = cells if kept.all() else cells.take(to_arrow(rows))
    if len(part) == 0 or (is_text(part.type) and _mixed_zones(part, rows, name, findings)):
        return None, everywhere
    found, readable = _times_past_errors(part, rows, name, findings)
    if found is None:
        return None, everywhere
    if len(readable) < len(part):
        part, rows = part.take(to_arrow(readable)), rows[readable]
    zoned = _in_zone(part, found, rows, name, findings, zone, codes)
    if zone is None:
        _note_zone(part, found, name, findings)
    if len(rows) == len(cells):
        return zoned, everywhere
    times = np.zeros(len(cells), zoned.times.dtype)
    times[rows] = zoned.times
    kept = np.zeros(len(cells), np.bool_)
    kept[rows] = True
    return zoned._replace(times=times), kept


def _times_past_errors(
    part: pa.Array, rows: Integers, name: str, findings: list[Finding]
) -> tuple[Times | None, Integers]:
    """The times of the cells that can be read, and which these are; none if no sense could be made of them."""
    try:
        return times_of(part, name), np.arange(len(part))
    except DataError as error:
        if is_text(part.type):
            return _times_past_text(part, rows, name, error, findings)
        findings.append(finding_of("unreadable-dates", sentence(error), fix="name another column with --time"))
        return None, np.arange(len(part))


def has_zone(cells: pa.Array) -> bool:
    """Return whether times carry a zone."""
    if is_text(cells.type):
        return bool(matches(cells, _ZONE).any())
    return bool(pa.types.is_timestamp(cells.type) and cells.type.tz is not None)


def _in_zone(
    cells: pa.Array,
    times: Times,
    rows: Integers,
    name: str,
    findings: list[Finding],
    zone: str | None,
    codes: Integers | None,
) -> Zoned:
    """Times with the zone that they carry or are given; one that the clocks of the zone never showed is said."""
    if times.dtype.kind != "M" or (zone is None and not has_zone(cells)):
        return Zoned(times)
    own = codes if codes is None else codes[rows]
    try:
        return zoned_times(cells if has_zone(cells) else to_arrow(times), name, zone, own)
    except DataError as error:
        findings.append(finding_of("unreadable-dates", sentence(error), fix="leave --zone out, if the times are UTC"))
        return Zoned(times)


_ZONE = r"\d:\d\d(?::\d\d(?:\.\d+)?)? ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
_UTC = r"(?:Z|[+-]00(?::?00)?)$"


def _mixed_zones(text: pa.Array, rows: Integers, name: str, findings: list[Finding]) -> bool:
    """Whether only some times carry a zone."""
    zoned = matches(text, _ZONE)
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
    if is_text(cells.type):
        zoned = matches(cells, _ZONE)
        shifted = bool((zoned & ~matches(cells, _UTC)).any())
    else:
        zone = cells.type.tz if pa.types.is_timestamp(cells.type) else None
        utc = zone in (None, "UTC", "Etc/UTC", "Z", "+00:00")
        shifted = not utc and bool((times != times.astype("datetime64[D]")).any())
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
    findings.append(finding_of("unreadable-dates", sentence(error), fix="name another column with --time"))
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
