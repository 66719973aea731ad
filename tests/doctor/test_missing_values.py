"""Rows without a value are counted, whatever they are written as."""

import pytest
from planted import level, nothing, only, table


@pytest.mark.parametrize("gone", [None, float("nan")])
def test_rows_without_a_value_are_named(gone):
    y = level(60)
    y[3] = y[8] = gone
    found = only(table(y=y))
    assert (found.code, found.severity, found.rows, found.count) == ("missing-values", "warning", (4, 9), 2)
    assert nothing(table())


def test_empty_cells_of_text_are_missing():
    y = [str(value) for value in level(60)]
    y[3:11] = ["", "NA", "n/a", "N/A", "#N/A", "<NA>", "nan", "null"]
    assert only(table(y=y)).rows == tuple(range(4, 12))


def test_ten_rows_are_named_and_all_are_counted():
    y = level(60)
    y[10:35] = [None] * 25
    found = only(table(y=y))
    assert (found.rows, found.count) == (tuple(range(11, 21)), 25)
