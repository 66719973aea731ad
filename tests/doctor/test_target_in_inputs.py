"""An input that is the target, late or on another scale, says nothing new."""

import numpy as np
import pytest
from planted import level, nothing, only, table

Y = np.array(level(60))


@pytest.mark.parametrize(
    ("x", "words", "count"),
    [
        (Y, "is the target 'y';", 60),
        (Y * 1.08 - 3, "is the target 'y' on another scale;", 60),
        (np.append([np.nan] * 3, Y[:-3]), "is the target 'y' 3 steps late;", 57),
    ],
)
def test_a_copy_is_found(x, words, count):
    found = only(table(x=x.tolist()), target="y", inputs=["x"])
    assert (found.code, found.severity, found.count) == ("target-in-inputs", "warning", count)
    assert words in found.message


def test_another_column_is_none():
    noisy = Y + np.random.default_rng(1).normal(scale=0.01, size=60)
    assert nothing(table(x=noisy.tolist()), target="y", inputs=["x"])
