"""Columns of times as arrays: dates in many forms of text, time zones and clock changes.

Times with a zone become UTC, unless all are midnights of that zone: then they are days, and stay days when the clocks
change.
"""

from __future__ import annotations

import re
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.arrow import (
    COUNTED,
    Booleans,
    Integers,
    first_refused,
    first_row,
    is_text,
    mask_of,
    matches,
    numpy_of,
    to_arrow,
)
from gatecast.errors import DataError, SettingsError, nearest
from gatecast.frequency import Times, show_time

_OFFSET = r"[+-]\d\d:\d\d"
_WRITTEN_OFFSET = r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)$"
_PAIR = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"  # day and month, or month and day, before the year
_TO_ISO = (  # rewrites that turn a date of some other form into an ISO one; the order matters
    (r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3"),
    (r"^(\d{4})/(\d{1,2})$", r"\1-\2"),
    *((rf"^(\d{{4}})[- ]?Q{quarter}$", rf"\1-{3 * quarter - 2:02d}") for quarter in (1, 2, 3, 4)),
    (r"^(\d{4})-(\d)(\D|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)-(\d)(\D|$)", r"\1-0\2\3"),
    (r"^(\d{4}-\d\d)$", r"\1-01"),
    (r"[T ]+(\d):", r" 0\1:"),
)


class Zoned(NamedTuple):
    """Times, (N,), and the zone they are of, if any: then they are UTC, or days of that zone."""

    times: Times  # datetime64[us] or int64
    zone: str | None = None
    days: bool = False


def times_of(cells: pa.Array, name: str) -> Times:
    """A column as (N,) datetime64[us] or int64."""
    return zoned_times(cells, name).times


def zoned_times(cells: pa.Array, name: str, zone: str | None = None, codes: Integers | None = None) -> Zoned:
    """A column as times and their zone.

    Args:
        cells: dates, whole numbers, or text that means either.
        name: what the column is called.
        zone: the zone of times that carry none, and the one to show those in that do.
        codes: which series each row belongs to, (N,); an hour may occur twice in each.

    Raises:
        DataError: a time is missing, cannot be read, or does not exist in the zone.
        SettingsError: the zone is unknown, or the times are whole numbers.
    """
    if zone is not None:
        check_zone(zone)
    if cells.null_count and not pa.types.is_null(cells.type):
        raise DataError(f"row {first_row(~mask_of(cells.is_valid()))} of column {name!r} has no time {COUNTED}")
    kind = cells.type
    own: str | None = None
    if is_text(kind):
        times, own = _times_from_text(cells, name)
    elif pa.types.is_integer(kind):
        try:
            times = numpy_of(cells.cast(pa.int64()), np.int64).copy()
        except pa.ArrowInvalid as error:
            raise DataError(f"column {name!r} cannot be used as the time ({error}); give smaller numbers") from None
    elif pa.types.is_timestamp(kind):
        times, own = _dates(cells.cast(pa.timestamp(kind.unit))), kind.tz
    elif pa.types.is_date(kind):
        times = _dates(cells)
    else:
        raise DataError(f"column {name!r} holds {kind}; give a column of dates or of whole numbers as the time")
    if times.dtype.kind == "i":
        if zone is not None:
            raise SettingsError(f"zone {zone!r} goes with dates, and column {name!r} holds whole numbers; leave it out")
        return Zoned(times)
    if own is None:
        return Zoned(times) if zone is None else _from_local(times, zone, name, codes)
    try:
        local = local_times(times, zone or own)
    except pa.ArrowException as error:
        raise DataError(f"column {name!r} has the time zone {own!r}, which is not known ({error})") from None
    return Zoned(local, zone or own, True) if _midnights(local) else Zoned(times, zone or own)


def times_like(cells: pa.Array, name: str, like: Zoned, codes: Integers | None = None) -> Times:
    """A column as times that can be compared with ``like``: of its zone, and days or UTC as those are.

    Raises:
        DataError: as ``zoned_times``.
    """
    if like.zone is None or pa.types.is_integer(cells.type):
        return times_of(cells, name)
    times, _, days = zoned_times(cells, name, like.zone, codes)
    if days == like.days:
        return times
    return local_times(times, like.zone) if like.days else utc_of_days(times, like.zone)


# ------------------------------------------------------------------------------------------- zones


def check_zone(zone: str) -> None:
    """Refuse a time zone that is not known, with the nearest name."""
    try:
        if not re.fullmatch(_OFFSET, zone):
            zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        raise SettingsError(
            f"time zone {zone!r} is not known.{nearest(zone, known)} Give a name such as 'Europe/Berlin', 'UTC', or an "
            "offset such as '+01:00'"
        ) from None


def local_times(utc: Times, zone: str) -> Times:
    """What the clocks of ``zone`` show at the times ``utc``, (N,) datetime64[us]."""
    return _dates(pc.local_timestamp(to_arrow(utc, zone=zone)))


def in_zone(times: Times, zone: str, days: bool) -> pa.Array:
    """Times of a panel as an arrow array with their zone.

    A day that has no midnight, since the clocks went forward then, begins with its first moment.
    """
    if not days:
        return to_arrow(times, zone=zone)
    return pc.assume_timezone(to_arrow(times), zone, ambiguous="earliest", nonexistent="latest")


def utc_of_days(days: Times, zone: str) -> Times:
    """The moments at which days of ``zone`` begin."""
    return _utc(in_zone(days, zone, True))


def zoned_text(cells: pa.Array) -> list[str]:
    """Times with a zone as ISO text with their offset: 2024-03-31T03:00:00+02:00."""
    utc = _dates(cells.cast(pa.timestamp(cells.type.unit)))
    local = local_times(utc, cells.type.tz)
    minutes = ((local - utc) // np.timedelta64(1, "m")).astype(np.int64)
    text = np.datetime_as_string(local, "us" if (local != local.astype("datetime64[s]")).any() else "s")
    return [f"{time}{_offset(offset)}" for time, offset in zip(text.tolist(), minutes.tolist(), strict=True)]


def show_zoned(time: Any, zone: str | None, days: bool) -> str:
    """One time of a table as people would write it, in its own zone."""
    if zone is None or days:
        return show_time(time)
    local = local_times(np.array([time], "datetime64[us]"), zone)[0]
    return show_time(local) + _offset(int((local - time) // np.timedelta64(1, "m")))


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _midnights(times: Times) -> bool:
    return bool((times == times.astype("datetime64[D]")).all())


def _from_local(local: Times, zone: str, name: str, codes: Integers | None) -> Zoned:
    """Times without a zone as times of ``zone``; an hour that comes twice comes first in summer time."""
    if _midnights(local):
        return Zoned(local, zone, True)
    cells = to_arrow(local)
    early, late = (
        _utc(pc.assume_timezone(cells, zone, ambiguous=which, nonexistent="latest")) for which in ("earliest", "latest")
    )
    gone = local_times(early, zone) != local
    if gone.any():
        row = first_row(gone)
        raise DataError(
            f"row {row} of column {name!r} holds {show_time(local[row - 1])}, an hour that {zone} does not have: the "
            f"clocks go forward then {COUNTED}; if the times are UTC, leave the zone out"
        )
    twice = early != late
    if not twice.any():
        return Zoned(early, zone)
    order = np.arange(len(local)) if codes is None else np.argsort(codes, kind="stable")
    again = np.empty(len(local), np.bool_)
    again[order] = _second_telling(local[order], twice[order], np.zeros(len(local)) if codes is None else codes[order])
    return Zoned(np.where(again, late, early), zone)


def _second_telling(local: Times, twice: Booleans, codes: Any) -> Booleans:
    """Which rows, in order, tell an ambiguous hour for the second time: those after a step back within it."""
    follows = np.zeros(len(local), np.bool_)
    follows[1:] = twice[1:] & twice[:-1] & (codes[1:] == codes[:-1])
    follows[1:] &= np.abs((local[1:] - local[:-1]).astype(np.int64)) < 12 * 3600 * 1_000_000  # the same night
    back = np.zeros(len(local), np.int64)
    back[1:] = follows[1:] & (local[1:] <= local[:-1])
    steps_back = np.cumsum(back)
    run = np.maximum.accumulate(np.where(follows, 0, np.arange(len(local))))  # where the row's run of rows began
    return twice & (steps_back > steps_back[run])


def _utc(cells: pa.Array) -> Times:
    return _dates(cells.cast(pa.timestamp("us")))


# ------------------------------------------------------------------------------------------- dates as text


def _dates(cells: pa.Array) -> Times:
    return numpy_of(cells.cast(pa.timestamp("us"), safe=False), np.int64).view("datetime64[us]")


def _times_from_text(cells: pa.Array, name: str) -> tuple[Times, str | None]:
    """Text as times, and the zone or offset it carries.

    Read are ISO dates, 2020-01, 2020Q1, 20200131, years, numbers, and day/month/year where it is clear.
    """
    try:
        return _dates(cells.cast(pa.timestamp("us"))), None
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(cells)
    if matches(text, r"^$").any():
        raise DataError(f"row {first_row(matches(text, r'^$'))} of column {name!r} has no time {COUNTED}")
    if matches(text, r"^[+-]?\d{1,18}$").all():
        return _times_from_digits(text, name), None
    if matches(text, _PAIR).any():
        text = _year_first(text, name)

    def read(part: pa.Array) -> pa.Array:
        try:
            return part.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return part.cast(pa.timestamp("us", "UTC"))

    try:
        return _with_offset(read(text), text)
    except pa.ArrowInvalid:
        for pattern, replacement in _TO_ISO:
            text = pc.replace_substring_regex(text, pattern=pattern, replacement=replacement)
    try:
        return _with_offset(read(text), text)
    except pa.ArrowInvalid:
        row = first_refused(text, read)
        raise DataError(
            f"row {row} of column {name!r} holds {cells[row - 1].as_py()!r}, which is not a date like those before it "
            f"{COUNTED}; write dates as 2020-01-31 or 2020-01-31 14:30"
        ) from None


def _with_offset(found: pa.Array, text: pa.Array) -> tuple[Times, str | None]:
    """The times, and the offset that all of the text has; UTC if there are several."""
    if found.type.tz is None:
        return _dates(found), None
    written = pc.struct_field(pc.extract_regex(text, pattern=_WRITTEN_OFFSET), [0]).unique().to_pylist()
    digits = [re.sub(r"\D", "", offset).ljust(4, "0") for offset in written]
    offsets = {f"{one[0]}{four[:2]}:{four[2:]}" for one, four in zip(written, digits, strict=True)}
    same = len(offsets) == 1 and set(digits) != {"0000"}
    return _utc(found), offsets.pop() if same else "UTC"


def _times_from_digits(text: pa.Array, name: str) -> Times:
    """Whole numbers as years or as 20200131 where they can only be meant so, and as numbers otherwise."""
    numbers = numpy_of(text.cast(pa.int64()), np.int64)
    word = name.strip().lower()
    if ("year" in word or word in ("ds", "date", "time", "period")) and ((numbers >= 1600) & (numbers <= 2200)).all():
        return (numbers - 1970).astype("datetime64[Y]").astype("datetime64[us]")
    if matches(text, r"^(1[6-9]|2[01])\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$").all():
        iso = pc.replace_substring_regex(text, pattern=r"^(\d{4})(\d\d)(\d\d)$", replacement=r"\1-\2-\3")
        return _times_from_text(iso, name)[0]
    return numbers.copy()


def _year_first(text: pa.Array, name: str) -> pa.Array:
    """Turn 31/1/2020 and 1/31/2020 into 2020-1-31; which of the two it is must follow from the whole column."""
    parts = pc.extract_regex(text, pattern=r"^(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.]\d{4}")
    there = parts.is_valid()
    first, second = np.zeros(len(text), np.int64), np.zeros(len(text), np.int64)
    for place, part in enumerate((first, second)):
        part[mask_of(there)] = numpy_of(pc.struct_field(parts.filter(there), [place]).cast(pa.int64()), np.int64)
    day_first, month_first = first > 12, second > 12
    if day_first.any() and month_first.any():
        one, other = first_row(day_first), first_row(month_first)
        raise DataError(
            f"column {name!r} mixes day/month/year ({text[one - 1].as_py()!r} in row {one}) and month/day/year "
            f"({text[other - 1].as_py()!r} in row {other}) {COUNTED}; write dates as 2020-01-31"
        )
    dotted = matches(text, r"^\d{1,2}\.\d{1,2}\.\d{4}").all()  # nobody writes the month first with dots
    if not (day_first.any() or month_first.any() or dotted) and (first != second).any():
        row = first_row(first != second)
        year = re.findall(r"\d{4}", text[row - 1].as_py())[0]
        left, right = f"{first[row - 1]:02d}", f"{second[row - 1]:02d}"
        raise DataError(
            f"row {row} of column {name!r} holds {text[row - 1].as_py()!r}, which is {year}-{right}-{left} read day "
            f"first and {year}-{left}-{right} read month first, and no row decides {COUNTED}; write dates as 2020-01-31"
        )
    order = r"\3-\1-\2" if month_first.any() else r"\3-\2-\1"
    return pc.replace_substring_regex(text, pattern=r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", replacement=order)
