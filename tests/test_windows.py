"""The split is in time order, and no window, origin or truth of training lies outside the training part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.errors import DataError
from gatecast.scaling import CHANNELS, FEATURES, Covariates, Fixed, Running, scale_series
from gatecast.windows import (
    hide_runs,
    pad_left,
    sample,
    split_steps,
    training_set,
    validation_batch,
)

TOTAL, TRAINING = 300, 220


def counted(series=3, total=TOTAL, holes=True):
    """Series in which a value says where it stands: 1000 x row + column; the later ones start later."""
    values = 1000.0 * np.arange(series)[:, None] + np.arange(total)
    for row in range(series):
        values[row, : 30 * row] = np.nan
    if holes:
        values[0, 50:60] = np.nan
    return values


def make_set(hidden=True, seasons=(7,), values=None):
    values = counted() if values is None else values
    return training_set(values, TRAINING, Running(seasons), np.random.default_rng(0), None, hidden)


# ------------------------------------------------------------------------------------------- the split


def test_the_courses_sine_is_split_in_four_to_one_to_one_parts():
    split = split_steps(5001)
    assert split == (4001, 4501, 5001)


@given(total=st.integers(20, 20_000), test=st.floats(0.1, 0.4), validation=st.floats(0.1, 0.4))
def test_every_step_is_in_exactly_one_part_and_in_order(total, test, validation):
    try:
        split = split_steps(total, test, validation)
    except DataError:
        assert total - round(total * test) - round(total * validation) < 10
        return
    parts = [range(split.training), range(split.training, split.validation), range(split.validation, split.total)]
    assert [step for part in parts for step in part] == list(range(total))
    assert len(parts[1]) == round(total * validation)
    assert len(parts[2]) == round(total * test)


@pytest.mark.parametrize("total", [0, 1, 10, 14])
def test_too_short_a_series_is_refused_with_what_would_do(total):
    with pytest.raises(DataError, match=rf"has {total} steps: too few.*20 are the least"):
        split_steps(total)
    split_steps(20)


def test_series_are_aligned_at_their_ends():
    table = pad_left([np.array([1.0, 2.0]), np.array([3.0])], least=3)
    np.testing.assert_array_equal(table, [[np.nan, 1, 2], [np.nan, np.nan, 3]])


# ------------------------------------------------------------------------------------------- training batches


PLAIN = Fixed()  # level 0 and scale 1: what is scaled can be read as it was


def columns_of(batch):
    """For every origin of a batch under PLAIN: its series and its column, read from the inputs it is shown with."""
    value = np.sinh(batch.inputs_BTC[..., CHANNELS.index("value")].astype(np.float64))
    observed = batch.inputs_BTC[..., CHANNELS.index("observed")] == 1
    found = []
    for window, within_N in enumerate(batch.within_BN):
        for within in within_N:
            place = np.flatnonzero(observed[window, : within + 1])[-1]
            row, column = divmod(round(value[window, place]), 1000)
            found.append((row, column + int(within - place)))
    return np.array(found).T


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    context=st.sampled_from([4, 32, 100, 500]),
    horizon=st.sampled_from([1, 2, 20, 64]),
    hide=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_origins_and_truths_lie_in_the_training_part_and_truths_are_the_true_future(seed, context, horizon, hide):
    values = counted()
    rng = np.random.default_rng(seed)
    data = training_set(values, TRAINING, PLAIN, rng)
    batch = sample(data, context, horizon, (8, 5, 6), hide, rng)
    assert batch.inputs_BTC.shape[:2] == (8, min(context, TRAINING - 1))
    assert batch.within_BN.shape == (8, 5)
    assert batch.truth_NK.shape == (40, min(6, horizon))
    in_sight = batch.inputs_BTC[..., CHANNELS.index("observed")] == 1
    if not all(in_sight[b, : within + 1].any() for b in range(8) for within in batch.within_BN[b]):
        return  # an origin whose whole window is hidden cannot be told from others
    rows, origins = columns_of(batch)
    assert np.array_equal(rows, data.source_S[batch.rows_N])
    assert (origins >= data.first_S[rows]).all()
    assert (origins <= TRAINING - 2).all()
    known = batch.known_NK
    truth = np.where(known, batch.truth_NK - 1000 * rows[:, None], np.nan)  # the column of each truth
    assert np.nanmax(truth, initial=-1) <= TRAINING - 1
    ahead = truth - origins[:, None]
    for step in range(known.shape[1]):
        ahead_here = ahead[known[:, step], step]
        assert len(np.unique(ahead_here)) <= 1  # the same number of steps ahead for every origin
        assert (ahead_here >= 1).all()
        assert (ahead_here <= horizon).all()
    if known[:, 0].any():
        assert ahead[known[:, 0], 0][0] == 1  # one step ahead is always among them
    assert not batch.truth_NK[~known].any()


def test_the_truths_of_a_hidden_copy_are_not_hidden():
    """Every origin from which all was to be asked has all its truths, hidden or not in what the network is shown."""
    values = counted(1, holes=False)
    data = training_set(values, TRAINING, PLAIN, np.random.default_rng(0))
    batch = sample(data, 60, 20, (200, 8, 20), 1.0, np.random.default_rng(0))
    hidden = (batch.inputs_BTC[..., CHANNELS.index("observed")] == 0).mean()
    assert 0.05 < hidden < 0.6
    complete = batch.known_NK.all(1)
    assert (np.diff(batch.truth_NK[complete], axis=1) == 1).all()
    late = ~complete  # the only truths that are unknown are those beyond the training part
    assert (batch.truth_NK[late].max(1) == TRAINING - 1).all()


@pytest.mark.parametrize("beside", [False, True])
def test_values_after_the_training_part_change_no_training_batch(beside):
    values, changed = counted(), counted()
    changed[:, TRAINING:] = 1e9 * np.random.default_rng(1).normal(size=changed[:, TRAINING:].shape)
    more = Covariates(values[None], None, np.ones((1, 3))) if beside else None
    later = Covariates(changed[None], None, np.ones((1, 3))) if beside else None
    one, other = (
        training_set(table, TRAINING, Running((7,)), np.random.default_rng(0), columns)
        for table, columns in ((values, more), (changed, later))
    )
    for seed in range(20):
        drawn = [sample(data, 50, 64, (8, 4, 8), 0.5, np.random.default_rng(seed)) for data in (one, other)]
        for left, right in zip(drawn[0], drawn[1], strict=True):
            parts = zip(left, right, strict=True) if isinstance(left, tuple) else [(left, right)]
            for a, b in parts:
                assert np.array_equal(a, b)


def test_one_step_ahead_is_always_asked():
    data = make_set(hidden=False, values=counted(1, holes=False), seasons=(1,))
    for seed in range(10):
        batch = sample(data, 50, 64, (4, 4, 3), 0.0, np.random.default_rng(seed))
        first = batch.truth_NK[:, 0] * batch.scale_N * data.unit_S[0]
        np.testing.assert_allclose(first, 1.0, rtol=1e-9)  # without a season the level is the newest value


def test_a_training_part_shorter_than_the_context_still_gives_batches():
    values = np.random.default_rng(0).normal(size=(1, 20)).cumsum(1)
    data = training_set(values, 16, Running(), np.random.default_rng(0))
    batch = sample(data, 128, 14, (4, 4, 4), 0.1, np.random.default_rng(0))
    assert batch.inputs_BTC.shape[1] == 15
    assert batch.known_NK[:, 0].any()


# ------------------------------------------------------------------------------------------- hidden copies


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(10, 1500))
def test_hidden_copies_differ_by_missing_values_only(seed, steps):
    values = np.random.default_rng(seed).normal(size=(2, steps))
    before = values.copy()
    hidden = hide_runs(values, np.random.default_rng(seed))
    assert np.array_equal(values, before)
    shown = np.isfinite(hidden)
    assert np.array_equal(hidden[shown], values[shown])
    assert (~shown).any(1).all()
    assert shown.mean() > 0.2  # about 0.7; of a short series a single run may take more


def test_hidden_copies_stand_after_the_series_and_name_their_source():
    data = make_set()
    assert data.source_S.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.first_S[:3].tolist() == [0, 30, 60]
    assert (data.first_S[3:] >= data.first_S[:3]).all()  # a copy may begin with hidden steps
    assert data.values_ST.shape == (3, TOTAL)
    assert data.scaled.inputs_BTC.shape[0] == 6
    plain = scale_series(data.values_ST, Running((7,)))
    assert np.array_equal(data.scaled.inputs_BTC[:3], plain.inputs_BTC)
    assert not np.array_equal(data.scaled.inputs_BTC[3:], plain.inputs_BTC)
    assert len(make_set(hidden=False).source_S) == 3


def columns_of_every_role():
    rng = np.random.default_rng(4)
    return Covariates(rng.normal(size=(2, 3, TOTAL)), rng.normal(size=(1, 3, TOTAL)), rng.normal(size=(1, 3)))


def test_in_hidden_copies_past_only_columns_have_holes_of_their_own_and_others_have_none():
    more = columns_of_every_role()
    data = training_set(counted(), TRAINING, Running((7,)), np.random.default_rng(0), more)
    plain, copies = data.scaled.inputs_BTC[:3], data.scaled.inputs_BTC[3:]
    first = len(CHANNELS)
    observed = [copies[..., place] == 1 for place in (CHANNELS.index("observed"), first + 2, first + 5)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(observed[one], observed[other])
    assert (plain[..., [first + 2, first + 5]] == 1).all()
    assert np.array_equal(plain[..., first + 6 :], copies[..., first + 6 :])  # known-future and static
    assert np.array_equal(data.scaled.known.value_JBT, np.tile(more.known_JBT, (1, 2, 1)))


def test_a_batch_tells_of_the_step_asked_about_what_is_known_in_advance():
    values = counted(holes=False)
    values[:, :60] = np.arange(60) + 1000.0 * np.arange(3)[:, None]
    more = columns_of_every_role()._replace(known_JBT=values[None])  # the column known in advance is the truth itself
    data = training_set(values, TRAINING, PLAIN, np.random.default_rng(0), more)
    for hide in (0.0, 1.0):
        batch = sample(data, 60, 20, (16, 4, 6), hide, np.random.default_rng(1))
        told = np.sinh(batch.question.features_NKF[..., FEATURES])
        np.testing.assert_allclose(told[batch.known_NK], batch.truth_NK[batch.known_NK], rtol=1e-9)


# ------------------------------------------------------------------------------------------- validation


@settings(max_examples=20, deadline=None)
@given(context=st.sampled_from([8, 64, 500]), horizon=st.sampled_from([1, 5, 64]), most=st.sampled_from([20, 512]))
def test_truths_of_validation_lie_in_the_validation_part_only(context, horizon, most):
    values = counted(holes=False)
    data = training_set(values, TRAINING, PLAIN, np.random.default_rng(0))
    batch = validation_batch(data, context, horizon, most)
    assert batch.known_NK.any()
    assert (batch.rows_N < 3).all()  # never a hidden copy
    rows, origins = columns_of(batch)
    assert np.array_equal(rows, batch.rows_N)
    assert origins.min() == TRAINING - 1
    columns = (batch.truth_NK - 1000 * rows[:, None])[batch.known_NK]
    assert columns.min() == TRAINING
    assert columns.max() <= TOTAL - 1
    ahead = (batch.truth_NK - 1000 * rows[:, None]) - origins[:, None]
    assert all(len(np.unique(ahead[batch.known_NK[:, k], k])) == 1 for k in range(ahead.shape[1]))
    assert np.array_equal(batch.known_NK[:, 0], np.ones(len(rows), bool))


def test_an_error_is_counted_in_mean_changes_of_the_training_part():
    values = np.arange(100.0)[None] * 4
    values[0, 60:] = 1e6
    data = training_set(values, 60, Fixed(), np.random.default_rng(0), None, False)
    assert data.unit_S.tolist() == [4.0]
    constant = training_set(np.ones((1, 100)), 60, Running(), np.random.default_rng(0), None, False)
    assert constant.unit_S.tolist() == [0.0]


def test_a_series_without_changes_in_training_is_judged_in_scales_of_its_origins():
    """An error in its own units, thousands of them, would decide which weights are kept."""
    values = np.full((2, 100), 5000.0)
    values[0] += np.arange(100)
    values[1, 60:] = 9000.0
    data = training_set(values, 60, Running(), np.random.default_rng(0), None, False)
    batch = validation_batch(data, 32, 8)
    assert data.unit_S.tolist() == [1.0, 0.0]
    assert (batch.scale_N[batch.rows_N == 1] == 1).all()
    assert batch.scale_N[batch.rows_N == 0] == pytest.approx(10, rel=0.1)  # the floor of the scale, in changes
