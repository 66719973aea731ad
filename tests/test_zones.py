"""Time zones come in and go out again, and hourly steps cross a change of the clocks one by one."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.config import QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.frames import forecast_table
from gatecast.panel import panel_from_frame
from gatecast.tables import table_as

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "+05:30", "-03:00"]


def utc(times):
    return times.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[us]")


def counted(ds, **columns):
    return pd.DataFrame({"ds": ds, "y": np.arange(len(ds), dtype=float), **columns})


def forecast(panel, horizon, like=None):
    return forecast_table(panel, {"LSTM": np.zeros((len(panel), horizon, len(QUANTILES)))}, [], like)


def refused(pattern, frame, error=DataError, **arguments):
    with pytest.raises(error, match=pattern):
        panel_from_frame(frame, **arguments)


# ------------------------------------------------------------------------------------------- in


def test_local_times_of_a_zone_are_utc():
    hours = pd.date_range("2024-07-01 10:00", periods=4, freq="h", tz="Europe/Berlin")
    panel = panel_from_frame(counted(hours.tz_localize(None)), zone="Europe/Berlin")
    assert (panel.zone, panel.local_days) == ("Europe/Berlin", False)
    np.testing.assert_array_equal(panel.times, utc(hours))


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2025, 12, 1)),
    st.sampled_from(["15min", "30min", "h"]),
    st.integers(1, 3),
)
def test_any_local_clock_is_read_as_the_moments_it_shows(zone, start, freq, series):
    if zone == "Australia/Lord_Howe" and freq == "h":
        return  # its clocks go back by half an hour, which hours tell once
    start = pd.Timestamp(start).floor(freq)
    near = [
        pd.Timestamp(day) for day in ("2024-10-26 12:00", "2024-11-02 12:00", "2024-04-06 12:00", "2024-03-30 12:00")
    ]
    for first in (start, *near):
        moments = pd.date_range(first, periods=90, freq=freq, tz="UTC").tz_convert(zone)
        frame = pd.concat([counted(moments.tz_localize(None), unique_id=f"s{s}") for s in range(series)])
        panel = panel_from_frame(frame.sort_values("y", kind="stable"), zone=zone)  # the series' rows are mixed
        for s in range(series):
            np.testing.assert_array_equal(panel.series_times(s), utc(moments))


def test_an_hour_that_is_told_once_is_the_earlier_one():
    times = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 04:00"]
    panel = panel_from_frame(counted(times), zone="Europe/Berlin", frequency="h")
    assert str(panel.times[1]) == "2024-10-27T00:00:00.000000"


def test_an_hour_that_is_told_three_times_is_refused_in_local_time():
    times = ["2024-10-27 01:00", *["2024-10-27 02:00"] * 3, "2024-10-27 03:00"]
    refused(r"rows 3 and 4 have the same time 2024-10-27 02:00\+01:00", counted(times), zone="Europe/Berlin")


def test_an_hour_that_does_not_exist_is_named():
    times = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]
    refused(
        "row 2 of column 'ds' holds 2024-03-31 02:00, an hour that Europe/Berlin", counted(times), zone="Europe/Berlin"
    )


def test_midnights_are_days_of_the_zone():
    days = pd.date_range("2024-03-29", periods=5, tz="America/Sao_Paulo")
    for frame, zone in [(counted(days), None), (counted(days.tz_localize(None)), "America/Sao_Paulo")]:
        panel = panel_from_frame(frame, zone=zone)
        assert (panel.zone, panel.local_days, panel.frequency.code) == ("America/Sao_Paulo", True, "D")
        assert str(panel.times[0]) == "2024-03-29T00:00:00.000000"


def test_a_zone_given_shows_times_of_another():
    hours = pd.date_range("2024-07-01 10:00", periods=4, freq="h", tz="Europe/Berlin")
    panel = panel_from_frame(counted(hours), zone="Asia/Tokyo")
    assert panel.zone == "Asia/Tokyo"
    np.testing.assert_array_equal(panel.times, utc(hours))


@pytest.mark.parametrize(
    ("offsets", "zone"),
    [
        (["+01:00"] * 3, "+01:00"),
        (["+0530"] * 3, "+05:30"),
        (["-03"] * 3, "-03:00"),
        (["Z"] * 3, "UTC"),
        (["+00:00", "Z", "+0000"], "UTC"),
        (["+01:00", "+02:00", "+01:00"], "UTC"),
        (["+01:00", "-01:00", "+01:00"], "UTC"),
    ],
)
def test_an_offset_in_text_is_kept_if_it_is_the_only_one(offsets, zone):
    text = [f"2024-01-0{day}T12:30:00{offset}" for day, offset in enumerate(offsets, 1)]
    assert panel_from_frame(counted(text), frequency="30min").zone == zone


def test_months_with_an_offset_stay_months():
    text = [f"2024-0{month}-01T00:00:00+01:00" for month in (1, 2, 3)]
    panel = panel_from_frame(counted(text))
    assert (panel.frequency.code, panel.local_days, panel.zone) == ("MS", True, "+01:00")


def test_no_zone_is_none():
    assert panel_from_frame(counted(pd.date_range("2024", periods=3))).zone is None


@pytest.mark.parametrize(("zone", "near"), [("Europe/Berln", "Europe/Berlin"), ("europe/paris", "Europe/Paris")])
def test_an_unknown_zone_is_refused_with_the_nearest(zone, near):
    frame = counted(pd.date_range("2024-01-01 01:00", periods=3, freq="h"))
    refused(f"time zone '{zone}' is not known. Did you mean '{near}'", frame, SettingsError, zone=zone)


@pytest.mark.parametrize("zone", ["", "../secret", "Mars", "+1", "01:00"])
def test_what_is_no_zone_is_refused(zone):
    refused("is not known", counted(pd.date_range("2024", periods=3)), SettingsError, zone=zone)


def test_a_zone_needs_dates():
    refused("column 'ds' holds whole numbers", counted([1, 2, 3]), SettingsError, zone="UTC")
    refused("a column of dates, and the table has none", [1, 2, 3], SettingsError, zone="UTC")


# ------------------------------------------------------------------------------------------- out


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas])
def test_a_forecast_goes_on_in_the_zone_of_the_table(zone, kind):
    hours = pd.date_range("2024-10-26 05:30", periods=60, freq="h", tz=zone)
    if kind is pl.from_pandas and zone[0] in "+-":
        return  # polars has no offsets
    like = kind(counted(hours[:12]))
    made = pa.table(forecast(panel_from_frame(like), 48, like))
    assert made["ds"].type.tz == zone
    np.testing.assert_array_equal(utc(pd.DatetimeIndex(made["ds"].to_pandas())), utc(hours[12:]))


@pytest.mark.parametrize("change", ["2024-03-30", "2024-10-26"])
def test_24_hours_across_a_change_are_24_moments_with_their_offsets(change):
    hours = pd.date_range(f"{change} 08:00", periods=34, freq="h", tz="Europe/Berlin")
    local = counted(hours[:10].tz_localize(None))
    made = forecast(panel_from_frame(local, zone="Europe/Berlin"), 24, local)["ds"]
    assert made.nunique() == 24
    assert made.tolist() == list(hours[10:])


@pytest.mark.parametrize("freq", ["D", "W", "ME", "MS", "B"])
def test_local_days_stay_local_days(freq):
    days = pd.date_range("2023-01-01", periods=30, freq=freq, tz="Europe/Berlin")
    frame = counted(days[:20])
    assert forecast(panel_from_frame(frame), 10, frame)["ds"].tolist() == list(days[20:])


def test_a_day_without_midnight_begins_with_its_first_moment():
    days = pd.date_range("2018-10-30", periods=4, tz=None)  # in São Paulo the 4th of November began at one
    panel = panel_from_frame(counted(days), zone="America/Sao_Paulo")
    made = forecast(panel, 3)["ds"].to_pandas()
    assert [str(time) for time in made] == [
        "2018-11-03 00:00:00-03:00",
        "2018-11-04 01:00:00-02:00",
        "2018-11-05 00:00:00-02:00",
    ]


def test_steps_within_a_day_of_midnights_are_moments():
    days = pd.date_range("2024-10-24", periods=3, tz="Europe/Berlin")
    made = forecast(panel_from_frame(counted(days), frequency="8h"), 6)["ds"].to_pandas()
    assert made.tolist() == list(pd.date_range("2024-10-26 08:00", periods=6, freq="8h", tz="Europe/Berlin"))


def test_moments_at_midnight_of_utc_are_no_days():
    times = pd.date_range("2024-01-01 09:00", periods=3, tz="Asia/Tokyo")  # 00:00 UTC
    panel = panel_from_frame(counted(times))
    assert not panel.local_days
    assert forecast(panel, 1)["ds"].to_pandas().tolist() == [pd.Timestamp("2024-01-04 09:00", tz="Asia/Tokyo")]


def test_lists_and_arrays_get_dates_with_their_zone():
    berlin = ZoneInfo("Europe/Berlin")
    times = [datetime.datetime(2024, 10, 27, 0, tzinfo=berlin), datetime.datetime(2024, 10, 27, 1, tzinfo=berlin)]
    table = {"ds": times, "y": [1, 2]}
    made = forecast(panel_from_frame(table), 3, table)["ds"]
    assert [time.isoformat() for time in made] == [
        "2024-10-27T02:00:00+02:00",
        "2024-10-27T02:00:00+01:00",
        "2024-10-27T03:00:00+01:00",
    ]
    arrays = {"ds": pd.date_range("2024-10-27", periods=2, freq="h").to_numpy(), "y": np.arange(2)}
    assert forecast(panel_from_frame(arrays, zone="Europe/Berlin"), 3, arrays)["ds"].tolist() == made


def test_polars_gets_a_named_zone_for_an_offset():
    for offset, name in (("+01:00", "Etc/GMT-1"), ("-03:00", "Etc/GMT+3"), ("+05:30", "UTC")):
        frame = pl.DataFrame({"ds": [f"2024-01-0{day}T00:00:00{offset}" for day in (1, 2)], "y": [1, 2]})
        made = forecast(panel_from_frame(frame), 1, frame)["ds"]
        assert made.dtype == pl.Datetime("us", name)
        assert made.to_list() == [datetime.datetime.fromisoformat(f"2024-01-03T00:00:00{offset}")]


# ------------------------------------------------------------------------------------------- as text


def test_times_with_a_zone_are_written_with_their_offset():
    hours = pd.date_range("2024-10-27 00:00", periods=2, freq="h", tz="Europe/Berlin")
    text = table_as(forecast(panel_from_frame(counted(hours)), 3), "csv")
    assert [line.split(",")[1] for line in text.splitlines()] == [
        "ds",
        "2024-10-27T02:00:00+02:00",
        "2024-10-27T02:00:00+01:00",
        "2024-10-27T03:00:00+01:00",
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_what_is_written_reads_back_as_the_same_moments(zone, unit):
    times = pa.array(pd.date_range("2024-10-26 23:15:30", periods=30, freq="7min", tz=zone)).cast(
        pa.timestamp(unit, zone)
    )
    text = table_as(pa.table({"ds": times}), "csv").split()[1:]
    moments = [datetime.datetime.fromisoformat(cell).astimezone(datetime.UTC) for cell in text]
    assert moments == times.cast(pa.timestamp("us", "UTC")).to_pylist()


def test_parts_of_a_second_are_written_where_there_are_some():
    times = pa.array([datetime.datetime(2024, 1, 1, 0, 0, 0, 250_000)], pa.timestamp("us")).cast(
        pa.timestamp("us", "UTC")
    )
    assert '"2024-01-01T00:00:00.250000+00:00"' in table_as(pa.table({"ds": times}), "json")
