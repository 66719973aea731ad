"""A lone negative value is a note; a series that crosses zero is not."""

from planted import level, nothing, table

from gatecast.doctor import check


def test_the_row_is_named():
    y = level(60)
    y[20] = -y[20]
    found = next(found for found in check(table(y=y)).findings if found.code == "negative-values")
    assert (found.severity, found.rows, found.count) == ("note", (21,), 1)
    assert nothing(table(y=[value - 100 for value in level(60)]))
