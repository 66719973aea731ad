"""A frequency that changes half way is an error; months of different lengths are one frequency."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from planted import level, nothing, only, times


@pytest.mark.parametrize(
    ("late", "name"), [(timedelta(hours=1), "hourly"), (timedelta(days=7), "weekly"), (timedelta(days=2), "2 days")]
)
def test_the_row_of_the_change_is_named(late, name):
    when = times(40) + times(20, late, times(40)[-1] + late)
    found = only(pa.table({"ds": when, "y": level(60)}))
    assert (found.code, found.severity) == ("mixed-frequency", "error")
    assert (found.rows[0], found.count) == (41, 20)
    assert "daily up to 2024-02-09 (row 40)" in found.message
    assert name in found.message


def test_daily_then_monthly_is_found():
    when = [*times(30, start=datetime(2024, 1, 2)), *(datetime(2024, month, 1) for month in range(2, 13))]
    found = only(pa.table({"ds": when, "y": level(41)}))
    assert (found.code, found.rows[0]) == ("mixed-frequency", 32)  # the first row that comes a month later


def test_months_are_one_frequency():
    months = [datetime(2018 + k // 12, k % 12 + 1, 1) for k in range(60)]
    assert nothing(pa.table({"ds": months, "y": level(60)}))
