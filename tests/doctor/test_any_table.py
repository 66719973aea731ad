"""No table crashes the doctor, none is changed, and what it calls fine the door takes."""

import json
from datetime import datetime

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import level, table, times

from gatecast.doctor import check
from gatecast.errors import DataError, SettingsError
from gatecast.panel import panel_from_frame

SOME = 40
STRICTER = {
    "mixed-frequency",
    "future-in-inputs",
    "frequency-disagrees",
}  # the door takes these, and forecasts what was not meant
DATE = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
CELLS = [
    st.floats(),
    st.floats(-1e3, 1e3) | st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 50),
    st.sampled_from(["1", "2.5", "1,234", "–", "", "NA", "-3", "inf", "1e400", "x"]),
    st.text(max_size=8),
    DATE,
    DATE | st.none(),
    st.dates(datetime(1900, 1, 1).date(), datetime(2100, 1, 1).date()),
    st.sampled_from(["01/02/2020", "13/02/2020", "02/13/2020", "2020-02-30", "2020-01-01T00:00:00Z", "2020Q1", ""]),
    st.builds(lambda day, month: f"{day:02d}/{month:02d}/2021", st.integers(1, 14), st.integers(1, 14)),
    st.sampled_from(["a", "b", "c"]),
    st.booleans(),
    st.none(),
]


@st.composite
def columns(draw):
    n = draw(st.integers(0, SOME))
    names = draw(st.lists(st.sampled_from(["ds", "y", "unique_id", "year", "v", "w"]), unique=True, max_size=5))
    kinds = {name: draw(st.sampled_from(CELLS)) for name in names}
    made = {name: draw(st.lists(kind, min_size=n, max_size=n)) for name, kind in kinds.items()}
    if "ds" in made and draw(st.booleans()):
        made["ds"] = sorted(cell for cell in draw(st.lists(DATE, min_size=n, max_size=n)))
    return made


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@settings(max_examples=60, deadline=None)
@given(made=columns(), inputs=st.sampled_from([(), ("v",), ("v", "w")]))
def test_no_table_crashes_it(make, made, inputs):
    frame = make(made)
    kept = str(nw.from_native(frame).to_dict(as_series=False))
    try:
        report = check(frame, inputs=inputs)
    except SettingsError:
        return  # an input that is not there, or already used
    assert str(nw.from_native(frame).to_dict(as_series=False)) == kept
    json.dumps(report.as_dict(), allow_nan=False)
    assert report.as_text()
    for found in report.findings:
        assert all(1 <= row <= report.rows for row in found.rows)
        assert len(found.rows) <= min(found.count, 10) or found.code == "holes"
    if report.ok:
        panel_from_frame(frame, inputs=inputs)
    elif not STRICTER & {found.code for found in report.findings}:
        with pytest.raises(DataError):
            panel_from_frame(frame, inputs=inputs)


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.just(["v"]),
        "known": st.sampled_from([["w"], ["year"]]),
        "static": st.just(["unique_id"]),
        "target": st.sampled_from(["y", "v,w", ["y", "v"]]),
        "wide": st.booleans(),
        "zone": st.sampled_from(["Europe/Berlin", "UTC"]),
        "frequency": st.sampled_from(["D", "h", "MS", "2"]),
        "fix": st.sets(
            st.sampled_from(["empty", "drop", "sort", "first", "regular=W", "outliers", "fill", "day-first"])
        ),
    },
)


@settings(max_examples=200, deadline=None)
@given(made=columns(), asked=SETTINGS)
def test_no_setting_crashes_it(made, asked):
    frame = pa.table(made)
    kept = str(frame.to_pydict())
    try:
        report = check(frame, **asked)
    except SettingsError:
        return  # a column that is not there, or is asked for twice
    assert str(frame.to_pydict()) == kept
    json.dumps(report.as_dict(), allow_nan=False)
    assert report.as_text()
    assert bool(report.mended) <= bool(asked.get("fix"))
    if report.ok and not asked.get("fix"):
        panel_from_frame(frame, **{name: value for name, value in asked.items() if name != "fix"})


def test_every_fault_is_said_at_once():
    y = [str(value) for value in level(60)]
    y[10], y[20] = "1,234", ""
    when = times(60)
    when[30], when[31], when[41] = when[31], when[30], when[40]
    codes = [found.code for found in check(table(ds=when, y=y)).findings]
    assert codes == ["duplicate-times", "unsorted-rows", "text-in-numbers", "holes", "missing-values"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_the_frame_library_makes_no_difference(make):
    y = level(60)
    y[5] = float("nan")
    assert check(make({"ds": times(60), "y": y})).as_dict() == check(table(y=y)).as_dict()
