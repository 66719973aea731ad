"""Forecasts corrected by their own past: what is learned, what is not believed, and that nothing later is read."""

import numpy as np
import pytest

from gatecast.postprocess import FEWEST, TRUST, Past, learn, learned_steps

DIRECT = 64
CANDIDATES, STATES = 3, 4


def past_of(count, error, seed=0, horizon=8, series=1):
    """Origins one step apart, of several series side by side; ``error`` makes their errors, (N, K)."""
    rng = np.random.default_rng(seed)
    steps = len(learned_steps(horizon, DIRECT))
    candidates = rng.normal(size=(count * series, steps, CANDIDATES))
    states = rng.uniform(-1, 1, size=(count * series, STATES))
    return Past(error(candidates, states, rng), candidates, states, np.repeat(np.arange(count), series))


def added(corrections, past, row, at, horizon=8):
    """What is added at the sampled steps of one origin, as if it were asked at step ``at``."""
    steps = learned_steps(horizon, DIRECT)
    return corrections.of(past.candidates_NKA[row : row + 1], past.state_ND[row : row + 1], np.array([at]), steps)[0]


def test_the_steps_looked_at_are_a_few_of_each_pool_and_a_farther_horizon_adds_to_them():
    assert learned_steps(1, DIRECT).tolist() == [1]
    assert learned_steps(8, DIRECT).tolist() == [1, 2, 3, 4, 6, 7, 8]
    far = learned_steps(64, DIRECT)
    assert far[-1] == 64 and len(far) < 20 and (np.diff(far) > 0).all()
    for horizon in range(1, 65):
        near = learned_steps(horizon, DIRECT)
        assert (near == far[: len(near)]).all()
        assert near[-1] >= horizon
    assert learned_steps(5, 3).tolist() == [1, 2]


def test_an_error_that_follows_a_candidate_is_learned():
    past = past_of(400, lambda c, s, rng: 0.5 * c[..., 1] + 0.1 * rng.normal(size=c.shape[:2]))
    corrections = learn(past, 8, DIRECT, 1.0)
    made = added(corrections, past, 0, 400)
    np.testing.assert_allclose(made, 0.5 * past.candidates_NKA[0, :, 1], atol=0.15)


def test_an_error_that_follows_the_state_or_is_always_there_is_learned():
    past = past_of(400, lambda c, s, rng: (1 + 2 * s[:, :1]) + 0.1 * rng.normal(size=c.shape[:2]))
    corrections = learn(past, 8, DIRECT, 1.0)
    made = np.array([added(corrections, past, row, 400)[0] for row in range(100)])
    truth = 1 + 2 * past.state_ND[:100, 0]
    assert np.corrcoef(made, truth)[0, 1] > 0.98
    assert np.abs(made - truth).mean() < 0.4 * np.abs(truth).mean(), "drawn to 0 by the ridge and what is believed"


def test_noise_is_hardly_corrected():
    past = past_of(400, lambda c, s, rng: rng.normal(size=c.shape[:2]))
    assert np.abs(added(learn(past, 8, DIRECT, 1.0), past, 3, 400)).mean() < 0.1


def test_a_regression_that_fails_in_the_past_is_not_believed():
    """Its sign turns at every renewal, so that what was learned before is always wrong after."""
    early = past_of(30, lambda c, s, rng: np.sign(c[..., 0]))
    turning = Past(
        np.sign(past_of(2000, lambda c, s, rng: c[..., 0])[0])
        * np.where(np.log(np.arange(1, 2001)) // np.log(1.2) % 2, 1, -1)[:, None],
        *past_of(2000, lambda c, s, rng: c[..., 0])[1:],
    )
    sure = np.abs(added(learn(early, 1, DIRECT, 1.0), early, 0, 40)).mean()
    assert sure > 0.1
    unsure = np.abs(added(learn(turning, 1, DIRECT, 1.0), turning, 0, 2001)).mean()
    assert unsure < 0.1 * sure


def test_before_a_few_origins_are_known_nothing_is_added():
    past = past_of(FEWEST - 1, lambda c, s, rng: np.ones(c.shape[:2]))
    corrections = learn(past, 8, DIRECT, 1.0)
    assert (added(corrections, past, 0, 1000) == 0).all()
    one_more = learn(past_of(FEWEST, lambda c, s, rng: np.ones(c.shape[:2])), 1, DIRECT, 1.0)
    assert added(one_more, past, 0, FEWEST - 1)[0] == 0, "the last of them is not known yet"
    first = added(one_more, past, 0, FEWEST)[0]
    assert 0 < first <= TRUST


@pytest.mark.parametrize("series", [1, 5])
def test_what_is_in_force_at_a_step_rests_on_what_was_known_then(series):
    past = past_of(300, lambda c, s, rng: 0.5 * c[..., 1] + rng.normal(size=c.shape[:2]), series=series)
    steps = learned_steps(8, DIRECT)
    whole = learn(past, 8, DIRECT, 1.0)
    for now in (29, 60, 151, 299):
        known = past.at_N <= now
        error = np.where(past.at_N[known, None] + steps <= now, past.error_NK[known], np.nan)
        then = learn(Past(error, *(part[known] for part in past[1:])), 8, DIRECT, 1.0)
        for row in (0, 10):
            np.testing.assert_array_equal(added(whole, past, row, now), added(then, past, row, now))
        later = past._replace(error_NK=np.where(past.at_N[:, None] + steps <= now, past.error_NK, 1e6))
        np.testing.assert_array_equal(added(whole, past, 0, now), added(learn(later, 8, DIRECT, 1.0), past, 0, now))


def test_a_nearer_horizon_has_the_same_corrections():
    past = past_of(300, lambda c, s, rng: 0.5 * c[..., 1] + rng.normal(size=c.shape[:2]), horizon=64)
    far = learn(past, 64, DIRECT, 1.0)
    some = len(learned_steps(6, DIRECT))
    near = learn(Past(past.error_NK[:, :some], past.candidates_NKA[:, :some], *past[2:]), 6, DIRECT, 1.0)
    steps = np.arange(1, 7)
    asked = np.random.default_rng(1).normal(size=(1, 6, CANDIDATES)), past.state_ND[:1], np.array([300]), steps
    np.testing.assert_allclose(near.of(*asked), far.of(*asked), rtol=1e-12)


def test_one_absurd_error_and_missing_truths_do_little():
    past = past_of(300, lambda c, s, rng: 0.5 * c[..., 1] + 0.1 * rng.normal(size=c.shape[:2]))
    error = past.error_NK.copy()
    error[40] = 1e12
    error[50:80] = np.nan
    one, other = (added(learn(each, 8, DIRECT, 1.0), past, 5, 300) for each in (past, past._replace(error_NK=error)))
    np.testing.assert_allclose(one, other, atol=0.1)


def test_origins_that_share_steps_count_as_fewer():
    past = past_of(60, lambda c, s, rng: np.full(c.shape[:2], 1.0), horizon=64)
    close, apart = (learn(past, 64, DIRECT, each) for each in (1.0, 16.0))
    asked = np.zeros((1, 1, CANDIDATES)), np.zeros((1, STATES)), np.array([200]), np.array([16])
    assert 0 < close.of(*asked)[0, 0] < apart.of(*asked)[0, 0]


def test_where_there_was_no_error_nothing_is_added():
    past = past_of(100, lambda c, s, rng: np.zeros(c.shape[:2]))
    assert (added(learn(past, 8, DIRECT, 1.0), past, 0, 100) == 0).all()


def test_nothing_is_learned_from_nothing():
    past = past_of(0, lambda c, s, rng: np.zeros(c.shape[:2]))
    corrections = learn(past, 8, DIRECT, 1.0)
    assert not corrections.of(np.ones((1, 1, CANDIDATES)), np.ones((1, STATES)), np.array([9]), np.array([3])).any()
