"""Infinite values are an error, in the target and in an input."""

from planted import level, nothing, only, table


def test_rows_are_named():
    y = level(60)
    y[3], y[8] = float("inf"), float("-inf")
    found = only(table(y=y))
    assert (found.code, found.rows, found.count, found.example) == ("infinities", (4, 9), 2, "inf")
    x = level(60, seed=1)
    x[7] = float("inf")
    assert only(table(x=x), inputs=["x"]).rows == (8,)
    assert nothing(table(x=level(60, seed=1)), inputs=["x"])
