"""What may be wrong with the values of a table: gaps, stuck sensors, other units, leaps, and inputs that are copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gatecast.columns import Booleans, Floats, Integers
from gatecast.findings import Finding, finding_of, many
from gatecast.reading import Read

SHORT = 20  # steps; a shorter series cannot be split into training, validation and test
STUCK = 10  # equal values at the end that are suspicious, if the longest run before them is a third as long at most
SPIKE = 25.0  # robust standard deviations there and back again that make an outlier
RARE = 0.01  # share of negative values up to which they are worth a note
LAGS = 12  # steps by which an input may be moved against the target and still be found a copy


@dataclass(frozen=True)
class _Hit:
    """What one check saw in one series: at which of its places, and in words."""

    at: Integers
    what: str
    example: str = ""


def look_at_values(read: Read, name: str, findings: list[Finding]) -> None:
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
        findings.append(finding_of(code, f"Column {name!r}{which}{more} {what}.", rows, hit.example))
    if not read.ids:
        findings.append(finding_of("no-values", f"Column {name!r} has no rows that can be read."))


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
            _Hit(gone, f"has no value in {many(len(gone), 'row')}, first in {{row}}; they are read as missing"),
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
            until = f"for {many(end - int(at), 'row')}" if back else "to the end"
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


def look_for_copy(read: Read, column: Floats, name: str, target: str, findings: list[Finding]) -> None:
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
            what += f" {many(abs(lead), 'step')} {'ahead of its time' if lead > 0 else 'late'}"
        code = "future-in-inputs" if lead > 0 else "target-in-inputs"
        ending = "a forecast made with it would know the answer" if lead > 0 else "it tells the network nothing new"
        rows = np.sort(read.rows[here[both]])
        findings.append(finding_of(code, f"Input {name!r} {what}; {ending}.", rows, name))
        return


def _one_line(x: Floats, y: Floats) -> bool:
    """Whether ``x`` is ``a·y + b`` with one ``a`` and ``b``, up to rounding; short or constant columns are not."""
    if len(x) < SHORT or np.unique(y).size < 5:
        return False
    with np.errstate(all="ignore"):
        x, y = (x - x.mean()) / np.abs(x - x.mean()).max(), (y - y.mean()) / np.abs(y - y.mean()).max()
        slope = (x @ y) / (y @ y)
        return bool(np.abs(x - slope * y).max() < 1e-6) and slope != 0
