"""Columns of numbers that are not read are a note."""

from planted import level, nothing, only, table

from gatecast.doctor import check


def test_they_are_named_with_the_options_that_read_them():
    found = only(table(x=level(60, 1), w=["1.5"] * 60, words=["a", "b"] * 30), target="y")
    assert (found.code, found.severity, found.rows, found.count) == ("other-columns", "note", (), 2)
    assert found.message == "Columns 'x', 'w' hold numbers and are not read."
    assert all(option in found.fix for option in ("--input", "--known", "--wide"))


def test_one_that_is_read_needs_no_note():
    frame = table(x=level(60, 1))
    assert nothing(frame, target="y", inputs=["x"])
    assert nothing(frame, target="y", known=["x"])
    assert nothing(frame, target=["y", "x"])
    assert nothing(frame, wide=True)
    assert check(frame, wide=True).series == 2


def test_empty_columns_are_none():
    assert nothing(table(x=[None] * 60), target="y")
