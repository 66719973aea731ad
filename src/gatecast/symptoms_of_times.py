"""What may be wrong with the times of a table: their order, repeated ones, their spacing, and clocks that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np

from gatecast.columns import Booleans, Integers, column_of
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many, sentence
from gatecast.frequency import Frequency, Times, infer_frequency, show_time, steps_between
from gatecast.reading import Read, is_text

CLOSED = 10  # weekdays in a row that a trading calendar may skip without a word

_HOUR = 3_600_000_000  # times are counted in microseconds


def in_order(frame: nw.DataFrame[Any], read: Read, time: str, used: Sequence[str], findings: list[Finding]) -> Read:
    """Return the rows in order and each time once; what stood in the way is said."""
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
        findings.append(finding_of("unsorted-rows", f"{message}{more}; sort the rows by time.", rows, after))
    read = read.take(np.lexsort((read.times, read.codes)))
    assert read.times is not None
    again = np.append(False, (np.diff(read.codes) == 0) & (np.diff(read.times).astype(np.int64) == 0))
    if again.any():
        findings.append(_duplicates(frame, read, again, time, used))
    return read.take(~again)


def _duplicates(frame: nw.DataFrame[Any], read: Read, again: Booleans, time: str, used: Sequence[str]) -> Finding:
    assert read.times is not None
    at = int(np.flatnonzero(again)[np.argmin(read.rows[again])])
    when = show_time(read.times[at])
    apart = "" if read.has_id else _telling_apart(frame, time, used)
    message = f"Rows {read.rows[at - 1]} and {read.rows[at]}{read.of(at)} have the same time {when}"
    more = f", and {many(int(again.sum()), 'row')} in all repeat a time"
    hint = f"column {apart!r} tells them apart" if apart else "keep one row per time"
    found = finding_of("duplicate-times", f"{message}{more}; {hint}.", np.sort(read.rows[again]), when)
    return replace(found, fix=f"--id {apart}") if apart else found


def _telling_apart(frame: nw.DataFrame[Any], time: str, used: Sequence[str]) -> str:
    """A column of names that, with the time, makes every row the only one of its kind; or nothing."""
    times = column_of(frame, time).to_pylist() if time else []
    for name in frame.columns:
        if not times or name in (time, *used):
            continue
        cells = column_of(frame, name)
        if not is_text(cells) or cells.null_count or len(set(cells.to_pylist())) > len(times) / 2:
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


def _repeated_hour(read: Read, findings: list[Finding]) -> Booleans:
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
        findings.append(finding_of("repeated-hour", message, np.sort(read.rows[again]), when))
    return again


def spacing(read: Read, findings: list[Finding]) -> Frequency | None:
    """Return the frequency of the longest series, if it has one; what contradicts it is said."""
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
            findings.append(finding_of("irregular-times", sentence(error)))
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


def _mixed(series: Read, at: int) -> Finding:
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
    return finding_of("mixed-frequency", f"{message}; one table has one frequency.", series.rows[at + 1 :], when)


def _holes(read: Read, frequency: Frequency, findings: list[Finding]) -> None:
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
            findings.append(finding_of("skipped-hour", message, np.sort(read.rows[1:][forward]), when))
            missing[forward] = 0
    if missing.any():
        at = int(np.argmax(missing)) + 1
        before, after = show_time(read.times[at - 1]), show_time(read.times[at])
        places = int((missing > 0).sum())
        total = int(missing.sum())
        where = f"the longest ({many(int(missing.max()), 'step')})" if places > 1 else "all"
        message = (
            f"{many(total, 'step is', 'steps are')} missing in {many(places, 'place')}, {where} between {before} and "
            f"{after}{read.of(at)}, if the times are {frequency.name}."
        )
        rows = np.sort(read.rows[1:][missing > 0])
        findings.append(finding_of("holes", message, rows, f"{before} to {after}", total))
