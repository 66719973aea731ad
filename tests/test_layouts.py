"""Any layout in (frames, columns, dictionaries, lists, arrays, long and wide), and the kind that came in comes out."""

import copy
import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gatecast.columns import Names
from gatecast.config import QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.frames import forecast_table
from gatecast.layouts import eager_frame
from gatecast.panel import panel_from_frame

DAYS = np.arange("2020-01-01", "2020-01-07", dtype="M8[D]")
NAN = float("nan")


def refused(table, pattern, error=DataError, **arguments):
    with pytest.raises(error, match=pattern):
        panel_from_frame(table, **arguments)


def same(one, other):
    assert (one.ids, one.frequency, one.zone) == (other.ids, other.frequency, other.zone)
    for name in ("times", "values", "offsets"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# ------------------------------------------------------------------------------------------- numbers without names

ROWS = {
    "list": [1, 2.5, None, 4],
    "tuple": (1, 2.5, NAN, 4),
    "decimals": [Decimal(1), Decimal("2.5"), None, Decimal(4)],
    "array": np.array([1, 2.5, NAN, 4]),
    "float32": np.array([1, 2.5, NAN, 4], np.float32),
    "masked": np.ma.masked_array([1, 2.5, 99, 4], [0, 0, 1, 0]),
    "backwards": np.array([4, NAN, 2.5, 1])[::-1],
    "pandas": pd.Series([1, 2.5, None, 4]),
    "polars": pl.Series([1.0, 2.5, None, 4.0]),
    "arrow": pa.array([1, 2.5, None, 4]),
    "chunks": pa.chunked_array([[1, 2.5], [None, 4]]),
    "batch": pa.RecordBatch.from_arrays([pa.array([1, 2.5, None, 4])], names=["y"]),
    "dictionary": {"y": [1, 2.5, None, 4]},
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_of_numbers_is_a_series_counted_from_0(kind):
    panel = panel_from_frame(ROWS[kind])
    assert (panel.ids, panel.names, panel.frequency.code) == (("y",), Names(), "1")
    np.testing.assert_array_equal(panel.values, [1, 2.5, NAN, 4])
    assert panel.times.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ROWS)
def test_what_comes_in_is_not_changed_or_shared(kind):
    table = ROWS[kind]
    before = copy.deepcopy(table)
    panel_from_frame(table).values[:] = 0
    same(panel_from_frame(table), panel_from_frame(before))


@pytest.mark.parametrize("values", [range(4), np.arange(4), np.arange(4, dtype=np.uint64), np.arange(4) > -1])
def test_whole_numbers_and_flags_are_numbers(values):
    assert panel_from_frame(values).values.tolist() == [float(value) for value in values]


@pytest.mark.parametrize("rows", [[[1, 5], [2, 6], [3, None]], np.array([[1, 5], [2, 6], [3, NAN]])])
def test_two_dimensions_are_series_side_by_side(rows):
    panel = panel_from_frame(rows)
    assert (panel.ids, panel.lengths.tolist()) == (("0", "1"), [3, 3])
    np.testing.assert_array_equal(panel.values, [1, 2, 3, 5, 6, NAN])
    assert panel.times.tolist() == [0, 1, 2] * 2


def test_a_column_of_an_array_can_be_the_target_alone():
    panel = panel_from_frame(np.array([[1, 5], [2, 6], [3, 7]]), target="1", inputs=["0"])
    assert (panel.ids, panel.values.tolist(), panel.inputs["0"].tolist()) == (("1",), [5, 6, 7], [1, 2, 3])


@pytest.mark.parametrize(
    ("table", "pattern"),
    [
        (np.zeros((2, 2, 2)), r"3 dimensions, shape \(2, 2, 2\)"),
        (np.array(5.0), "0 dimensions"),
        (np.zeros((3, 0)), "no columns"),
        (np.zeros((0, 3)), "no rows"),
        (np.array([1, None], object), r"holds objects, not numbers.*astype\(float\)"),
        (np.array(["1", "2"]), "holds text, not numbers"),
        (np.array(DAYS), "holds dates, not numbers"),
        (np.ones(2, complex), "holds complex128, not numbers"),
        ([1, "2"], "item 2 of the list is '2', no number"),
        ([1, 2, [3]], "item 3 of the list is a row, and the items before it are numbers"),
        ([[1, 2], [3]], "row 2 of the list has 1 numbers, and row 1 has 2"),
        ([[1, 2], 3], "item 2 of the list is 3, and the items before it are rows"),
        ([[1, 2], [3, "x"]], "item 2 of row 2 of the list is 'x', no number"),
        ([1, 10**400], "item 2 of the list is 1000"),
        ([{"y": 1}], "item 1 of the list is {'y': 1}, no number"),
        ([1, NAN, float("-inf")], "row 3 of column 'y' is infinite"),
        ([], "no rows"),
        ({}, "no columns"),
        ({"y": 5}, "column 'y' is int, not a column; give a list or an array"),
        ({"y": np.zeros((2, 2))}, r"column 'y' has shape \(2, 2\)"),
        ({"y": [1, 2], "x": [1]}, "column 'y' has 2 rows and column 'x' 1"),
        ({"y": [1, 2, "x"]}, r"row 3 of column 'y' holds 'x' \(str\)"),
        ({"y": [1, object()]}, "row 2 of column 'y' holds <object"),
        (
            {"ds": [datetime.datetime(2020, 1, 1), datetime.datetime.now(datetime.UTC)], "y": [1, 2]},
            "row 2 of column 'ds'",
        ),
        ({"y": np.ones(2, complex)}, "column 'y' holds complex128"),
    ],
)
def test_what_is_no_table_says_where(table, pattern):
    refused(table, pattern)


# ------------------------------------------------------------------------------------------- a dictionary of columns

BERLIN = ZoneInfo("Europe/Berlin")
DATES = {
    "days": [datetime.date(2020, 1, day) for day in (1, 2, 3)],
    "times": [datetime.datetime(2020, 1, day) for day in (1, 2, 3)],
    "numpy": list(DAYS[:3]),
    "array": DAYS[:3],
    "nanoseconds": DAYS[:3].astype("M8[ns]"),
    "text": ["2020-01-01", "2020-01-02", "2020-01-03"],
    "array of text": np.array(["2020-01-01", "2020-01-02", "2020-01-03"]),
    "objects": np.array(["2020-01-01", "2020-01-02", "2020-01-03"], object),
    "bytes": np.array([b"2020-01-01", b"2020-01-02", b"2020-01-03"]),
    "pandas": pd.Series(pd.date_range("2020-01-01", periods=3)),
    "polars": pl.Series([datetime.date(2020, 1, day) for day in (1, 2, 3)]),
    "arrow": pa.array(DAYS[:3]),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_of_any_kind_are_read_from_a_dictionary(kind):
    panel = panel_from_frame({"when": DATES[kind], "y": [1, 2, None]})
    same(panel, panel_from_frame({"ds": DAYS[:3].astype("M8[us]"), "y": [1, 2, NAN]}))
    assert panel.names.ds == "when"


@pytest.mark.parametrize("kind", ["days", "numpy", "text"])
def test_a_missing_date_of_a_dictionary_is_named(kind):
    refused({"ds": [*DATES[kind][:2], None], "y": [1, 2, 3]}, "row 3 of column 'ds' has no time")


def test_a_missing_date_of_an_array_is_named():
    refused({"ds": np.array(["2020-01-01", "NaT"], "M8[D]"), "y": [1, 2]}, "row 2 of column 'ds' has no time")


@pytest.mark.parametrize(
    ("zones", "name"),
    [
        ([BERLIN] * 3, "Europe/Berlin"),
        ([datetime.timezone(datetime.timedelta(hours=-3.5))] * 3, "-03:30"),
        ([datetime.UTC] * 3, "UTC"),
        ([BERLIN, datetime.UTC, BERLIN], "UTC"),
    ],
)
def test_dates_with_a_zone_keep_it(zones, name):
    times = [datetime.datetime(2020, 1, 1, hour, tzinfo=zone) for hour, zone in zip((1, 3, 5), zones, strict=True)]
    panel = panel_from_frame({"ds": times, "y": [1, 2, 3]})
    assert panel.zone == name
    seen = panel.times[~np.isnan(panel.values)]
    assert seen.tolist() == [time.astimezone(datetime.UTC).replace(tzinfo=None) for time in times]


def test_numbers_too_large_for_a_whole_number_are_rounded():
    assert panel_from_frame({"y": [1, 2**80]}).values.tolist() == [1, 2.0**80]


# ------------------------------------------------------------------------------------------- pandas


@pytest.mark.parametrize(
    ("index", "first", "code"),
    [
        (pd.date_range("2020-01-31", periods=3, freq="ME"), "2020-01-31", "ME"),
        (pd.period_range("2020-04", periods=3, freq="Q"), "2020-04-01", "QS"),
    ],
)
@pytest.mark.parametrize("name", [None, "when", "v"])
def test_an_index_of_dates_is_the_time(index, first, code, name):
    index = index.rename(name)
    for table in (pd.DataFrame({"v": [1, 2, 3]}, index), pd.Series([1, 2, 3], index, name="v")):
        panel = panel_from_frame(table)
        assert (str(panel.times[0])[:10], panel.frequency.code) == (first, code)
        assert panel.names == Names(ds="when" if name == "when" else "ds", y="v")
        assert list(getattr(table, "columns", ["v"])) == ["v"]


@pytest.mark.parametrize("dates", [pd.date_range("2021-01-01", periods=3), ["2021-01-01", "2021-01-02", "2021-01-03"]])
def test_a_column_of_dates_goes_before_the_index(dates):
    frame = pd.DataFrame({"v": [1, 2, 3], "d": dates}, index=pd.date_range("2020-01-01", periods=3))
    assert panel_from_frame(frame).names.ds == "d"


def test_periods_start_their_step():
    frame = pd.DataFrame({"month": pd.period_range("2020-02", periods=3, freq="M"), "y": [1, 2, 3]})
    assert panel_from_frame(frame).times.astype("M8[D]").astype(str).tolist() == [
        "2020-02-01",
        "2020-03-01",
        "2020-04-01",
    ]
    assert str(frame["month"].dtype) == "period[M]"


def test_names_that_are_no_text_become_text():
    assert panel_from_frame(pd.DataFrame({0: DAYS, 1: range(6)})).names == Names(ds="0", y="1")
    refused(pd.DataFrame([[1, 2]], columns=[0, "0"]), "a column name appears twice")


def test_every_text_of_pandas_is_text():
    for kind in (object, "string", "category", "str"):
        frame = pd.DataFrame({"unique_id": list("ba"), "ds": [1, 1], "y": [1, 2]})
        frame = pd.concat([frame, frame.assign(ds=2)])
        frame["unique_id"] = frame["unique_id"].astype(kind)
        assert panel_from_frame(frame).ids == ("b", "a")


# ------------------------------------------------------------------------------------------- wide tables

WIDE = {
    "Date": DAYS[:4],
    "a": [NAN, 1.0, NAN, 3.0],
    "note": list("wxyz"),
    "b": [5.0, 6.0, 7.0, NAN],
    "c": [NAN, NAN, NAN, 4.0],
}


@pytest.fixture(params=[pd.DataFrame, pl.DataFrame, lambda columns: pa.table(nw_columns(columns)), dict])
def make(request):
    return request.param


def nw_columns(columns):
    return {name: pa.array(column, from_pandas=True) for name, column in columns.items()}


def test_each_column_of_numbers_is_a_series_from_its_first_value_on(make):
    panel = panel_from_frame(make(WIDE), wide=True)
    assert (panel.ids, panel.lengths.tolist(), panel.names.ds) == (("a", "b", "c"), [3, 4, 1], "Date")
    np.testing.assert_array_equal(panel.values, [1, NAN, 3, 5, 6, 7, NAN, 4])
    assert [str(panel.series_times(s)[0])[:10] for s in range(3)] == ["2020-01-02", "2020-01-01", "2020-01-04"]


def test_a_wide_table_shares_its_inputs(make):
    panel = panel_from_frame(make(WIDE), wide=True, inputs=["b"], known=["note"])
    assert panel.ids == ("a", "c")
    np.testing.assert_array_equal(panel.inputs["b"], [6, 7, NAN, NAN])
    assert panel.known["note"].tolist() == [1, 2, 3, 3]
    assert panel.categories == {"note": ("w", "x", "y", "z")}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.none() | st.floats(-9, 9), min_size=8, max_size=8), min_size=1, max_size=4))
def test_wide_and_long_are_the_same(columns):
    columns = [[1.0, 2.0, *column] for column in columns]
    columns = [[*[None] * s, *column[s:]] for s, column in enumerate(columns)]  # they start one after the other
    columns = [column if sum(cell is not None for cell in column) else [1.0] * 10 for column in columns]
    days = np.arange("2020-01-01", "2020-01-11", dtype="M8[D]")
    days[5:] += np.timedelta64(1, "D")  # a hole
    wide = {"ds": days, **{f"s{s}": column for s, column in enumerate(columns)}}
    rows = [
        (name, day, cell)
        for name, column in list(wide.items())[1:]
        for start in [next(k for k, cell in enumerate(column) if cell is not None)]
        for day, cell in zip(days[start:], column[start:], strict=True)
    ]
    long = dict(zip(("unique_id", "ds", "y"), map(list, zip(*rows, strict=True)), strict=True))
    one, other = panel_from_frame(wide, wide=True), panel_from_frame(long)
    same(one, other)
    assert one.filled == other.filled


def test_a_wide_table_of_text_is_read_past_its_empty_start():
    late = ["", *["NA"] * 299, "1,5"]
    text = {
        "ds": [str(day) for day in range(301)],
        "a": ["2"] * 301,
        "b": late,
        "c": [*late[:-1], "7"],
        "d": [""] * 301,
    }
    refused(text, "row 301 of column 'b' holds '1,5'", target="b")
    panel = panel_from_frame({name: column for name, column in text.items() if name != "b"}, wide=True)
    assert (panel.ids, panel.lengths.tolist()) == (("a", "c"), [301, 1])


def test_a_named_table_is_not_wide_unless_it_is_said():
    prices = {"Date": DAYS, "Open": range(6), "High": range(6), "Low": range(6)}
    assert panel_from_frame(prices).ids == ("Open",)
    assert panel_from_frame(prices, wide=True).ids == ("Open", "High", "Low")


def test_a_wide_table_without_dates_is_counted():
    assert panel_from_frame(pd.DataFrame({"a": [3.5, 2.5], "b": [1.5, 1.5]}), wide=True).times.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"target": "a"}, "wide makes every column of numbers a series, and target names 'a'; leave wide out"),
        ({"series_id": "note"}, "column 'note' names the series of each row; leave wide out"),
        ({"static": ["note"]}, "give a long table"),
    ],
)
def test_wide_excludes_what_makes_a_long_table(arguments, pattern):
    refused(WIDE, pattern, SettingsError, wide=True, **arguments)
    long = {"unique_id": ["a", "a"], "ds": [1, 2], "y": [1, 2]}
    refused(long, "column 'unique_id' names the series of each row", SettingsError, wide=True)


def test_a_wide_table_names_rows_and_columns_of_what_is_wrong():
    refused({**WIDE, "a": [1, float("inf"), 3, 4]}, "row 2 of column 'a' is infinite", wide=True)
    refused({**WIDE, "Date": DAYS[[0, 1, 1, 2]]}, "rows 2 and 3 have the same time 2020-01-02", wide=True)
    refused({**WIDE, "a": np.full(4, NAN)}, "series 'a' holds no value at all; .*--fix drop", wide=True)
    refused({"Date": DAYS, "note": ["x"] * 6, "more": ["y"] * 6}, "no column of numbers", wide=True)


# ------------------------------------------------------------------------------------------- several targets

SHOPS = {"shop": list("xyxy"), "t": [1, 1, 2, 2], "a": [1.0, 2, 3, 4], "b": [5.0, 6, 7, 8], "c": [0.0, 9, 0, 9]}


@pytest.mark.parametrize("target", ["a,b", " a , b", ["a", "b"], ("a", "b")])
def test_each_target_is_a_series_with_the_others_as_inputs(target):
    panel = panel_from_frame({name: column[::2] for name, column in SHOPS.items()}, time="t", target=target)
    assert (panel.ids, panel.names.y) == (("a", "b"), "a,b")
    assert panel.values.tolist() == [1, 3, 5, 7]
    assert {name: column.tolist() for name, column in panel.inputs.items()} == {"other target 1": [5, 7, 1, 3]}
    assert (panel.static["target"].tolist(), panel.categories["target"]) == ([0, 1], ("a", "b"))


def test_targets_of_several_series_are_named_after_both():
    arguments = {"time": "t", "series_id": "shop", "static": ["c"]}
    panel = panel_from_frame(SHOPS, target=["c", "a", "b"], **{**arguments, "static": []})
    assert panel.ids == ("x/c", "x/a", "x/b", "y/c", "y/a", "y/b")
    assert panel.series_values(4).tolist() == [2, 4]
    assert [panel.select(4).inputs[f"other target {k}"].tolist() for k in (1, 2)] == [[9, 9], [6, 8]]
    panel = panel_from_frame(SHOPS, target="a,b", **arguments)
    assert panel.static["c"].tolist() == [0, 0, 9, 9]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(8)), st.integers(2, 3))
def test_each_of_several_targets_reads_as_it_does_alone(order, count):
    rows = sorted(order[:6])  # two series of four steps, some missing
    table = {"unique_id": [("x", "y")[row % 2] for row in rows], "ds": [row // 2 for row in rows]}
    table |= {name: [float(row * k) for row in rows] for k, name in enumerate("abc", 1)}
    if min(table["unique_id"].count(name) for name in "xy") < 2:
        return
    names = list("abc")[:count]
    panel = panel_from_frame(table, target=names)
    for k, name in enumerate(names):
        alone = panel_from_frame(table, target=name)
        for s in range(2):
            place = panel.ids.index(f"{alone.ids[s]}/{name}")
            np.testing.assert_array_equal(panel.series_values(place), alone.series_values(s))
            np.testing.assert_array_equal(panel.series_times(place), alone.series_times(s))
            assert panel.static["target"][place] == k


def test_series_that_would_have_one_name_are_refused():
    table = {"unique_id": ["x", "x/a"] * 2, "ds": [1, 1, 2, 2], "b": [1, 2, 3, 4], "a/b": [1, 2, 3, 4]}
    refused(table, "two series would be called 'x/a/b'", SettingsError, target=["b", "a/b"])


def test_a_column_whose_name_has_a_comma_is_one_target():
    assert panel_from_frame({"ds": [1, 2], "a,b": [1, 2], "a": [3, 4], "b": [5, 6]}, target="a,b").ids == ("a,b",)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"target": "a,d"}, "target column 'd' is not in the table"),
        ({"target": "a,a"}, "column 'a' is asked for as target and as target"),
        ({"target": ["a", "b"], "inputs": ["b"]}, "column 'b' is asked for as target and as input b"),
        ({"target": "a,b", "static": ["target"]}, "the column 'target' has the name that is needed to tell several"),
        ({"target": "a,b", "inputs": ["other target 1"]}, "the column 'other target 1' has the name"),
    ],
)
def test_targets_that_cannot_be_told_apart_are_refused(arguments, pattern):
    table = {"ds": [1, 2], "a": [1, 2], "b": [3, 4], "target": [1, 1], "other target 1": [1, 2]}
    refused(table, pattern, SettingsError, **arguments)


# ------------------------------------------------------------------------------------------- out


def forecast(panel, horizon, like):
    made = np.arange(len(panel) * horizon * len(QUANTILES), dtype=float).reshape(len(panel), horizon, -1)
    return forecast_table(panel, {"LSTM": made}, [80], like)


@pytest.mark.parametrize(
    ("like", "kind"),
    [
        (pd.Series([1.0, 2, 3]), pd.DataFrame),
        (pl.Series("v", [1.0, 2, 3]), pl.DataFrame),
        (pa.chunked_array([[1.0, 2, 3]]), pa.Table),
        (pa.RecordBatch.from_arrays([pa.array([1.0, 2, 3])], names=["y"]), pa.Table),
        (nw.from_native(pl.DataFrame({"y": [1.0, 2, 3]})), nw.DataFrame),
        ([1, 2, 3], dict),
        (np.arange(3), dict),
        ({"y": [1, 2, 3]}, dict),
        ({"y": np.arange(3)}, dict),
    ],
)
def test_what_came_in_comes_out(like, kind):
    made = forecast(panel_from_frame(like), 2, like)
    assert isinstance(made, kind)
    assert list(eager_frame(made).columns) == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    np.testing.assert_array_equal(eager_frame(made)["ds"].to_numpy(), [3, 4])


def test_lists_come_out_as_lists_and_arrays_as_arrays():
    listed = forecast(panel_from_frame([1, 2, 3]), 2, [1, 2, 3])
    assert all(type(column) is list for column in listed.values())
    assert [type(column[0]) for column in listed.values()] == [str, int, float, float, float]
    arrays = forecast(panel_from_frame(np.arange(3)), 2, {"y": np.arange(3), "x": [1, 2, 3]})
    assert [column.dtype.kind for column in arrays.values()] == ["U", "i", "f", "f", "f"]
    days = {"ds": list(DAYS[:3]), "y": [1, 2, 3]}
    assert forecast(panel_from_frame(days), 1, days)["ds"] == [datetime.datetime(2020, 1, 4)]
    assert forecast(panel_from_frame(days), 1, np.empty(0))["ds"].dtype == "M8[us]"


def test_the_ids_of_a_categorical_come_out_as_text():
    frame = pd.DataFrame({"unique_id": pd.Categorical(list("baba")), "ds": [1, 1, 2, 2], "y": range(4)})
    made = forecast(panel_from_frame(frame), 2, frame)
    assert made["unique_id"].tolist() == ["b", "b", "a", "a"]
    assert made["unique_id"].dtype == pd.DataFrame({"unique_id": ["a"]})["unique_id"].dtype


# ------------------------------------------------------------------------------------------- anything

DATE = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
CELLS = [
    st.floats(),
    st.floats(-1e3, 1e3) | st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 40),
    st.sampled_from(["1", "2.5", "1,234", "–", "", "NA", "-3", "inf", "x"]),
    st.text(max_size=4),
    DATE,
    DATE | st.none(),
    st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    st.sampled_from(
        ["01/02/2020", "13/02/2020", "2020-02-30", "2020-01-01T00:00:00Z", "2020-01-01 01:00+02", "2020Q1"]
    ),
    st.datetimes(datetime.datetime(2024, 10, 26), datetime.datetime(2024, 10, 28)).map(lambda t: t.replace(minute=0)),
    st.sampled_from(["a", "b", "c"]),
    st.booleans(),
    st.none(),
]
NAMES = ["ds", "y", "unique_id", "year", "v", "w"]


@st.composite
def anything(draw):
    n = draw(st.integers(0, 25))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    table = {name: draw(st.lists(draw(st.sampled_from(CELLS)), min_size=n, max_size=n)) for name in names}
    if "ds" in table and draw(st.booleans()):
        table["ds"] = draw(st.sampled_from([sorted, list]))(draw(st.lists(DATE, min_size=n, max_size=n, unique=True)))
    if "ds" in table and draw(st.booleans()):
        table["ds"] = [datetime.datetime(2024, 10, 27) + datetime.timedelta(hours=k) for k in range(n)]
    return table


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.lists(st.sampled_from(NAMES), max_size=2),
        "known": st.lists(st.sampled_from(NAMES), max_size=2),
        "static": st.lists(st.sampled_from(NAMES), max_size=1),
        "target": st.sampled_from([*NAMES, "v,w", "y,v"]),
        "series_id": st.sampled_from(NAMES),
        "time": st.sampled_from(NAMES),
        "wide": st.booleans(),
        "zone": st.sampled_from(["Europe/Berlin", "+01:00"]),
        "frequency": st.sampled_from(["D", "B", "h", "MS", "1", "QE", "D-1111110"]),
    },
)


HOURS = [datetime.datetime(2024, 10, 26, 20) + datetime.timedelta(hours=k) for k in range(40)]
TIMES = {  # 40 steps that a table may well have
    "hours": HOURS,
    "days": [datetime.datetime(2024, 10, 20) + datetime.timedelta(days=k) for k in range(40)],
    "text": [f"{1980 + k // 12}-{1 + k % 12:02d}-01" for k in range(40)],
    "offsets": [f"{hour.isoformat()}+02:00" for hour in HOURS],
    "numbers": list(range(7, 47)),
    "weekdays": np.busday_offset("2024-10-21", np.arange(40)).astype("M8[us]").tolist(),
}


@st.composite
def plausible(draw):
    """A table of one or two series with holes, mixed rows and further columns, and settings that go with it."""
    n = draw(st.integers(1, 40))
    kept = draw(st.lists(st.integers(0, 39), min_size=n, max_size=n, unique=True))
    series = draw(st.sampled_from([[""], ["a", "b"], ["1", "2"]]))
    rows = sorted({(draw(st.sampled_from(series)), k) for k in kept}, key=lambda row: row[1])
    times = TIMES[draw(st.sampled_from(list(TIMES)))]
    table = {"t": [times[k] for _, k in rows]}
    arguments = {"time": "t"}
    if len(series) > 1:
        table["s"], arguments["series_id"] = [name for name, _ in rows], "s"
    numbers = st.floats(-9, 9) | st.sampled_from([None, 1.0, 0.0])
    for name in "yz":
        table[name] = draw(st.lists(numbers, min_size=len(rows), max_size=len(rows)))
    arguments["target"] = draw(st.sampled_from(["y", "z", "y,z", ["z", "y"]]))
    if len(series) == 1 and draw(st.booleans()):
        arguments |= {"wide": True, "target": None}
    for role in ("inputs", "known"):
        if draw(st.booleans()):
            cells = draw(st.sampled_from(CELLS))
            table[role] = draw(st.lists(cells, min_size=len(rows), max_size=len(rows)))
            arguments[role] = [role]
    if len(series) > 1 and draw(st.booleans()):
        table["static"], arguments["static"] = [f"x{name}" for name, _ in rows], ["static"]
    if draw(st.booleans()):
        arguments["zone"] = draw(st.sampled_from(["Europe/Berlin", "-03:30"]))
    return table, arguments


def settles(table, arguments, kind):
    """Whether a table becomes a panel, which is whole then, and its forecast too; or is refused in one line."""
    try:
        frame = kind(table)
    except (TypeError, OverflowError, pl.exceptions.PolarsError, pa.ArrowException):
        return False  # no table to begin with
    before = str(eager_frame(frame).to_dict(as_series=False)) if table else ""
    try:
        panel = panel_from_frame(frame, **arguments)
    except (DataError, SettingsError):
        return False
    finally:
        assert not table or str(eager_frame(frame).to_dict(as_series=False)) == before
    assert panel.offsets[-1] == len(panel.values) == len(panel.times)
    assert not np.isinf(panel.values).any()
    assert len(panel.ids) == len(panel.lengths)
    for s in range(len(panel)):
        assert (np.diff(panel.series_times(s)).astype(np.int64) > 0).all()
        assert np.isfinite(panel.series_values(s)).any()
    for name, column in {**panel.inputs, **panel.known}.items():
        assert len(column) == len(panel.values)
        assert name not in panel.categories or set(column[~np.isnan(column)]) <= set(range(len(panel.categories[name])))
    assert all(len(column) == len(panel) for column in panel.static.values())
    made = eager_frame(forecast(panel, 3, frame))
    assert len(made) == 3 * len(panel)
    assert made["unique_id"].to_list() == [name for name in panel.ids for _ in range(3)]
    ahead = made["ds"].to_list()
    assert all(ahead[3 * s] < ahead[3 * s + 1] < ahead[3 * s + 2] for s in range(len(panel)))
    return True


FRAMES = st.sampled_from([dict, pd.DataFrame, pl.DataFrame, pa.table])


@settings(max_examples=150, deadline=None)
@given(anything(), SETTINGS, FRAMES)
def test_every_table_is_a_panel_or_refused(table, arguments, kind):
    settles(table, arguments, kind)


@settings(max_examples=150, deadline=None)
@given(plausible(), FRAMES)
def test_every_plausible_table_is_a_panel_or_refused(made, kind):
    event("panel" if settles(*made, kind) else "refused")
