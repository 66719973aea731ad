"""Any frame in, the same kind out; what is wrong with a table is said with its row number."""

import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.frames import forecast_table
from gatecast.frequency import future_times, parse_frequency
from gatecast.panel import (
    Names,
    fill_holes,
    panel_from_arrays,
    panel_from_frame,
)

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
DAYS = [datetime.datetime(2020, 1, day) for day in range(1, 7)]


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def refused(make, columns, pattern, error=DataError, **arguments):
    with pytest.raises(error, match=pattern):
        panel_from_frame(make(columns), **arguments)


def texts(times):
    return [str(time) for time in times.astype("datetime64[D]")]


# ------------------------------------------------------------------------------------------- in


def test_the_long_table_is_taken_as_it_is(make):
    panel = panel_from_frame(
        make({"unique_id": ["b", "a", "b", "a"], "ds": [*DAYS[:1] * 2, *DAYS[1:2] * 2], "y": [1, 10, 2, 20]})
    )
    assert panel.ids == ("b", "a")  # in the order of their first rows; mixed rows are fine
    assert len(panel) == 2
    assert panel.lengths.tolist() == [2, 2]
    assert panel.series_values(1).tolist() == [10, 20]
    assert texts(panel.series_times(0)) == ["2020-01-01", "2020-01-02"]
    assert panel.times.dtype == "datetime64[us]"
    assert panel.values.dtype == np.float64
    assert panel.frequency.code == "D"
    assert panel.names == Names()


def test_columns_are_found_when_not_named(make):
    columns = {"shop": ["x"] * 6, "Date": DAYS, "note": ["-"] * 6, "Sales": [1.5, 2, 3, 4, 5, 6], "Price": [9] * 6}
    panel = panel_from_frame(make(columns))
    assert panel.names == Names(ds="Date", y="Sales")
    assert panel.ids == ("Sales",)
    named = panel_from_frame(make(columns), time="Date", target="Price", series_id="shop", inputs=["Sales"])
    assert named.names == Names("shop", "Date", "Price")
    assert named.ids == ("x",)
    assert named.inputs["Sales"].tolist() == [1.5, 2, 3, 4, 5, 6]


def test_a_numbered_time_is_found_by_its_name_or_its_place(make):
    assert panel_from_frame(make({"v": [5, 5, 6], "step": [3, 4, 5]})).names == Names(ds="step", y="v")
    assert panel_from_frame(make({"n": [3, 4, 5], "v": [5, 5, 6]}), target="v").names == Names(ds="n", y="v")
    alone = panel_from_frame(make({"v": [5.0, 5, 6]}))
    assert alone.times.tolist() == [0, 1, 2]
    assert alone.frequency.code == "1"


def test_nothing_and_nan_are_missing_values(make):
    panel = panel_from_frame(make({"ds": DAYS, "y": [1.0, None, float("nan"), 4.0, 5.0, None]}))
    assert np.isnan(panel.values).tolist() == [False, True, True, False, False, True]
    text = panel_from_frame(make({"ds": DAYS, "y": ["1", "", " NA ", "nan", "5e1", "+6."]}))
    np.testing.assert_array_equal(text.values, [1, np.nan, np.nan, np.nan, 50, 6])


def test_the_table_is_not_changed_or_shared(make):
    frame = make({"ds": DAYS, "y": [1.0, 2, 3, 4, 5, 6]})
    panel = panel_from_frame(frame)
    panel.values[:] = 0
    assert nw.from_native(frame, eager_only=True)["y"].to_list() == [1, 2, 3, 4, 5, 6]


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.none() | st.floats(-1e9, 1e9), min_size=3, max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_frame_libraries_and_mixed_series_make_no_difference(values, order):
    values = [1.0, 2.0, *values]
    rows = [(s, t, value) for s in ("a", "b") for t, value in enumerate(values)]
    queues = {s: [row for row in rows if row[0] == s] for s in ("a", "b")}
    names = ["a", *order.sample(["a"] * (len(values) - 1) + ["b"] * len(values), 2 * len(values) - 1)]
    mixed = [queues[name].pop(0) for name in names]
    want = panel_from_frame(pa.table(dict(zip(("unique_id", "ds", "y"), zip(*rows, strict=True), strict=True))))
    for make in KINDS.values():
        columns = dict(zip(("unique_id", "ds", "y"), map(list, zip(*mixed, strict=True)), strict=True))
        panel = panel_from_frame(make(columns))
        assert panel.ids == want.ids
        np.testing.assert_array_equal(panel.values, want.values)
        np.testing.assert_array_equal(panel.times, want.times)
        np.testing.assert_array_equal(panel.offsets, want.offsets)


def test_other_kinds_of_columns_are_read():
    day = pa.array([d.date() for d in DAYS])
    assert panel_from_frame(pa.table({"d": day, "v": pa.array(range(6), pa.uint8())})).frequency.code == "D"
    frame = pd.DataFrame(
        {"ds": pd.to_datetime(DAYS).astype("datetime64[ns]"), "y": pd.array([1, None, 3, 4, 5, 6], "Int64")}
    )
    assert np.isnan(panel_from_frame(frame).values[1])
    frame["unique_id"] = pd.Categorical(list("aabbab"))
    assert panel_from_frame(frame).ids == ("a", "b")
    decimal = pa.array([1, 2, 3], pa.int64()).cast(pa.decimal128(25, 2))
    assert panel_from_frame(pa.table({"t": [1, 2, 3], "y": decimal})).values.tolist() == [1, 2, 3]
    chunks = pa.concat_tables([pa.table({"ds": DAYS[:3], "y": [1, 2, 3]}), pa.table({"ds": DAYS[3:], "y": [4, 5, 6]})])
    assert panel_from_frame(chunks.slice(1)).values.tolist() == [2, 3, 4, 5, 6]


def test_times_with_a_zone_are_local_midnights_or_else_utc():
    local = pd.date_range("2020-03-27", periods=5, tz="Europe/Berlin")  # the clock changes on the 29th
    panel = panel_from_frame(pd.DataFrame({"ds": local, "y": range(5)}))
    assert panel.frequency.code == "D"
    assert texts(panel.times)[0] == "2020-03-27"
    hours = pd.date_range("2020-03-29", periods=5, freq="h", tz="Europe/Berlin")
    panel = panel_from_frame(pd.DataFrame({"ds": hours, "y": range(5)}))
    assert panel.frequency.code == "h"
    assert str(panel.times[0]) == "2020-03-28T23:00:00.000000"


# ------------------------------------------------------------------------------------------- dates as text


@pytest.mark.parametrize(
    ("cells", "first", "code"),
    [
        (["2020-01-31", "2020-02-29", "2020-03-31"], "2020-01-31", "ME"),
        (["2020-1-5", "2020-1-6", "2020-1-7"], "2020-01-05", "D"),
        (["2020/01/05", "2020/01/06", "2020/01/07"], "2020-01-05", "D"),
        (["2020-11", "2020-12", "2021-01"], "2020-11-01", "MS"),
        (["2020/9", "2020/10", "2020/11"], "2020-09-01", "MS"),
        (["2020Q4", "2021-Q1", "2021 Q2"], "2020-10-01", "QS"),
        (["1999", "2000", "2001"], "1999-01-01", "YS"),
        (["20200131", "20200229", "20200331"], "2020-01-31", "ME"),
        (["30/1/2020", "31/1/2020", "1/2/2020"], "2020-01-30", "D"),
        (["1/30/2020", "1/31/2020", "2/1/2020"], "2020-01-30", "D"),
        (["01.02.2020", "02.02.2020", "03.02.2020"], "2020-02-01", "D"),
        (["01/01/2020", "01/01/2021", "01/01/2022"], "2020-01-01", "YS"),  # both readings agree
        (["2020-01-05T10:00:00Z", "2020-01-05T11:00:00Z", "2020-01-05T12:00:00Z"], "2020-01-05", "h"),
        (["31/1/2020 9:30", "31/1/2020 10:00", "31/1/2020 10:30"], "2020-01-31", "30min"),
        ([" 2020-01-05", "2020-01-06 ", "2020-01-07"], "2020-01-05", "D"),
    ],
)
def test_dates_are_read_in_many_forms(make, cells, first, code):
    panel = panel_from_frame(make({"date": cells, "v": [1, 2, 3]}))
    assert texts(panel.times)[0] == first
    assert panel.frequency.code == code


def test_whole_numbers_stay_numbers_unless_they_must_be_dates(make):
    assert panel_from_frame(make({"step": ["1999", "2000", "2001"], "v": [1, 2, 3]})).times.tolist() == [
        1999,
        2000,
        2001,
    ]
    assert panel_from_frame(make({"year": [1999, 2000, 2001], "v": [1, 2, 3]})).times.tolist() == [1999, 2000, 2001]


def test_dates_that_can_be_read_two_ways_are_refused_with_both(make):
    cells = ["03/03/2020", "04/03/2020", "05/03/2020"]
    pattern = (
        r"row 2 of column 'date' holds '04/03/2020', which is 2020-03-04 read day first and 2020-04-03 read month first"
    )
    refused(make, {"date": cells, "v": [1, 2, 3]}, pattern)
    refused(
        make, {"date": ["13/1/2020", "1/14/2020"], "v": [1, 2]}, r"mixes .*'13/1/2020' in row 1.*'1/14/2020' in row 2"
    )


@pytest.mark.parametrize("bad", ["2020-02-30", "soon", "1/2/99", "2020-13-01"])
def test_a_cell_that_is_no_date_is_named(make, bad):
    cells = ["2020-02-27", "2020-02-28", "2020-02-29", bad, "2020-03-02"]
    refused(
        make, {"date": cells, "v": range(5)}, rf"row 4 of column 'date' holds '{bad}', which is not a date", time="date"
    )


def test_a_missing_time_is_named(make):
    refused(make, {"n": ["1", " ", "3"], "v": [5, 6, 7]}, "row 2 of column 'n' has no time")
    refused(make, {"ds": [DAYS[0], None, DAYS[2]], "y": [1, 2, 3]}, "row 2 of column 'ds' has no time")
    refused(make, {"ds": ["2020-01-01", "2020-01-02", " "], "y": [1, 2, 3]}, "row 3 of column 'ds' has no time")


# ------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("bad", ["1,234", "–", "n.a.", "12 EUR"])
def test_text_in_the_target_is_named(make, bad):
    refused(
        make,
        {"ds": DAYS, "y": ["1", "2", "", "4", bad, "6"]},
        rf"row 5 of column 'y' holds '{bad}', which is not a number",
    )


def test_mixed_objects_of_pandas_are_text():
    frame = pd.DataFrame({"ds": DAYS, "y": [1, 2, None, 4, "five", 6.5]})
    with pytest.raises(DataError, match=r"row 5 of column 'y' holds 'five'"):
        panel_from_frame(frame)
    frame.loc[4, "y"] = 5
    assert panel_from_frame(frame).values[[0, 3, 4, 5]].tolist() == [1, 4, 5, 6.5]


def test_a_target_that_is_the_only_other_column_is_the_one_complained_about(make):
    refused(make, {"Date": DAYS[:3], "Sales": ["1,1", "1,2", "1,3"]}, "row 1 of column 'Sales' holds '1,1'")


def test_infinities_are_named(make):
    refused(make, {"ds": DAYS[:3], "y": [1.0, 2.0, float("inf")]}, "row 3 of column 'y' is infinite")
    refused(make, {"ds": DAYS[:3], "y": ["1", "-inf", "3"]}, "row 2 of column 'y' is infinite")
    columns = {"ds": DAYS[:3], "y": [1.0, 2.0, 3.0], "x": [-float("inf"), 0.0, 0.0]}
    refused(make, columns, "row 1 of column 'x' is infinite", inputs=["x"])


def test_repeated_times_are_named_by_their_first_pair_and_counted(make):
    columns = {"ds": [DAYS[0], DAYS[2], DAYS[1], DAYS[1], DAYS[2]], "y": [1, 2, 3, 4, 5]}
    refused(
        make, columns, r"rows 3 and 4 have the same time 2020-01-02, and 2 row\(s\) in all repeat .* several series"
    )
    columns["unique_id"] = list("aabaa")
    refused(make, columns, r"rows 2 and 5 of series 'a' have the same time 2020-01-03, and 1 row")


def test_rows_that_go_back_in_time_are_named(make):
    refused(
        make, {"ds": [3, 4, 7, 6, 5], "y": range(5)}, r"row 4 goes back in time, from 7 in row 3 to 6.*sort the rows"
    )
    columns = {"unique_id": list("aabab"), "ds": [1, 3, 9, 2, 10], "y": range(5)}
    refused(make, columns, r"row 4 goes back in time, from 3 in row 2 to 2")


@pytest.mark.parametrize(
    ("values", "pattern"),
    [([None, None, None], "holds no value at all"), ([None, 2.0, None], "holds a single value")],
)
def test_too_few_values_are_refused(make, values, pattern):
    refused(make, {"ds": DAYS[:3], "y": values}, rf"column 'y' {pattern}; a forecast needs at least 2")


def test_series_without_values_are_counted_and_can_be_dropped(make):
    columns = {"unique_id": list("aabbcc"), "ds": DAYS[:2] * 3, "y": [1.0, 2.0, *[None] * 4]}
    pattern = r"column 'y' of series 'b' holds no value at all, and 2 series in all do not.*\(--fix drop\)"
    refused(make, columns, pattern)


def test_a_series_of_one_value_is_taken_beside_a_longer_one(make):
    columns = {"unique_id": list("aaab"), "ds": [*DAYS[:3], DAYS[0]], "y": [1.0, 2, 3, 4]}
    panel = panel_from_frame(make(columns))
    assert (panel.ids, panel.lengths.tolist(), panel.frequency.code) == (("a", "b"), [3, 1], "D")


def test_single_values_alone_are_refused_however_many_series_there_are(make):
    columns = {"unique_id": list("abc"), "ds": DAYS[:3], "y": [1.0, 2, 3]}
    refused(make, columns, "series 'a' holds a single value, and no series holds more")


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_constant_series_are_taken(make, value):
    assert panel_from_frame(make({"ds": DAYS, "y": [value] * 6})).values.tolist() == [value] * 6


def test_a_table_without_rows_is_refused():
    with pytest.raises(DataError, match="no rows; its columns are 'ds', 'y'"):
        panel_from_frame(pa.table({"ds": pa.array([], pa.timestamp("us")), "y": pa.array([], pa.float64())}))


def test_unknown_columns_are_refused_with_the_nearest_and_the_list(make):
    columns = {"Date": DAYS, "Sales": range(6)}
    pattern = r"target column 'sales' is not in the table\. Did you mean 'Sales'\? There are 'Date', 'Sales'"
    refused(make, columns, pattern, SettingsError, target="sales")
    for argument in ("time", "series_id"):
        refused(make, columns, "'Dat' is not in the table", SettingsError, **{argument: "Dat"})
    refused(make, columns, "input Prise column 'Prise' is not", SettingsError, inputs=["Prise"])
    refused(make, columns, "can be only one of them", SettingsError, target="Sales", inputs=["Sales"])


def test_columns_that_cannot_be_found_are_asked_for(make):
    refused(make, {"a": [1.5, 2.5], "b": [1.0, 2.0]}, "no column of dates was found; there are 'a', 'b'; name the time")
    refused(make, {"Date": DAYS, "a": ["x"] * 6, "b": ["y"] * 6}, "no column of numbers to forecast.*name the target")


def test_an_index_of_text_is_pointed_out():
    with pytest.raises(DataError, match="reset_index"):
        panel_from_frame(pd.DataFrame({"a": [1.5, 2.5], "b": [1.0, 2.0]}, index=["2020-01-01", "2020-01-02"]))


def test_what_is_no_table_is_refused():
    for what in ("y", 5, None):
        with pytest.raises(DataError, match="is not a table; give a pandas, polars or pyarrow frame, a dictionary"):
            panel_from_frame(what)
    with pytest.raises(DataError, match=r"LazyFrame is not a table.*collect"):
        panel_from_frame(pl.LazyFrame({"y": [1, 2]}))


def test_columns_of_the_wrong_kind_are_refused(make):
    refused(make, {"ds": DAYS, "y": DAYS}, "column 'y' holds timestamp")
    refused(make, {"ds": [0.5, 1.5], "y": [1, 2]}, "column 'ds' holds double")
    refused(make, {"unique_id": ["a", None], "ds": [1, 2], "y": [1, 2]}, "row 2 of column 'unique_id' names no series")


def test_a_column_name_that_appears_twice_is_refused():
    twice = pa.Table.from_arrays([pa.array([1, 2])] * 2, names=["y", "y"])
    with pytest.raises(DataError, match=r"a column name appears twice; rename one of them .*'y'"):
        panel_from_frame(twice)


# ------------------------------------------------------------------------------------------- holes


def test_a_missing_month_is_filled_and_counted(make):
    times = ["2020-01-31", "2020-02-29", "2020-05-31"]
    panel = panel_from_frame(make({"ds": times, "y": [1.0, 2.0, 5.0], "x": [1, 2, 3]}), inputs=["x"])
    assert panel.filled == 2
    assert texts(panel.times) == ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"]
    np.testing.assert_array_equal(panel.values, [1, 2, np.nan, np.nan, 5])
    np.testing.assert_array_equal(panel.inputs["x"], [1, 2, np.nan, np.nan, 3])


def test_business_days_are_left_as_observed():
    times = np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-09"], "datetime64[D]")
    panel = panel_from_arrays([1, 2, 3, 4, 5], times)
    assert (panel.frequency.code, panel.filled, len(panel.values)) == ("B", 0, 5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sets(st.integers(1, 18), max_size=5), min_size=1, max_size=4), st.sampled_from(["D", "MS", "ME", "3"])
)
def test_hidden_steps_come_back_as_missing_values(hidden, code):
    frequency = parse_frequency(code)
    last = np.int64(0) if code == "3" else np.datetime64("2019-12-31", "us")
    full = future_times(last, frequency, 20)
    rows = [np.delete(np.arange(20), list(gone)) for gone in hidden]
    ids = [f"s{s}" for s, kept in enumerate(rows) for _ in kept]
    kept = np.concatenate(rows)
    panel = panel_from_frame(pl.DataFrame({"unique_id": ids, "ds": full[kept], "y": kept.astype(float)}))
    assert panel.frequency == frequency
    assert panel.filled == sum(map(len, hidden))
    assert panel.lengths.tolist() == [20] * len(hidden)
    for s, gone in enumerate(hidden):
        np.testing.assert_array_equal(panel.series_times(s), full)
        expected = np.arange(20.0)
        expected[list(gone)] = np.nan
        np.testing.assert_array_equal(panel.series_values(s), expected)
    assert fill_holes(panel) == (panel, 0)


def test_a_wrong_year_does_not_fill_the_memory():
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-03", "9020-01-04"], "datetime64[D]")
    with pytest.raises(
        DataError, match=r"'daily', but then 2,556,\d+ steps are missing among 4 rows.*between 2020-01-03 and 9020"
    ):
        panel_from_arrays([1, 2, 3, 4], times)


# ------------------------------------------------------------------------------------------- frequency


def series(**spacings):
    """A long table with a series of 12 steps for each spacing."""
    times = {name: pd.date_range("2020-01-01", periods=12, freq=freq) for name, freq in spacings.items()}
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": ds, "y": range(12)}) for name, ds in times.items()])


def test_a_frequency_given_overrules_the_one_found(make):
    columns = {"ds": [DAYS[0], DAYS[2], DAYS[4]], "y": [1.0, 2, 3]}
    assert panel_from_frame(make(columns)).frequency.code == "2D"
    panel = panel_from_frame(make(columns), frequency="D")
    assert (panel.frequency.code, panel.filled) == ("D", 2)


@pytest.mark.parametrize(
    ("freq", "code", "pattern"),
    [
        ("D", "MS", r"'MS' \(monthly \(first day\)\) does not fit the times, which look 'daily': only 0 of 11 gaps"),
        ("ME", "MS", r"look 'monthly \(last day\)'"),
        ("h", "D", "which look 'hourly'"),
        ("MS", "QS", "'QS'.*look 'monthly"),
        ("D", "B", "which look 'daily': only 7 of 11"),
    ],
)
def test_a_frequency_that_does_not_fit_is_refused_with_what_the_times_look_like(freq, code, pattern):
    with pytest.raises(DataError, match=pattern):
        panel_from_frame(series(a=freq), frequency=code)


def test_an_unknown_frequency_is_a_setting(make):
    refused(make, {"ds": DAYS, "y": range(6)}, "frequency 'dayly' is not known", SettingsError, frequency="dayly")


@pytest.mark.parametrize(
    ("spacings", "pattern"),
    [
        ({"a": "D", "b": "h"}, "the times of series 'b' look 'hourly', and 'daily' is the table's frequency"),
        ({"a": "MS", "b": "D"}, "series 'b' look 'daily', and 'monthly"),
        ({"a": "MS", "b": "ME"}, r"series 'b' look 'monthly \(last day\)'"),
        ({"a": "QS", "b": "QS", "c": "MS"}, "series 'c' look 'monthly .first day.', and 'quarterly"),
        ({"a": "B", "b": "B", "c": "D", "d": "D"}, r"series 'c' look 'daily'.*7 of its 11 gaps.*\(2 series differ\)"),
    ],
)
def test_a_series_of_another_spacing_is_named(spacings, pattern):
    frame = series(**spacings)
    longer = frame[frame["unique_id"] == "a"].tail(1)
    last = {"D": "1D", "MS": pd.offsets.MonthBegin(), "QS": pd.offsets.QuarterBegin(startingMonth=1), "B": "B"}
    step = pd.tseries.frequencies.to_offset(last[spacings["a"]])
    frame = pd.concat([frame, longer.assign(ds=longer["ds"] + step)])  # the first series is the longest
    with pytest.raises(DataError, match=pattern):
        panel_from_frame(frame)


def test_short_series_vote_on_the_frequency():
    frame = pd.concat([series(a="D", b="MS", c="MS").groupby("unique_id").head(2), series(d="MS").head(1)])
    with pytest.raises(DataError, match="series 'a' look 'daily', and 'monthly"):
        panel_from_frame(frame)
    assert panel_from_frame(frame[frame["unique_id"] != "a"]).frequency.code == "MS"


def test_holes_are_whole_steps():
    frame = series(a="MS", b="MS")
    assert panel_from_frame(frame.drop(index=[3, 7])).frequency.code == "MS"


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["D", "B", "MS", "ME", "BME", "QS", "YE", "36h", "W", "M15"]),
    st.lists(st.sets(st.integers(1, 14), max_size=3), min_size=1, max_size=3),
)
def test_series_of_one_spacing_are_never_refused(code, hidden):
    frequency = parse_frequency(code)
    times = future_times(np.datetime64("2019-12-31T00:00", "us"), frequency, 16)
    parts = [np.delete(times, list(gone)) for gone in hidden]
    ids = [f"s{s}" for s, part in enumerate(parts) for _ in part]
    panel = panel_from_frame({"unique_id": ids, "ds": np.concatenate(parts), "y": np.ones(len(ids))}, frequency=code)
    assert panel.frequency == frequency


# ------------------------------------------------------------------------------------------- the panel


def test_arrays_are_checked_like_frames():
    panel = panel_from_arrays([1, np.nan, 3], unique_id="k", inputs={"x": [1, 2, 3]})
    assert (panel.ids, panel.times.tolist(), panel.frequency.code) == (("k",), [0, 1, 2], "1")
    assert panel_from_arrays([1, 2], np.array(["2020-01-04", "2020-01-06"], "M8[D]"), frequency="D").filled == 1
    for arguments, pattern in [
        (([1, np.inf],), "row 2 of column 'y' is infinite"),
        (([1, 2], [0, 1, 2]), r"shape \(2,\) and times \(3,\)"),
        (([[1, 2]],), "one row of numbers"),
        ((5,), "one row of numbers"),
        ((["a", "b"],), "must be numbers"),
        (([1, 2], [0.5, 1.5]), "times holds float64"),
        (([1, 2], np.array(["2020", "NaT"], "M8[D]")), "row 2 has no time"),
        (([1, 2, 3], [0, 2, 1]), "row 3 goes back"),
    ]:
        with pytest.raises(DataError, match=pattern):
            panel_from_arrays(*arguments)
    with pytest.raises(SettingsError, match="does not go with times that are whole numbers"):
        panel_from_arrays([1, 2], frequency="D")


def test_select_and_head_cut_all_columns_alike():
    frame = pl.DataFrame({"unique_id": list("aaabb"), "ds": [1, 2, 3, 1, 2], "y": range(5), "x": range(5)})
    panel = panel_from_frame(frame, inputs=["x"])
    alone = panel.select(1)
    assert (alone.ids, alone.values.tolist(), alone.inputs["x"].tolist()) == (("b",), [3, 4], [3, 4])
    assert alone.offsets.tolist() == [0, 2]
    short = panel.head(2)
    assert (short.values.tolist(), short.offsets.tolist()) == ([0, 1, 3, 4], [0, 2, 4])
    assert panel.head(99).values.tolist() == panel.values.tolist()
    assert [panel.head(2).select(s).values.tolist() for s in range(2)] == [
        panel.select(s).head(2).values.tolist() for s in range(2)
    ]


# ------------------------------------------------------------------------------------------- out


def forecast(panel, horizon):
    spread = np.array(QUANTILES) - 0.5
    return np.arange(len(panel) * horizon).reshape(len(panel), horizon, 1) + spread


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_a_forecast_is_the_kind_of_frame_that_came(kind):
    like = KINDS[kind or "pyarrow"]({"unique_id": ["é", "é", "b", "b"], "ds": [*DAYS[:2], *DAYS[2:4]], "y": range(4)})
    panel = panel_from_frame(like)
    frame = forecast_table(panel, {"LSTM": forecast(panel, 3)}, [90, 80], like if kind else None)
    assert type(frame) is type(like)
    columns = nw.from_native(frame, eager_only=True).to_dict(as_series=False)
    assert list(columns) == ["unique_id", "ds", "LSTM", "LSTM-lo-90", "LSTM-hi-90", "LSTM-lo-80", "LSTM-hi-80"]
    assert columns["unique_id"] == ["é"] * 3 + ["b"] * 3
    assert columns["ds"] == [datetime.datetime(2020, 1, day) for day in (3, 4, 5, 5, 6, 7)]
    assert columns["LSTM"] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(columns["LSTM-lo-80"], np.arange(6) - 0.4)
    np.testing.assert_allclose(columns["LSTM-hi-90"], np.arange(6) + 0.45)


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_lies_between_the_quantiles_it_names(level):
    panel = panel_from_arrays([1, 2, 3])
    columns = forecast_table(panel, {"M": forecast(panel, 1)}, [level]).to_pydict()
    assert columns["ds"] == [3]
    np.testing.assert_allclose(columns[f"M-hi-{level}"][0] - columns[f"M-lo-{level}"][0], level / 100)
    assert columns["M"] == [forecast(panel, 1)[0, 0, MEDIAN]]


def test_other_levels_are_refused_with_the_list():
    panel = panel_from_arrays([1, 2, 3])
    with pytest.raises(SettingsError, match="level 85 is not offered; choose from 20, 40, 60, 80, 90, 95"):
        forecast_table(panel, {"M": forecast(panel, 1)}, [80, 85])
