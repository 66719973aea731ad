"""Cells that are no numbers are an error; what they seem to mean is said."""

import pytest
from planted import level, nothing, only, table

TEXT = [f"{value:.3f}" for value in level(60)]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("1,234", "without thousands separators it is 1234"),
        ("1.234,5", "with a decimal point it is 1234.5"),
        ("12,5", "with a decimal point it is 12.5"),
        ("–", "a value that is not known is an empty cell"),
        ("12 kg", "without units"),
    ],
)
def test_the_cell_is_shown_with_what_it_seems_to_mean(cell, hint):
    found = only(table(y=[*TEXT[:20], cell, *TEXT[21:40], cell, *TEXT[41:]]))
    assert (found.code, found.severity, found.rows, found.count) == ("text-in-numbers", "error", (21, 41), 2)
    assert found.example == cell
    assert hint in found.message
    assert nothing(table(y=TEXT))
