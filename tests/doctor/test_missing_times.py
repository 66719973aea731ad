"""Rows without a time are an error."""

import pytest
from planted import nothing, table, times

from gatecast.doctor import check


@pytest.mark.parametrize("text", [False, True])
def test_the_rows_are_named(text):
    when = [str(time) for time in times(60)] if text else times(60)
    assert nothing(table(ds=when))
    when[4] = when[6] = "" if text else None
    found = check(table(ds=when)).findings[0]
    assert (found.code, found.severity, found.rows, found.count) == ("missing-times", "error", (5, 7), 2)
