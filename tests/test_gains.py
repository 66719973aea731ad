"""The interval of a gain holds as often as it says, and the spread over seeds is theirs."""

import math

import numpy as np
import pytest

from gatecast.errors import DataError, SettingsError
from gatecast.gains import block_length, gain_interval, gain_percent, seed_spread

TRUE = 100 * (1 - 1 / 1.2)  # the baseline's loss is 1.2 times the model's


def test_the_gain_worked_by_hand():
    assert gain_percent(3.0, 4.0) == 25
    assert gain_percent(9.0, 16.0, root=True) == 25
    assert gain_percent(0.0, 0.0) == 0 and gain_percent(1.0, 0.0) is None and gain_percent(0.0, 1.0) == 100


def test_the_rule_of_the_block_length():
    assert [block_length(n) for n in (1, 8, 27, 28, 1000)] == [1, 2, 3, 4, 10]
    assert block_length(1000, horizon=50) == 50 and block_length(60, horizon=50) == 30


def held(make, trials, **words):
    found = [gain_interval(*make(), seed=seed, **words) for seed in range(trials)]
    return np.mean([low <= TRUE <= high for low, high, *_ in found])


@pytest.mark.parametrize("trials", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_nine_in_ten_intervals_hold_the_true_gain(trials):
    """At 90 %; where errors overlap the blocks are a little too short and it is some 86 %."""
    rng = np.random.default_rng(0)

    def independent():
        a, b = rng.normal(size=(2, 200)) ** 2
        return a, 1.2 * b

    def overlapping():
        shocks = rng.normal(size=(2, 403))
        a, b = np.lib.stride_tricks.sliding_window_view(shocks, 4, axis=-1).sum(axis=-1) ** 2
        return a, 1.2 * b

    def panel():
        a, b = rng.chisquare(1, size=(2, 60, 20)) * (1 + rng.random((60, 1)))
        return a, 1.2 * b

    luck = 3 * math.sqrt(0.09 / trials)
    assert held(independent, trials) == pytest.approx(0.89, abs=luck)
    assert held(panel, trials) == pytest.approx(0.9, abs=luck)
    assert held(overlapping, trials, block=block_length(400, 4)) == pytest.approx(0.87, abs=luck)
    assert held(overlapping, trials // 5, block=1) < 0.85, "without blocks, overlapping errors look surer than they are"


def test_the_fast_sums_are_those_of_blocks_written_out():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 23))
    found = gain_interval(a, b, level=80, block=5, seed=3)
    starts = np.random.default_rng(3).integers(19, size=(2_000, 5))
    rows = (starts[..., None] + np.arange(5)).reshape(2_000, -1)[:, :23]
    gains = 100 * (1 - a[rows].mean(axis=1) / b[rows].mean(axis=1))
    assert found.lower == pytest.approx(np.quantile(gains, 0.1, method="lower"))
    assert found.upper == pytest.approx(np.quantile(gains, 0.9, method="higher"))


def test_the_interval_of_the_root_is_the_same_interval():
    a, b = np.random.default_rng(2).random((2, 100))
    plain, root = gain_interval(a, b), gain_interval(a, b, root=True)
    for one, other in zip(plain[:2], root[:2], strict=True):
        assert other == pytest.approx(100 * (1 - math.sqrt(1 - one / 100)))
    assert gain_interval(a, b) == plain and gain_interval(a, b, seed=1) != plain


def test_intervals_at_the_edges():
    losses = np.random.default_rng(3).random(50)
    assert gain_interval(losses, losses)[:2] == (0, 0)
    assert gain_interval(np.zeros(50), losses)[:2] == (100, 100)
    assert gain_interval(np.zeros(50), np.zeros(50))[:2] == (0, 0)
    assert np.isnan(gain_interval(losses, np.zeros(50))[:2]).all()
    missing = np.append(losses, np.nan), np.append(2 * losses, 9.0)
    assert gain_interval(*missing, block=4) == gain_interval(losses, 2 * losses, block=4)


def test_the_spread_over_seeds_is_their_range():
    spread = seed_spread([[1.0, 3.0], [2.0, 4.0], [1.5, 3.5]])
    assert spread == (3, 2, 3, pytest.approx(40))
    assert seed_spread([[4.0, 4.0], [9.0, 9.0]], root=True) == (2, 2, 3, pytest.approx(40))
    assert seed_spread([[1.0, np.nan], [1.0, 1.0]]).spread_percent == 0
    assert seed_spread(np.zeros((3, 4, 5))).spread_percent == 0


def test_what_does_not_fit_is_refused():
    losses = np.ones(10)
    with pytest.raises(DataError, match=r"\(10,\) and \(9,\)"):
        gain_interval(losses, losses[1:])
    with pytest.raises(DataError, match="no loss is known"):
        gain_interval(losses, np.full(10, np.nan))
    with pytest.raises(SettingsError, match="level 100"):
        gain_interval(losses, losses, level=100)
    with pytest.raises(SettingsError, match="block 11"):
        gain_interval(losses, losses, block=11)
    with pytest.raises(SettingsError, match="at least 2 seeds"):
        seed_spread([losses])
    with pytest.raises(DataError, match="no known loss"):
        seed_spread([losses, np.full(10, np.nan)])
