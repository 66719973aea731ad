"""Columns beside the target: numbers and words, known up to now, in advance or static; and their future values."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.errors import DataError, SettingsError
from gatecast.frequency import future_times
from gatecast.future import read_future
from gatecast.panel import panel_from_frame

NAN = float("nan")
ROLES = ["inputs", "known", "static"]


def refused(table, pattern, error=DataError, **arguments):
    with pytest.raises(error, match=pattern):
        panel_from_frame(table, **arguments)


def with_column(cells):
    return {"ds": list(range(len(cells))), "y": [1.0] * len(cells), "x": cells}


# ------------------------------------------------------------------------------------------- numbers and words


@pytest.mark.parametrize("role", ["inputs", "known"])
@pytest.mark.parametrize(
    "cells",
    [[1.5, None, 3.0], ["1.5", "", "3"], ["1.5", "NA", " 3"], pa.array([1.5, None, 3.0]), pl.Series([1.5, None, 3.0])],
)
def test_numbers_are_numbers(role, cells):
    panel = panel_from_frame(with_column(cells), **{role: ["x"]})
    np.testing.assert_array_equal(getattr(panel, role)["x"], [1.5, NAN, 3])
    assert panel.categories == {}


@pytest.mark.parametrize("role", ["inputs", "known"])
@pytest.mark.parametrize(
    "cells",
    [
        ["sun", None, "rain", "sun"],
        ["sun ", "", " rain", "sun"],
        pd.Series(pd.Categorical(["sun", None, "rain", "sun"], categories=["snow", "sun", "rain"])),
        pl.Series(["sun", None, "rain", "sun"], dtype=pl.Categorical),
        pl.Series(["sun", None, "rain", "sun"], dtype=pl.Enum(["rain", "snow", "sun"])),
        pa.array(["sun", None, "rain", "sun"]).dictionary_encode(),
        pa.array(["sun", None, "rain", "sun"], pa.large_string()),
    ],
)
def test_words_are_numbered_in_sorted_order(role, cells):
    panel = panel_from_frame(with_column(cells), **{role: ["x"]})
    np.testing.assert_array_equal(getattr(panel, role)["x"], [1, NAN, 0, 1])
    assert panel.categories == {"x": ("rain", "sun")}


def test_flags_are_0_and_1():
    panel = panel_from_frame(with_column([True, False, None]), inputs=["x"])
    np.testing.assert_array_equal(panel.inputs["x"], [1, 0, NAN])


def test_categories_that_look_like_numbers_are_words():
    frame = pd.DataFrame({**with_column([3, 1, 3]), "x": pd.Categorical(["3", "10", "3"])})
    panel = panel_from_frame(frame, known=["x"])
    assert (panel.known["x"].tolist(), panel.categories) == ([1, 0, 1], {"x": ("10", "3")})


def test_a_word_among_numbers_is_refused_with_its_row():
    refused(with_column(["1", "2", "x", "4"]), "row 3 of column 'x' holds 'x', which is not a number", inputs=["x"])


def test_a_number_among_words_is_a_word():
    panel = panel_from_frame(with_column(["a", "2", "b", "c"]), inputs=["x"])
    assert panel.categories["x"] == ("2", "a", "b", "c")


def test_names_are_no_categories():
    refused(with_column([f"n{k}" for k in range(1001)]), "holds 1,001 different words such as 'n0'", inputs=["x"])
    assert len(panel_from_frame(with_column([f"n{k}" for k in range(1000)]), inputs=["x"]).categories["x"]) == 1000


def test_endless_covariates_are_named():
    for role in ROLES:
        refused(with_column([1.0, float("inf")]), "row 2 of column 'x' is infinite", **{role: ["x"]})


def test_a_column_has_one_role():
    refused(with_column([1, 1]), "'x' is asked for as input x and as known x", SettingsError, inputs=["x"], known=["x"])
    refused(
        with_column([1, 1]), "'x' is asked for as known x and as static x", SettingsError, static=["x"], known=["x"]
    )
    refused(with_column([1, 1]), "known X column 'X' is not in the table. Did you mean 'x'", SettingsError, known=["X"])


def test_holes_have_no_covariates():
    table = {"ds": [0, 1, 3], "y": [1, 2, 3], "x": [1, 2, 3], "k": ["a", "b", "a"]}
    panel = panel_from_frame(table, inputs=["x"], known=["k"])
    np.testing.assert_array_equal(panel.inputs["x"], [1, 2, NAN, 3])
    np.testing.assert_array_equal(panel.known["k"], [0, 1, NAN, 0])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.text("abc", max_size=2), min_size=2, max_size=12))
def test_frame_libraries_read_the_same_words(words):
    frames = [kind(with_column(words)) for kind in (pd.DataFrame, pl.DataFrame, pa.table, dict)]
    panels = [panel_from_frame(frame, known=["x"]) for frame in frames]
    for panel in panels:
        np.testing.assert_array_equal(panel.known["x"], panels[0].known["x"])
        assert panel.categories == panels[0].categories
    labels = panels[0].categories.get("x")
    if labels is not None:
        codes = panels[0].known["x"]
        assert [None if np.isnan(code) else labels[int(code)] for code in codes] == [word or None for word in words]


# ------------------------------------------------------------------------------------------- static columns

SHOPS = {"unique_id": list("abab"), "ds": [1, 1, 2, 2], "y": [1, 2, 3, 4]}


def test_a_static_column_has_one_value_per_series():
    table = {**SHOPS, "city": ["Ulm", "Bonn", None, "Bonn"], "size": [None, 7.5, 3, 7.5], "none": [None] * 4}
    panel = panel_from_frame(table, static=["city", "size", "none"])
    assert panel.static["city"].tolist() == [1, 0]
    assert panel.static["size"].tolist() == [3, 7.5]
    assert np.isnan(panel.static["none"]).all()
    assert panel.select(1).static["city"].tolist() == [0]


def test_a_static_column_that_changes_is_refused_with_both_values_and_rows():
    refused(
        {**SHOPS, "city": ["Ulm", "Bonn", "Ulm", "Kiel"]},
        r"static column 'city' has two values for series 'b', 'Bonn' in row 2 and 'Kiel' in row 4 \(rows are counted",
        static=["city"],
    )
    refused({**SHOPS, "size": [1, 2, 1.5, 2]}, "for series 'a', 1 in row 1 and 1.5 in row 3", static=["size"])
    refused({"ds": [1, 2], "y": [1, 2], "s": [1, 2]}, "has two values, 1 in row 1 and 2 in row 2", static=["s"])


# ------------------------------------------------------------------------------------------- the future


def promotions(**columns):
    """Two shops, monthly: one ends in May, one in April."""
    months = [f"2024-{month:02d}-01" for month in (1, 2, 3, 4, 5)]
    table = {"shop": list("aaaaabbbb"), "month": [*months, *months[:4]], "y": range(9), "promo": [0, 1, 0] * 3}
    return panel_from_frame({**table, "kind": ["x", "y", "z"] * 3}, series_id="shop", known=["promo", "kind"])


MONTHS = pd.date_range("2024-03-01", periods=12, freq="MS")
FUTURE = pd.DataFrame(
    {"shop": ["b"] * 12 + ["a"] * 12, "month": [*MONTHS, *MONTHS], "kind": ["x"] * 12 + ["z"] * 12, "promo": range(24)}
)


def lacking(future, pattern, horizon=3, panel=None, error=DataError):
    with pytest.raises(error, match=pattern):
        read_future(future, promotions() if panel is None else panel, horizon)


@pytest.mark.parametrize(
    "make", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas, lambda f: f.to_dict("list")]
)
def test_future_values_are_matched_by_series_and_time(make):
    found = read_future(make(FUTURE), promotions(), 3)
    assert found["promo"].tolist() == [[15, 16, 17], [2, 3, 4]]
    assert found["kind"].tolist() == [[2, 2, 2], [0, 0, 0]]
    assert list(found) == ["promo", "kind"]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(24)), st.integers(1, 9))
def test_the_order_of_rows_and_other_rows_make_no_difference(order, horizon):
    panel, plain = promotions(), read_future(FUTURE, promotions(), horizon)
    wanted = {str(time) for time in future_times(panel.times[-1], panel.frequency, horizon + 1).astype("M8[D]")}
    mixed = FUTURE.iloc[order]
    fewer = mixed[mixed["month"].astype(str).isin(wanted)]
    for frame in (mixed, fewer):
        for name, values in read_future(frame, panel, horizon).items():
            np.testing.assert_array_equal(values, plain[name])


def test_the_future_table_is_not_changed():
    before = FUTURE.copy(deep=True)
    read_future(FUTURE, promotions(), 3)["promo"][:] = 0
    pd.testing.assert_frame_equal(FUTURE, before)


def test_a_future_without_series_is_that_of_all():
    found = read_future(FUTURE.head(12).drop(columns="shop"), promotions(), 3)
    assert found["promo"].tolist() == [[3, 4, 5], [2, 3, 4]]


def test_a_missing_future_is_asked_for():
    lacking(None, "the model reads 'promo', 'kind' in advance: give the future values, one row per series and step: 3")
    lacking(FUTURE.drop(columns="promo"), "lacks the column 'promo', which is known in advance")
    lacking(FUTURE.rename(columns={"month": "Month"}), "lacks the time column 'month'; it has 'shop', 'Month'")
    lacking(FUTURE[FUTURE["shop"] == "a"], "series 'b' is not in column 'shop' of the future table")


def test_missing_steps_and_values_are_named_and_counted():
    pattern = (
        "no value of 'promo' for series 'a' at 2024-07-01, and lacks 1 of 6 in all; give one row per series and step"
    )
    lacking(FUTURE.drop(index=16), pattern)
    empty = FUTURE.assign(kind=[None, None, *FUTURE["kind"][2:]])
    assert read_future(empty, promotions(), 3)["kind"].tolist() == [[2, 2, 2], [0, 0, 0]]  # before the first step
    lacking(empty.assign(kind=[*FUTURE["kind"][:3], None, *FUTURE["kind"][4:]]), "'kind' for series 'b' at 2024-06-01")
    lacking(FUTURE, "lacks 41 of 60 in all", horizon=30)


def test_the_steps_that_are_needed_are_listed():
    panel = panel_from_frame({"ds": [1, 2, 3], "y": [1, 2, 3], "x": [1, 2, 3]}, known=["x"])
    lacking(None, "one row per step: 12 steps from 4 to 15$", 12, panel)
    lacking(None, "one row per step: 1 step, 4$", 1, panel)


def test_a_step_that_is_there_twice_is_named():
    lacking(pd.concat([FUTURE, FUTURE.loc[[4]]]), "rows 5 and 25 of the future table of series 'b' .* time 2024-07-01")
    twice = pd.concat([FUTURE, FUTURE.loc[[0]]])  # not a step that is asked for
    assert read_future(twice, promotions(), 3)["promo"].shape == (2, 3)
    lacking(
        FUTURE.drop(columns="shop"), "rows 3 and 15 of the future table have the same time 2024-05-01|rows 4 and 16"
    )


def test_a_word_the_series_never_had_is_named_with_the_nearest():
    changed = FUTURE.assign(kind=["xx" if row == 3 else kind for row, kind in enumerate(FUTURE["kind"])])
    lacking(
        changed, "row 4 of column 'kind' of the future table holds 'xx', which the series never had .*known are 'x', "
    )
    assert read_future(FUTURE.assign(kind=["new", *FUTURE["kind"][1:]]), promotions(), 3)  # a row that is not needed


def test_text_in_a_future_number_is_named_if_it_is_needed():
    def with_promo(row):
        return FUTURE.assign(promo=["x" if k == row else str(k) for k in range(24)])

    lacking(with_promo(4), "row 5 of column 'promo' holds 'x', which is not a number")
    assert read_future(with_promo(0), promotions(), 3)["promo"].tolist() == [[15, 16, 17], [2, 3, 4]]
    lacking(FUTURE.assign(promo=[float("inf")] * 24), "row 3 of column 'promo' of the future table is infinite")


def test_counted_rows_go_on_in_their_order():
    panel = panel_from_frame({"y": [1, 2, 3], "ds": [0, 1, 2], "x": [1, 2, 3]}, known=["x"])
    assert read_future({"x": [7, 8]}, panel, 2)["x"].tolist() == [[7, 8]]
    lacking({"x": [7, 8, 9]}, "lacks the time column 'ds'", 2, panel)


def test_several_targets_of_a_series_have_one_future():
    table = {"shop": list("aabb"), "ds": [1, 2, 1, 2], "y": [1, 2, 3, 4], "z": [5, 6, 7, 8], "x": [1, 2, 3, 4]}
    panel = panel_from_frame(table, target="y,z", series_id="shop", known=["x"])
    future = {"shop": list("abab"), "ds": [3, 3, 4, 4], "x": [10, 20, 11, 21]}
    assert read_future(future, panel, 2)["x"].tolist() == [[10, 11], [10, 11], [20, 21], [20, 21]]


def test_a_wide_table_has_one_future():
    panel = panel_from_frame({"ds": [1, 2], "a": [1, 2], "b": [3, 4], "x": [1, 2]}, wide=True, known=["x"])
    assert read_future({"ds": [3, 4], "x": [7, 8]}, panel, 2)["x"].tolist() == [[7, 8], [7, 8]]


def test_a_future_of_another_kind_of_times_is_refused():
    panel = panel_from_frame({"ds": [1, 2], "y": [1, 2], "x": [1, 2]}, known=["x"])
    lacking({"ds": ["2020-01-01"], "x": [1]}, "holds dates, and the series has whole numbers", 1, panel)


def test_future_days_and_hours_of_a_zone_are_matched():
    days = pd.DataFrame({"ds": pd.date_range("2024-03-29", periods=2), "y": [1, 2], "x": [1, 2]})
    panel = panel_from_frame(days, known=["x"], zone="Europe/Berlin")
    local = pd.date_range("2024-03-31", periods=2, tz="Europe/Berlin")  # the clocks change on the 31st
    for ds in (local, local.tz_convert("UTC"), local.tz_localize(None), local.tz_localize(None).strftime("%Y-%m-%d")):
        assert read_future({"ds": list(ds), "x": [7, 8]}, panel, 2)["x"].tolist() == [[7, 8]]
    hours = pd.date_range("2024-10-27 00:00", periods=3, freq="h", tz="Europe/Berlin")
    panel = panel_from_frame(
        {"ds": list(hours.tz_localize(None)), "y": [1, 2, 3], "x": [1, 2, 3]}, known=["x"], zone="Europe/Berlin"
    )
    later = pd.date_range(hours[-1], periods=4, freq="h", tz="Europe/Berlin")[1:]
    for ds in (later, later.tz_convert("UTC")):
        assert read_future({"ds": list(ds), "x": [7, 8, 9]}, panel, 3)["x"].tolist() == [[7, 8, 9]]


def test_a_future_that_is_not_read_is_refused():
    panel = panel_from_frame([1, 2, 3])
    assert read_future(None, panel, 3) == {}
    lacking({"x": [1]}, "no column is known in advance; leave them out", 1, panel, SettingsError)
    lacking(FUTURE, "a horizon of 0 has no steps", 0, None, SettingsError)
