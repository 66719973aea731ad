"""A level that becomes 10, 100 or 1000 times what it was looks like another unit; growth does not."""

import pytest
from planted import level, nothing, only, table


@pytest.mark.parametrize(("factor", "words"), [(10, "10 times"), (100, "100 times"), (0.001, "1/1,000 of")])
def test_the_rows_in_the_other_unit_are_named(factor, words):
    y = level(60)
    found = only(table(y=[*y[:30], *(value * factor for value in y[30:])]))
    assert (found.code, found.severity, found.count) == ("unit-jump", "warning", 30)
    assert found.rows[0] == 31
    assert words in found.message


def test_a_stretch_in_another_unit_ends_where_it_ends():
    y = level(60)
    found = only(table(y=[*y[:20], *(value * 1000 for value in y[20:35]), *y[35:]]))
    assert (found.code, found.rows[0], found.count) == ("unit-jump", 21, 15)


def test_growth_and_a_doubled_level_are_no_jump():
    assert nothing(table(y=[1.2**k for k in range(60)]))
    y = level(60)
    assert nothing(table(y=[*y[:30], *(value * 2 for value in y[30:])]))
