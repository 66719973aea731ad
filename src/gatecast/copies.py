"""What is there twice: a test part inside its training part, a series that repeats, an input that is the target.

Nothing here needs more than NumPy, so that a table can be checked without loading the judge.

Key: T step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatecast.errors import DataError

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SAME_DIGITS = 1e-9  # two values closer than this share of the test part's range are the same
COPY_LENGTH = 8  # a test part with fewer known values may recur by chance
LAGS = 12  # steps by which an input may be moved against the target and still be found a copy
SHORT = 20  # steps on which a straight line may be chance
ON_LINE = 1e-6  # share of its range by which an input may be off the line


def occurs_in(training: npt.ArrayLike, test: npt.ArrayLike) -> int | None:
    """Return how far back the whole test part occurs in the training part, digit for digit, or None.

    The figure is the shift of the newest occurrence: the number of steps from where it begins to the end of the
    training part, which is where the test part begins when it follows at once.  A score on such a test part shows
    memory, not skill.

    "Digit for digit" is within 1e-9 of the test part's range, plus rounding.  Missing test values match anything,
    missing training values nothing.  A test part that does not vary, or has fewer than 8 known values, may recur by
    chance and gives None.

    Args:
        training: (T,).
        test: (n,), found only if n ≤ T.
    """
    training, test = np.asarray(training, np.float64), np.asarray(test, np.float64)
    starts = np.arange(len(training) - len(test), -1, -1)  # newest first
    starts = _matching(training, test, starts)
    return int(len(training) - starts[0]) if starts.size else None


def exact_period(values: npt.ArrayLike) -> int | None:
    """Return the smallest number of steps after which ``values`` (T,) repeat digit for digit, None for never.

    At least two whole periods must be there; see ``occurs_in`` for what counts as the same.
    """
    values = np.asarray(values, np.float64)
    half = len(values) // 2
    shifts = _matching(values, values[:half], np.arange(1, half + 1))
    for shift in shifts:
        if _matching(values, values[:-shift], np.array([shift])).size:
            return int(shift)
    return None


def _matching(series: Array, part: Array, starts: Integers) -> Integers:
    """Return those of ``starts`` from which ``part`` occurs in ``series``: most are dropped by the first few values."""
    known = np.flatnonzero(~np.isnan(part))
    if known.size < COPY_LENGTH or np.ptp(part[known]) == 0:
        return starts[:0]
    rounding = 4 * np.finfo(np.float64).eps * float(np.abs(part[known]).max())
    tolerance = SAME_DIGITS * float(np.ptp(part[known])) + rounding
    for position in known:
        starts = starts[np.abs(series[starts + position] - part[position]) <= tolerance]
        if not starts.size:
            break
    return starts


@dataclass(frozen=True)
class CopyFinding:
    """An input that is the target, perhaps moved in time or brought to another scale."""

    input: str
    lead: int  # steps by which it runs ahead of the target; negative when it is late
    same_scale: bool
    holds_future: bool
    message: str


def copy_detector(target: npt.ArrayLike, inputs: Mapping[str, npt.ArrayLike], name: str = "y") -> list[CopyFinding]:
    """Find the inputs that are the target: equal to it, or a·y + b with one a and b, moved by at most 12 steps.

    A copy that runs ahead of the target holds the future and makes any score worthless; a late one, or one at the same
    time, is harmless and tells the network nothing new.  A short (under 20 steps) or nearly constant column (fewer than
    5 different values) is not looked at.

    Args:
        target: (T,), NaN where missing.
        inputs: by name, (T,) each.
        name: of the target, for the message.

    Raises:
        DataError: an input has another length.
    """
    y = np.asarray(target, np.float64)
    found = []
    for column, values in inputs.items():
        x = np.asarray(values, np.float64)
        if x.shape != y.shape or y.ndim != 1:
            raise DataError(f"input {column!r} has shape {x.shape} and the target {y.shape}; give one value per step")
        lead = next(
            (lead for lead in sorted(range(-LAGS, LAGS + 1), key=abs) if is_one_line(*_moved(x, y, lead))), None
        )
        if lead is not None:
            found.append(copy_of(column, name, lead, bool(np.array_equal(*_moved(x, y, lead)))))
    return found


def _moved(x: Array, y: Array, lead: int) -> tuple[Array, Array]:
    """Return the pairs x(t), y(t + lead) of which both are known."""
    steps = max(len(x) - abs(lead), 0)
    x, y = x[max(-lead, 0) :][:steps], y[max(lead, 0) :][:steps]
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both]


def is_one_line(x: Array, y: Array) -> bool:
    """Return whether x is a·y + b with one a (not 0) and b, up to rounding."""
    if len(x) < SHORT or np.unique(y).size < 5 or np.ptp(x) == 0:
        return False
    x, y = x - x.mean(), y - y.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    slope = float(x @ y) / float(y @ y)
    return slope != 0 and float(np.abs(x - slope * y).max()) < ON_LINE


def copy_of(column: str, target: str, lead: int, same: bool) -> CopyFinding:
    """Say what an input is, in the words of ``gatecast check``."""
    what = f"is the target {target!r}" + ("" if same or lead else " on another scale")
    if lead:
        steps = f"{abs(lead)} step" + ("s" if abs(lead) > 1 else "")
        what += f" {steps} {'ahead of its time' if lead > 0 else 'late'}"
    ending = "a forecast made with it would know the answer" if lead > 0 else "it tells the network nothing new"
    return CopyFinding(column, lead, same, lead > 0, f"Input {column!r} {what}; {ending}.")
