"""What is asked for is mended, and nothing else is touched."""

import re
import sys
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.doctor import check
from gatecast.errors import DataError, SettingsError
from gatecast.findings import KINDS
from gatecast.mending import FIXES, check_fixes, later_words, mend
from gatecast.panel import panel_from_frame

sys.path.append(str(Path(__file__).parent / "doctor"))
from planted import level, table, times

Y = level(60)
DAYS = times(60)
DATES = [str(day.date()) for day in DAYS]
MONTHS = [f"01/{month:02d}/{year}" for year in range(2010, 2013) for month in range(1, 13)]


def swapped(cells, one, other):
    cells = list(cells)
    cells[one], cells[other] = cells[other], cells[one]
    return cells


def put(cells, **changed):
    """Cells with others in rows named r1, r2 … (counted from 1)."""
    cells = list(cells)
    for row, cell in changed.items():
        cells[int(row[1:]) - 1] = cell
    return cells


def texts(values, form="{:.2f}"):
    return [form.format(value) for value in values]


def irregular():
    gaps = np.random.default_rng(0).integers(61, 100_000, 60).cumsum()
    return [DAYS[0] + timedelta(seconds=int(gap)) for gap in gaps]


def local_hours(start):
    return pd.date_range(start, periods=100, freq="h", tz="Europe/Berlin").tz_localize(None).tolist()


def two_spacings():
    when = [*DAYS, *times(40, timedelta(days=7))]
    return pa.table({"unique_id": ["a"] * 60 + ["b"] * 40, "ds": when, "y": level(100)})


FAULTS = [  # code, a table with it, settings, the rows that it spoils
    ("missing-ids", table(unique_id=put(["a"] * 30 + ["b"] * 30, r31=None)), {}, {31}),
    ("missing-times", table(ds=put(DATES, r6="", r7="  ")), {}, {6, 7}),
    ("unreadable-dates", table(ds=put(DATES, r6="2024-02-30")), {}, {6}),
    ("day-first", pa.table({"ds": MONTHS, "y": level(36)}), {}, set()),
    ("day-first", table(ds=put([day.strftime("%d/%m/%Y") for day in DAYS], r60="2/29/2024")), {}, set()),
    ("repeated-hour", pa.table({"ds": local_hours("2024-10-26"), "y": level(100)}), {}, set()),
    ("duplicate-times", table(ds=put(DAYS, r6=DAYS[4], r9=DAYS[7])), {}, {5, 6, 8, 9}),
    ("unsorted-rows", table(ds=swapped(DAYS, 10, 20), y=swapped(Y, 10, 20)), {}, set()),
    ("mixed-frequency", table(ds=[*times(40), *times(20, timedelta(hours=1), DAYS[40])]), {}, set(range(40, 61))),
    ("irregular-times", table(ds=irregular()), {}, set(range(1, 61))),
    ("frequency-disagrees", two_spacings(), {}, set(range(1, 101))),
    ("text-in-numbers", table(y=put(texts(Y), r7="–", r9="x")), {}, {7, 9}),
    ("text-in-numbers", table(y=put(texts(Y), r7="1,234.50")), {}, {7}),
    ("text-in-numbers", table(y=put(texts(Y, "{:.0f}"), r7="1,234")), {}, {7}),
    ("text-in-numbers", table(y=put(texts(Y), r7="1.234,5", r9="12 kg")), {}, {7, 9}),
    ("infinities", table(y=put(Y, r7=float("inf"))), {}, {7}),
    ("no-values", table(y=[*Y[:30], *[None] * 30], unique_id=["a"] * 30 + ["b"] * 30), {}, set(range(31, 61))),
]
NOT_MENDED = {  # errors that only the user can mend, or that another option does
    *("unreadable", "columns", "mixed-zones", "frequency-disagrees", "static-changes", "future-in-inputs", "refused"),
    "repeated-hour",
}


def options(remedy):
    """The fixes that a finding offers."""
    words = [word for part in re.findall(r"--fix ([^:;]*)", remedy) for word in re.split(r", | or ", part)]
    return [word for word in words if word.partition("=")[0] in FIXES]


def codes(report):
    return [found.code for found in report.findings]


def pairs(frame, rows=None):
    """The time and value of rows, where both can be read."""
    when, values = frame["ds"].to_pylist(), frame["y"].to_pylist()
    whole = np.arange(1, len(when) + 1) if rows is None else rows
    return {(str(pd.Timestamp(when[row - 1])), float(values[row - 1])) for row in whole if values[row - 1] is not None}


@pytest.mark.parametrize(("code", "frame", "named", "bad"), FAULTS)
def test_the_flag_that_a_finding_names_mends_it_and_nothing_else(code, frame, named, bad):
    (found,) = (found for found in check(frame, **named).findings if found.code == code)
    assert found.severity == "error"
    zoned = "--zone Europe/Berlin" in found.fix
    offered = [("zone", "Europe/Berlin")] if zoned else [("fix", [fix]) for fix in options(found.fix)]
    assert offered, found.fix
    for setting in offered:
        report = check(frame, **named, **dict([setting]))
        assert code not in codes(report), (setting, report.findings)
        assert "refused" not in codes(report)
        assert all(what.startswith(tuple(FIXES)) for what in report.mended)
        if not zoned and code != "day-first":
            sound = [row for row in range(1, len(frame) + 1) if row not in bad]
            assert pairs(frame, sound) <= pairs(mend(frame, setting[1], **named).table)
    if code == "day-first":
        assert mend(frame, ["day-first"]).table["y"].equals(frame["y"])


def test_every_error_is_mended_or_known_not_to_be():
    errors = {code for code, (severity, _) in KINDS.items() if severity == "error"}
    assert errors <= {code for code, *_ in FAULTS} | NOT_MENDED
    assert all(not options(KINDS[code][1]) for code in NOT_MENDED)


def test_every_flag_named_anywhere_exists():
    for code, (_, remedy) in KINDS.items():
        if "--fix" in remedy:
            assert options(remedy), code


@pytest.mark.parametrize(
    ("code", "frame", "named"),
    [
        ("missing-values", table(y=put(Y, r7=None, r60=None)), {}),
        ("holes", table().take([k for k in range(60) if k not in (7, 8, 20)]), {}),
        ("constant-tail", table(y=[*Y[:45], *[Y[45]] * 15]), {}),
        ("unit-jump", table(y=[*Y[:30], *(1000 * value for value in Y[30:])]), {}),
        ("outliers", table(y=put(Y, r21=900.0)), {}),
        ("known-missing", table(p=put([1.0] * 60, r7=None)), {"target": "y", "known": ["p"]}),
    ],
)
def test_so_does_the_flag_of_a_warning_or_note(code, frame, named):
    (found,) = check(frame, **named).findings
    assert found.code == code
    for fix in options(found.fix):
        left = [one for one in check(frame, **named, fix=[fix]).findings if one.code == code]
        if fix == "interpolate" and code == "missing-values":
            assert left[0].rows == (60,)  # no value is known after it
        else:
            assert not left


def test_clean_tables_are_what_they_were():
    for frame in (table(), two_spacings().slice(0, 60), table(unique_id=["a", "b"] * 30, x=[None, *level(59)])):
        mended = mend(frame, [])
        assert mended.table.equals(frame.cast(mended.table.schema))
        assert mended.done == ()


CLEAN = [
    "separators",
    "day-first",
    "empty",
    "drop",
    "sort",
    "first",
    "regular",
    "jump",
    "outliers",
    "tail",
    "interpolate",
]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 40), min_size=1, max_size=4),
    fixes=st.sets(st.sampled_from(CLEAN)),
    seed=st.integers(0, 99),
    text=st.booleans(),
    make=st.sampled_from([pd.DataFrame, pl.DataFrame, pa.table]),
)
def test_a_clean_table_comes_back_whatever_is_asked(lengths, fixes, seed, text, make):
    values = [100 + (k + seed) % 7 + k / 10 for n in lengths for k in range(n)]
    columns = {
        "unique_id": [f"s{s}" for s, n in enumerate(lengths) for _ in range(n)],
        "ds": [str(day) if text else day for n in lengths for day in times(n)],
        "y": [repr(value) for value in values] if text else values,
        "note": ["x"] * len(values),
    }
    if max(lengths) < 3:
        fixes = fixes - {"regular"}
    mended = mend(make(columns), sorted(fixes))
    assert mended.table.to_pydict() == columns
    assert all(what.endswith("nothing to do") for what in mended.done)
    assert len(mended.done) == len(fixes)


BROKEN = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(0, 40).map(lambda k: str(DAYS[0] + timedelta(days=k))) | st.sampled_from(["", "x"]),
        st.integers(1, 999).map(str) | st.sampled_from(["1,234.5", "", "–", "inf"]),
        st.sampled_from(["1", "2", ""]),
    ),
    max_size=40,
)
ANY = [
    fix for fix in FIXES if fix not in ("decimal-comma", "month-first", "last", "mean", "sum", "interpolate", "zero")
]


@settings(max_examples=150, deadline=None)
@given(
    rows=BROKEN,
    fixes=st.sets(st.sampled_from([*ANY[1:], "regular=W"])).filter(
        lambda asked: {"tail", "fill"} > asked or "tail" not in asked
    ),
)
def test_no_table_crashes_it_and_none_is_changed(rows, fixes):
    fixes -= {"regular"} if "regular=W" in fixes else set()
    named = ["unique_id", "ds", "y", "p"]
    frame = pa.table({name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(named)})
    kept = frame.to_pydict()
    settings_ = {"series_id": "unique_id", "time": "ds", "target": "y", "known": ["p"]}
    try:
        mended = mend(frame, sorted(fixes), **settings_)
    except DataError as error:
        assert re.search(r"row|regular", str(error))
        return
    finally:
        assert frame.to_pydict() == kept
    assert len(mended.done) >= len(fixes)
    assert mended.table.column_names == named
    readable = not any("cannot be read" in what for what in mended.done)
    if {"drop", "sort", "first", "fill"} <= fixes and readable:
        report = check(mended.table, **settings_)
        assert not {"missing-ids", "missing-times", "unsorted-rows", "duplicate-times"} & set(codes(report))


# ------------------------------------------------------------------------------------------- one fix after another


def y_of(frame, *fixes, **named):
    return mend(frame, fixes, **named).table["y"].to_pylist()


def test_drop():
    frame = table(
        unique_id=put(["a"] * 60, r3=None),
        ds=put(DATES, r5="", r6="soon"),
        y=put(texts(Y), r8="?", r9="inf", r10=""),
        note=[str(k) for k in range(60)],
    )
    mended = mend(frame, ["drop"])
    assert mended.done == ("drop: 5 rows that cannot be read left out, first in row 3",)
    assert mended.table["note"].to_pylist() == [str(k) for k in range(60) if k + 1 not in (3, 5, 6, 8, 9)]
    assert mended.table["y"].to_pylist()[4] == ""  # a value that is missing is no error


def test_drop_leaves_series_out_that_other_fixes_leave_without_values():
    frame = table(40, y=[*texts(Y[:20]), *["?"] * 20], unique_id=["a"] * 20 + ["b"] * 20)
    mended = mend(frame, ["empty", "drop"])
    assert mended.done[1] == "drop: series 'b' left out, with no value at all (20 rows, first in row 21)"
    assert set(mended.table["unique_id"].to_pylist()) == {"a"}


def test_empty_is_for_every_column_of_numbers():
    frame = table(y=put(texts(Y), r7="–"), x=put(Y, r8=float("-inf")), w=put(texts(Y), r9="x"))
    mended = mend(frame, ["empty"], target="y", inputs=["x"], known=["w"])
    assert mended.done == (
        "empty: 1 cell of 'y' made missing, first in row 7 ('–')",
        "empty: 1 cell of 'x' made missing, first in row 8 (-inf)",
        "empty: 1 cell of 'w' made missing, first in row 9 ('x')",
    )
    assert [mended.table[name].null_count for name in "yxw"] == [1, 1, 1]
    assert mended.table["y"][0].as_py() == round(Y[0], 2)


@pytest.mark.parametrize(
    ("cells", "fix", "meant"),
    [
        (["1,234.5", "12"], "separators", [1234.5, 12]),
        (["1.234,5", "12"], "separators", [1234.5, 12]),
        (["1.234", "12,5"], "separators", [1234, 12.5]),
        (["1 234", "1\u202f234\u00a0567", "1'234.5"], "separators", [1234, 1234567, 1234.5]),
        (["€ 1,234.50", "-€12", "−3"], "separators", [1234.5, -12, -3]),
        (["12 %", "3.5%"], "separators", [12, 3.5]),
        (["12,34,567", "1e3"], "separators", [1234567, 1000]),
        (["1,234", "12"], "decimal-point", [1234, 12]),
        (["1,234", "12"], "decimal-comma", [1.234, 12]),
        (["1.5", "1,234", ""], "separators", [1.5, 1234, None]),
    ],
)
def test_separators(cells, fix, meant):
    frame = pa.table({"ds": DAYS[: len(cells)], "y": cells})
    assert mend(frame, [fix], target="y").table["y"].to_pylist() == meant


def test_cells_that_need_two_fixes_are_offered_both():
    frame = table(y=put(texts(Y), r7="1,234.50", r9="–"))
    (found,) = check(frame).findings
    assert options(found.fix) == ["separators", "empty"]
    assert check(frame, fix=options(found.fix)).ok


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1,234", "12"], "row 1 holds '1,234', which is 1234 with a decimal point and 1.234 with a decimal comma"),
        (["1,234.5", "1.234,5"], "mixes decimal points and decimal commas: row 1 holds '1,234.5' and row 2"),
        (["12 %", "0.5"], "mixes units: row 1 holds '12 %' and row 2 holds '0.5'"),
        (["€ 1.5", "$ 1.5"], "mixes units: row 1 holds '€ 1.5' and row 2"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused_with_both(cells, words):
    with pytest.raises(DataError, match=re.escape(words)):
        mend(pa.table({"ds": DAYS[:2], "y": cells}), ["separators"], target="y")
    report = check(pa.table({"ds": DAYS[:2], "y": cells}), target="y", fix=["separators"])
    assert words in next(found.message for found in report.findings if found.code == "refused")


@pytest.mark.parametrize(("fix", "second"), [("day-first", "2010-02-01"), ("month-first", "2010-01-02")])
def test_the_order_of_day_and_month(fix, second):
    frame = pa.table({"ds": MONTHS, "y": level(36)})
    mended = mend(frame, [fix])
    assert mended.table["ds"][1].as_py() == second
    assert mended.done[0].startswith(f"{fix}: 33 dates of 'ds' that can be read in two ways read {fix[:-6]} first")
    clear = pa.table({"ds": [day.strftime("%d/%m/%Y") for day in DAYS], "y": Y})
    assert mend(clear, [fix]).done == (f"{fix}: nothing to do",)


def test_sort_keeps_each_series_on_its_rows():
    frame = pa.table(
        {
            "unique_id": ["a", "b", "a", "b", "a"],
            "ds": [DAYS[k] for k in (2, 0, 0, 1, 1)],
            "y": [3, 4, 1, 5, 2],
            "note": ["a3", "b1", "a1", "b2", "a2"],
        }
    )
    mended = mend(frame, ["sort"])
    assert mended.table["note"].to_pylist() == ["a1", "b1", "a2", "b2", "a3"]
    assert mended.done == ("sort: 3 rows moved, first in row 1",)


def test_an_hour_told_twice_is_not_sorted_away():
    frame = pa.table({"ds": local_hours("2024-10-26"), "y": level(100)})
    mended = mend(frame, ["sort", "first", "fill"])
    assert mended.table["ds"].to_pylist() == frame["ds"].to_pylist()
    assert check(frame, zone="Europe/Berlin", fix=["sort", "first"]).ok


@pytest.mark.parametrize(("fix", "kept"), [("first", 5.0), ("last", 9.0), ("mean", 7.0), ("sum", 14.0)])
def test_one_row_per_time(fix, kept):
    frame = pa.table(
        {
            "ds": [*DAYS[:2], DAYS[1], DAYS[2]],
            "y": [1.0, 5.0, 9.0, 2.0],
            "x": [1.0, None, 3.0, 4.0],
            "note": list("abcd"),
        }
    )
    mended = mend(frame, [fix], target="y", inputs=["x"])
    assert mended.table["y"].to_pylist() == [1.0, kept, 2.0]
    assert mended.table["x"].to_pylist() == [1.0, None if fix == "first" else 3.0, 4.0]
    assert ("note" in mended.table.column_names) == (fix in ("first", "last"))
    if fix in ("first", "last"):
        assert mended.table["note"].to_pylist() == (["a", "b", "d"] if fix == "first" else ["a", "c", "d"])
    else:
        assert mended.done[-1] == "left out, since rows were added or merged: column 'note'"


def test_a_mean_takes_no_cell_that_is_no_number():
    frame = pa.table({"ds": [DAYS[0], DAYS[0], DAYS[0], DAYS[1]], "y": ["1", "3", "x", "4"]})
    assert y_of(frame, "mean") == ["2.0", "x", "4.0"]
    assert y_of(frame, "mean", "empty") == [2.0, 4.0]


def test_an_added_row_has_its_series_and_what_stays_the_same():
    k = [0, 1, 4, 5]
    frame = pa.table(
        {
            "unique_id": ["a"] * 4 + ["b"] * 4,
            "ds": [DAYS[i] for i in k] * 2,
            "y": [1.0, 2.0, 8.0, 9.0] * 2,
            "kind": ["k"] * 4 + ["l"] * 4,
            "day": ["u", "v", "w", "u"] * 2,
        }
    )
    named = {"static": ["kind"], "known": ["day"]}
    mended = mend(frame, ["interpolate"], **named)
    assert mended.table["y"].to_pylist() == [1.0, 2.0, 4.0, 6.0, 8.0, 9.0] * 2
    assert mended.table["unique_id"].to_pylist() == ["a"] * 6 + ["b"] * 6
    assert mended.table["kind"].to_pylist() == ["k"] * 6 + ["l"] * 6
    assert mended.table["day"].to_pylist() == ["u", "v", None, None, "w", "u"] * 2
    assert mended.table["ds"].to_pylist() == DAYS[:6] * 2
    assert mended.done[0] == "interpolate: 4 rows added, first after row 2 (2024-01-03)"
    filled = mend(frame, ["fill"], **named).table
    assert filled["day"].to_pylist() == ["u", "v", "v", "v", "w", "u"] * 2
    assert filled["y"].to_pylist() == [1.0, 2.0, 2.0, 2.0, 8.0, 9.0] * 2
    assert y_of(frame, "zero", **named) == [1.0, 2.0, 0.0, 0.0, 8.0, 9.0] * 2


@pytest.mark.parametrize(
    ("fix", "meant"),
    [
        ("fill", [None, 1.0, 1.0, 3.0, 3.0, None, 5.0, 5.0]),
        ("interpolate", [None, 1.0, 2.0, 3.0, None, None, 5.0, None]),
        ("zero", [None, 1.0, 0.0, 3.0, 0.0, None, 5.0, 0.0]),
    ],
)
def test_nothing_is_filled_before_a_first_value_or_from_another_series(fix, meant):
    values = [None, 1.0, None, 3.0, None, None, 5.0, None]
    frame = pa.table({"unique_id": ["a"] * 5 + ["b"] * 3, "ds": [*DAYS[:5], *DAYS[:3]], "y": values})
    assert y_of(frame, fix) == meant


def test_months_and_business_days_are_filled_in_their_own_steps():
    months = [datetime(2020 + k // 12, k % 12 + 1, 1) for k in range(24) if k not in (5, 6)]
    mended = mend(pa.table({"ds": months, "y": [float(k) for k in range(22)]}), ["interpolate"]).table
    assert mended["ds"].to_pylist()[4:8] == [datetime(2020, month, 1) for month in (5, 6, 7, 8)]
    open_days = [day for day in times(120) if day.weekday() < 5]
    holiday, closed = [*open_days[:20], *open_days[21:]], [*open_days[:20], *open_days[40:]]
    values = [float(k) for k in range(len(open_days))]
    assert mend(pa.table({"ds": holiday, "y": values[:-1]}), ["fill"]).done == ("fill: nothing to do",)
    assert mend(pa.table({"ds": closed, "y": values[:-20]}), ["fill"]).table["ds"].to_pylist() == open_days


def test_a_hole_too_large_to_be_one_is_refused():
    seconds = [datetime(2024, 1, 1, 0, 0, k) for k in range(59)]
    frame = table(ds=[*seconds, datetime(2025, 1, 1)])
    with pytest.raises(DataError, match="most after row 59"):
        mend(frame, ["fill"])
    assert "refused" in codes(check(frame, fix=["fill"]))


def test_irregular_rows_are_filled_and_none_is_added():
    frame = table(ds=irregular(), y=put(Y, r7=None))
    done = mend(frame, ["fill"]).done
    assert done == (
        "fill: no rows added: the times have no single spacing",
        "fill: 1 missing value of 'y' filled, first in row 7",
    )


def test_regular_takes_the_mean_of_each_step():
    hours = times(72, timedelta(hours=1))
    frame = pa.table({"ds": hours, "y": [float(k) for k in range(72)]})
    mended = mend(frame, ["regular=D"])
    assert mended.table.to_pydict() == {"ds": DAYS[:3], "y": [11.5, 35.5, 59.5]}
    assert mended.done == (
        "regular=D: 72 rows became 3, one per step (daily), the mean of its values; first changed in row 1",
    )
    assert mend(frame, ["regular"]).done == ("regular: nothing to do",)


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ("MS", ["2024-01-01", "2024-02-01"]),
        ("ME", ["2024-01-31", "2024-02-29"]),
        ("M15", ["2023-12-15", "2024-01-15", "2024-02-15"]),
        ("QE", ["2024-03-31"]),
        ("YS", ["2024-01-01"]),
        ("W", [str((DAYS[0] + timedelta(days=7 * k)).date()) for k in range(9)]),
    ],
)
def test_steps_begin_where_their_frequency_says(code, labels):
    mended = mend(table(), [f"regular={code}"]).table
    assert [str(day.date()) for day in mended["ds"].to_pylist()] == labels
    assert np.mean(Y) == pytest.approx(np.average(mended["y"], weights=sizes(labels, code)))


def sizes(labels, code):
    if code in ("ME", "QE"):
        ends = [DAYS[0].date() - timedelta(days=1), *(datetime.fromisoformat(day).date() for day in labels)]
        return [sum(ends[k] < day.date() <= ends[k + 1] for day in DAYS) for k in range(len(labels))]
    starts = [*(datetime.fromisoformat(day) for day in labels), datetime(2100, 1, 1)]
    return [sum(starts[k] <= day < starts[k + 1] for day in DAYS) for k in range(len(labels))]


def test_regular_needs_a_step_and_cells_that_can_be_read():
    with pytest.raises(DataError, match="name the step, such as regular=D"):
        mend(table(ds=irregular()), ["regular"])
    with pytest.raises(DataError, match="mend these as well"):
        mend(table(y=put(texts(Y), r3="x")), ["regular=W"])
    with pytest.raises(SettingsError, match="frequency 'Dd' is not known"):
        mend(table(), ["regular=Dd"])
    with pytest.raises(DataError, match="does not go with times that are dates"):
        mend(table(), ["regular=7"])


def test_a_jump_there_and_back_is_mended_by_its_power_of_ten():
    there = [*Y[:20], *(value / 100 for value in Y[20:40]), *Y[40:]]
    mended = mend(table(y=there), ["jump"])
    assert mended.table["y"].to_pylist() == pytest.approx(Y)
    assert mended.done == ("jump: 20 values of 'y' multiplied by 100, first in row 21",)


def test_a_leap_that_is_not_clean_is_left():
    leap = [*Y[:30], *(1300 * value for value in Y[30:])]
    assert codes(check(table(y=leap))) == ["unit-jump"]
    mended = mend(table(y=leap), ["jump"])
    assert mended.table["y"].to_pylist() == leap
    assert mended.done == ("jump: the leap of 'y' is not a clean power of ten, and is left as it is",)


def test_outliers_and_tails_become_missing_in_every_target():
    frame = pa.table({"ds": DAYS, "a": put(Y, r21=900.0), "b": [*Y[:45], *[Y[45]] * 15]})
    mended = mend(frame, ["outliers", "tail"], target=["a", "b"])
    assert mended.done == (
        "outliers: 1 value of 'a' made missing, first in row 21",
        "tail: 15 values of 'b' made missing, first in row 46",
    )
    assert [mended.table[name].null_count for name in "ab"] == [1, 15]
    assert mend(frame, ["outliers", "tail"], wide=True).done == mended.done


# ------------------------------------------------------------------------------------------- asking


def test_the_order_of_asking_makes_no_difference():
    frame = table(ds=put(swapped(DAYS, 10, 11), r30=DAYS[28]), y=put(texts(Y), r7="?", r40="1,234.5"))
    asked = ["separators", "empty", "sort", "mean", "interpolate"]
    results = {str(mend(frame, order).table.to_pydict()) for order in permutations(asked)}
    assert len(results) == 1
    assert check_fixes(reversed(asked)) == tuple(asked)
    assert check_fixes("sort") == check_fixes(["sort", "sort"]) == ("sort",)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["filll"], "fix 'filll' is not known. Did you mean 'fill'? Known: separators, decimal-point"),
        (["sort=D"], "fix 'sort=D' is not known"),
        (["fill", "interpolate"], "fixes 'fill' and 'interpolate' contradict each other; choose one of them"),
        (["first", "sort", "last"], "'first' and 'last' contradict"),
        (["separators", "decimal-comma"], "contradict"),
        (["day-first", "month-first"], "contradict"),
        (["tail", "fill"], "contradict"),
        (["regular=D", "regular=W"], "contradict"),
        (["regular="], "frequency '' is not known"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, words):
    for refuse in (lambda: mend(table(), asked), lambda: check(table(), fix=asked)):
        with pytest.raises(SettingsError, match=re.escape(words)):
            refuse()


def test_the_module_lists_every_fix():
    listed = sys.modules["gatecast.mending"].__doc__
    named = [word for line in re.findall(r"^    (\S.*?)  ", listed, flags=re.MULTILINE) for word in line.split(", ")]
    assert [name for name in named if "=" not in name] == list(FIXES)


def test_times_that_cannot_be_read_are_said():
    frame = pa.table({"ds": put(DATES, r3="2024-01-03T00:00:00+02:00", r4="2024-01-04T00:00:00"), "y": Y})
    done = mend(frame, ["sort", "empty"]).done
    assert done[1].startswith("sort: not done, since the times of column 'ds' cannot be read")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_any_kind_of_table_goes_in_and_none_is_changed(make):
    frame = make({"ds": swapped(DAYS, 3, 9), "y": put(Y, r7=float("nan"))})
    kept = repr(frame)
    mended = mend(frame, ["sort", "interpolate"])
    assert repr(frame) == kept
    assert mended.table["y"].null_count == 0
    panel_from_frame(mended.table)


def test_numbers_without_names_can_be_mended():
    assert mend([1.0, None, 3.0], ["interpolate"]).table["y"].to_pylist() == [1.0, 2.0, 3.0]
    rows = np.array([[1.0, 4.0], [2.0, 5.0], [np.nan, 6.0]])
    assert mend(rows, ["fill"]).table.to_pydict() == {"0": [1.0, 2.0, 2.0], "1": [4.0, 5.0, 6.0]}
    assert check(rows, fix=["fill"]).series == 2


def test_the_report_says_what_was_mended():
    frame = table(ds=swapped(DAYS, 10, 11))
    report = check(frame, fix=["sort", "fill"])
    assert report.ok
    assert report.mended == ("sort: 2 rows moved, first in row 11", "fill: nothing to do")
    assert report.as_dict()["mended"] == list(report.mended)
    assert "mended     sort: 2 rows moved, first in row 11\nmended     fill: nothing to do\n" in report.as_text()
    assert check(frame).mended == ()


def test_a_fix_that_carries_later_values_back_is_named_where_it_did_something():
    gap = {"ds": np.arange(30), "y": [1.0, 2.0, None, *np.sin(np.arange(27))]}
    (sentence,) = later_words(mend(gap, ["interpolate", "outliers", "sort"]).done)
    assert sentence.startswith("The fix 'interpolate' reads values that come later")
    assert not later_words(mend(gap, ["fill", "sort"]).done)
