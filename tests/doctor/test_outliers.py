"""A value far off both neighbours is a note; heavy tails are not."""

import numpy as np
from planted import level, nothing, only, table


def test_the_rows_are_named():
    y = level(60)
    y[20] += 90
    found = only(table(y=y))
    assert (found.code, found.severity, found.rows, found.count) == ("outliers", "note", (21,), 1)
    assert nothing(table())


def test_heavy_tails_are_no_outliers():
    shocks = np.random.default_rng(0).standard_t(3, 2000)
    assert nothing(table(2000, y=(1000 + shocks.cumsum()).tolist()))
