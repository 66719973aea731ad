"""A frequency that is given must go with the times, and all series of a table must have one."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from planted import level, nothing, only, table, times

from gatecast.doctor import check


@pytest.mark.parametrize("code", ["W", "h", "MS", "2D", "7"])
def test_another_frequency_than_the_one_seen_is_an_error(code):
    found = only(table(), frequency=code)
    assert (found.code, found.severity, found.count) == ("frequency-disagrees", "error", 60)
    assert f"({code})" in found.message
    assert "2024-01-01, 2024-01-02 in rows 1 and 2" in found.message
    assert found.fix == "--frequency D, or leave the option out"


def test_the_one_seen_and_one_with_holes_agree():
    assert nothing(table(), frequency="D")
    every_other = [k for k in range(120) if k % 2 == 0 or k % 3 == 0]
    frame = pa.table({"ds": [times(120)[k] for k in every_other], "y": level(len(every_other))})
    assert check(frame, frequency="D").ok
    assert check(frame, frequency="D").frequency_code == "D"


def test_a_month_that_begins_elsewhere_disagrees():
    months = [datetime(2018 + k // 12, k % 12 + 1, 15) for k in range(60)]
    frame = pa.table({"ds": months, "y": level(60)})
    assert only(frame, frequency="MS").fix.startswith("--frequency M15")
    assert nothing(frame, frequency="M15")


def two(step, n=40):
    """A daily series and one of another spacing."""
    when = times(60) + times(n, step)
    return pa.table({"unique_id": ["days"] * 60 + ["other"] * n, "ds": when, "y": level(60 + n)})


@pytest.mark.parametrize(
    ("step", "name", "coarser"), [(timedelta(days=7), "weekly (W)", "W"), (timedelta(hours=1), "hourly (h)", "D")]
)
def test_a_series_of_another_spacing_is_named_with_both(step, name, coarser):
    found = next(found for found in check(two(step)).findings if found.code == "frequency-disagrees")
    assert f"The times of series 'other' are {name}, and those of series 'days' daily (D)" in found.message
    assert (found.rows[0], found.count, found.example) == (61, 40, "other")
    assert found.fix.startswith(f"--fix regular={coarser}:")
    assert nothing(two(timedelta(days=1)))


def test_a_series_without_any_spacing_is_named():
    gaps = [timedelta(seconds=int(gap)) for gap in np.random.default_rng(0).integers(61, 100_000, 30).cumsum()]
    frame = pa.table(
        {"unique_id": ["days"] * 60 + ["b"] * 30, "ds": times(60) + [times(1)[0] + gap for gap in gaps], "y": level(90)}
    )
    found = next(found for found in check(frame).findings if found.code == "frequency-disagrees")
    assert "series 'b' are of no regular spacing" in found.message


def test_a_series_with_many_holes_is_of_the_same_spacing():
    sparse = [times(200)[k] for k in range(0, 200) if k % 7 in (0, 1, 4)]
    frame = pa.table(
        {"unique_id": ["a"] * 200 + ["b"] * len(sparse), "ds": times(200) + sparse, "y": level(200 + len(sparse))}
    )
    assert [found.code for found in check(frame).findings] == ["holes"]
