"""The hour that is skipped where clocks go forward is told from other holes."""

import pandas as pd
import pytest
from planted import level, nothing, only


@pytest.mark.parametrize(("freq", "row"), [("h", 27), ("30min", 53)])
def test_the_row_after_the_change_is_named(freq, row):
    local = pd.date_range("2024-03-30", periods=100, freq=freq, tz="Europe/Berlin").tz_localize(None)
    found = only(pd.DataFrame({"ds": local, "y": level(100)}))
    assert (found.code, found.severity, found.rows, found.count) == ("skipped-hour", "warning", (row,), 1)
    assert found.example == "2024-03-31 03:00"


def test_on_another_day_it_is_a_hole():
    hours = pd.date_range("2024-03-27", periods=100, freq="h")
    assert nothing(pd.DataFrame({"ds": hours, "y": level(100)}))
    assert only(pd.DataFrame({"ds": hours.delete(26), "y": level(99)})).code == "holes"
