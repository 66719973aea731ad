"""The future values of columns that are known in advance, read from a table and laid beside a panel.

Rows are matched by series and time, so that a whole calendar may be given; what is missing is said, never guessed.

Key: S series, H horizon step, N rows of the table.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np

from gatecast.arrow import COUNTED, Floats, Integers, first_row, is_text, to_arrow
from gatecast.columns import column_of, listed, numbers_of, raw_column, series_of
from gatecast.dates import Zoned, show_zoned, times_like
from gatecast.errors import DataError, SettingsError, nearest
from gatecast.frequency import Times, future_times
from gatecast.layouts import eager_frame
from gatecast.panel import Panel
from gatecast.rows import LARGEST, WHICH

_SHOWN = 10  # known words named in a message


def read_future(frame: Any, panel: Panel, horizon: int) -> dict[str, Floats]:
    """Return the values of each known column in the ``horizon`` steps after each series' end, (S, H) by name.

    Args:
        frame: a table of any kind with the time, every known column of the panel, and the series' id if there are
            several; without an id the values hold for all series.  Other columns and other steps are ignored.
        panel: the series.
        horizon: steps ahead.

    Raises:
        DataError: no table, a column, a step or a value is missing, a step is there twice, or a word is not known.
        SettingsError: the panel has no column known in advance, or the horizon no steps.
    """
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")
    if not panel.known:
        if frame is None:
            return {}
        raise SettingsError("future values are given, and no column is known in advance; leave them out")
    wanted_SH = future_times(panel.times[panel.offsets[1:] - 1], panel.frequency, horizon)
    if frame is None:
        raise DataError(
            f"the model reads {listed(panel.known)} in advance: give the future values, {_needed(panel, wanted_SH)}"
        )
    table = eager_frame(frame)
    lacking = [name for name in panel.known if name not in table.columns]
    if lacking:
        raise DataError(
            f"the future table lacks the column {lacking[0]!r}, which is known in advance."
            f"{nearest(lacking[0], table.columns)} It has {listed(table.columns)}; {_needed(panel, wanted_SH)}"
        )
    codes = _codes(table, panel)
    times = _times(table, panel, wanted_SH, None if codes is None else codes[0])
    rows_SH = _matched(times, codes, panel, wanted_SH)
    found = {}
    for name in panel.known:
        found[name] = _values(table, name, panel, rows_SH)
        _check_complete(found[name], name, panel, wanted_SH)
    return found


def _needed(panel: Panel, wanted_SH: Times) -> str:
    """What must be given, in words."""
    steps = wanted_SH.shape[1]
    who = "step" if len(panel) == 1 else "series and step"
    span = f"{_show(panel, wanted_SH.min())} to {_show(panel, wanted_SH.max())}"
    count = (
        f"{steps:,} steps from {span}" if (wanted_SH == wanted_SH[0]).all() else f"{steps:,} steps each, within {span}"
    )
    return f"one row per {who}: {count}" if steps > 1 else f"one row per {who}: 1 step, {_show(panel, wanted_SH.min())}"


def _show(panel: Panel, time: Any) -> str:
    return show_zoned(time, panel.zone, panel.local_days)


# ------------------------------------------------------------------------------------------- which row is which step


def _codes(table: nw.DataFrame[Any], panel: Panel) -> tuple[Integers, Integers] | None:
    """The series that each row is of, (N,), and the one that each series of the panel reads, (S,); -1 is none.

    Several targets of one series read the same rows.  None: every row is of all series.
    """
    name = next((each for each in (panel.names.unique_id, "unique_id") if each in table.columns), None)
    if name is None:
        return None
    codes, ids = series_of(raw_column(table, name), name)
    place = {each: code for code, each in enumerate(ids)}
    targets = panel.categories.get(WHICH, ())
    reads = np.full(len(panel), -1)
    for s, each in enumerate(panel.ids):
        base = (
            each.removesuffix(f"/{targets[int(panel.static[WHICH][s])]}") if WHICH in panel.static and targets else each
        )
        reads[s] = place.get(each, place.get(base, -1))
    if (reads < 0).any():
        s = int(np.argmin(reads))
        lacking = int((reads < 0).sum())
        more = f", and {lacking:,} series in all are not" if lacking > 1 else ""
        raise DataError(
            f"series {panel.ids[s]!r} is not in column {name!r} of the future table{more}.{nearest(panel.ids[s], ids)} "
            f"It has {listed(ids)}"
        )
    return codes, reads


def _times(table: nw.DataFrame[Any], panel: Panel, wanted_SH: Times, codes: Integers | None) -> Times:
    """The times of the rows, (N,), as the panel counts them."""
    name = next((each for each in (panel.names.ds, "ds") if each in table.columns), None)
    if name is not None:
        like = Zoned(panel.times, panel.zone, panel.local_days)
        times = times_like(column_of(table, name), name, like, codes)
        if times.dtype.kind != panel.times.dtype.kind:
            kinds = {"i": "whole numbers", "M": "dates"}
            raise DataError(
                f"column {name!r} of the future table holds {kinds[times.dtype.kind]}, and the series has "
                f"{kinds[panel.times.dtype.kind]}; give times of the same kind"
            )
        return times
    if panel.times.dtype.kind == "i" and len(panel) == 1 and len(table) == wanted_SH.shape[1]:
        return np.asarray(wanted_SH[0])  # counted rows: the steps in their order
    raise DataError(
        f"the future table lacks the time column {panel.names.ds!r}; it has {listed(table.columns)}; "
        f"{_needed(panel, wanted_SH)}"
    )


def _matched(times: Times, codes: tuple[Integers, Integers] | None, panel: Panel, wanted_SH: Times) -> Integers:
    """The row of each series and step, (S, H); -1 where there is none."""
    moments, at = np.unique(np.concatenate([times, wanted_SH.reshape(-1)]), return_inverse=True)
    row_keys, step_keys_SH = at[: len(times)], at[len(times) :].reshape(wanted_SH.shape)
    if codes is not None:
        row_keys = codes[0] * len(moments) + row_keys
        step_keys_SH = codes[1][:, None] * len(moments) + step_keys_SH
    order = np.argsort(row_keys, kind="stable")
    keys = row_keys[order]
    first = np.searchsorted(keys, step_keys_SH, "left")
    last = np.searchsorted(keys, step_keys_SH, "right")
    if (last - first > 1).any():
        s, h = np.unravel_index(int(np.argmax(last - first > 1)), wanted_SH.shape)
        one, two = (int(order[first[s, h] + k]) + 1 for k in (0, 1))
        which = f" of series {panel.ids[s]!r}" if codes is not None else ""
        raise DataError(
            f"rows {one} and {two} of the future table{which} have the same time {_show(panel, wanted_SH[s, h])} "
            f"{COUNTED}; keep one row per time"
        )
    there = last > first
    if len(order) == 0:
        return np.full(wanted_SH.shape, -1)
    return np.where(there, order[np.minimum(first, len(order) - 1)], -1)


# ------------------------------------------------------------------------------------------- values


def _values(table: nw.DataFrame[Any], name: str, panel: Panel, rows_SH: Integers) -> Floats:
    """One column's values at the matched rows, (S, H); NaN where there is none."""
    used, place = np.unique(rows_SH[rows_SH >= 0], return_inverse=True)
    cells = column_of(table, name).take(to_arrow(used))
    labels = panel.categories.get(name)
    if labels is None:
        values = numbers_of(cells, name, used + 1)
        if (too_large := np.abs(values) > LARGEST).any():
            row = int(used[first_row(too_large) - 1]) + 1
            value = values[first_row(too_large) - 1]
            what = "infinite" if np.isinf(value) else f"{value:g}"
            raise DataError(
                f"row {row} of column {name!r} of the future table is {what} {COUNTED}; give numbers up to {LARGEST:g}"
            )
    else:
        values = _codes_of_words(cells, name, labels, used + 1)
    found_SH = np.full(rows_SH.shape, np.nan)
    found_SH[rows_SH >= 0] = values[place]
    return found_SH


def _codes_of_words(cells: Any, name: str, labels: tuple[str, ...], rows: Integers) -> Floats:
    """Words as the numbers that the panel gave them."""
    words = (cells if is_text(cells.type) else cells.cast("string")).to_pylist()
    place = {label: float(code) for code, label in enumerate(labels)}
    values = np.full(len(words), np.nan)
    for at, word in enumerate(words):
        text = (word or "").strip()
        if text and text not in place:
            near = get_close_matches(text, labels, n=_SHOWN, cutoff=0.0)
            known = ", ".join(map(repr, near)) + (" …" if len(labels) > len(near) else "")
            raise DataError(
                f"row {rows[at]} of column {name!r} of the future table holds {word!r}, which the series never had "
                f"{COUNTED}; known are {known}"
            )
        values[at] = place.get(text, np.nan)
    return values


def _check_complete(values_SH: Floats, name: str, panel: Panel, wanted_SH: Times) -> None:
    lacking = np.isnan(values_SH)
    if not lacking.any():
        return
    s, h = np.unravel_index(int(np.argmax(lacking)), lacking.shape)
    which = f" for series {panel.ids[s]!r}" if len(panel) > 1 else ""
    raise DataError(
        f"the future table has no value of {name!r}{which} at {_show(panel, wanted_SH[s, h])}, and lacks "
        f"{int(lacking.sum()):,} of {lacking.size:,} in all; give {_needed(panel, wanted_SH)}"
    )
