"""Columns beside the target, in numbers: known up to now only, known in advance, or the same for a whole series.

Words become one column of zeros and ones for each of the most common ones.  Numbers that the head reads as they are
(known in advance, static) are centred and scaled by the training part; those known up to now only are scaled as the
series go, see ``scaling``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Role = Literal["past", "known", "static"]

MOST_CATEGORIES = 32  # words that get a column of their own, the most common ones; the others are all zeros


@dataclass(frozen=True)
class Column:
    """A column as a model knows it.

    Attributes:
        name: what the user's table calls it.
        role: known up to now only, known in advance, or static.
        categories: for a column of words, those the model knows.
        centre: what is taken off a number, in the column's units.
        spread: what it is then divided by.
        lowest: the range seen in training, in the column's units.
        highest: its other end.
    """

    name: str
    role: Role
    categories: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0
    lowest: float | None = None
    highest: float | None = None

    @property
    def width(self) -> int:
        """How many columns of numbers it becomes."""
        return len(self.categories) or 1

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a model file."""
        return {**self.__dict__, "categories": list(self.categories)}


def column_from(values: dict[str, Any]) -> Column:
    """Rebuild a column from ``as_dict``.

    Raises:
        ValueError: a role is not known, or a word or number is none.
        TypeError: a setting is not known.
    """
    column = Column(**{**values, "categories": tuple(values["categories"])})
    if column.role not in ("past", "known", "static"):
        raise ValueError(f"column {column.name!r} has the role {column.role!r}")
    for word in (column.name, *column.categories):
        if not isinstance(word, str):
            raise ValueError(f"column {column.name!r} has the name or word {word!r}")
    ends = [end for end in (column.lowest, column.highest) if end is not None]
    for number in (column.centre, column.spread, *ends):
        if not (isinstance(number, int | float) and math.isfinite(number)):
            raise ValueError(f"column {column.name!r} has the number {number!r}")
    if column.spread <= 0:
        raise ValueError(f"column {column.name!r} has the spread {column.spread!r}")
    return column


class Widths(NamedTuple):
    """How many columns of numbers there are of each role."""

    past: int = 0
    known: int = 0
    static: int = 0


def widths_of(columns: Iterable[Column]) -> Widths:
    """Return how many columns of numbers ``columns`` become."""
    widths = dict.fromkeys(Widths._fields, 0)
    for column in columns:
        widths[column.role] += column.width
    return Widths(**widths)


def learn_column(name: str, role: Role, seen: Floats, labels: Sequence[str] | None = None) -> Column:
    """Return what the training part says about a column.

    Args:
        name: what the user's table calls it.
        role: what it is.
        seen: its numbers in the training part, in any shape; NaN is missing.
        labels: for a column of words, what the numbers 0, 1, 2 … stand for.
    """
    seen = seen[np.isfinite(seen)]
    if labels is not None:
        counts = np.bincount(seen.astype(np.int64), minlength=len(labels))
        common = np.sort(np.argsort(-counts, kind="stable")[:MOST_CATEGORIES])
        kept = tuple(labels[code] for code in common if counts[code])
        return Column(name, role, kept or tuple(labels[:1]))
    if len(seen) == 0:
        return Column(name, role)
    lowest, highest = float(seen.min()), float(seen.max())
    if role == "past":
        return Column(name, role, lowest=lowest, highest=highest)
    size = max(abs(lowest), abs(highest)) or 1.0
    shares = seen / size  # no sum or square of an absurd value overflows
    spread = spread_of(float(shares.std()) * size, lowest, highest)
    return Column(name, role, (), float(shares.mean()) * size, spread, lowest, highest)


def spread_of(spread: float, lowest: float, highest: float) -> float:
    """Return what a column is divided by: its standard deviation, or 1 for a constant, of which rounding is left."""
    return 1.0 if spread <= 1e-12 * max(abs(lowest), abs(highest)) else spread


def encode(column: Column, values: Floats, labels: Sequence[str] | None = None) -> Floats:
    """Return a column's numbers as the network reads them, (width, …); NaN stays missing.

    A word that the model does not know is neither of those it knows: zeros.
    """
    if not column.categories:
        return np.asarray((values - column.centre) / column.spread)[None]
    codes = {label: code for code, label in enumerate(labels or ())}
    seen = np.isfinite(values)
    return np.stack(
        [np.where(seen, (values == codes.get(label, -1)).astype(np.float64), np.nan) for label in column.categories]
    )


def outside(column: Column, values: Floats, labels: Sequence[str] | None = None) -> str:
    """Return in words how a column's values leave what training saw; nothing if they do not."""
    seen = values[np.isfinite(values)]
    if column.categories:
        unknown = [label for code, label in enumerate(labels or ()) if label not in column.categories]
        codes = {label: code for code, label in enumerate(labels or ())}
        strange = [label for label in unknown if (seen == codes[label]).any()]
        return f"{column.name} holds {strange[0]!r}, which training did not see" if strange else ""
    if column.lowest is None or column.highest is None or len(seen) == 0:
        return ""
    far = seen.max() if seen.max() > column.highest else seen.min()
    if column.lowest <= far <= column.highest:
        return ""
    return f"{column.name} goes to {far:g}, training saw {column.lowest:g} to {column.highest:g}"
