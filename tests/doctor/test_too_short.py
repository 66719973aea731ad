"""Fewer than 20 steps cannot be judged."""

from planted import nothing, only, table


def test_a_short_series_is_a_warning():
    found = only(table(19))
    assert (found.code, found.severity, found.rows, found.count) == ("too-short", "warning", tuple(range(1, 11)), 19)
    assert nothing(table(20))


def test_one_short_series_of_two_is_named():
    found = only(table(60, unique_id=["long"] * 50 + ["short"] * 10))
    assert (found.code, found.rows[0], found.count) == ("too-short", 51, 10)
    assert "series 'short' has 10 steps" in found.message
