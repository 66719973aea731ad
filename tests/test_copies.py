"""What is there twice is found where it is, and nothing else is."""

import numpy as np
import polars as pl
import pytest

from gatecast.copies import copy_detector, exact_period, occurs_in
from gatecast.doctor import check
from gatecast.errors import DataError

SINE = np.sin(1 + 2 * np.pi * np.arange(5001) / 100)
WALK = 1000 + np.cumsum(np.random.default_rng(4).normal(size=2000))


def test_the_sines_test_part_is_found_in_its_training_part():
    assert occurs_in(SINE[:4500], SINE[4500:]) == 600  # 501 values: the newest whole occurrence
    assert occurs_in(SINE[:4500], SINE[4500:4590]) == 100
    assert exact_period(SINE) == 100


def test_a_planted_copy_is_found_where_it_was_planted():
    values = WALK.copy()
    values[1900:] = values[700:800]
    assert occurs_in(values[:1900], values[1900:]) == 1200
    values[1950] = np.nan
    assert occurs_in(values[:1900], values[1900:]) == 1200
    values[1960] += 1e-3
    assert occurs_in(values[:1900], values[1900:]) is None


def test_what_is_no_copy_gives_none():
    assert occurs_in(WALK[:1800], WALK[1800:]) is None
    assert occurs_in(SINE[:4500], SINE[4500:] + 1e-6 * np.random.default_rng(0).normal(size=501)) is None
    assert occurs_in(SINE[:400], SINE[4500:]) is None, "longer than the training part"
    assert occurs_in(np.zeros(100), np.zeros(10)) is None, "a flat part recurs by chance"
    assert occurs_in(SINE[:4500], SINE[4500:4503]) is None, "so does a very short one"
    assert exact_period(WALK) is None
    assert exact_period(np.append(SINE, 0.0)) is None
    assert exact_period(np.append(WALK[:11], WALK[:11])) == 11
    assert exact_period(np.append(WALK[:11], WALK[:10])) is None, "not two whole periods"


def moved(lead, scale=1.0, offset=0.0):
    """The walk ``lead`` steps ahead of its time."""
    x = np.full(len(WALK), np.nan)
    x[max(-lead, 0) : len(x) - max(lead, 0)] = WALK[max(lead, 0) : len(x) - max(-lead, 0)]
    return scale * x + offset


@pytest.mark.parametrize("lead", [0, -1, -12, 1, 5])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (-2.5, 40.0)])
def test_the_target_among_the_inputs_is_named(lead, scale, offset):
    x = moved(lead, scale, offset)
    x[[30, 700]] = np.nan
    (found,) = copy_detector(WALK, {"x": x, "other": np.cos(np.arange(2000.0))})
    assert (found.input, found.lead, found.same_scale) == ("x", lead, scale == 1)
    assert found.holds_future is (lead > 0)


@pytest.mark.parametrize("lead", [0, -3, 1])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_words_are_those_of_the_check(lead, scale):
    x = moved(lead, scale)
    frame = pl.DataFrame({"ds": np.arange(2000), "y": WALK, "x": x})
    said = [finding.message for finding in check(frame, inputs=("x",)).findings if "-in-inputs" in finding.code]
    assert said == [copy.message for copy in copy_detector(WALK, {"x": x})]


def test_other_columns_are_not_called_copies():
    rng = np.random.default_rng(0)
    inputs = {
        "nearly": WALK + 1e-3 * rng.normal(size=2000),
        "flat": np.ones(2000),
        "sum": np.cumsum(WALK),
        "late": moved(-13),
        "gone": np.full(2000, np.nan),
        "few": np.where(np.arange(2000) < 19, WALK, np.nan),
    }
    assert copy_detector(WALK, inputs) == []
    steps = np.repeat([0.0, 1.0], 1000)
    assert copy_detector(steps, {"same": steps}) == [], "two values line up with anything"
    with pytest.raises(DataError, match="one value per step"):
        copy_detector(WALK, {"short": WALK[1:]})
