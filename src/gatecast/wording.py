"""Numbers as a sentence writes them."""

from __future__ import annotations

import math
from typing import Any


def number(value: float, significant: int = 3) -> str:
    """Write a number with so many significant digits, in full where that is readable."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{significant - 1}e}"
    digits = max(0, significant - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def pair(one: float, other: float) -> str:
    """Write two numbers with as many digits as it takes to tell them apart: three to six."""
    if one == other:
        return f"{number(one)} for both"
    for significant in range(3, 7):
        first, second = number(one, significant), number(other, significant)
        if first != second:
            break
    return f"{first} against {second}"


def percent(value: float) -> str:
    """Write a percentage with one decimal."""
    return f"{value:,.1f} %" if value >= 0.05 else "under 0.05 %"


def p_words(p: float) -> str:
    """Write a p value; never as zero."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def layers_in_words(layers: int, units: int, cell: str) -> str:
    """Write the shape of a network, and what its cells are where they are no LSTM's."""
    words = f"layer{'s' if layers > 1 else ''} of {units} units"
    return f"{layers} LSTM {words}" if cell == "lstm" else f"{layers} {words} ({cell})"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, which is as it stands for one: 1 origin, 2,000 origins."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def each_of(count: int, noun: str) -> str:
    """Write of how many something is said: 1 origin, each of 2,000 origins."""
    return counted(count, noun) if count == 1 else f"each of {counted(count, noun)}"


def ordinal(count: int) -> str:
    """2nd, 3rd, 50th; the first is "single"."""
    if count == 1:
        return "single"
    ending = "th" if 10 <= count % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def finite(value: Any) -> Any:
    """Numbers that are not finite as None, since JSON has none; tuples as lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
