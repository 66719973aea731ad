"""A date that can be read two ways is an error that shows both; one row that decides is enough."""

import pyarrow as pa
from planted import level, nothing, only, times

from gatecast.doctor import check

MONTHS = [f"01/{month:02d}/{year}" for year in range(2010, 2013) for month in range(1, 13)]


def test_both_readings_are_shown_and_the_likelier_is_named():
    found = only(pa.table({"date": MONTHS, "v": level(36)}))
    assert (found.code, found.severity) == ("day-first", "error")
    assert found.rows[:3] == (2, 3, 4)
    assert found.count == 33  # 01/01 is the same day either way
    assert found.example == "01/02/2010"
    assert "2010-02-01 read day first and 2010-01-02 read month first" in found.message
    assert "read day first the times are the more regular" in found.message
    report = check(pa.table({"date": MONTHS, "v": level(36)}))
    assert (report.frequency_code, report.first, report.last) == ("MS", "2010-01-01", "2012-12-01")


def test_a_column_that_mixes_both_is_an_error():
    mixed = [time.strftime("%d/%m/%Y") for time in times(60)]
    mixed[40] = "2/29/2024"
    found = only(pa.table({"date": mixed, "v": level(60)}))
    assert (found.code, found.rows, found.count) == ("day-first", (41,), 1)
    assert "mixes day/month/year" in found.message


def test_one_row_that_decides_is_enough():
    assert nothing(pa.table({"date": [time.strftime("%d/%m/%Y") for time in times(60)], "v": level(60)}))
    assert nothing(pa.table({"date": [time.strftime("%d.%m.%Y") for time in times(60)], "v": level(60)}))
