"""Panels as tables of the kind that came in, and panels cut so that nothing later can be reached."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gatecast.errors import SettingsError
from gatecast.frames import keep, known_table, only, panel_table, since, static_table, until
from gatecast.panel import panel_from_frame

START = datetime.datetime(2024, 3, 1)
LENGTHS = {"a": 6, "b": 4}


def columns_of(lengths=LENGTHS):
    rows = [(name, step) for name, steps in lengths.items() for step in range(steps)]
    return {
        "unique_id": [name for name, _ in rows],
        "ds": [START + datetime.timedelta(days=step) for _, step in rows],
        "y": [float(step) if name == "a" else 10.0 * step for name, step in rows],
        "crowd": [100.0 + step for _, step in rows],
        "price": [5.0 + step for _, step in rows],
        "sky": ["grey" if step % 2 else "blue" for _, step in rows],
        "size": [1.0 if name == "a" else 2.0 for name, _ in rows],
        "kind": ["shop" if name == "a" else "stall" for name, _ in rows],
    }


def panel_of(columns=None, **more):
    chosen = {"inputs": ["crowd"], "known": ["price", "sky"], "static": ["size", "kind"]}
    return panel_from_frame(pa.table(columns or columns_of()), **{**chosen, **more})


def arrays_of(panel):
    tables = (panel.inputs, panel.known, panel.static)
    return [panel.times, panel.values, panel.offsets, *(column for table in tables for column in table.values())]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_panel_is_the_table_it_came_from_with_words_as_words(kind):
    made = panel_table(panel_of(), kind(columns_of()))
    assert isinstance(made, type(kind(columns_of())))
    read = made if isinstance(made, pa.Table) else pa.table(made) if isinstance(made, pl.DataFrame) else None
    found = (pa.Table.from_pandas(made) if read is None else read).to_pydict()
    assert found == columns_of()


def test_numbers_come_as_a_dictionary_of_arrays():
    made = panel_table(panel_from_frame(np.arange(5.0)), np.arange(5.0))
    assert list(made) == ["unique_id", "ds", "y"]
    np.testing.assert_array_equal(made["y"], np.arange(5.0))


def test_a_word_that_is_missing_stays_missing():
    columns = columns_of()
    columns["sky"][3] = None
    assert panel_table(panel_of(columns)).to_pydict()["sky"][3] is None


def test_only_the_columns_asked_for_stand_beside_the_target():
    assert panel_table(panel_of(), None, ["price", "size"]).column_names == ["unique_id", "ds", "y", "price", "size"]


def test_a_column_that_would_overwrite_the_target_is_refused():
    columns = columns_of()
    columns["sales"], columns["y"] = columns["y"], columns["crowd"]
    panel = panel_from_frame(pa.table(columns), target="sales", inputs=["y"])
    with pytest.raises(SettingsError, match=r"called 'y'.*rename"):
        panel_table(panel)


def test_what_is_known_in_advance_is_given_for_the_rows_asked_for():
    table = known_table(panel_of(), np.array([[4, 5], [8, 9]])).to_pydict()
    assert table["unique_id"] == ["a", "a", "b", "b"]
    assert table["ds"] == [START + datetime.timedelta(days=step) for step in (4, 5, 2, 3)]
    assert table["price"] == [9.0, 10.0, 7.0, 8.0]
    assert table["sky"] == ["blue", "grey", "blue", "grey"]


def test_what_stays_the_same_is_one_row_for_each_series():
    assert static_table(panel_of()).to_pydict() == {"unique_id": ["a", "b"], "size": [1, 2], "kind": ["shop", "stall"]}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_times_have_their_zone_again(zone):
    frame = pd.DataFrame({"ds": pd.date_range("2024-03-30", periods=50, freq="h", tz=zone), "y": np.arange(50.0)})
    made = panel_table(panel_from_frame(frame), frame)
    assert str(made["ds"].dt.tz) == zone
    assert (made["ds"].to_numpy() == frame["ds"].to_numpy()).all()


def test_until_keeps_what_is_known_in_advance_and_hides_the_rest():
    cut = until(panel_of(), np.array([3, 2]), ahead=2)
    np.testing.assert_array_equal(cut.lengths, [5, 4])
    np.testing.assert_array_equal(cut.values, [0, 1, 2, np.nan, np.nan, 0, 10, np.nan, np.nan])
    np.testing.assert_array_equal(np.isnan(cut.inputs["crowd"]), np.isnan(cut.values))
    np.testing.assert_array_equal(cut.known["price"], [5, 6, 7, 8, 9, 5, 6, 7, 8])


def test_until_does_not_go_beyond_the_end_and_leaves_out_what_is_empty():
    cut = until(panel_of(), np.array([0, 3]), ahead=0)
    assert cut.ids == ("b",)
    np.testing.assert_array_equal(cut.values, [0, 10, 20])
    np.testing.assert_array_equal(cut.static["size"], [2])
    np.testing.assert_array_equal(until(panel_of(), np.array([6, 3]), ahead=9).lengths, [6, 4])


def test_since_and_only_take_rows_and_series():
    np.testing.assert_array_equal(since(panel_of(), np.array([4, 1])).values, [4, 5, 10, 20, 30])
    assert only(panel_of(), np.array([False, True])).ids == ("b",)
    assert len(keep(panel_of(), np.zeros(10, bool))) == 0


@pytest.mark.parametrize("ahead", [0, 2])
def test_nothing_of_a_cut_panel_is_a_view_of_the_whole(ahead):
    panel = panel_of()
    for array in arrays_of(until(panel, np.array([3, 2]), ahead)):
        assert not any(np.shares_memory(array, whole) for whole in arrays_of(panel))
        base = array
        while base is not None:
            assert base.size <= 9
            base = getattr(base, "base", None)
