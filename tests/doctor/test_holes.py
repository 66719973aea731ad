"""Missing steps are counted, and the longest hole is shown; holidays are none."""

import numpy as np
import pyarrow as pa
from planted import level, nothing, only, table, times


def test_missing_steps_are_counted_with_the_longest_hole():
    kept = [k for k in range(100) if k not in {10, *range(40, 55)}]
    found = only(pa.table({"ds": [times(100)[k] for k in kept], "y": level(len(kept))}))
    assert (found.code, found.severity, found.rows, found.count) == ("holes", "warning", (11, 40), 16)
    assert "the longest (15 steps) between 2024-02-09 and 2024-02-25" in found.message


def test_a_trading_calendar_has_holidays_but_not_months_without_a_row():
    days = np.arange("2024-01-01", "2024-12-31", dtype="datetime64[D]")
    days = days[np.is_busday(days, holidays=["2024-03-29", "2024-04-01", "2024-12-25"])].astype("datetime64[us]")
    assert nothing(pa.table({"ds": days.tolist(), "y": level(len(days))}))
    days = np.delete(days, np.arange(100, 130))
    found = only(pa.table({"ds": days.tolist(), "y": level(len(days))}))
    assert (found.code, found.rows, found.count) == ("holes", (101,), 30)


def test_no_hole_is_seen_between_two_series():
    when = [*times(30), *times(60)[30:]]
    assert nothing(table(ds=when, unique_id=["a"] * 30 + ["b"] * 30))
