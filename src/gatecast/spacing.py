"""The common frequency of many series, and whether each of them keeps to it.

Key: S series, N rows; series s is the rows ``offsets[s]:offsets[s+1]``, in time order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gatecast.errors import DataError, SettingsError
from gatecast.frequency import REGULAR, Frequency, Times, advance, infer_frequency

Integers = npt.NDArray[np.int64]

_DAY = 86_400_000_000  # microseconds
_DAYS_IN_TABLE = 1_000_000
_LOOKED_AT = 500  # series that vote on the frequency when all of them are short


def common_frequency(times: Times, offsets: Integers, ids: Sequence[str]) -> Frequency:
    """The frequency of the longest series; of most of them, if none has more than two rows.

    Raises:
        DataError: the longest series has no regular spacing.
    """
    lengths = np.diff(offsets)
    longest = int(np.argmax(lengths))
    if lengths[longest] < 3:
        pairs = np.flatnonzero(lengths == 2)
        chosen = pairs[np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _LOOKED_AT)).astype(np.int64))]
        found = [infer_frequency(times[offsets[s] : offsets[s] + 2]) for s in chosen]
        return Counter(found).most_common(1)[0][0]
    try:
        return infer_frequency(times[offsets[longest] : offsets[longest + 1]])
    except DataError as error:
        raise DataError(f"series {ids[longest]!r}: {error}" if len(ids) > 1 else str(error)) from None


def check_spacing(times: Times, offsets: Integers, ids: Sequence[str], frequency: Frequency, given: bool) -> None:
    """Refuse a series of which too few gaps are whole steps of the frequency.

    Args:
        times: (N,) datetime64[us] or int64.
        offsets: (S+1,) where each series starts.
        ids: the names of the series.
        frequency: of all of them.
        given: whether it was asked for, and not found.

    Raises:
        DataError: a series has another spacing, which is named.
        SettingsError: the frequency counts months or days and the times are numbers, or the other way round.
    """
    if (frequency.unit == "numbers") != (times.dtype.kind == "i"):
        kind = "whole numbers" if times.dtype.kind == "i" else "dates"
        raise SettingsError(f"frequency {frequency.code!r} ({frequency.name}) does not go with times that are {kind}")
    if len(times) < 2:
        return
    whole = np.concatenate(([False], _whole(times, frequency)))
    whole[offsets[:-1]] = False  # the first row of a series follows nothing
    fitting = np.add.reduceat(whole, offsets[:-1], dtype=np.int64)
    gaps = np.diff(offsets) - 1
    wrong = np.flatnonzero(fitting < REGULAR * gaps)
    if len(wrong) == 0:
        return
    s = int(wrong[0])
    own = _own_words(times[offsets[s] : offsets[s + 1]])
    if given and len(ids) == 1:
        raise DataError(
            f"frequency {frequency.code!r} ({frequency.name}) does not fit the times, which {own}: only "
            f"{fitting[s]:,} of {gaps[s]:,} gaps are whole steps of it; leave the frequency out, or mend the times"
        )
    who = "is asked for" if given else "is the table's frequency"
    more = f" ({len(wrong):,} series differ)" if len(wrong) > 1 else ""
    raise DataError(
        f"the times of series {ids[s]!r} {own}, and {frequency.name!r} {who}: only {fitting[s]:,} of its {gaps[s]:,} "
        f"gaps are whole steps of that{more}; give one table for each spacing"
    )


def _whole(times: Times, frequency: Frequency) -> npt.NDArray[np.bool_]:
    """Whether each gap, (N-1,), is a whole number of steps."""
    if frequency.unit in ("span", "numbers"):
        return np.asarray((times[1:] - times[:-1]).astype(np.int64) % frequency.step == 0)
    days, clock = np.divmod(times.view(np.int64), _DAY)
    first, last = int(days.min()), int(days.max())
    if last - first > _DAYS_IN_TABLE:
        days, place = np.unique(days, return_inverse=True)
    else:  # few days, and many rows: what holds for a day is looked up
        days, place = np.arange(first, last + 1), days - first
    dates = days.astype("datetime64[D]").astype("datetime64[us]")
    fits = (advance(dates, 0, frequency) == dates)[place]
    whole = fits[1:] & (clock[1:] == clock[:-1])
    if frequency.unit == "months" and frequency.step > 1:
        months = dates.astype("datetime64[M]").astype(np.int64)[place]
        whole &= (months[1:] - months[:-1]) % frequency.step == 0
    return np.asarray(whole)


def _own_words(times: Times) -> str:
    try:
        return f"look {infer_frequency(times).name!r}"
    except DataError:
        return "have no regular spacing"
