"""Which days a calendar leaves out, learned from the dates seen: weekdays first, then the holidays of every year.

Nobody tells the program which exchange or shop a table comes from, and no list of holidays is shipped.  What has been
skipped year after year by a rule is expected to be skipped again: a fixed date, moved off a weekend or not, the third
Monday of a month, so many days from Easter.  A single closure (a storm, a state funeral) becomes no rule.

A week is written from Monday to Sunday: "1111100" is open from Monday to Friday.  Key: R rules, Y years.
"""

from __future__ import annotations

import calendar
from collections import Counter
from math import comb
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.int64]  # days since 1970-01-01, a Thursday

FEWEST_WEEKS = 4  # a week is learned from at least so many
RECENT_WEEKS = 156  # and from the newest three years, for weeks change too
OPEN_FROM = 0.2  # a weekday is open if it occurs in more than this share of the weeks
STRAY = 0.02  # days on closed weekdays may occur in less than this share of the weeks
DENSITY = 0.6  # at least this share of the open days must be there, or the holes say nothing
CHANCE = 0.01  # how likely the closed weekdays may be mere holes
SHORTEST = 1080  # days of data from which holidays are learned: three years
RECENT_YEARS = 10  # rules are judged on so many
SEEN = 3  # years in which a rule was seen
HELD = 0.8  # share of the years since then in which it must have held
NEW = 2  # days that no rule before it explains
LUCK = 0.01  # how many rules may be found by chance
TRIED = 5000  # rules, about
HOLE = 10  # open days in a row that may be holidays; more are a hole in the data
AHEAD = 20  # years for which closed days are told

_LAST, _NTH, _EASTER, _FIXED, _FROM = range(5)  # kinds of rules, the plainer first
_STAY, _DAY_AFTER, _NEAREST, _NEXT, _SECOND = range(5)  # where a fixed date goes that falls on a closed weekday
_MOVED = ("", ", or the day after it", ", or the open day nearest to it", ", or the next open day")
_NEVER = -(10**7)
_NOT_MOVED = -1
_FEASTS = {
    -48: "Carnival Monday",
    -47: "Shrove Tuesday",
    -46: "Ash Wednesday",
    -3: "Maundy Thursday",
    -2: "Good Friday",
    -1: "Holy Saturday",
    0: "Easter Sunday",
    1: "Easter Monday",
    39: "Ascension Day",
    49: "Whit Sunday",
    50: "Whit Monday",
    60: "Corpus Christi",
}


class Rule(NamedTuple):
    """One holiday: what ``day`` and ``extra`` say depends on the kind.

    The ``day``-th weekday ``extra`` of a month; the last one; ``day`` days after Easter Sunday; the ``day``-th of a
    month, moved as ``extra`` says; the first weekday ``extra`` from the ``day``-th of a month on.
    """

    kind: int
    month: int
    day: int
    extra: int

    def __str__(self) -> str:
        """Name the holiday, as "third Monday of January"."""
        if self.kind == _EASTER:
            side = "after" if self.day > 0 else "before"
            return _FEASTS.get(self.day, f"{abs(self.day)} days {side} Easter")
        month = calendar.month_name[self.month]
        if self.kind == _FIXED:
            if self.extra == _SECOND:
                return f"open day after {self.day - 1} {month}"
            return f"{self.day} {month}{_MOVED[self.extra]}"
        weekday = calendar.day_name[self.extra]
        if self.kind == _FROM:
            return f"first {weekday} from {self.day} {month}"
        which = "last" if self.kind == _LAST else ("first", "second", "third", "fourth")[self.day - 1]
        return f"{which} {weekday} of {month}"


class _Found(NamedTuple):
    """A rule that held, the days it explains, and how often it did not hold."""

    rule: Rule
    days: frozenset[int]
    failed: int


def learn_week(dates: npt.NDArray[Any]) -> str | None:
    """Return the week that ``dates`` keep to ("1111100"), or None if they keep to none.

    The weekdays seen in more than a fifth of the weeks are open, and hardly any other day may occur; at least two and
    at most six are open.  There must be four weeks of dates, and so few holes that the closed weekdays cannot be holes
    too: daily dates with random holes keep to no week.

    Args:
        dates: (N,) datetime64, increasing, at most one a day.
    """
    days = _numbered(dates)
    days = days[days > days[-1] - 7 * RECENT_WEEKS]
    weeks = len(np.unique((days + 3) // 7))
    counts = np.bincount((days + 3) % 7, minlength=7)
    is_open = counts > OPEN_FROM * weeks
    opened, strays = int(is_open.sum()), int(counts[~is_open].sum())
    if weeks < FEWEST_WEEKS or not 2 <= opened <= 6 or (strays and strays >= STRAY * weeks):
        return None
    share = len(days) / (7 * weeks)
    by_chance = comb(7, opened) * (1 - share) ** ((7 - opened) * weeks)
    if len(days) < DENSITY * opened * weeks or by_chance > CHANCE:
        return None
    return "".join(str(int(day)) for day in is_open)


def learn_holidays(dates: npt.NDArray[Any], week: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the closed days that follow from the holidays learned, in days since 1970, and the holidays' names.

    A holiday was seen in at least three of the newest ten years, and held in at least 80 % of the years since it was
    first seen in them in which it fell on an open weekday.  Rules are taken in turn, the one that explains most days
    first; those that random holes would show as well are left out.  Less than three years of dates show no holiday.

    The closed days are those seen, as far as a rule explains them, and those of the 20 years after the last date.
    """
    days = _numbered(dates)
    first, last = int(days[0]), int(days[-1])
    if last - first < SHORTEST:
        return (), ()
    states = _states(days, week)
    recent = max(first, last - int(365.25 * RECENT_YEARS))
    found = _found(states, first, recent, week)
    chosen = _without_the_needless(_settle_moves(_cover(found), found))
    rules = [each.rule for each in _beyond_luck(chosen, states[recent - first :])]
    if not rules:
        return (), ()
    coming = _dates(np.array(rules), _years(first, last + 366 * AHEAD), week)
    seen = np.isin(coming, first + np.flatnonzero(states == 2))
    future = (coming > last) & (coming <= last + int(365.25 * AHEAD))
    closed = np.unique(coming[seen | future])
    next_one = np.where(future, coming, coming.max()).min(axis=1).astype("datetime64[D]")
    in_year = (next_one - next_one.astype("datetime64[Y]")).astype(np.int64)
    names = tuple(str(rules[place]) for place in np.argsort(in_year, kind="stable"))
    return tuple(closed.tolist()), names


def easter(years: Days) -> Days:
    """Return Easter Sunday of each Gregorian year, in days since 1970 (the anonymous algorithm)."""
    golden, century, rest = years % 19, years // 100, years % 100
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - century // 4 - correction + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * sunday) // 451
    day: Days = _first_of(years, 3) + moon + sunday - 7 * late + 21
    return day


def _numbered(dates: npt.NDArray[Any]) -> Days:
    return dates.astype("datetime64[D]").astype(np.int64)


def _years(first: int, last: int) -> Days:
    """The years that two days lie in and all between, with one more on either side for moved days."""
    ends = np.array([first, last]).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return np.arange(ends[0] - 1, ends[1] + 2)


def _first_of(years: Days, months: Any) -> Days:
    counted = (years - 1970) * 12 + (months - 1)
    first: Days = counted.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return first


def _states(days: Days, week: str) -> npt.NDArray[np.int8]:
    """Each day from the first to the last: 1 is open, 2 is closed, 0 says nothing (a closed weekday, or a hole)."""
    opened = np.arange(days[0], days[-1] + 1)
    opened = opened[np.array([day == "1" for day in week])[(opened + 3) % 7]]
    seen = np.flatnonzero(np.isin(opened, days))
    states = np.zeros(days[-1] - days[0] + 1, np.int8)
    states[opened - days[0]] = 2
    for place in np.flatnonzero(np.diff(seen) > HOLE + 1):
        states[opened[seen[place] + 1 : seen[place + 1]] - days[0]] = 0
    states[opened[seen] - days[0]] = 1
    return states


def _candidates(week: str) -> Days:
    """Every rule that is tried, (R, 4): a few thousand."""
    opened = [day for day in range(7) if week[day] == "1"]
    dates = [(month, day) for month in range(1, 13) for day in range(1, calendar.monthrange(2001, month)[1] + 1)]
    rules = [(_NTH, month, nth, day) for month in range(1, 13) for nth in range(1, 5) for day in opened]
    rules += [(_LAST, month, 0, day) for month in range(1, 13) for day in opened]
    rules += [(_EASTER, 0, offset, _NOT_MOVED) for offset in range(-50, 71)]
    rules += [(_FIXED, *date, move) for date in dates for move in range(5) if move != _SECOND or date[1] > 1]
    rules += [(_FROM, *date, day) for date in dates for day in opened]
    return np.array(rules)


def _dates(rules_R4: Days, years: Days, week: str) -> Days:
    """The day of each rule in each year, (R, Y); ``_NEVER`` where a fixed date is lost on a closed weekday."""
    kind, month, day, extra = rules_R4.T[:, :, None]
    start_RY = _first_of(years[None], np.maximum(month, 1))
    next_RY = _first_of(years[None], np.maximum(month, 1) + 1)
    last_RY = next_RY - 1
    date_RY = start_RY + day - 1
    options = {
        _NTH: start_RY + (extra - start_RY - 3) % 7 + 7 * (day - 1),
        _LAST: last_RY - (last_RY + 3 - extra) % 7,
        _EASTER: easter(years)[None] + day,
        _FROM: date_RY + (extra - date_RY - 3) % 7,
    }
    dates_RY: Days = np.select([kind == which for which in options], list(options.values()), _NEVER)
    fixed = kind[:, 0] == _FIXED
    dates_RY[fixed] = _moved(date_RY[fixed], extra[fixed], week)
    return dates_RY


def _moved(date_RY: Days, move: Days, week: str) -> Days:
    """Where fixed dates are kept: on their day if that is open, else as ``move`` (R, 1) says."""

    def roll(days: Days, steps: int, side: Any) -> Days:
        return np.busday_offset(days.astype("datetime64[D]"), steps, side, weekmask=week).astype(np.int64)

    before, after = roll(date_RY, 0, "backward"), roll(date_RY, 0, "forward")
    nearest = np.where(date_RY - before < after - date_RY, before, after)
    second = roll(date_RY - 1, 1, "forward")
    stay = np.where(after == date_RY, date_RY, _NEVER)
    day_after = np.where(after - date_RY <= 1, after, _NEVER)
    return np.choose(move, [stay, day_after, nearest, after, second])


def _found(states: npt.NDArray[np.int8], first: int, recent: int, week: str) -> list[_Found]:
    """The rules that held in the days since ``recent``."""
    rules_R4 = _candidates(week)
    last = first + len(states) - 1
    dates_RY = _dates(rules_R4, _years(recent, last), week)
    inside = (dates_RY >= recent) & (dates_RY <= last)
    state_RY = np.where(inside, states[np.where(inside, dates_RY - first, 0)], 0)
    held_RY = state_RY == 2
    failed_RY = (state_RY == 1) & np.logical_or.accumulate(held_RY, axis=1)
    held, failed = held_RY.sum(axis=1), failed_RY.sum(axis=1)
    found = []
    for place in np.flatnonzero((held >= SEEN) & (held >= HELD * (held + failed))):
        newest = state_RY[place][state_RY[place] > 0][-2:]
        if (newest == 2).any():  # not given up since
            days = frozenset(dates_RY[place][held_RY[place]].tolist())
            found.append(_Found(Rule(*rules_R4[place].tolist()), days, int(failed[place])))
    return found


def _cover(found: list[_Found]) -> list[_Found]:
    """Take the rule that explains most days, with the fewest exceptions, plainest first; and again for the rest."""
    chosen: list[_Found] = []
    explained: frozenset[int] = frozenset()

    def worth(each: _Found) -> tuple[int, ...]:
        rule = each.rule
        return len(each.days - explained), -each.failed, -rule.kind, -rule.extra, -rule.month, -rule.day

    while found:
        best = max(found, key=worth)
        if len(best.days - explained) < NEW:
            break
        chosen.append(best)
        explained |= best.days
    return chosen


def _settle_moves(chosen: list[_Found], found: list[_Found]) -> list[_Found]:
    """Choose again how fixed dates move: what other rules explain is no evidence; in doubt, all dates move alike."""
    equal: list[list[_Found]] = []
    votes: Counter[int] = Counter()
    for each in chosen:
        others = frozenset(day for other in chosen if other is not each for day in other.days)
        same = [one for one in found if one.rule[:3] == each.rule[:3]] if each.rule.kind == _FIXED else [each]
        score = {one: (len(one.days - others), -one.failed) for one in same}
        equal.append([one for one in same if score[one] == max(score.values())])
        if each.rule.kind == _FIXED:
            votes.update({one.rule.extra: sum(score[one]) for one in same})
    return [max(ones, key=lambda one: (votes[one.rule.extra], -one.rule.extra)) for ones in equal]


def _without_the_needless(chosen: list[_Found]) -> list[_Found]:
    """The rules that others do not explain: the fourth Wednesday of December where Christmas was seen on it."""
    kept = list(dict.fromkeys(chosen))
    for each in list(kept):
        others = frozenset(day for other in kept if other is not each for day in other.days)
        if len(each.days - others) < NEW:
            kept.remove(each)
    return kept


def _beyond_luck(chosen: list[_Found], states: npt.NDArray[np.int8]) -> list[_Found]:
    """The rules that would not be found among as many closed days, if these were spread by chance."""
    explained = len(frozenset(day for each in chosen for day in each.days))
    closed, judged = int((states == 2).sum()), int((states > 0).sum())
    share = (closed - explained) / max(judged, 1)

    def chance(held: int, failed: int) -> float:
        years = held + failed
        return sum(comb(years, k) * share**k * (1 - share) ** (years - k) for k in range(held, years + 1))

    return [each for each in chosen if TRIED * chance(len(each.days), each.failed) <= LUCK]
