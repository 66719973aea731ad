"""Times without any regular step are an error."""

from datetime import timedelta

import numpy as np
from planted import nothing, only, table, times


def test_random_times_are_refused():
    gaps = np.random.default_rng(0).integers(61, 100_000, 60).cumsum()
    found = only(table(ds=[times(1)[0] + timedelta(seconds=int(gap)) for gap in gaps]))
    assert (found.code, found.severity) == ("irregular-times", "error")
    assert "no regular spacing" in found.message
    assert nothing(table())
