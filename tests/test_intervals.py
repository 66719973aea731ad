"""Intervals that follow a drift read only what has come by then, and hold where those that do not follow it fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gatecast import metrics
from gatecast.adaptive import RANGE, Pace, adaptive_factors, follow, interval_scores, rescale
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

NORMAL = stats.norm.ppf(QUANTILES)


def said(truth):
    """Standard normal forecasts of truths (S, O, H)."""
    return np.broadcast_to(NORMAL, (*truth.shape, len(QUANTILES)))


def drawn(spread, series=1, seed=0):
    """One-step truths (S, O, 1) of a standard deviation (O,) that moves."""
    rng = np.random.default_rng(seed)
    return (spread * rng.normal(size=(series, len(spread))))[..., None]


def walks(series=3, origins=40, horizon=9, seed=0):
    """Steps of random walks 1 ... horizon ahead of every origin, (S, O, H), and forecasts of them that are off."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(size=(series, origins + horizon - 1))
    truth = np.lib.stride_tricks.sliding_window_view(moves, horizon, axis=1).cumsum(axis=2)
    spread = np.sqrt(np.arange(1, horizon + 1)) * rng.uniform(0.5, 1.5, (series, origins, 1))
    return truth, spread[..., None] * NORMAL + 0.2 * rng.normal(size=(series, origins, horizon, 1))


# ---- what the factors are


def plain_factor(truth, quantiles, origins, now, low, pace):
    """The factor of one interval one step ahead, spelt out for one series."""
    past = []
    for origin, y, q in zip(origins, truth, quantiles, strict=True):
        if origin + 1 <= now and np.isfinite(y):
            bound = q[low] if y < q[MEDIAN] else q[-1 - low]
            past.append(((y - q[MEDIAN]) / (bound - q[MEDIAN]), 0.5 ** ((now - origin - 1) / pace.half_life)))
    if not past:
        return 1.0
    total = sum(weight for _, weight in past)
    n = total**2 / sum(weight**2 for _, weight in past)
    hold = min(1.0, (1 - 2 * QUANTILES[low]) * (1 + 1 / (n + pace.prior))) * total
    seen = 0.0
    for score, weight in sorted(past):
        seen += weight
        if seen >= hold - 1e-9:
            return min(max(score, RANGE[0]), RANGE[1]) ** (n / (n + pace.prior))
    raise AssertionError("the weights do not reach their sum")


@pytest.mark.parametrize("now", [5, 6, 11, 30])
def test_factors_are_weighted_quantiles_drawn_to_one(now):
    truth, quantiles = walks(origins=20, horizon=1)
    truth[0, 4] = np.nan
    origins, pace = 5 + np.arange(20), Pace(7.0, 3.0)
    made = adaptive_factors(truth, quantiles, origins, [now], pace)
    assert made.shape == (3, 1, 1, len(QUANTILES))
    for s in range(3):
        for low in range(MEDIAN):
            expected = plain_factor(truth[s, :, 0], quantiles[s, :, 0], origins, now, low, pace)
            assert made[s, 0, 0, low] == made[s, 0, 0, -1 - low] == pytest.approx(expected, rel=1e-9)
    assert (made[..., MEDIAN] == 1).all()


def test_a_score_says_how_far_out_a_truth_fell():
    quantiles = np.concatenate([-np.arange(6, 0, -1.0), [0.0], 2 * np.arange(1, 7.0)])
    np.testing.assert_allclose(interval_scores(np.array(3.0), quantiles), 3 / (2 * np.arange(6, 0, -1.0)))
    np.testing.assert_allclose(interval_scores(np.array(-3.0), quantiles), 3 / np.arange(6, 0, -1.0))
    assert np.isnan(interval_scores(np.array(np.nan), quantiles)).all()
    assert np.isnan(interval_scores(np.array(1.0), np.zeros(13))).all()


def test_without_anything_known_every_factor_is_one():
    truth, quantiles = walks()
    origins = np.arange(40)
    assert (adaptive_factors(truth, quantiles, origins, [0]) == 1).all()
    assert (adaptive_factors(np.full_like(truth, np.nan), quantiles, origins, [60]) == 1).all()
    assert (adaptive_factors(truth[:, :0], quantiles[:, :0], origins[:0], [60]) == 1).all()


def test_few_forecasts_move_a_factor_little_and_many_all_the_way():
    """Every truth lies at twice the bound of the 80 % interval."""
    low = QUANTILES.index(0.1)
    truth = np.full((1, 4000, 1), 2 * NORMAL[-1 - low])
    made = adaptive_factors(truth, said(truth), np.arange(4000), [0, 1, 5, 20, 4000], Pace(2000.0, 20.0))
    made = made[0, :, 0, low]
    np.testing.assert_allclose(made[:4], 2 ** (np.array([0, 1, 5, 20]) / (20 + np.array([0, 1, 5, 20]))), rtol=1e-3)
    assert made[4] == pytest.approx(2, rel=0.01)


def test_forecasts_that_share_steps_count_as_fewer():
    """Eight steps ahead from every origin are an eighth as many independent ones as from every eighth."""
    truth = np.full((1, 400, 8), 3.0)
    quantiles, pace = said(truth), Pace(1e6, 20.0)
    close = adaptive_factors(truth, quantiles, np.arange(400), [407], pace)
    apart = adaptive_factors(truth, quantiles, 8 * np.arange(400), [8 * 400], pace)
    few = adaptive_factors(truth[:, :50], quantiles[:, :50], 8 * np.arange(50), [400], pace)
    np.testing.assert_allclose(close[..., 7, :], few[..., 7, :], rtol=1e-3)
    assert (apart[..., 7, 5] > 1.2 * close[..., 7, 5]).all()


def test_one_absurd_value_opens_no_interval_without_end():
    truth, quantiles = walks(origins=300, horizon=1)
    origins, now = np.arange(300), np.array([220, 260, 300])
    before = adaptive_factors(truth, quantiles, origins, now)
    truth[:, 200] = 1e12
    made = adaptive_factors(truth, quantiles, origins, now)
    assert (made >= before).all() and (made[:, 0, :, 0] > before[:, 0, :, 0]).all()
    assert (made <= RANGE[1]).all() and (made >= RANGE[0]).all()
    np.testing.assert_allclose(made[..., 5], before[..., 5], rtol=0.1)  # the 20 % interval hardly sees it


# ---- nothing later, nobody else


@given(seed=st.integers(0, 1000), now=st.integers(0, 60))
def test_what_comes_later_changes_no_factor(seed, now):
    truth, quantiles = walks(seed=seed)
    origins = np.arange(40)
    before = adaptive_factors(truth, quantiles, origins, [now])
    later = origins[:, None] + np.arange(1, 10) > now
    truth[:, later] = 1e6
    quantiles[:, later] *= -7
    np.testing.assert_array_equal(adaptive_factors(truth, quantiles, origins, [now]), before)


def test_what_came_at_the_origin_itself_does():
    truth, quantiles = walks()
    origins = np.arange(40)
    before = adaptive_factors(truth, quantiles, origins, [30])
    for step in (1, 4, 9):
        other = truth.copy()
        other[:, 30 - step, step - 1] = 1e6
        assert (adaptive_factors(other, quantiles, origins, [30]) != before).any()


def test_adapted_forecasts_of_many_origins_read_nothing_later():
    truth, quantiles = walks(origins=60)
    origins = np.arange(60)
    before, changed = follow(truth, quantiles, origins), truth.copy()
    changed[:, origins[:, None] + np.arange(1, 10) > 35] = -1e5
    after = follow(changed, quantiles, origins)
    np.testing.assert_array_equal(after[:, :36], before[:, :36])
    assert (after[:, 36:] != before[:, 36:]).any()
    cut = follow(truth[:, :36], quantiles[:, :36], origins[:36])
    np.testing.assert_array_equal(cut, before[:, :36])


def test_series_do_not_move_each_other_and_may_have_origins_of_their_own():
    truth, quantiles = walks()
    origins = np.arange(40) + np.array([[0], [5], [11]])
    together = adaptive_factors(truth, quantiles, origins, origins[:, 20:] + 3)
    for s in range(3):
        alone = adaptive_factors(truth[s : s + 1], quantiles[s : s + 1], np.arange(40), np.arange(20, 40) + 3)
        np.testing.assert_array_equal(together[s : s + 1], alone)


def test_many_series_are_worked_through_a_few_at_a_time(monkeypatch):
    truth, quantiles = walks(series=7)
    whole = adaptive_factors(truth, quantiles, np.arange(40), [20, 48])
    monkeypatch.setattr("gatecast.adaptive.CELLS", 1)
    np.testing.assert_array_equal(adaptive_factors(truth, quantiles, np.arange(40), [20, 48]), whole)


@given(scale=st.floats(1e-6, 1e6))
def test_the_unit_of_a_series_changes_no_factor(scale):
    truth, quantiles = walks(seed=3)
    one = adaptive_factors(truth, quantiles, np.arange(40), [45])
    np.testing.assert_allclose(adaptive_factors(scale * truth, scale * quantiles, np.arange(40), [45]), one, rtol=1e-9)


# ---- what is made of them


@given(seed=st.integers(0, 1000))
def test_no_interval_is_narrower_at_a_higher_level_and_the_median_stays(seed):
    truth, quantiles = walks(seed=seed)
    made = follow(truth, quantiles, np.arange(40), Pace(10.0, 1.0))
    np.testing.assert_array_equal(made[..., MEDIAN], quantiles[..., MEDIAN])
    assert (np.diff(made, axis=-1) >= 0).all()
    rng = np.random.default_rng(seed)
    assert (np.diff(rescale(quantiles, rng.uniform(0.1, 10, quantiles.shape)), axis=-1) >= 0).all()


def test_factors_move_evenly_between_powers_of_two():
    truth, quantiles = walks(horizon=20, origins=200)
    logs = np.log(adaptive_factors(truth, quantiles, np.arange(200), [150])[0, 0, :, 0])
    for begin in (1, 2, 4, 8):
        steps = np.arange(begin, 2 * begin + 1)
        share = np.log(steps / begin) / np.log(2)
        expected = (1 - share) * logs[begin - 1] + share * logs[2 * begin - 1]
        np.testing.assert_allclose(logs[steps - 1], expected, atol=1e-12)
    np.testing.assert_allclose(logs[15:], logs[15], atol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 1.6, 0.6])
def test_intervals_of_a_wrong_width_come_to_hold(spread):
    truth = drawn(np.full(1500, spread), series=8)
    made = follow(truth, said(truth), np.arange(1500))[:, 300:]
    for level in (80, 90, 95):
        assert metrics.coverage(truth[:, 300:], made, level) == pytest.approx(level / 100, abs=0.015)


def test_a_variance_that_drifts_is_followed():
    """The standard deviation goes up threefold and back; over the way up and the way down the intervals hold."""
    spread = np.exp(np.log(3) * (1 - np.abs(np.linspace(-1, 1, 2000))))
    truth = drawn(spread, series=8, seed=1)
    made = follow(truth, said(truth), np.arange(2000))
    assert metrics.coverage(truth, said(truth), 90) < 0.75
    assert metrics.coverage(truth, made, 90) == pytest.approx(0.9, abs=0.03)
    at_the_top = slice(800, 1200)
    assert metrics.coverage(truth[:, at_the_top], said(truth)[:, at_the_top], 90) < 0.5
    assert metrics.coverage(truth[:, at_the_top], made[:, at_the_top], 90) == pytest.approx(0.9, abs=0.05)


def test_what_does_not_fit_is_refused():
    truth, quantiles = walks()
    with pytest.raises(SettingsError, match="half-life and a prior above 0"):
        adaptive_factors(truth, quantiles, np.arange(40), [5], Pace(0.0))
    with pytest.raises(DataError, match=r"truth has shape \(3, 40\)"):
        adaptive_factors(truth[..., 0], quantiles, np.arange(40), [5])
    with pytest.raises(DataError, match=r"\(39,\) origins for 40 forecasts"):
        adaptive_factors(truth, quantiles, np.arange(39), [5])
