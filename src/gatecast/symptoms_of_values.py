"""What may be wrong with the values of a table: gaps, stuck sensors, other units, leaps, and inputs that are copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gatecast.arrow import Booleans, Floats, Integers
from gatecast.copies import LAGS, copy_of, is_one_line
from gatecast.findings import Finding, finding_of, many
from gatecast.reading import Read

SHORT = 20  # steps; a shorter series cannot be split into training, validation and test
STUCK = 10  # equal values at the end that are suspicious, if the longest run before them is a third as long at most
SPIKE = 25.0  # robust standard deviations there and back again that make an outlier
RARE = 0.01  # share of negative values up to which they are worth a note
_AT_ONCE = 1 << 18  # values looked at in one go


@dataclass(frozen=True)
class _Hit:
    """What one check saw in one series: at which of its places, and in words."""

    at: Integers
    what: str
    example: str = ""


def look_at_values(read: Read, name: str, findings: list[Finding]) -> None:
    """Run every check on every series; what several series share is one finding, in the words of the first.

    ``name`` is the column they stand in; an empty one if each series is a column.
    """
    bounds = read.bounds()
    least = least_of(np.diff(np.append(0, np.cumsum(~np.isnan(read.values)))[bounds]))
    for code, (series, places) in places_of(read).items():
        s = int(series[0])
        own = slice(bounds[s], bounds[s + 1])
        hit = dict(_hits(read.values[own], read.spoilt[own], least))[code]
        row = f"row {read.rows[bounds[s] + hit.at[0]]}" if len(hit.at) else ""
        which = f"Column {name!r}" + (f" of series {read.ids[s]!r}" if read.has_id else "")
        which = which if name else f"Column {read.ids[s]!r}"
        more = f" (and {len(series) - 1:,} more series)" if len(series) > 1 else ""
        what = hit.what.format(row=row)
        several = code == "no-values" and name and len(series) < len(read.ids)
        fix = "--fix drop: leave the series out; or name another column with --target" if several else ""
        rows = np.sort(read.rows[places])
        findings.append(finding_of(code, f"{which}{more} {what}.", rows, hit.example, fix=fix))
    if not read.ids:
        findings.append(finding_of("no-values", f"Column {name!r} has no rows that can be read."))


def least_of(counts: Integers) -> int:
    """Return how many values each series needs, when they have so many: a single one will do if others have more."""
    return 1 if counts.max(initial=0) > 1 else 2


def places_of(read: Read) -> dict[str, tuple[Integers, Integers]]:
    """Return, by code, which series have it and at which places of the rows, grouped and in the order of time.

    What takes long is asked only of the series that a quick look over all of them at once holds to be suspects.
    """
    bounds, known = read.bounds(), ~np.isnan(read.values)
    lengths = np.diff(bounds)
    offsets = np.append(0, np.cumsum(known))[bounds]
    counts = np.diff(offsets)
    empty = counts < least_of(counts)
    unread = np.diff(np.append(0, np.cumsum(read.spoilt))[bounds]) > 0  # cells that are no numbers are said elsewhere
    gone = ~known & ~read.spoilt
    missing = ~empty & (np.diff(np.append(0, np.cumsum(gone))[bounds]) > 0)
    short = ~empty & ((lengths < SHORT) | (counts < 2))
    constant, suspect = _quick_look(read.values[known], offsets, np.flatnonzero(counts > 1))
    everywhere = np.ones(len(known), np.bool_)
    found: dict[str, tuple[Integers, Integers]] = {}
    for code, which, rows in (
        ("no-values", empty & ~unread, everywhere),
        ("missing-values", missing, gone),
        ("too-short", short, everywhere),
        ("constant", constant, known),
    ):
        if which.any():
            found[code] = np.flatnonzero(which), np.flatnonzero(rows & np.repeat(which, lengths))
    seen: dict[str, list[tuple[int, Integers]]] = {}
    for s in np.flatnonzero(suspect).tolist():
        own = slice(bounds[s], bounds[s + 1])
        for code, hit in _hits(read.values[own], read.spoilt[own], 1):
            if code in CHECKS:
                seen.setdefault(code, []).append((s, bounds[s] + hit.at))
    for code, hits in seen.items():
        found[code] = np.array([s for s, _ in hits]), np.concatenate([at for _, at in hits])
    return found


def _quick_look(y: Floats, bounds: Integers, series: Integers) -> tuple[Booleans, Booleans]:
    """Which of these series (at least two known values each) are constant, and which may have something else."""
    constant, suspect = (np.zeros(len(bounds) - 1, np.bool_) for _ in range(2))
    lengths = np.diff(bounds)
    for length in np.unique(lengths[series]).tolist():
        alike = series[lengths[series] == length]
        for part in np.array_split(alike, max(1, len(alike) * length // _AT_ONCE)):
            y_SN = y[bounds[part][:, None] + np.arange(length)]
            with np.errstate(all="ignore"):
                constant[part] = (y_SN == y_SN[:, :1]).all(1)
                suspect[part] = ~constant[part] & _suspicious(y_SN)
    return constant, suspect


def _suspicious(y_SN: Floats) -> Booleans:
    """Which rows may have a constant tail, a unit jump, an outlier or a few negative values: none is overlooked."""
    series, length = y_SN.shape
    if length < STUCK:
        return np.zeros(series, np.bool_)
    found = np.asarray((y_SN[:, -STUCK:] == y_SN[:, -1:]).all(1))
    if length < SHORT:
        return found
    below = (y_SN < 0).sum(1)
    found |= (below > 0) & (below <= max(1, RARE * length))
    moves = np.diff(y_SN)
    moves -= np.median(moves, axis=1, keepdims=True)
    size = np.abs(moves)
    usual = 1.4826 * np.median(size, axis=1)
    back = moves[:, :-1] * moves[:, 1:] < 0
    leaps = (back & (np.minimum(size[:, :-1], size[:, 1:]) > SPIKE * usual[:, None])).sum(1)
    found |= (usual > 0) & (leaps > 0) & (leaps <= RARE * length + 1)
    size = np.abs(y_SN)
    more, less = np.maximum(size[:, 1:], size[:, :-1]), np.minimum(size[:, 1:], size[:, :-1])
    jumps = (more > 7 * less).any(1) & (size > 0).all(1)  # 0.85 in powers of ten
    return np.asarray(
        found | (jumps & (2 * (more < 1.26 * less).sum(1) >= length - 1))
    )  # half the moves are 0.1 at most


def _hits(values: Floats, spoilt: Booleans, least: int) -> Iterator[tuple[str, _Hit]]:
    """What the checks see in the values of one series, in the order of time; it must have ``least`` values."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < least:
        if spoilt.any():
            return  # its cells are no numbers, which is said elsewhere
        found = "holds no value at all" if len(known) == 0 else "holds a single value"
        yield "no-values", _Hit(np.arange(len(values)), f"{found}; a forecast needs at least 2")
        return
    gone = np.flatnonzero(np.isnan(values) & ~spoilt)
    if len(gone):
        yield (
            "missing-values",
            _Hit(gone, f"has no value in {many(len(gone), 'row')}, first in {{row}}; they are read as missing"),
        )
    if len(known) < 2:
        yield "too-short", _Hit(np.arange(len(values)), "holds a single value, from which nothing can be learned")
        return
    if len(values) < SHORT:
        what = f"has {len(values)} steps, too few to split into training, validation and test; {SHORT} are the least"
        yield "too-short", _Hit(np.arange(len(values)), what)
    y = values[known]
    if (y == y[0]).all():
        what = f"is {_number(y[0])} in every row; a constant series needs no network"
        yield "constant", _Hit(known, what, _number(y[0]))
        return
    with np.errstate(over="ignore", invalid="ignore"):  # of absurdly large values
        for code, look in CHECKS.items():
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


def unit_jump(y: Floats) -> tuple[int, int, int] | None:
    """Return the rows, from and to, that look as if they were in another unit, and by which power of ten."""
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
            return int(at), end, int(powers[at - 1])
    return None


def _unit_jump(y: Floats) -> _Hit | None:
    """Rows that are 10, 100 or 1000 times the others, or as small a part of them."""
    found = unit_jump(y)
    if found is None:
        return None
    at, end, power = found
    times = f"{10**power:,} times" if power > 0 else f"1/{10**-power:,} of"
    until = f"for {many(end - at, 'row')}" if end < len(y) else "to the end"
    what = f"is about {times} what it was, from {{row}} on {until}, as if the unit had changed"
    return _Hit(np.arange(at, end), f"{what}; one column has one unit", _number(y[at]))


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
    what = f"leaps in {many(len(at), 'row')}, first in {{row}}; the farthest value is {example}, "
    return _Hit(at, f"{what}{leap[worst - 1] / usual:,.0f} times the usual move from its neighbours", example)


def _negative(y: Floats) -> _Hit | None:
    """A few values below zero where all others are above."""
    below = np.flatnonzero(y < 0)
    if len(y) < SHORT or not 0 < len(below) <= max(1, RARE * len(y)):
        return None
    example = _number(y[below[0]])
    what = f"is below zero in {many(len(below), 'row')}, first in {{row}} ({example}), and nowhere else"
    return _Hit(below, f"{what}; check that it may be", example)


CHECKS: dict[str, Callable[[Floats], _Hit | None]] = {
    "constant-tail": _constant_tail,
    "unit-jump": _unit_jump,
    "outliers": _outliers,
    "negative-values": _negative,
}


def look_for_copy(read: Read, column: Floats, name: str, target: str, findings: list[Finding]) -> None:
    """Say so if an input is the target, shifted or scaled; one that runs ahead of it holds the future."""
    bounds = read.bounds()
    inside = np.arange(len(column)) - np.repeat(bounds[:-1], np.diff(bounds))
    lengths = np.repeat(np.diff(bounds), np.diff(bounds))
    for lead in sorted(range(-LAGS, LAGS + 1), key=abs):
        here = np.flatnonzero((inside + lead >= 0) & (inside + lead < lengths))
        x, y = column[here], read.values[here + lead]
        both = ~(np.isnan(x) | np.isnan(y))
        if not is_one_line(x[both], y[both]):
            continue
        copied = copy_of(name, target, lead, bool(np.array_equal(x[both], y[both])))
        code = "future-in-inputs" if copied.holds_future else "target-in-inputs"
        rows = np.sort(read.rows[here[both]])
        findings.append(finding_of(code, copied.message, rows, name))
        return
