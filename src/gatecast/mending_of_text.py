"""Cells of text read anew: numbers with separators, and dates that can be read in two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from gatecast.arrow import is_text, mask_of, matches, text_of
from gatecast.draft import column
from gatecast.errors import DataError
from gatecast.findings import many
from gatecast.numerals import Mark, decide, numerals

_DATE = re.compile(r"^\s*(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})(.*)$", flags=re.DOTALL)

_PLAIN = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"  # what needs no mending


def read_separators(
    cells: pa.Table, numeric: Sequence[str], wordy: Sequence[str], fix: str
) -> tuple[pa.Table, list[str], frozenset[str]]:
    """Write the numbers of text columns plainly; the decimal mark is the one the column allows, or the one given.

    A column of words (``wordy``) is one of numbers if all its cells can be.

    Raises:
        DataError: a column allows both decimal marks, or neither.
    """
    done, changed = [], set()
    for name in (*numeric, *wordy):
        text = column(cells, name)
        if not is_text(text.type):
            continue
        readings = list(numerals(text))
        if name in wordy and len(readings) < (mask_of(text.is_valid()) & matches(text, r"\S")).sum():
            continue
        if all(re.match(_PLAIN, cell) for _, cell, _, _ in readings):
            continue
        try:
            mark: Mark = decide(text, name) if fix == "separators" else "," if fix == "decimal-comma" else "."
        except DataError as error:
            raise DataError(f"{fix}: {error}") from None
        words: list[str | None] = text.to_pylist()
        first, count = "", 0
        for place, cell, with_point, with_comma in readings:
            read = with_point if mark == "." else with_comma
            if read is None or (re.match(_PLAIN, cell) and float(cell) == float(read)):
                continue
            first = first or f"row {place + 1} ({cell.strip()!r} is {read})"
            words[place], count = read, count + 1
        if count:
            cells = cells.set_column(cells.column_names.index(name), name, text_of(words))
            changed.add(name)
            how = "point" if mark == "." else "comma"
            done.append(f"{many(count, 'number')} of {name!r} read with a decimal {how}, first in {first}")
    return cells, done, frozenset(changed)


def read_dates(cells: pa.Table, name: str, fix: str) -> tuple[pa.Table, list[str]]:
    """Write dates such as 3/4/2020 as 2020-04-03, or as 2020-03-04, where nothing in the column decides."""
    text = column(cells, name)
    if not is_text(text.type):
        return cells, []
    words = text.to_pylist()
    pairs = {place: found for place, cell in enumerate(words) if cell and (found := _DATE.match(cell))}
    first = [int(pair[1]) for pair in pairs.values()]
    second = [int(pair[3]) for pair in pairs.values()]
    decided = (max(first, default=0) > 12) != (max(second, default=0) > 12)
    if decided or first == second or (max(first) <= 12 and all(pair[2] == "." for pair in pairs.values())):
        return cells, []
    count, shown = 0, ""
    for place, pair in pairs.items():
        one, other = int(pair[1]), int(pair[3])
        day, month = (one, other) if other <= 12 and (fix == "day-first" or one > 12) else (other, one)
        words[place] = f"{pair[4]}-{month:02d}-{day:02d}{pair[5]}"
        if one != other and max(one, other) <= 12:
            shown = shown or f"row {place + 1} ({pair[0].strip()!r} is {words[place].strip()})"
            count += 1
    order = fix.removesuffix("-first")
    where = f", first in {shown}" if shown else ""
    done = [f"{many(count, 'date')} of {name!r} that can be read in two ways read {order} first{where}"]
    return cells.set_column(cells.column_names.index(name), name, text_of(words)), done
