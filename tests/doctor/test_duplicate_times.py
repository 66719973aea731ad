"""A time that occurs twice in a series is an error; in two series it is none."""

import pyarrow as pa
from planted import level, nothing, only, table, times

from gatecast.doctor import check


def test_the_repeating_rows_are_named():
    when = times(58)
    found = only(table(ds=[*when[:5], when[4], when[4], *when[5:]]))
    assert (found.code, found.severity) == ("duplicate-times", "error")
    assert (found.rows, found.count) == ((6, 7), 2)
    assert found.message.startswith("Rows 5 and 6 have the same time 2024-01-05, and 2 rows in all repeat a time")
    assert found.example == "2024-01-05"


def test_the_column_that_tells_series_apart_is_the_option_that_mends_it():
    frame = pa.table({"ds": times(30) * 2, "y": level(60), "shop": ["a"] * 30 + ["b"] * 30})
    found = next(found for found in check(frame).findings if found.code == "duplicate-times")
    assert found.count == 30
    assert found.fix == "--id shop"
    assert nothing(frame, series_id="shop")
