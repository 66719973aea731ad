"""Numbers as people write them: 1,234.5 and 1.234,5 and 1 234, with a currency or a per cent sign.

Which mark is the decimal one must follow from the whole column: 1,234 alone may be both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa

from gatecast.arrow import MISSING, to_arrow
from gatecast.errors import DataError

Mark = Literal[".", ","]

_LOOKED_AT = 10_000  # cells of a column that tell how its numbers are written
_SPACES = " \u00a0\u202f\u2009"  # plain, no-break, narrow no-break and thin
_CURRENCY = "€$£¥₹"
_APART = rf"\d{{1,3}}(?:[{_SPACES}'’]\d{{3}})+"  # groups of thousands
_BODY = {  # by decimal mark: digits in groups or not, and then perhaps decimals
    ".": rf"(?:\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}|{_APART}|\d+)(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+",
    ",": rf"(?:\d{{1,3}}(?:\.\d{{3}})+|{_APART}|\d+)(?:,\d*)?|,\d+",
}
_WHOLE = {
    mark: re.compile(
        rf"^([{_CURRENCY}]?)[{_SPACES}]*([+\-−]?)[{_SPACES}]*([{_CURRENCY}]?)[{_SPACES}]*({body})"
        rf"[{_SPACES}]*([{_CURRENCY}%]?)$"
    )
    for mark, body in _BODY.items()
}


def plain(cell: str, mark: Mark) -> str | None:
    """Return a number as it is written plainly, "1234.5", if ``mark`` is its decimal mark; None if it is no number."""
    found = _WHOLE[mark].match(cell.strip())
    if found is None:
        return None
    digits = re.sub(rf"[{_SPACES}'’{',' if mark == '.' else '.'}]", "", found[4]).replace(",", ".").rstrip(".")
    return ("-" if found[2] in ("-", "−") else "") + digits


def numerals(cells: pa.Array) -> Iterator[tuple[int, str, str | None, str | None]]:
    """Yield the place of each cell of text that can be a number, the cell, and its two readings: with 1.5 and 1,5."""
    for place, cell in enumerate(cells.to_pylist()):
        if cell is None or re.match(MISSING, cell.strip()):
            continue
        with_point, with_comma = plain(cell, "."), plain(cell, ",")
        if with_point is not None or with_comma is not None:
            yield place, cell, with_point, with_comma


def possible_marks(cells: pa.Array) -> tuple[set[Mark], str]:
    """Return the decimal marks that a column of text allows, and why it is not exactly one; the rows are named."""
    only: dict[Mark, str] = {}
    either = ""
    signs: dict[str, str] = {}
    for place, cell, with_point, with_comma in numerals(cells):
        shown = f"row {place + 1} holds {cell.strip()!r}"
        for sign in re.findall(f"[{_CURRENCY}%]", cell) or [""]:
            signs.setdefault(sign, shown)
        if with_comma is None:
            only.setdefault(".", shown)
        elif with_point is None:
            only.setdefault(",", shown)
        elif not either and float(with_point) != float(with_comma):
            either = f"{shown}, which is {with_point} with a decimal point and {with_comma} with a decimal comma"
    money = [sign for sign in signs if sign and sign != "%"]
    mixed = money[:2] if len(money) > 1 else [sign for sign in signs if "%" in signs][:2]
    if len(mixed) > 1:
        return set(), f"mixes units: {signs[mixed[0]]} and {signs[mixed[1]]}; write them in one unit"
    if len(only) > 1:
        why = (
            f"mixes decimal points and decimal commas: {only['.']} and {only[',']}; write plain numbers such as 1234.5"
        )
        return set(), why
    if not only and either:
        return {".", ","}, f"can be read in two ways: {either}; say decimal-point or decimal-comma"
    return set(only) or {"."}, ""


def meant(cell: str, cells: pa.Array, bad: list[int]) -> tuple[str, str]:
    """Return what a cell of text would be as a number, and the option that reads it and other bad ones so.

    Args:
        cell: the cell, without spaces around it.
        cells: its column.
        bad: the places of the column's cells that are no plain numbers, or of the first of them.
    """
    with_point, with_comma = plain(cell, "."), plain(cell, ",")
    if with_point is None and with_comma is None:
        if re.search(r"\d", cell):
            return "write a plain number such as 1234.5, without units", ""
        return "a value that is not known is an empty cell", ""
    words = cells.take(to_arrow(np.array(bad[:_LOOKED_AT], np.int64)))
    marks, _ = possible_marks(pa.concat_arrays([cells.slice(0, _LOOKED_AT), words]))
    fix = ""
    if len(marks) == 2:
        fix = "--fix decimal-point or decimal-comma, as the numbers are meant"
    elif marks:
        fix = f"--fix separators: {cell!r} is {with_point if marks == {'.'} else with_comma}"
    if fix and len(list(numerals(words))) < len(words):
        fix += "; and --fix empty: the other cells become missing"
    if marks != {","} and with_point is not None and (with_comma is None or "." not in with_point):
        return f"without thousands separators it is {with_point}", fix
    return f"with a decimal point it is {with_comma}", fix


def are_numerals(cells: pa.Array) -> bool:
    """Return whether most cells of text that are not empty can be numbers, with whatever separators."""
    filled = [cell for cell in cells.to_pylist() if cell is not None and not re.match(MISSING, cell.strip())]
    return 2 * len(list(numerals(cells))) > len(filled)


def decide(cells: pa.Array, name: str) -> Mark:
    """Return the decimal mark of a column of text.

    Raises:
        DataError: the column allows both, or contradicts itself; the rows that show it are named.
    """
    marks, why = possible_marks(cells)
    if len(marks) != 1:
        raise DataError(f"column {name!r} {why}")
    return marks.pop()
