"""How far apart the times of a series are, and which times come next.

Times are either dates (``datetime64[us]``) or whole numbers (``int64``).  A frequency is one of four kinds of step: a
fixed span (every 30 minutes, weekly), a number of calendar months (monthly, quarterly, yearly), the next open day of a
calendar, or a whole number.  Its name is what people read; its code is what they write.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Integral
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gatecast.calendars import learn_holidays, learn_week
from gatecast.errors import DataError, SettingsError, nearest

Times = npt.NDArray[Any]  # datetime64[us] or int64
Steps = npt.NDArray[np.int64]

LONGEST_SEASON = 1500  # steps; a longer one is left out
REGULAR = 0.75  # at least this share of the gaps must be whole multiples of the step
HALF_HIDDEN = 0.2  # share of the gaps at which a divisor of the most common one is the step, and the rest are holes
ON_WEEKDAY = 0.9  # share of times on the first or last weekday of their month that makes it the rule

WORKWEEK = "1111100"  # Monday to Friday

_SECOND = 1_000_000  # times are counted in microseconds
_DAY = 86_400 * _SECOND
_LARGEST = 2**63 - 1
_SPANS = (  # unit, its length in microseconds, the name of one step, the name of several
    ("W", 7 * _DAY, "weekly", "weeks"),
    ("D", _DAY, "daily", "days"),
    ("h", 3600 * _SECOND, "hourly", "hours"),
    ("min", 60 * _SECOND, "every minute", "minutes"),
    ("s", _SECOND, "every second", "seconds"),
    ("ms", 1000, "every millisecond", "milliseconds"),
    ("us", 1, "every microsecond", "microseconds"),
)
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_LAST_DAY = 31
LAST_MONTH = 290_000 * 12  # since 1970: microseconds are counted some 2,000 years further
_OLD_CODES = {"H": "h", "T": "min", "S": "s", "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS"}  # of older pandas
_KNOWN = ("D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE", "h", "min", "s", "ms", "us")


@dataclass(frozen=True)
class Frequency:
    """The spacing of a series.

    ``name`` is shown ("monthly (last day)"), ``code`` is written ("ME").  ``step`` counts microseconds, months,
    weekdays or whole numbers, as ``unit`` says.  For months, ``day`` is the day of the month (31 is the last one,
    whatever its number) and ``on_weekday`` moves a first day that falls on a weekend forward, and a last one back.

    For a calendar of days (unit "weekdays"), ``week`` says from Monday to Sunday which days are open (1) and which are
    closed (0), and ``closed`` are the open weekdays that are left out, in days since 1970: ``holidays`` names their
    rules.  Both are empty where no holidays were learned.  Name and code do not tell the holidays; ``describe`` does.
    """

    name: str
    code: str
    unit: Literal["span", "months", "weekdays", "numbers"]
    step: int
    day: int = 1
    on_weekday: bool = False
    week: str = WORKWEEK
    closed: tuple[int, ...] = field(default=(), repr=False)
    holidays: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the name, and how many holidays a year were learned: "business days (…), closed on 9 holidays"."""
        count = len(self.holidays)
        return f"{self.name}, closed on {count} holiday{'s' if count > 1 else ''}" if count else self.name


def infer_frequency(times: Times) -> Frequency:
    """Return the frequency of ``times``: (N,) datetime64[us] or int64, N ≥ 2, increasing, none twice.

    Holes do not matter: the most common gap decides, or a shorter one that divides it and is common too.  Dates that
    keep to some weekdays for four weeks or more, such as a trading calendar, are a calendar of days; from three years
    on, its holidays are learned (``calendars``).  Daily times that step over weekends and never fall on one are
    business days even in fewer weeks.

    Raises:
        DataError: there are fewer than two times, or most gaps are not multiples of the most common one.
    """
    if len(times) < 2:
        raise DataError(f"found {len(times)} time(s), which have no spacing; give at least 2, or name the frequency")
    if times.dtype.kind == "i":
        _refuse_overflow(int(times[-1]) - int(times[0]))
        return _numbers(_regular_step(np.diff(times), "times"))
    monthly = _infer_months(times)
    if monthly is not None:
        return monthly
    days = times.astype("datetime64[D]")
    gaps = np.diff(times).astype(np.int64)
    week = None if (gaps % _DAY).any() else learn_week(days)
    if week is not None:
        return _calendar(week, *learn_holidays(days, week))
    found = _span(_regular_step(gaps, "dates"))
    if found.code == "D" and bool(np.is_busday(days).all()):
        in_days = gaps // _DAY
        over_weekend = (in_days > np.busday_count(days[:-1], days[1:])) & (in_days < 7)
        if over_weekend.any():
            return _calendar(WORKWEEK)
    return found


def parse_frequency(code: str) -> Frequency:
    """Return the frequency written as ``code``: "D", "B", "MS", "ME", "QS", "30min", "2W", "M15", "1" (numbers).

    "D-1111110" is a week of days from Monday to Sunday, here closed on Sunday; "D-1111100" is "B".

    Raises:
        SettingsError: the code is not known; the nearest one is named.
    """
    text = code.strip()
    if re.fullmatch(r"[1-9]\d{0,18}", text):
        return _numbers(int(text))
    if re.fullmatch(r"D-[01]{7}", text) and 2 <= text.count("1") <= 6:
        return _calendar(text[2:])
    match = re.fullmatch(r"([1-9]\d{0,18})?([A-Za-z]+)(\d\d?)?(?:-[A-Z]{3})?", text)
    if match is not None:
        count, letters, day = int(match[1] or 1), _OLD_CODES.get(match[2], match[2]), match[3]
        spans = {unit: length for unit, length, _, _ in _SPANS}
        if match[3] is not None:
            letters = match[2]
        monthly = re.fullmatch(r"(B?)([MQY])([SE]?)", letters)
        if letters in spans and day is None:
            return _span(count * spans[letters])
        if letters == "B" and count == 1 and day is None:
            return _calendar(WORKWEEK)
        if monthly is not None and (day is None) == bool(monthly[3]) and 1 <= int(day or 1) <= _LAST_DAY:
            on = int(day) if day else (1 if monthly[3] == "S" else _LAST_DAY)
            return _months(count * _MONTHS[monthly[2]], on, bool(monthly[1]))
    raise SettingsError(
        f"frequency {code!r} is not known.{nearest(text, _KNOWN)} Known: {', '.join(_KNOWN)}, "
        "a number before them (30min, 2W), M15 for the 15th of every month, D-1111110 for days closed on Sunday, "
        "or a whole number for numbered steps"
    )


def future_times(last: Any, frequency: Frequency, steps: int) -> Times:
    """Return the ``steps`` times after ``last``: (steps,) for one time, (S, steps) for the last times of S series.

    Month ends stay month ends, the 30th comes back after February, and business days skip weekends and the holidays
    that were learned from the dates seen (for 20 years after them).
    """
    return advance(np.asarray(last)[..., None], np.arange(1, steps + 1), frequency)


def advance(times: Times, steps: int | Steps, frequency: Frequency) -> Times:
    """Return ``times`` moved forward by ``steps`` steps; the shapes broadcast, and the dtype is that of ``times``.

    Raises:
        DataError: a time would lie beyond the largest one that can be written (64 bits).
    """
    steps = np.asarray(steps, np.int64)
    if frequency.unit == "numbers":
        return _added(np.asarray(times, np.int64), steps, frequency.step)
    times = np.asarray(times, "datetime64[us]")
    if frequency.unit == "span":
        return _added(times.astype(np.int64), steps, frequency.step).astype("datetime64[us]")
    days = times.astype("datetime64[D]")
    time_of_day = times - days
    if frequency.unit == "weekdays":
        moved = np.busday_offset(days, steps, roll="backward", busdaycal=_open_days(frequency.week, frequency.closed))
    else:
        months = _added(times.astype("datetime64[M]").astype(np.int64), steps, frequency.step)
        if months.size and max(int(months.max()), -int(months.min())) > LAST_MONTH:
            raise DataError(f"the times run beyond the year {LAST_MONTH // 12:,}; give a shorter frequency")
        moved = _days_in(months.astype("datetime64[M]"), frequency.day, frequency.on_weekday)
    return np.asarray(moved.astype("datetime64[us]") + time_of_day)


def steps_between(earlier: Times, later: Times, frequency: Frequency) -> Steps:
    """Return how many steps lead from ``earlier`` to ``later``, rounded, and at least 1; the shapes broadcast."""
    if frequency.unit == "weekdays":
        calendar_ = _open_days(frequency.week, frequency.closed)
        start = np.busday_offset(earlier.astype("datetime64[D]"), 0, roll="backward", busdaycal=calendar_)
        count = np.busday_count(start, later.astype("datetime64[D]"), busdaycal=calendar_)
    elif frequency.unit == "months":
        months = (later.astype("datetime64[M]") - earlier.astype("datetime64[M]")).astype(np.int64)
        count = np.rint(months / frequency.step)
    else:
        apart = (later - earlier).astype(np.int64)
        if (wrapped := (later > earlier) & (apart < 0)).any():
            _refuse_overflow(2**64 + int(apart[wrapped].max()))
        count, rest = np.divmod(apart, frequency.step)
        over = rest - (frequency.step - rest)  # above 0: more than half a step
        count = count + ((over > 0) | ((over == 0) & (count % 2 == 1)))
    return np.maximum(count, 1).astype(np.int64)


def require_season_lengths(asked: object) -> None:
    """Refuse season lengths that cannot be.

    Raises:
        SettingsError: they are not one or two whole numbers of steps.
    """
    lengths = asked if isinstance(asked, Sequence) else ()
    if len(lengths) not in (1, 2) or not all(isinstance(m, Integral) and int(m) >= 1 for m in lengths):
        raise SettingsError(f"season_length = {asked!r}: give one or two whole numbers of steps, or (1,) for no season")


def season_lengths(frequency: Frequency) -> tuple[int, ...]:
    """Return the steps per season that go with a frequency, at most two; ``(1,)`` is no season.

    Within a day: the day and the week, if they hold a whole number of steps, and at most 1,500.  Days: the week
    (of its open days); weeks and months: the year.
    """
    step = frequency.step
    if frequency.unit == "weekdays":
        return (frequency.week.count("1"),)
    if frequency.unit == "months":
        return (12 // step,) if 12 % step == 0 else (1,)
    if frequency.unit == "numbers":
        return (1,)
    if step % (7 * _DAY) == 0:
        weeks = step // (7 * _DAY)
        return (52 // weeks,) if 52 % weeks == 0 else (1,)
    seasons = [span // step for span in (_DAY, 7 * _DAY) if span % step == 0]
    return tuple(length for length in seasons if 1 < length <= LONGEST_SEASON) or (1,)


def show_time(time: Any) -> str:
    """Write one time as people would: ``2020-01-31``, ``2020-01-31 14:30``, ``2020-01-31 14:30:05.5`` or a number."""
    if not isinstance(time, np.datetime64):
        return str(time)
    date, _, clock = str(time.astype("datetime64[us]")).partition("T")
    clock = clock.removesuffix(".000000")
    if "." in clock:
        return f"{date} {clock.rstrip('0')}"
    return date if clock in ("", "00:00:00") else f"{date} {clock.removesuffix(':00')}"


def _regular_step(gaps: Steps, what: str) -> int:
    """The step of ``gaps``; refused if too few of them are multiples of it."""
    step = _common(gaps)
    share = float(np.mean(gaps % step == 0))
    if share < REGULAR:
        common = _numbers(step).name if what == "times" else _span(step).name
        raise DataError(
            f"the {what} have no regular spacing: the most common is {common!r}, but only {share:.0%} of the gaps "
            "are whole multiples of it; give one row per regular step (an hour, a day, a month …)"
        )
    return step


def _common(gaps: Steps) -> int:
    """The most common gap, or the shortest common one that divides it: daily values with every other one missing."""
    sizes, counts = np.unique(gaps, return_counts=True)
    mode = sizes[np.argmax(counts)]
    return int(sizes[(mode % sizes == 0) & ((sizes == mode) | (counts >= HALF_HIDDEN * len(gaps)))][0])


def _infer_months(times: Times) -> Frequency | None:
    """The frequency in calendar months, or None if the dates do not fall on one day of their months."""
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    gaps = np.diff(months).astype(np.int64)
    if gaps.min() == 0 or np.unique(times - days).size > 1:
        return None
    step = _common(gaps)
    day = int((days - months).astype(np.int64).max()) + 1
    if (days == _days_in(months, _LAST_DAY)).all():
        return _months(step, _LAST_DAY)
    if (days == _days_in(months, day)).all():
        return _months(step, day)
    for on in (1, _LAST_DAY):
        if np.mean(days == _days_in(months, on, on_weekday=True)) >= ON_WEEKDAY:
            return _months(step, on, on_weekday=True)
    return None


def _days_in(months: Times, day: int, on_weekday: bool = False) -> Times:
    """The ``day`` of each month (datetime64[M] → datetime64[D], same shape), or its last one if it is too short."""
    first = months.astype("datetime64[D]")
    last = (months + 1).astype("datetime64[D]") - 1
    days: Times = np.minimum(first + (day - 1), last)
    return np.busday_offset(days, 0, roll="backward" if day == _LAST_DAY else "forward") if on_weekday else days


def _numbers(step: int) -> Frequency:
    return Frequency(f"steps of {step}", str(step), "numbers", step)


def _calendar(week: str, closed: tuple[int, ...] = (), holidays: tuple[str, ...] = ()) -> Frequency:
    """Days of a week from Monday to Sunday ("1111100"), without those that are closed."""
    if week == WORKWEEK:
        name, code = "business days (Monday to Friday)", "B"
    else:
        few = week.count("1") <= 3
        names = [day for day, mark in zip(calendar.day_name, week, strict=True) if mark == ("1" if few else "0")]
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        name, code = f"{'every' if few else 'daily except'} {listed}", f"D-{week}"
    return Frequency(name, code, "weekdays", 1, week=week, closed=closed, holidays=holidays)


@lru_cache(maxsize=64)
def _open_days(week: str, closed: tuple[int, ...]) -> np.busdaycalendar:
    return np.busdaycalendar(week, np.array(closed, "datetime64[D]"))


def _added(times: Steps, steps: Steps, step: int) -> Steps:
    """``times + steps * step``, refused where 64 bits do not hold it."""
    if times.size and steps.size:
        ends = [n * step for n in (int(steps.min()), int(steps.max()))]
        _refuse_overflow(int(times.max()) + max(ends), int(times.min()) + min(ends), *ends)
    return times + steps * step


def _refuse_overflow(*numbers: int) -> None:
    for number in numbers:
        if not -_LARGEST - 1 <= number <= _LARGEST:
            raise DataError(
                f"the times run to {number:,}, beyond the largest that can be counted ({_LARGEST:,}); "
                "number the steps from 0, or use fewer"
            )


def _span(microseconds: int) -> Frequency:
    """A fixed span, named in the largest unit that divides it."""
    unit, length, one, several = next(span for span in _SPANS if microseconds % span[1] == 0)
    count = microseconds // length
    name, number = (one, "") if count == 1 else (f"every {count} {several}", str(count))
    return Frequency(name, number + unit, "span", microseconds)


def _months(step: int, day: int, on_weekday: bool = False) -> Frequency:
    """A number of calendar months, on one day of the month."""
    letter, length = next(unit for unit in (("Y", 12), ("Q", 3), ("M", 1)) if step % unit[1] == 0)
    count = step // length
    suffix = {1: "S", _LAST_DAY: "E"}.get(day, str(day))
    which = {1: "first ", _LAST_DAY: "last "}.get(day, "")
    on = f"{which}weekday" if on_weekday else (f"{which}day" if which else f"day {day}")
    names = {"Y": ("yearly", "years"), "Q": ("quarterly", "quarters"), "M": ("monthly", "months")}
    base = names[letter][0] if count == 1 else f"every {count} {names[letter][1]}"
    plain = letter in "QY" and bool(which) and not on_weekday
    code = f"{count if count > 1 else ''}{'B' if on_weekday else ''}{letter}{suffix}"
    return Frequency(base if plain else f"{base} ({on})", code, "months", step, day, on_weekday)
