"""Lengths of time as people write them: 90s, 5m, 1h30m; seconds inside the program."""

from __future__ import annotations

import math
import re

RIGHT = "give seconds, or a time such as 90s, 5m, 1h or 1h30m"

_PART = r"(\d+(?:\.\d*)?|\.\d+)"
_WHOLE = re.compile(rf"^(?:{_PART}h)?(?:{_PART}m)?(?:{_PART}s?)?$")


def seconds_of(time: str | float) -> float:
    """Return how many seconds a time has: a number of them, or words such as ``90s``, ``5m``, ``1.5h`` or ``1h30m``.

    Raises:
        ValueError: it is no time, or not above 0 and finite.
    """
    if isinstance(time, str):
        parts = _WHOLE.match(time.strip().lower().replace(" ", ""))
        if parts is None or not any(parts.groups()):
            raise ValueError(f"{time!r} is no length of time; {RIGHT}")
        seconds = sum(float(part) * unit for part, unit in zip(parts.groups("0"), (3600.0, 60.0, 1.0), strict=True))
    else:
        if isinstance(time, bool) or not isinstance(time, int | float):
            raise ValueError(f"{time!r} is no length of time; {RIGHT}")
        seconds = float(time)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"{time!r} is not above 0 and finite; {RIGHT}")
    return seconds


def in_words(seconds: float) -> str:
    """Write a length of time briefly: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, rest = divmod(round(whole / 60), 60)
    return f"{hours} h" + (f" {rest} min" if rest else "")
