"""Rows that name no series are an error."""

from planted import nothing, table

from gatecast.doctor import check


def test_the_rows_are_named():
    names = ["a"] * 30 + ["b"] * 30
    assert nothing(table(unique_id=names))
    names[4] = None
    found = check(table(unique_id=names)).findings[0]
    assert (found.code, found.severity, found.rows, found.count) == ("missing-ids", "error", (5,), 1)
