"""Rows mended: left out, put in order, one for each time, one for each step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatecast.arrow import Floats, Integers
from gatecast.draft import Draft
from gatecast.errors import DataError
from gatecast.findings import many
from gatecast.frequency import Frequency, Times, advance, parse_frequency
from gatecast.symptoms_of_times import frequencies_of, span_of

_DAY = 86_400_000_000  # times are counted in microseconds
_MONTH_END = 28  # a later day of the month stands at the end of its step


def leave_out_rows(draft: Draft) -> tuple[Draft, list[str]]:
    """Leave out the rows whose series, time or target cannot be read."""
    bad = ~draft.usable if draft.times is not None else draft.codes < 0
    for name in draft.roles.targets:
        bad = bad | draft.spoilt[name]
    done = []
    if draft.times is None:
        done.append(
            f"no row left out for its time, since the times of column {draft.roles.time!r} cannot be read at all"
        )
    if not bad.any():
        return draft, done
    first = draft.row(np.argmax(bad))
    return draft.take(~bad), [f"{many(int(bad.sum()), 'row')} that cannot be read left out, first {first}", *done]


def leave_out_series(draft: Draft) -> tuple[Draft, list[str]]:
    """Leave out the series that have no value, unless none has one."""
    if len(draft.roles.targets) > 1 or draft.roles.id is None:
        return draft, []
    known = ~np.isnan(draft.values[draft.roles.targets[0]]) & draft.usable
    empty = np.bincount(draft.codes[known], minlength=len(draft.ids)) == 0
    rows = (draft.codes >= 0) & empty[draft.codes]
    present = np.unique(draft.codes[rows])
    if not len(present) or rows.all():
        return draft, []
    one = f"series {draft.ids[present[0]]!r}" + (f" and {len(present) - 1:,} more" if len(present) > 1 else "")
    what = f"{one} left out, with no value at all ({many(int(rows.sum()), 'row')}, "
    return draft.take(~rows), [f"{what}first {draft.row(np.argmax(rows))})"]


def sort_rows(draft: Draft) -> tuple[Draft, list[str]]:
    """Put the rows of each series in the order of time, on the places that they have in the table."""
    places = draft.grouped()
    ordered = draft.by_time(places)
    moved = np.sort(ordered[ordered != places])
    if not len(moved):
        return draft, []
    rows = np.arange(len(draft))
    rows[places] = ordered
    return draft.take(rows), [f"{many(len(moved), 'row')} moved, first {draft.row(moved[0])}"]


def keep_one(draft: Draft, how: str) -> tuple[Draft, list[str]]:
    """Keep one row per time of each series: the first or last, or the mean or sum of the numbers.

    A row with a cell that is no number takes no part in a mean or a sum.
    """
    assert draft.times is not None
    places = draft.grouped()
    if how in ("mean", "sum"):
        for spoilt in draft.spoilt.values():
            places = places[~spoilt[places]]
    places = draft.by_time(places)
    starts = _starts(draft.codes[places], draft.times[places])
    sizes = np.diff(np.append(starts, len(places)))
    if not (sizes > 1).any():
        return draft, []
    stays = starts if how != "last" else starts + sizes - 1
    gone = np.setdiff1d(places, places[stays])
    kept = np.ones(len(draft), np.bool_)
    kept[gone] = False
    what = f"{many(len(gone), 'row')} that repeat a time"
    if how in ("first", "last"):
        return draft.take(kept), [f"{what} left out, first {draft.row(gone[0])}"]
    for name, column in draft.values.items():
        several = places[starts[sizes > 1]]
        joined = _joined(column[places], starts, sizes, how)[sizes > 1]
        draft = draft.with_values(name, several, joined)
    draft = replace(draft, merged=True)
    into = many(int((sizes > 1).sum()), "row")
    return draft.take(kept), [f"{what} put into {into} as a {how}, first {draft.row(gone[0])}"]


def _starts(codes: Integers, times: Times) -> Integers:
    """Where the rows of each series and time begin, when they are in order."""
    new = np.ones(len(codes), np.bool_)
    new[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
    return np.flatnonzero(new)


def _joined(values: Floats, starts: Integers, sizes: Integers, how: str) -> Floats:
    """The mean or sum of each group's known values; NaN if it has none."""
    known = ~np.isnan(values)
    count = np.add.reduceat(known, starts, dtype=np.int64)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    with np.errstate(invalid="ignore"):
        joined = total / count if how == "mean" else np.where(count > 0, total, np.nan)
    one = sizes == 1
    joined[one] = values[starts[one]]
    return np.asarray(joined)


# ------------------------------------------------------------------------------------------- one row per step


def make_regular(draft: Draft, code: str | None) -> tuple[Draft, list[str]]:
    """Make one row per step of a frequency, the mean of the values within it; None takes the coarsest one seen.

    Raises:
        DataError: a row cannot be read, or no frequency is given and none can be seen.
        SettingsError: the frequency is not known.
    """
    assert draft.times is not None
    if len(np.unique(draft.codes)) == len(draft):  # no two rows of a series
        return draft, []
    if not draft.usable.all() or any(spoilt.any() for spoilt in draft.spoilt.values()):
        raise DataError("regular: some cells cannot be read; mend these as well, with empty or drop")
    places = np.lexsort((draft.times, draft.codes))
    codes, times = draft.codes[places], draft.times[places]
    given = None if code is None else parse_frequency(code)
    seen = [given] if given is not None else frequencies_of(draft.read(draft.roles.targets[0], draft.in_order()))
    if not seen:
        raise DataError("regular: the times have no regular spacing; name the step, such as regular=D or regular=h")
    frequency = max(seen, key=span_of)
    if (frequency.unit == "numbers") != (times.dtype.kind == "i"):
        kind = "whole numbers" if times.dtype.kind == "i" else "dates"
        raise DataError(f"regular={frequency.code}: {frequency.name} does not go with times that are {kind}")
    if given is None and len(seen) == 1:
        return draft, []
    steps = _start_of_step(times, frequency, aligned=given is not None)
    order = np.lexsort((steps, codes))
    places, codes, steps, times = places[order], codes[order], steps[order], times[order]
    starts = _starts(codes, steps)
    sizes = np.diff(np.append(starts, len(places)))
    if (sizes == 1).all() and (steps == times).all():
        return draft, []
    moved = np.sort(places[(steps != times) | (np.repeat(sizes, sizes) > 1)])
    for name, column in draft.values.items():
        draft = draft.with_values(name, places[starts], _joined(column[places], starts, sizes, "mean"))
    at = np.array(draft.times)
    at[places[starts]] = steps[starts]
    draft = replace(draft, times=at, retimed=True, merged=True)
    what = f"{many(len(places), 'row')} became {len(starts):,}, one per step ({frequency.name}), the mean of its values"
    return draft.take(places[starts]), [f"{what}; first changed {draft.row(moved[0])}"]


def _start_of_step(times: Times, frequency: Frequency, aligned: bool) -> Times:
    """The time of the step that each time falls into: the start of a span or a month, or the end of a month.

    ``aligned`` counts spans from midnight (weeks from the day of the first time); otherwise from where most times are.
    """
    if frequency.unit == "weekdays":
        return advance(times.astype("datetime64[D]").astype("datetime64[us]"), 0, frequency)
    if frequency.unit == "months":
        return _start_of_months(times, frequency)
    counts = times.astype(np.int64)
    if not aligned:
        phases, common = np.unique(counts % frequency.step, return_counts=True)
        phase = int(phases[np.argmax(common)])
    elif frequency.unit == "numbers":
        phase = int(counts.min()) % frequency.step
    else:
        phase = 0 if _DAY % frequency.step == 0 else int(counts.min()) // _DAY * _DAY % frequency.step
    return ((counts - phase) // frequency.step * frequency.step + phase).astype(times.dtype)


def _start_of_months(times: Times, frequency: Frequency) -> Times:
    """The day of the month that stands for each time."""
    months = times.astype("datetime64[M]")
    at_end = frequency.day > _MONTH_END
    if not at_end:
        on = advance(months.astype("datetime64[us]"), 0, frequency)
        months = months - (times < on).astype(np.int64)
    step = frequency.step
    first = months.astype(np.int64) // step * step + (step - 1 if at_end else 0)
    return advance(first.astype("datetime64[M]").astype("datetime64[us]"), 0, frequency)
