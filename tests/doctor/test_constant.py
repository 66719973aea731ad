"""A series that never moves is a warning."""

from planted import nothing, only, table


def test_a_constant_series_is_found():
    found = only(table(y=[5.0] * 60))
    assert (found.code, found.severity, found.rows[0], found.count) == ("constant", "warning", 1, 60)
    assert found.example == "5"
    assert nothing(table())


def test_what_several_series_share_is_one_finding():
    found = only(table(y=[5.0] * 30 + [6.0] * 30, unique_id=["a"] * 30 + ["b"] * 30))
    assert found.count == 60
    assert "series 'a' (and 1 more series)" in found.message
