"""Times with a zone are read as UTC, which is said; UTC itself, local midnights and no zone need no word."""

from datetime import timedelta

import pandas as pd
import pyarrow as pa
from planted import level, nothing, only, times

HOURS = [time.isoformat() for time in times(60, timedelta(hours=1))]


def test_reading_as_utc_is_said():
    found = only(pa.table({"ds": [f"{hour}+02:00" for hour in HOURS], "y": level(60)}))
    assert (found.code, found.severity, found.count) == ("time-zone", "note", 60)
    assert "'2024-01-01T00:00:00+02:00' is 2023-12-31 22:00" in found.message
    hours = pd.date_range("2024-03-29", periods=60, freq="h", tz="Europe/Berlin")
    assert only(pd.DataFrame({"ds": hours, "y": level(60)})).code == "time-zone"


def test_healthy_times_need_no_word():
    assert nothing(pa.table({"ds": HOURS, "y": level(60)}))
    assert nothing(pa.table({"ds": [f"{hour}Z" for hour in HOURS], "y": level(60)}))
    assert nothing(pd.DataFrame({"ds": pd.date_range("2024-03-01", periods=60, tz="Europe/Berlin"), "y": level(60)}))
    assert nothing(pd.DataFrame({"ds": pd.date_range("2024-03-01", periods=60, freq="h", tz="UTC"), "y": level(60)}))
