"""A static column that changes within a series is an error."""

import pytest
from planted import nothing, only, table

from gatecast.errors import DataError
from gatecast.panel import panel_from_frame

IDS = ["a"] * 30 + ["b"] * 30


@pytest.mark.parametrize(
    ("values", "shown"), [(["x"] * 30 + ["y"] * 30, "'x' in row 1"), ([1.5] * 60, "1.5"), (["2"] * 60, "2")]
)
def test_one_value_for_each_series_is_right(values, shown):
    frame = table(unique_id=IDS, s=values)
    assert nothing(frame, target="y", static=["s"]), shown


@pytest.mark.parametrize(("one", "two"), [("x", "z"), (1.5, 2.5), (3, 4)])
def test_the_rows_that_differ_from_the_first_are_named(one, two):
    frame = table(unique_id=IDS, s=[*[one] * 40, two, one, two, *[one] * 17])
    found = only(frame, target="y", static=["s"])
    assert (found.code, found.severity, found.rows, found.count) == ("static-changes", "error", (41, 43), 2)
    assert f"Static column 's' of series 'b' is '{one}' in row 31 and '{two}' in row 41" in found.message
    with pytest.raises(DataError, match="'s' has two values"):
        panel_from_frame(frame, target="y", static=["s"])


def test_what_is_not_known_everywhere_is_no_change():
    assert nothing(table(unique_id=IDS, s=[None, *["x"] * 28, None, *["y"] * 30]), static=["s"])
