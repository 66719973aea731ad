"""What the doctor says: the kinds of findings, how grave each is and what to do, and the words they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Severity = Literal["error", "warning", "note"]

SHOWN = 10  # rows named in a finding

_FILLED = "nothing, if the values are not known: they count as missing; otherwise --fix fill, interpolate or zero"
_CLOCKS = "--zone Europe/Berlin, or wherever these clocks stand; or write the times in UTC or with their zone"

KINDS: dict[str, tuple[Severity, str]] = {  # code: severity, what the user can do now
    "unreadable": ("error", "save the table as a regular CSV or Parquet file"),
    "columns": ("error", "name the columns with --time, --target and --id"),
    "missing-ids": ("error", "fill in the series of these rows, or --fix drop: leave the rows out"),
    "missing-times": ("error", "fill in the times of these rows, or --fix drop: leave the rows out"),
    "unreadable-dates": (
        "error",
        "write dates as 2020-01-31 or 2020-01-31 14:30, or --fix drop: leave the rows out; "
        "or name another column with --time",
    ),
    "day-first": ("error", "--fix day-first or month-first, as the dates are meant; or write them as 2020-01-31"),
    "mixed-zones": ("error", "give every time a zone, or none"),
    "time-zone": (
        "note",
        "nothing, if that is right; --zone Europe/Berlin, or another, shows the forecast in local time",
    ),
    "repeated-hour": ("error", _CLOCKS),
    "skipped-hour": ("warning", _CLOCKS),
    "duplicate-times": (
        "error",
        "--fix first, last, mean or sum: keep one row per time; or name the column that tells the series apart "
        "with --id",
    ),
    "unsorted-rows": ("error", "--fix sort"),
    "mixed-frequency": ("error", "--fix regular: one row per step of the coarser frequency, the mean of its values"),
    "irregular-times": (
        "error",
        "--fix regular=D, or another step (h, W, MS …): one row per step, the mean of its values",
    ),
    "frequency-disagrees": ("error", "leave --frequency out, or give the one that was seen"),
    "holes": ("warning", _FILLED),
    "text-in-numbers": ("error", "--fix empty: these cells become missing; or write plain numbers such as 1234.5"),
    "infinities": ("error", "--fix empty: these cells become missing"),
    "missing-values": ("warning", _FILLED),
    "known-missing": ("warning", "fill in what is known in advance, or --fix fill or interpolate"),
    "static-changes": ("error", "name the column with --known or --input instead of --static"),
    "no-values": ("error", "name another column with --target"),
    "too-short": ("warning", "add rows: some hundreds make a judgement worth reading"),
    "constant": ("warning", "name another column with --target, if this is not what you meant"),
    "constant-tail": ("warning", "--fix tail, if the values are not true: these cells become missing"),
    "unit-jump": ("warning", "--fix jump, if the unit changed: these rows are brought to the unit of those before"),
    "outliers": ("note", "--fix outliers, if the values are not true: these cells become missing"),
    "negative-values": ("note", "leave these cells empty if the values are not true"),
    "target-in-inputs": ("warning", "leave this --input out: it says nothing new"),
    "future-in-inputs": ("error", "leave this --input out: it holds the future"),
    "other-columns": (
        "note",
        "nothing, if they should not be read; otherwise name them with --target, --inputs, --known or --wide",
    ),
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
    fix: str = "",
) -> Finding:
    """Return a finding with the severity of its code, and its remedy unless there is a better one."""
    severity, remedy = KINDS[code]
    shown = tuple(int(row) for row in rows[:SHOWN])
    return Finding(code, severity, message, shown, len(rows) if count is None else count, example, fix or remedy)


def sentence(error: Exception) -> str:
    """Return what an error says, from a capital letter to a full stop."""
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def many(count: int, one: str, several: str = "") -> str:
    """Return a count in words: ``1 row``, ``1,234 rows``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
