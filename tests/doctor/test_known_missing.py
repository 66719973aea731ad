"""A column known in advance that is not known everywhere is a warning."""

import numpy as np
import pytest
from planted import nothing, only, table

PRICE = [1.0 + k % 5 for k in range(60)]
DAY = ["work" if k % 7 < 5 else "rest" for k in range(60)]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_the_rows_without_a_value_are_named(gap):
    found = only(table(x=[*PRICE[:50], gap, gap, *PRICE[52:]]), target="y", known=["x"])
    assert (found.code, found.severity, found.rows, found.count) == ("known-missing", "warning", (51, 52), 2)
    assert "Column 'x' is known in advance, and has no value in 2 rows, first in row 51" in found.message
    assert nothing(table(x=PRICE), target="y", known=["x"])


def test_words_are_known_too():
    found = only(table(x=[*DAY[:30], "", *DAY[31:]]), known=["x"])
    assert (found.code, found.rows) == ("known-missing", (31,))
    assert nothing(table(x=DAY), known=["x"])


def test_what_is_known_up_to_now_only_may_be_missing():
    x = np.array(PRICE)
    x[10] = np.nan
    assert nothing(table(x=x.tolist()), target="y", inputs=["x"])
