"""Rows out of the order of time are an error."""

from planted import level, nothing, only, table, times


def test_the_row_that_goes_back_is_named():
    when = times(60)
    when[10], when[11] = when[11], when[10]
    found = only(table(ds=when))
    assert (found.code, found.severity, found.rows, found.count) == ("unsorted-rows", "error", (12,), 1)
    assert "from 2024-01-12 in row 11 to 2024-01-11" in found.message
    assert found.fix == "--fix sort"


def test_a_table_with_the_newest_row_first_is_said_to_be_so():
    found = only(table(ds=times(60)[::-1], y=level(60)))
    assert found.count == 59
    assert "the newest comes first" in found.message


def test_series_whose_rows_are_mixed_are_in_order():
    twice = [time for time in times(30) for _ in range(2)]
    assert nothing(table(ds=twice, unique_id=["a", "b"] * 30))
