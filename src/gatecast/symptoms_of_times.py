"""What may be wrong with the times of a table: their order, repeated ones, their spacing, and clocks that change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np

from gatecast.arrow import Booleans, Integers, is_text
from gatecast.columns import column_of
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many, sentence
from gatecast.frequency import (
    HALF_HIDDEN,
    REGULAR,
    Frequency,
    Times,
    advance,
    infer_frequency,
    show_time,
    steps_between,
)
from gatecast.reading import Read, Roles
from gatecast.spacing import common_frequency

AGREED = 0.8  # share of a series' gaps that are one step of its own spacing, if it has one
JUDGED = 8  # gaps; the spacing of a series with fewer is not judged
CLOSED = 10  # weekdays in a row that a trading calendar may skip without a word

_HOUR = 3_600_000_000  # times are counted in microseconds


def in_order(frame: nw.DataFrame[Any], read: Read, roles: Roles, findings: list[Finding]) -> Read:
    """Return the rows in order and each time once; what stood in the way is said."""
    again = repeated_hour(read)
    if again.any():
        findings.append(_twice(read, again))
        read = read.take(~again)
    assert read.times is not None
    within = np.diff(read.codes) == 0
    back = np.flatnonzero(within & (np.diff(read.times).astype(np.int64) < 0)) + 1
    if len(back):
        at = int(back[np.argmin(read.rows[back])])
        before, after = read.show(at - 1), read.show(at)
        all_back = len(back) == int(within.sum()) and len(back) > 1
        message = f"Row {read.rows[at]} goes back in time, from {before} in row {read.rows[at - 1]} to {after}"
        more = " (all rows do: the newest comes first)" if all_back else ""
        rows = np.sort(read.rows[back])
        findings.append(finding_of("unsorted-rows", f"{message}{more}; sort the rows by time.", rows, after))
    if len(back):
        read = read.take(np.lexsort((read.times, read.codes)))
    assert read.times is not None
    again = np.append(False, (np.diff(read.codes) == 0) & (np.diff(read.times).astype(np.int64) == 0))
    if again.any():
        findings.append(_duplicates(frame, read, again, roles))
        read = read.take(~again)
    return read


def _duplicates(frame: nw.DataFrame[Any], read: Read, again: Booleans, roles: Roles) -> Finding:
    assert read.times is not None
    at = int(np.flatnonzero(again)[np.argmin(read.rows[again])])
    when = read.show(at)
    apart = "" if read.has_id else _telling_apart(frame, roles)
    message = f"Rows {read.rows[at - 1]} and {read.rows[at]}{read.of(at)} have the same time {when}"
    more = f", and {many(int(again.sum()), 'row')} in all repeat a time"
    hint = f"column {apart!r} tells them apart" if apart else "keep one row per time"
    found = finding_of("duplicate-times", f"{message}{more}; {hint}.", np.sort(read.rows[again]), when)
    return replace(found, fix=f"--id {apart}") if apart else found


def _telling_apart(frame: nw.DataFrame[Any], roles: Roles) -> str:
    """A column of names that, with the time, makes every row the only one of its kind; or nothing."""
    times = column_of(frame, roles.time).to_pylist() if roles.time is not None else []
    for name in frame.columns:
        if not times or name in roles.used:
            continue
        cells = column_of(frame, name)
        if not is_text(cells.type) or cells.null_count or len(set(cells.to_pylist())) > len(times) / 2:
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


def _step(read: Read) -> int:
    """The most common step forward within a series, in microseconds, if it is an hour or less; otherwise 0."""
    if read.times is None or read.times.dtype.kind != "M" or len(read.times) < 3:
        return 0
    gaps = np.diff(read.times).astype(np.int64)[np.diff(read.codes) == 0]
    sizes, counts = np.unique(gaps[gaps > 0], return_counts=True)
    step = int(sizes[np.argmax(counts)]) if len(sizes) else 0
    return step if 0 < step <= _HOUR and _HOUR % step == 0 else 0


def repeated_hour(read: Read) -> Booleans:
    """Which rows tell an hour for the second time, because the clocks went back."""
    again, step = np.zeros(len(read.rows), np.bool_), _step(read)
    if not step or read.times is None:
        return again
    back = np.flatnonzero((np.diff(read.times).astype(np.int64) == step - _HOUR) & (np.diff(read.codes) == 0))
    starts = back[_clock_changes(read.times[back + 1])] + 1
    for start in starts:
        again[start : start + _HOUR // step] = read.codes[start : start + _HOUR // step] == read.codes[start]
    return again


def _twice(read: Read, again: Booleans) -> Finding:
    assert read.times is not None
    at = int(np.argmax(again))
    when = read.show(at)
    message = (
        f"The hour from {when} comes twice (row {read.rows[at]}{read.of(at)}), as where clocks go back; "
        "write these times in UTC or with their zone."
    )
    return finding_of("repeated-hour", message, np.sort(read.rows[again]), when)


# ------------------------------------------------------------------------------------------- spacing


def spacing(read: Read, findings: list[Finding], given: Frequency | None = None) -> Frequency | None:
    """Return the frequency of the longest series, or the one given; what contradicts it is said."""
    assert read.times is not None
    bounds = read.bounds()
    changed = _changes(read)
    if changed:
        s, at = changed[0]
        findings.append(_mixed(read.take(np.arange(bounds[s], bounds[s + 1])), at))
    longest = int(np.argmax(np.diff(bounds)))
    frequency = given
    if np.diff(bounds)[longest] >= 2:
        try:
            frequency = common_frequency(read.times, bounds, read.ids)
        except DataError as error:
            frequency = None
            if not changed and given is None:
                findings.append(finding_of("irregular-times", sentence(error)))
        if given is not None:
            series = read.take(np.arange(bounds[longest], bounds[longest + 1]))
            frequency = _agreed(series, given, frequency, findings)
    if frequency is None or changed:
        return frequency
    others = _others(read, frequency)
    if others:
        findings.append(_differing(read, others, frequency, read.ids[longest]))
    _holes(read, frequency, findings)
    return frequency


def frequencies_of(read: Read) -> list[Frequency]:
    """Return the frequencies that the rows have, which are in order: of the whole, of parts and of single series."""
    assert read.times is not None
    bounds, found = read.bounds(), {}
    changed = _changes(read)
    parts = [part for s, at in changed for part in ((bounds[s], bounds[s] + at + 1), (bounds[s] + at, bounds[s + 1]))]
    for start, end in parts:
        try:
            frequency = infer_frequency(read.times[start:end])
        except DataError:
            continue
        found[frequency.code] = frequency
    if not changed:
        frequency_or_none = spacing(read, [])
        if frequency_or_none is not None:
            found[frequency_or_none.code] = frequency_or_none
            found |= {own.code: own for _, own in _others(read, frequency_or_none) if own is not None}
    return list(found.values())


def _changes(read: Read) -> list[tuple[int, int]]:
    """The series whose frequency changes, and after which of their rows."""
    assert read.times is not None
    bounds, found = read.bounds(), []
    for s in _suspects(read.times, bounds):
        at = _change_of_frequency(read.times[bounds[s] : bounds[s + 1]])
        if at is not None:
            found.append((s, at))
    return found


def _suspects(times: Times, bounds: Integers) -> list[int]:
    """The series whose first gaps and last gaps are not of one size: only in them can the frequency change."""
    long = np.flatnonzero(np.diff(bounds) > 2 * JUDGED)
    early, late = (
        _usual(_sizes(np.diff(times[ends[:, None] + np.arange(JUDGED + 1)]), times))
        for ends in (bounds[long], bounds[long + 1] - JUDGED - 1)
    )
    return [int(s) for s in long[early != late]]


def _sizes(gaps: Any, times: Times) -> Integers:
    """Gaps as numbers; those of months, which are not all of one length, as months below zero."""
    gaps = gaps.astype(np.int64)
    if times.dtype.kind != "M" or not (gaps >= 28 * 24 * _HOUR).any():
        return np.asarray(gaps)
    months = np.rint(gaps / (30.4369 * 24 * _HOUR)).astype(np.int64)
    return np.asarray(np.where(gaps >= 28 * 24 * _HOUR, -months, gaps))


def _usual(gaps_SN: Integers) -> Integers:
    """The most common of a few gaps, (S,); the smallest of several."""
    count = (gaps_SN[:, :, None] == gaps_SN[:, None, :]).sum(2)
    common = count == count.max(1, keepdims=True)
    return np.asarray(np.where(common, gaps_SN, np.iinfo(np.int64).max).min(1))


def _change_of_frequency(times: Times) -> int | None:
    """The place from which on the gaps are of another size, or None."""
    gaps = _sizes(np.diff(times), times)
    if len(gaps) < 2 * JUDGED:
        return None
    early, late = _usual(np.stack([gaps[:JUDGED], gaps[-JUDGED:]]))
    if early == late:
        return None
    fitting = np.append(0, np.cumsum(gaps == early)) + np.append(0, np.cumsum((gaps == late)[::-1]))[::-1]
    at = int(np.argmax(fitting))
    if not JUDGED <= at <= len(gaps) - JUDGED:
        return None
    clear = np.mean(gaps[:at] == early) >= AGREED and np.mean(gaps[at:] == late) >= AGREED
    return at if clear else None


def _steps(times: Times, frequency: Frequency) -> tuple[Booleans, Booleans]:
    """Which gaps are a whole number of steps, and which are one step, (N-1,)."""
    earlier, later = times[:-1], times[1:]
    if frequency.unit in ("span", "numbers"):
        gaps = (later - earlier).astype(np.int64)
        return (gaps > 0) & (gaps % frequency.step == 0), gaps == frequency.step
    count = steps_between(earlier, later, frequency)
    whole = (later > earlier) & (advance(earlier, count, frequency) == later)
    return whole, whole & (count == 1)


def _agreed(series: Read, given: Frequency, seen: Frequency | None, findings: list[Finding]) -> Frequency | None:
    """The frequency given, if it goes with the times of a series; otherwise the one seen, and a finding."""
    assert series.times is not None
    times = series.times
    wrong_kind = (given.unit == "numbers") != (times.dtype.kind == "i")
    if not wrong_kind:
        whole, one = _steps(times, given)
        if whole.mean() >= REGULAR and one.mean() >= HALF_HIDDEN:
            return given
    kind = "whole numbers" if times.dtype.kind == "i" else "dates"
    are = kind if wrong_kind else f"{seen.name} ({seen.code})" if seen else "of no regular spacing"
    example = f"{show_time(times[0])}, {show_time(times[1])}"
    message = (
        f"The frequency is given as {given.name} ({given.code}), but the times{series.of(0)} are {are}: they begin "
        f"{example} in rows {series.rows[0]} and {series.rows[1]}; "
    )
    right = f"give {seen.code}, or none" if seen else "give one row per regular step"
    fix = f"--frequency {seen.code}, or leave the option out" if seen else f"--fix regular={given.code}"
    findings.append(
        finding_of(
            "frequency-disagrees",
            f"{message}{right}.",
            np.sort(series.rows),
            example,
            fix="" if wrong_kind and not seen else fix,
        )
    )
    return seen


def _others(read: Read, frequency: Frequency) -> list[tuple[int, Frequency | None]]:
    """The series that are clearly spaced in another way than the frequency says, and their own one if they have it."""
    assert read.times is not None
    same = np.diff(read.codes) == 0
    if len(read.ids) < 2 or not len(same):
        return []
    codes = read.codes[1:][same]
    count = np.bincount(codes, minlength=len(read.ids))
    there, count = count > 0, np.maximum(count, 1)
    whole, one = (
        np.bincount(codes, part[same], minlength=len(read.ids)) / count for part in _steps(read.times, frequency)
    )
    found: list[tuple[int, Frequency | None]] = []
    bounds = read.bounds()
    for s in np.flatnonzero(there & ((whole < REGULAR) | ((one < HALF_HIDDEN) & (count >= JUDGED)))).tolist():
        times = read.times[bounds[s] : bounds[s + 1]]
        try:
            own = infer_frequency(times)
        except DataError:
            own = None
        differs = own is not None and own.code != frequency.code and _steps(times, own)[1].mean() >= AGREED
        if whole[s] < REGULAR or differs:
            found.append((s, own))
    return found


def _differing(read: Read, others: list[tuple[int, Frequency | None]], frequency: Frequency, usual: str) -> Finding:
    """A finding about the series whose spacing is not that of the longest."""
    s, own = others[0]
    rows = np.sort(read.rows[np.isin(read.codes, [s for s, _ in others])])
    more = f" (and {len(others) - 1:,} more series)" if len(others) > 1 else ""
    spaced = f"{own.name} ({own.code})" if own else "of no regular spacing"
    message = (
        f"The times of series {read.ids[s]!r}{more} are {spaced}, and those of series {usual!r} {frequency.name} "
        f"({frequency.code}); one table has one frequency."
    )
    coarse = max((f for f in (own, frequency) if f is not None), key=span_of)
    fix = f"--fix regular={coarse.code}: one row per step, the mean of its values; or forecast these series apart"
    return finding_of("frequency-disagrees", message, rows, read.ids[s], fix=fix)


def span_of(frequency: Frequency) -> float:
    """Return about how long a step is: in microseconds, or in whole numbers."""
    day = 24 * _HOUR
    return float(frequency.step * {"months": 30.4369 * day, "weekdays": day}.get(frequency.unit, 1))


def _mixed(series: Read, at: int) -> Finding:
    """A finding about one series, whose gaps change after the row at ``at``."""
    assert series.times is not None
    names = []
    for part in (series.times[: at + 1], series.times[at:]):
        try:
            names.append(infer_frequency(part).name)
        except DataError:
            names.append("irregular")
    when = series.show(at)
    row = series.rows[at]
    message = f"The times{series.of(at)} are {names[0]} up to {when} (row {row}) and {names[1]} from there on"
    return finding_of("mixed-frequency", f"{message}; one table has one frequency.", series.rows[at + 1 :], when)


def missing_steps(read: Read, frequency: Frequency) -> tuple[Integers, Booleans]:
    """Return how many steps are missing before each row but the first, and where it is an hour that clocks skipped.

    Rows are in order.  The hour is not counted, nor are the weekdays of a holiday.
    """
    assert read.times is not None
    apart = read.codes[1:] == read.codes[:-1]
    if frequency.unit in ("span", "numbers"):
        apart &= (read.times[1:] - read.times[:-1]).astype(np.int64) != frequency.step
    missing = np.zeros(len(apart), np.int64)
    missing[apart] = steps_between(read.times[:-1][apart], read.times[1:][apart], frequency) - 1
    if frequency.unit == "weekdays":
        missing[missing <= CLOSED] = 0
    skipped = missing > 0
    step = _step(read) if skipped.any() else 0
    if not step:
        return missing, np.zeros(len(missing), np.bool_)
    skipped &= np.diff(read.times).astype(np.int64) == step + _HOUR
    skipped[skipped] = _clock_changes(read.times[1:][skipped])
    missing[skipped] = 0
    return missing, skipped


def _holes(read: Read, frequency: Frequency, findings: list[Finding]) -> None:
    """Say which steps are missing; an hour skipped where clocks go forward is said apart."""
    assert read.times is not None
    if len(read.times) < 2:
        return
    missing, forward = missing_steps(read, frequency)
    if forward.any():
        at = int(np.argmax(forward)) + 1
        before, when = read.show(at - 1), read.show(at)
        message = (
            f"An hour is skipped between {before} and {when} (row {read.rows[at]}{read.of(at)}), as where clocks "
            "go forward; write the times in UTC or with their zone."
        )
        findings.append(finding_of("skipped-hour", message, np.sort(read.rows[1:][forward]), when))
    if missing.any():
        at = int(np.argmax(missing)) + 1
        before, after = read.show(at - 1), read.show(at)
        places = int((missing > 0).sum())
        total = int(missing.sum())
        where = f"the longest ({many(int(missing.max()), 'step')})" if places > 1 else "all"
        message = (
            f"{many(total, 'step is', 'steps are')} missing in {many(places, 'place')}, {where} between {before} and "
            f"{after}{read.of(at)}, if the times are {frequency.name}."
        )
        rows = np.sort(read.rows[1:][missing > 0])
        findings.append(finding_of("holes", message, rows, f"{before} to {after}", total))
