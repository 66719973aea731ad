"""What may be wrong with further columns: those known in advance, those that stay the same, and those not read."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from gatecast.arrow import Booleans, Floats, is_text, mask_of, matches, numpy_of
from gatecast.columns import column_of, listed, numbers_of
from gatecast.errors import DataError
from gatecast.findings import Finding, finding_of, many
from gatecast.reading import Read, Roles, is_words, read_numbers

_SAMPLE = 200  # rows looked at to find out whether a column is numbers


def look_at_known(
    frame: nw.DataFrame[Any],
    roles: Roles,
    columns: dict[str, tuple[Floats, Booleans]],
    read: Read,
    findings: list[Finding],
) -> None:
    """Say where a column known in advance is not known."""
    for name in roles.known:
        if name in columns:
            values, spoilt = columns[name]
            gone = np.isnan(values) & ~spoilt
        else:
            gone = ~_filled(frame, name)
        rows = np.sort(read.rows[gone[read.rows - 1]])
        if len(rows):
            message = (
                f"Column {name!r} is known in advance, and has no value in {many(len(rows), 'row')}, first in row "
                f"{rows[0]}; it is read as missing there."
            )
            findings.append(finding_of("known-missing", message, rows))


def look_at_static(frame: nw.DataFrame[Any], roles: Roles, read: Read, findings: list[Finding]) -> None:
    """Say where a static column changes within a series."""
    order = np.argsort(read.rows) if roles.static else read.rows
    for name in roles.static:
        rows, codes = read.rows[order], read.codes[order]
        cells = column_of(frame, name)
        if is_words(frame, name):
            encoded = cells.dictionary_encode()
            values = numpy_of(encoded.indices, np.int32).astype(np.float64)
            values[~_filled(frame, name)] = np.nan
        else:
            values = read_numbers(cells, name, findings)[0]
        values = values[rows - 1]
        there = np.flatnonzero(~np.isnan(values))
        first = np.full(len(read.ids), -1)
        first[codes[there[::-1]]] = there[::-1]  # the last one written stays: the first row
        other = there[values[there] != values[first[codes[there]]]]
        if len(other):
            at, before = int(other[0]), int(first[codes[other[0]]])
            one, two = (str(cells[int(rows[place]) - 1].as_py()) for place in (before, at))
            which = f" of series {read.ids[codes[at]]!r}" if read.has_id else ""
            message = (
                f"Static column {name!r}{which} is {one!r} in row {rows[before]} and {two!r} in row {rows[at]}; a "
                "static column stays the same for a series."
            )
            findings.append(finding_of("static-changes", message, rows[other], two))


def look_at_others(frame: nw.DataFrame[Any], roles: Roles, findings: list[Finding]) -> None:
    """Name the columns of numbers that are not read."""
    sample = frame.head(_SAMPLE)
    names = [name for name in frame.columns if name not in roles.used and _is_numeric(sample, name)]
    if names:
        what = "holds numbers and is" if len(names) == 1 else "hold numbers and are"
        message = f"{'Column' if len(names) == 1 else 'Columns'} {listed(names)} {what} not read."
        findings.append(finding_of("other-columns", message, example=names[0], count=len(names)))


def _filled(frame: nw.DataFrame[Any], name: str) -> Booleans:
    """Which cells of a column of words are not empty."""
    cells = column_of(frame, name)
    there = mask_of(cells.is_valid())
    return there & matches(cells, r"\S") if is_text(cells.type) else there


def _is_numeric(sample: nw.DataFrame[Any], name: str) -> bool:
    try:
        return bool((~np.isnan(numbers_of(column_of(sample, name), name))).any())
    except DataError:
        return False
