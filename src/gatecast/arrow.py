"""Arrow arrays as NumPy arrays and back, through their buffers.

``to_numpy`` and ``pyarrow.array`` would import pandas, which takes longer than a zero-shot forecast.  What a cell of
text may mean stands here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

COUNTED = "(rows are counted from 1, without the header)"
MISSING = r"^(?:|[nN][aA][nN]|NA|[nN]/[aA]|#N/A|<NA>|null|NULL|None)$"  # a cell of text that means: no value
DATE = (  # a cell of text that is certainly meant as a date
    r"^(?:\d{4}[-/]\d{1,2}(?:[-/]\d{1,2})?|\d{4}\.\d{1,2}\.\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?:[T ].*)?$"
    r"|^\d{4}[- ]?Q[1-4]$"
)


def first_row(mask: Booleans) -> int:
    """The number of the first row of which ``mask`` is true, counted from 1."""
    return int(np.argmax(mask)) + 1


def first_refused(cells: pa.Array, read: Callable[[pa.Array], pa.Array]) -> int:
    """The number of the first row, counted from 1, that ``read`` refuses, by halving."""
    low, high = 0, len(cells)  # the cells before low are fine; one before high is not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            read(cells.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low + 1


def is_text(kind: pa.DataType) -> bool:
    """Whether a kind of column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a kind of column holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def all_match(cells: pa.Array, pattern: str) -> bool:
    """Whether a sample is text of which every cell that is not empty matches."""
    if not is_text(cells.type):
        return False
    text = [cell.strip() for cell in cells.to_pylist() if cell and cell.strip()]
    return bool(text) and all(re.match(pattern, cell) for cell in text)


def matches(text: pa.Array, pattern: str) -> Booleans:
    """Which cells of text match, (N,); a null does not."""
    return mask_of(pc.match_substring_regex(text, pattern=pattern))


def numpy_of(cells: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An arrow array of fixed width as (N,) NumPy, without a copy; what stands where it is null is arbitrary."""
    if len(cells) == 0:
        return np.empty(0, dtype)
    return np.frombuffer(cells.buffers()[1], dtype, count=cells.offset + len(cells))[cells.offset :]


def mask_of(flags: pa.Array) -> Booleans:
    """An arrow array of booleans as (N,) NumPy; a null is false."""
    validity, bits = flags.buffers()
    ends = (flags.offset, flags.offset + len(flags))

    def unpack(packed: pa.Buffer) -> Booleans:
        return np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[slice(*ends)].view(np.bool_)

    return unpack(bits) if validity is None else unpack(bits) & unpack(validity)


def to_arrow(values: npt.NDArray[Any], null: Booleans | None = None, zone: str | None = None) -> pa.Array:
    """(N,) float64, int64 or datetime64[us] as an arrow array; NaN stays NaN.

    Args:
        values: the numbers or times.
        null: where the result is null; None is nowhere.
        zone: the time zone that times, given in UTC, are shown in.
    """
    kinds = {"f": pa.float64(), "i": pa.int64(), "M": pa.timestamp("us", zone)}
    buffers = [_validity(null), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kinds[values.dtype.kind], len(values), buffers)


def text_of(words: Sequence[str | None]) -> pa.Array:
    """Words, or None, as an arrow array of text."""
    if None not in words:
        return repeated_text([word for word in words if word is not None], 1)
    null = np.array([word is None for word in words], np.bool_)
    text = repeated_text([word or "" for word in words], 1)
    return pa.Array.from_buffers(text.type, len(text), [_validity(null), *text.buffers()[1:]])


def repeated_text(words: Sequence[str], times: int) -> pa.Array:
    """Each word ``times`` times in a row, as an arrow array of text."""
    coded = [word.encode() for word in words]
    ends = np.cumsum(np.repeat(np.array([len(word) for word in coded], np.int64), times))
    wide = len(ends) > 0 and int(ends[-1]) > np.iinfo(np.int32).max
    offsets = np.concatenate(([0], ends)).astype(np.int64 if wide else np.int32)
    data = b"".join(word * times for word in coded)
    kind = pa.large_string() if wide else pa.string()
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _validity(null: Booleans | None) -> pa.Buffer | None:
    return None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little"))
