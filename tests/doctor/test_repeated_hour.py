"""The hour that comes twice where clocks go back is told from other repetitions."""

from datetime import timedelta

import pandas as pd
import pytest
from planted import level, nothing, only


@pytest.mark.parametrize(("freq", "rows"), [("h", (28,)), ("30min", (55, 56))])
def test_the_second_telling_is_named(freq, rows):
    local = pd.date_range("2024-10-26", periods=100, freq=freq, tz="Europe/Berlin").tz_localize(None)
    found = only(pd.DataFrame({"ds": local, "y": level(100)}))
    assert (found.code, found.severity, found.rows, found.count) == ("repeated-hour", "error", rows, len(rows))
    assert found.example == "2024-10-27 02:00"


def test_utc_repeats_nothing():
    assert nothing(pd.DataFrame({"ds": pd.date_range("2024-10-26", periods=100, freq="h"), "y": level(100)}))


def test_on_another_day_it_is_a_duplicate():
    when = pd.date_range("2024-10-23", periods=100, freq="h").to_series().reset_index(drop=True)
    when[50:] -= timedelta(hours=1)
    assert only(pd.DataFrame({"ds": when, "y": level(100)})).code == "duplicate-times"
