"""What the doctor says: the kinds of findings, how grave each is and what to do, and the words they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Severity = Literal["error", "warning", "note"]

SHOWN = 10  # rows named in a finding

KINDS: dict[str, tuple[Severity, str]] = {  # code: severity, what the user can do now
    "unreadable": ("error", "save the table as a regular CSV or Parquet file"),
    "columns": ("error", "name the columns with --time, --target and --id"),
    "missing-ids": ("error", "fill in the series of these rows, or leave the rows out"),
    "missing-times": ("error", "fill in the times of these rows, or leave the rows out"),
    "unreadable-dates": ("error", "write dates as 2020-01-31 or 2020-01-31 14:30, or name another column with --time"),
    "day-first": ("error", "write dates as 2020-01-31"),
    "mixed-zones": ("error", "give every time a zone, or none"),
    "time-zone": ("note", "write times without a zone if local time is what matters"),
    "repeated-hour": ("error", "write these times in UTC, or with their zone"),
    "skipped-hour": ("warning", "write the times in UTC, or with their zone"),
    "duplicate-times": ("error", "keep one row per time, or name the column that tells the series apart with --id"),
    "unsorted-rows": ("error", "sort the rows by time"),
    "mixed-frequency": ("error", "bring all rows to one frequency, or leave out the rows of the other"),
    "irregular-times": ("error", "give one row per regular step"),
    "holes": ("warning", "nothing, if the values are not known: they count as missing; otherwise add the rows"),
    "text-in-numbers": ("error", "write plain numbers such as 1234.5, and leave unknown cells empty"),
    "infinities": ("error", "leave the cells empty if the values are not known"),
    "missing-values": ("warning", "nothing, if the values are not known: they count as missing"),
    "no-values": ("error", "leave the series out, or name another column with --target"),
    "too-short": ("warning", "add rows: some hundreds make a judgement worth reading"),
    "constant": ("warning", "name another column with --target, if this is not what you meant"),
    "constant-tail": ("warning", "leave these cells empty if the values are not true"),
    "unit-jump": ("warning", "bring all rows to one unit"),
    "outliers": ("note", "leave these cells empty if the values are not true"),
    "negative-values": ("note", "leave these cells empty if the values are not true"),
    "target-in-inputs": ("warning", "leave this --input out: it says nothing new"),
    "future-in-inputs": ("error", "leave this --input out: it holds the future"),
    "refused": ("error", ""),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    ``code`` says what, in words that stay the same; an "error" must be mended before a forecast, a "warning" should be
    looked at, a "note" may be fine.  ``rows`` are the first ten, counted from 1 without the header; ``count`` is how
    many there are in all (for holes: missing steps).  ``fix`` is what to do, with the option that does it if there is
    one.
    """

    code: str
    severity: Severity
    message: str
    rows: tuple[int, ...]
    count: int
    example: str
    fix: str


def finding_of(
    code: str,
    message: str,
    rows: Sequence[int] | npt.NDArray[np.int64] = (),
    example: str = "",
    count: int | None = None,
) -> Finding:
    """Return a finding with the severity and the remedy of its code."""
    severity, fix = KINDS[code]
    numbers = [int(row) for row in rows]
    return Finding(
        code, severity, message, tuple(numbers[:SHOWN]), len(numbers) if count is None else count, example, fix
    )


def sentence(error: Exception) -> str:
    """Return what an error says, from a capital letter to a full stop."""
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def many(count: int, one: str, several: str = "") -> str:
    """Return a count in words: ``1 row``, ``1,234 rows``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
