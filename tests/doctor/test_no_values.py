"""A series with no value or a single one cannot be forecast."""

import pytest
from planted import level, only, table


@pytest.mark.parametrize(("known", "words"), [([], "no value at all"), ([5.0], "a single value")])
def test_it_is_an_error(known, words):
    y = [*known, *[None] * (30 - len(known))]
    found = only(table(60, y=[*level(30), *y], unique_id=["a"] * 30 + ["b"] * 30))
    assert (found.code, found.severity, found.rows[0], found.count) == ("no-values", "error", 31, 30)
    assert words in found.message
    assert "series 'b'" in found.message


def test_a_table_without_rows_is_an_error():
    assert only(table(60).slice(0, 0)).code == "no-values"
