"""Values mended: other units, leaps and stuck ends, and what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatecast.arrow import Booleans, Floats, Integers, is_text, mask_of, matches
from gatecast.draft import Draft, column
from gatecast.errors import DataError
from gatecast.findings import Finding, many
from gatecast.frequency import advance, parse_frequency, show_time
from gatecast.panel import MOST_FILLED
from gatecast.symptoms_of_times import missing_steps, spacing
from gatecast.symptoms_of_values import places_of, unit_jump


def empty_cells(draft: Draft) -> tuple[Draft, list[str]]:
    """Make the cells missing that are no finite numbers."""
    done = []
    for name, spoilt in draft.spoilt.items():
        if spoilt.any():
            first = int(np.argmax(spoilt))
            cell = column(draft.cells, name)[int(draft.source[first])].as_py()
            done.append(
                f"{many(int(spoilt.sum()), 'cell')} of {name!r} made missing, first {draft.row(first)} ({cell!r})"
            )
            draft = draft.with_values(name, spoilt, np.nan)
    return draft, done


def make_missing(draft: Draft, code: str) -> tuple[Draft, list[str]]:
    """Make the values of the targets missing that a check finds: outliers, or a constant tail."""
    done: list[str] = []
    places = draft.in_order()
    for name in draft.roles.targets:
        found = places_of(draft.read(name, places)).get(code)
        if found is not None:
            at = np.sort(places[found[1]])
            done.append(f"{many(len(at), 'value')} of {name!r} made missing, first {draft.row(at[0])}")
            draft = draft.with_values(name, at, np.nan)
    return draft, done


def to_one_unit(draft: Draft) -> tuple[Draft, list[str]]:
    """Bring the rows after a unit jump to the unit of those before, where it is a clean power of ten."""
    done: list[str] = []
    places = draft.in_order()
    for name in draft.roles.targets:
        read = draft.read(name, places)
        series, _ = places_of(read).get("unit-jump", (np.empty(0, np.int64), None))
        bounds = read.bounds()
        for s in series.tolist():
            own = places[bounds[s] : bounds[s + 1]]
            own = own[~np.isnan(draft.values[name][own])]
            y, changed, powers = _without_jumps(draft.values[name][own])
            where = f"of {name!r}" + (f" of series {draft.ids[s]!r}" if draft.roles.id else "")
            if not changed.any():
                done.append(f"the leap {where} is not a clean power of ten, and is left as it is")
                continue
            by = " and ".join(f"divided by {10**p:,}" if p > 0 else f"multiplied by {10**-p:,}" for p in powers)
            first = draft.row(own[np.argmax(changed)])
            done.append(f"{many(int(changed.sum()), 'value')} {where} {by}, first {first}")
            draft = draft.with_values(name, own[changed], y[changed])
    return draft, done


def _without_jumps(y: Floats) -> tuple[Floats, Booleans, list[int]]:
    """A series in one unit, which of its values changed, and by which powers of ten."""
    y, changed, powers = y.copy(), np.zeros(len(y), np.bool_), dict[int, None]()
    for _ in range(len(y)):
        found = unit_jump(y)
        if found is None:
            break
        at, end, power = found
        moves = np.diff(np.log10(np.abs(y)))
        usual = np.abs(moves[np.rint(moves) == 0]).max()
        if abs(moves[at - 1] - power) > usual or (end < len(y) and abs(moves[end - 1] + power) > usual):
            break  # not clean: more than the unit has changed
        y[at:end] = y[at:end] / 10.0**power if power > 0 else y[at:end] * 10.0**-power
        changed[at:end] = True
        powers[power] = None
    return y, changed, list(powers)


# ------------------------------------------------------------------------------------------- what is missing


def fill_missing(draft: Draft, how: str, frequency: str | None) -> tuple[Draft, list[str]]:
    """Add a row for every step that is missing, and give missing values a value.

    ``fill`` carries the last value on, ``interpolate`` draws a straight line between neighbours (the end stays
    missing), and ``zero`` is for targets only.  Nothing is filled before the first value of a series.

    Raises:
        DataError: so many steps are missing that the spacing cannot be right.
        SettingsError: the frequency is not known.
    """
    draft, done = _add_rows(draft, frequency)
    places = draft.in_order()
    codes = draft.codes[places]
    for name in draft.roles.targets if how == "zero" else draft.roles.numeric:
        values, where = _filled(draft.values[name][places], codes, draft.spoilt[name][places], how)
        if where.any():
            at = np.sort(places[where])
            draft = draft.with_values(name, places[where], values[where])
            done.append(f"{many(len(at), 'missing value')} of {name!r} filled, first {draft.row(at[0])}")
    for name in draft.roles.words if how == "fill" else ():
        rows, where = _carried(draft, name, places)
        if where.any():
            at = np.sort(places[where])
            words = draft.words[name].copy()
            words[places[where]] = rows[where]
            draft = replace(draft, words={**draft.words, name: words})
            done.append(f"{many(len(at), 'missing word')} of {name!r} filled, first {draft.row(at[0])}")
    return draft, done


def _add_rows(draft: Draft, code: str | None) -> tuple[Draft, list[str]]:
    """Add a row after each row that steps are missing after."""
    places = draft.in_order()
    if draft.roles.time is None or len(places) < 2:
        return draft, []
    read = draft.read(draft.roles.targets[0], places)
    findings: list[Finding] = []
    frequency = spacing(read, findings, None if code is None else parse_frequency(code))
    if frequency is None or any(found.severity == "error" for found in findings):
        return draft, ["no rows added: the times have no single spacing"]
    missing, _ = missing_steps(read, frequency)
    if not missing.any():
        return draft, []
    total = int(missing.sum())
    if total > MOST_FILLED * len(draft) + 1000:
        at = int(np.argmax(missing))
        raise DataError(
            f"if the times are {frequency.name}, {total:,} steps are missing among {len(draft):,} rows, most after "
            f"row {int(draft.source[places[at]]) + 1}; mend that time, or bring the rows to another step with regular"
        )
    count = np.zeros(len(draft), np.int64)
    count[places[:-1]] = missing
    source = np.repeat(np.arange(len(draft)), count + 1)
    since = np.arange(len(source)) - np.repeat(np.cumsum(count + 1) - count - 1, count + 1)
    fresh = since > 0
    draft = draft.take(source)
    assert draft.times is not None
    times = draft.times.copy()
    times[fresh] = advance(times[fresh], since[fresh], frequency)
    draft = replace(
        draft,
        added=draft.added | fresh,
        times=times,
        words={name: np.where(fresh, -1, rows) for name, rows in draft.words.items()},
        values={name: np.where(fresh, np.nan, values) for name, values in draft.values.items()},
        spoilt={name: spoilt & ~fresh for name, spoilt in draft.spoilt.items()},
    )
    first = int(np.argmax(fresh))
    return draft, [f"{many(total, 'row')} added, first {draft.row(first)} ({show_time(times[first])})"]


def _filled(values: Floats, codes: Integers, spoilt: Booleans, how: str) -> tuple[Floats, Booleans]:
    """Values in order with the missing ones filled, and which those are."""
    there, places = ~np.isnan(values), np.arange(len(values))
    before, has_before = _nearest(there, codes)
    gone = ~there & ~spoilt & has_before
    if how == "zero":
        return np.where(gone, 0.0, values), gone
    if how == "fill":
        return np.where(gone, values[before], values), gone
    after, has_after = _nearest(there[::-1], codes[::-1])
    after, has_after = len(values) - 1 - after[::-1], has_after[::-1]
    gone &= has_after
    share = (places - before) / np.maximum(after - before, 1)
    return np.where(gone, values[before] * (1 - share) + values[after] * share, values), gone


def _nearest(there: Booleans, codes: Integers) -> tuple[Integers, Booleans]:
    """The last place up to each at which something is there, and whether there is one in the same series."""
    last = np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))
    return np.maximum(last, 0), (last >= 0) & (codes[np.maximum(last, 0)] == codes)


def _carried(draft: Draft, name: str, places: Integers) -> tuple[Integers, Booleans]:
    """The rows of the table that words in order are taken from, with the last one carried on, and where it is."""
    cells = column(draft.cells, name)
    full = mask_of(cells.is_valid())
    if is_text(cells.type):
        full &= matches(cells, r"\S")
    rows = draft.words[name][places]
    there = (rows >= 0) & full[np.maximum(rows, 0)]
    before, has_before = _nearest(there, draft.codes[places])
    return rows[before], ~there & has_before
