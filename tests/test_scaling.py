"""Scaling looks back only, follows the size of a series, and has an answer for every series."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.covariates import Widths
from gatecast.phases import PHASE_RATE
from gatecast.scaling import (
    CANDIDATES,
    CHANNELS,
    FARTHEST,
    FEATURES,
    FLOOR,
    INPUT_CHANNELS,
    KNOWN_FEATURES,
    KNOWN_FLOOR,
    PATH,
    SIZE_RATE,
    SLOW_RATE,
    STATIC_CHANNELS,
    Covariates,
    Fixed,
    Running,
    ask,
    candidates_then,
    change_rate,
    channels_for,
    features_for,
    fixed_from,
    question_from,
    scale_series,
    scaling_from,
)

SEASONS = ((1,), (7,), (12,), (4, 28))
KINDS = ("running", "fixed")
STEPS = 150
few = settings(max_examples=25, deadline=None)


def make_series(seed, batch=2, steps=STEPS, missing=0.15):
    """Random walks with a season, in which values are missing here and there and at the start of the second."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(batch, steps)).cumsum(1) + 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)
    values[rng.random(values.shape) < missing] = np.nan
    values[1:, : steps // 5] = np.nan
    return values


def scaling_for(kind, seasons, values):
    return Running(seasons) if kind == "running" else fixed_from(values, seasons)


def channel(scaled, name):
    return scaled.inputs_BTC[..., CHANNELS.index(name)].astype(np.float64)


def arrays_of(scaled):
    moving = () if scaled.known is None else (*scaled.known.mean_JBT, *scaled.known.spread_JBT)
    phases = [part for season in scaled.phases for part in season]
    plain = [scaled.level_BT, scaled.scale_BT, scaled.last_BT, scaled.smooth_BT, scaled.slope_BT]
    return [scaled.inputs_BTC, *plain, *phases, *moving]


both_kinds = pytest.mark.parametrize("kind", KINDS)
all_seasons = pytest.mark.parametrize("seasons", SEASONS)


# ------------------------------------------------------------------------------------------- nothing from the future


@both_kinds
@all_seasons
@few
@given(seed=st.integers(0, 10_000), t=st.integers(0, STEPS - 2), size=st.sampled_from([1.0, 1e12, 1e150]))
def test_values_after_t_change_nothing_up_to_t(kind, seasons, seed, t, size):
    values, further = make_series(seed), np.stack([make_series(seed + 1), make_series(seed + 2)])
    scaling = scaling_for(kind, seasons, values[:, :50])
    rng = np.random.default_rng(seed)
    changed, further_changed = values.copy(), further.copy()
    for array in (changed, further_changed):
        later = array[..., t + 1 :]
        later[...] = np.where(rng.random(later.shape) < 0.3, np.nan, size * rng.normal(size=later.shape))
    before, after = (
        scale_series(y, scaling, Covariates(x[:1], x[1:])) for y, x in ((values, further), (changed, further_changed))
    )
    for one, other in zip(arrays_of(before), arrays_of(after), strict=True):
        assert np.array_equal(one[:, : t + 1], other[:, : t + 1], equal_nan=True)
    assert not np.array_equal(before.inputs_BTC, after.inputs_BTC)  # the comparison can fail


@both_kinds
@all_seasons
def test_a_series_cut_short_is_scaled_as_the_whole_one(kind, seasons):
    values, further = make_series(3, steps=400), make_series(4, steps=400)[None]
    more = Covariates(further, further)
    scaling = scaling_for(kind, seasons, values)
    whole = scale_series(values, scaling, more)
    for end in (1, 2, 7, 64, 65, 128, 129, 333):
        short = scale_series(values[:, :end], scaling, more.until(end))
        for one, other in zip(arrays_of(short), arrays_of(whole), strict=True):
            np.testing.assert_allclose(one, other[:, :end], rtol=1e-6 if one.dtype == np.float32 else 1e-12, atol=1e-12)


@both_kinds
@all_seasons
def test_a_question_reads_nothing_after_its_origin(kind, seasons):
    values = make_series(5)
    scaling = scaling_for(kind, seasons, values)
    changed = values.copy()
    changed[:, 81:] = 1e6
    rows, origins, steps = np.array([0, 1, 1]), np.array([80, 80, 31]), np.arange(1, 65)
    before, after = (ask(scale_series(v, scaling), rows, origins, steps, seasons) for v in (values, changed))
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)


def test_a_past_only_input_is_read_up_to_now_and_touches_no_other_channel():
    values, further = make_series(6), make_series(7)[None]
    plain, scaled = scale_series(values, Running()), scale_series(values, Running(), Covariates(further))
    assert scaled.inputs_BTC.shape[-1] == len(CHANNELS) + INPUT_CHANNELS
    assert np.array_equal(scaled.inputs_BTC[..., : len(CHANNELS)], plain.inputs_BTC)
    seen = np.isfinite(further[0])
    assert np.array_equal(scaled.inputs_BTC[..., -1] == 1, seen)
    assert not scaled.inputs_BTC[..., -3:][~seen].any()


def test_a_known_future_column_is_read_as_a_past_only_one_where_it_moves_more_than_its_floor():
    values, column = make_series(6), make_series(7)[None]
    past, known = (scale_series(values, Running(), more) for more in (Covariates(column), Covariates(None, column)))
    began = np.cumsum(np.isfinite(column[0]), axis=1) > 1  # the first value is all there is of the mean
    assert (known.known.spread_JBT >= KNOWN_FLOOR).all()
    above = began & (known.known.spread_JBT[0] > KNOWN_FLOOR)
    assert above.sum() > 200
    assert np.array_equal(past.inputs_BTC[above], known.inputs_BTC[above])


def test_what_comes_after_the_end_of_a_series_is_no_part_of_its_inputs():
    values, known = make_series(6, steps=80), make_series(7, steps=120)[None]
    one, other = (scale_series(values, Running(), Covariates(None, x)) for x in (known, known[..., :80]))
    assert np.array_equal(one.inputs_BTC, other.inputs_BTC)
    assert one.known.value_JBT.shape[2] == 120


def test_a_static_column_is_one_constant_channel_and_nothing_where_it_is_missing():
    values = make_series(6)
    scaled = scale_series(values, Running(), Covariates(static_GB=np.array([[3.0, np.inf], [np.nan, 0.5]])))
    assert scaled.inputs_BTC.shape[-1] == len(CHANNELS) + 2 * STATIC_CHANNELS
    expected = np.arcsinh(np.array([[3.0, 0.0], [0.0, 0.5]]))
    np.testing.assert_allclose(scaled.inputs_BTC[..., -2:], np.tile(expected[:, None], (1, STEPS, 1)), rtol=1e-6)


@pytest.mark.parametrize("widths", [Widths(), Widths(2, 0, 0), Widths(0, 3, 0), Widths(0, 0, 2), Widths(1, 2, 3)])
def test_channels_and_features_are_as_many_as_is_said(widths):
    values = make_series(6)
    past, known = (np.stack([values] * count) if count else None for count in widths[:2])
    static = np.ones((widths.static, 2)) if widths.static else None
    scaled = scale_series(values, Running(), Covariates(past, known, static))
    question = ask(scaled, np.array([0, 1]), np.array([50, 149]), np.arange(1, 9), (1,))
    moving = INPUT_CHANNELS * (widths.past + widths.known)
    assert scaled.inputs_BTC.shape[-1] == channels_for(widths) == len(CHANNELS) + moving + widths.static
    assert question.features_NKF.shape[-1] == features_for(widths) == FEATURES + KNOWN_FEATURES * widths.known


# ------------------------------------------------------------------------------------------- size


@both_kinds
@all_seasons
@few
@given(seed=st.integers(0, 10_000), power=st.floats(-9, 9))
def test_multiplying_a_series_multiplies_level_and_scale_and_leaves_the_inputs(kind, seasons, seed, power):
    values, c = make_series(seed), 10.0**power
    one = scale_series(values, scaling_for(kind, seasons, values))
    other = scale_series(c * values, scaling_for(kind, seasons, c * values))
    np.testing.assert_allclose(other.inputs_BTC, one.inputs_BTC, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.level_BT, c * one.level_BT, rtol=1e-9, atol=1e-9 * c)
    np.testing.assert_allclose(other.scale_BT, c * one.scale_BT, rtol=1e-9)
    np.testing.assert_allclose(other.smooth_BT, c * one.smooth_BT, rtol=1e-9, atol=1e-9 * c)
    np.testing.assert_allclose(other.slope_BT, c * one.slope_BT, rtol=1e-9, atol=1e-9 * c)
    origins, steps = np.array([60, 149]), np.arange(1, 65)
    asked = [ask(scaled, np.array([0, 1]), origins, steps, seasons) for scaled in (one, other)]
    assert np.array_equal(asked[0].available_NKA, asked[1].available_NKA)
    np.testing.assert_allclose(asked[1].candidates_NKA, asked[0].candidates_NKA, rtol=1e-6, atol=1e-6)


@both_kinds
@all_seasons
def test_what_was_scaled_can_be_put_back(kind, seasons):
    values = make_series(8)
    scaled = scale_series(values, scaling_for(kind, seasons, values))
    seen = np.isfinite(values) & (scaled.scale_BT > 0)
    back = scaled.level_BT + scaled.scale_BT * np.sinh(channel(scaled, "value"))
    assert seen.sum() > 200
    away = np.abs(values - scaled.level_BT) + scaled.scale_BT
    assert (np.abs(back - values)[seen] <= 1e-5 * away[seen]).all()  # the channel is float32
    rows, origins = np.nonzero(seen)
    question = ask(scaled, rows, origins, np.array([1]), seasons)
    newest = scaled.level_BT[seen] + scaled.scale_BT[seen] * question.candidates_NKA[:, 0, 1]
    np.testing.assert_allclose(newest, values[seen], rtol=1e-12, atol=1e-12)


def series_of_every_kind():
    steps = 90
    ramp = np.arange(steps, dtype=float)
    gap = np.sin(ramp)
    gap[20:75] = np.nan
    late = ramp.copy()
    late[:60] = np.nan
    single = np.full(steps, np.nan)
    single[40] = 5.0
    zero_then_one = np.zeros(steps)
    zero_then_one[50] = 1.0
    return {
        "constant": np.full(steps, 0.1),
        "zero": np.zeros(steps),
        "negative": np.full(steps, -3e5),
        "crossing zero": np.sin(ramp),
        "one observed value": single,
        "no observed value": np.full(steps, np.nan),
        "leading gap": late,
        "long gap": gap,
        "tiny": 1e-150 * np.cos(ramp),
        "huge": 1e150 * np.cos(ramp),
        "intermittent": zero_then_one,
        "one step": np.array([2.0]),
        "two steps": np.array([2.0, 3.0]),
    }


@both_kinds
@all_seasons
@pytest.mark.parametrize("name", series_of_every_kind())
def test_every_series_has_finite_inputs_and_questions(kind, seasons, name):
    values = series_of_every_kind()[name][None]
    if kind == "fixed" and not np.isfinite(values).any():
        pytest.skip("there is nothing to take a fixed scaling from")
    scaled = scale_series(values, scaling_for(kind, seasons, values), Covariates(values[None], values[None]))
    for array in (scaled.inputs_BTC, scaled.level_BT, scaled.scale_BT):
        assert np.isfinite(array).all()
    assert (scaled.scale_BT >= 0).all()
    origins = np.arange(values.shape[1])
    question = ask(scaled, np.zeros_like(origins), origins, np.arange(1, 65), seasons)
    assert all(np.isfinite(part).all() for part in question)
    assert question.available_NKA[..., 0].all()  # there is always the level


# ------------------------------------------------------------------------------------------- hidden steps


@all_seasons
def test_a_hidden_step_holds_level_and_scale_and_says_so(seasons):
    values = make_series(9, missing=0.3)
    scaled = scale_series(values, Running(seasons))
    hidden = ~np.isfinite(values)
    after_first = hidden & (np.cumsum(~hidden, axis=1) > 0)
    middles = [phases.middle_BT for phases in scaled.phases]
    for held in (scaled.level_BT, scaled.scale_BT, scaled.last_BT, scaled.smooth_BT, scaled.slope_BT, *middles):
        before = np.roll(held, 1, axis=1)
        assert np.array_equal(held[after_first], before[after_first])
    assert np.array_equal(channel(scaled, "observed") == 0, hidden)
    quiet = ("value", "change", "level_change", "season_change", "fast_scale", "slow_scale", "scale_to_size")
    for name in (*quiet, "smooth_gap", "season_surprise", "second_season_surprise"):
        assert not channel(scaled, name)[hidden].any()
    changed = np.isfinite(values[:, 1:]) & np.isfinite(values[:, :-1])
    assert np.array_equal(channel(scaled, "change_observed")[:, 1:] == 1, changed)


def test_both_seasons_are_told_each_with_its_own_flag():
    first, second = 4, 28
    values = make_series(10)
    scaled = scale_series(values, Running((first, second)))
    for lag, name in ((1, "change"), (first, "season_change"), (second, "second_season_change")):
        difference = np.full_like(values, np.nan)
        difference[:, lag:] = values[:, lag:] - values[:, :-lag]
        both = np.isfinite(difference)
        assert np.array_equal(channel(scaled, f"{name}_observed") == 1, both)
        expected = np.where(both, np.arcsinh(difference / scaled.scale_BT), 0)
        np.testing.assert_allclose(channel(scaled, name), expected, atol=1e-6)
    np.testing.assert_allclose(channel(scaled, "log_season"), math.log(first) / 4, rtol=1e-6)
    np.testing.assert_allclose(channel(scaled, "log_second_season"), math.log(second) / 4, rtol=1e-6)


# ------------------------------------------------------------------------------------------- against plain loops


def smoothed(values, rate):
    """The mean of what was observed, each with the weight (1 - rate)^(how many came after it)."""
    made, seen = [], []
    for value in values:
        seen += [value] if math.isfinite(value) else []
        weights = [(1 - rate) ** (len(seen) - 1 - place) for place in range(len(seen))]
        made.append(sum(w * x for w, x in zip(weights, seen, strict=True)) / sum(weights) if seen else 0.0)
    return np.array(made)


def differences(values, lag):
    return np.abs([values[t] - values[t - lag] if t >= lag else math.nan for t in range(len(values))])


@all_seasons
@few
@given(nearest=st.booleans(), seed=st.integers(0, 10_000))
def test_level_and_scale_are_what_plain_loops_say(seasons, nearest, seed):
    values = make_series(seed, batch=2, steps=300)
    scaling, season = Running(seasons, nearest), seasons[0]
    scaled = scale_series(values, scaling)
    for row in range(2):
        y = values[row]
        level, scale = 0.0, []
        rate = change_rate(seasons)
        short, long = smoothed(differences(y, 1), rate), smoothed(differences(y, season), rate)
        size = smoothed(np.abs(y), SIZE_RATE)
        started = np.cumsum(np.isfinite(differences(y, season))) > 0
        far = differences(y, seasons[-1])
        also = np.cumsum(np.isfinite(far)) > 0 if nearest and len(seasons) == 2 else np.zeros(len(y), bool)
        far = smoothed(far, rate)
        for t in range(len(y)):
            if math.isfinite(y[t]):
                window = y[max(0, t - season + 1) : t + 1]
                level = np.mean(window[np.isfinite(window)])
            assert scaled.level_BT[row, t] == pytest.approx(level, rel=1e-12, abs=1e-12)
            followed = long[t] if started[t] else short[t]
            scale.append(max(min(followed, far[t]) if also[t] else followed, FLOOR * size[t]))
        np.testing.assert_allclose(scaled.scale_BT[row], scale, rtol=1e-12)


def middle_of(y, t, season):
    """The mean of the newest season as it was at the newest observed step up to t."""
    seen = [u for u in range(t + 1) if math.isfinite(y[u])]
    if not seen:
        return math.nan
    window = y[max(0, seen[-1] - season + 1) : seen[-1] + 1]
    return float(np.mean(window[np.isfinite(window)]))


def usual_of(y, t, season):
    """How far above the mean of its season the phase of t usually is, as known at t."""
    away = [y[u] - middle_of(y, u, season) for u in range(t % season, t + 1, season)]
    return smoothed(away, PHASE_RATE)[-1] if np.isfinite(away).any() else math.nan


@both_kinds
@all_seasons
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_is_usual_is_what_plain_loops_say(kind, seasons, seed):
    values = make_series(seed, batch=2, steps=100, missing=0.3)
    scaling = scaling_for(kind, seasons, values)
    scaled = scale_series(values, scaling)
    surprise_names = ("season_surprise", "second_season_surprise")
    for row, y in enumerate(values):
        smooth = np.where(np.cumsum(np.isfinite(y)) > 0, smoothed(y, PHASE_RATE), math.nan)
        np.testing.assert_allclose(scaled.smooth_BT[row], smooth, rtol=1e-12, atol=1e-12)
        gap = np.where(np.isfinite(y), np.arcsinh((y - smooth) / scaled.scale_BT[row]), 0.0)
        np.testing.assert_allclose(channel(scaled, "smooth_gap")[row], gap, rtol=1e-6, atol=1e-6)
        for place, season in enumerate(seasons):
            unit = scaled.scale_BT[row] if kind == "running" else np.full(100, scaling.season_changes[place])
            middle = np.array([middle_of(y, t, season) for t in range(100)])
            np.testing.assert_allclose(scaled.phases[place].middle_BT[row], middle, rtol=1e-12, atol=1e-12)
            expected, surprise = np.full(100, math.nan), np.full(100, math.nan)
            for t in range(100 if season > 1 else 0):
                expected[t] = usual_of(y, t, season)
                if t >= season:
                    surprise[t] = (y[t] - middle[t] - expected[t - season]) / unit[t]
            np.testing.assert_allclose(scaled.phases[place].usual_BT[row], expected, rtol=1e-9, atol=1e-9)
            told = np.where(np.isfinite(surprise), np.arcsinh(surprise), 0.0)
            np.testing.assert_allclose(channel(scaled, surprise_names[place])[row], told, rtol=1e-6, atol=1e-6)
        if len(seasons) == 1:
            assert not channel(scaled, "second_season_surprise").any()


@both_kinds
@all_seasons
@few
@given(seed=st.integers(0, 10_000))
def test_the_slope_is_the_smoothed_change_over_the_season_once_there_is_one(kind, seasons, seed):
    values = make_series(seed, missing=0.3)
    scaled = scale_series(values, scaling_for(kind, seasons, values))
    season, rate = seasons[0], change_rate(seasons)
    for row, y in enumerate(values):
        short, long = ([y[t] - y[t - lag] if t >= lag else math.nan for t in range(STEPS)] for lag in (1, season))
        begun = np.cumsum(np.isfinite(long)) > 0
        expected = np.where(begun, smoothed(long, rate) / season, smoothed(short, rate))
        np.testing.assert_allclose(scaled.slope_BT[row], expected, rtol=1e-9, atol=1e-12)


def test_the_features_of_a_known_future_column_are_what_plain_loops_say():
    values = make_series(5)
    known = np.stack([make_series(8, steps=STEPS + 40), 1e-3 * make_series(9, steps=STEPS + 40)])  # one under its floor
    rows, origins, steps = np.array([0, 1, 1, 0]), np.array([3, 40, 120, 149]), np.array([1, 2, 30, 41, 60])
    question = ask(scale_series(values, Running(), Covariates(None, known)), rows, origins, steps, (1,))
    told_NKJ2 = question.features_NKF[..., FEATURES:].reshape(4, 5, 2, KNOWN_FEATURES)
    for j, column in enumerate(known):
        for n, (row, origin) in enumerate(zip(rows, origins, strict=True)):
            x = column[row]
            mean = smoothed(x[: origin + 1], SLOW_RATE)
            spread = max(smoothed(np.abs(x[: origin + 1] - mean), SLOW_RATE)[-1], KNOWN_FLOOR)
            for k, ahead in enumerate(steps):
                then = x[origin + ahead] if origin + ahead < len(x) else math.nan
                expected = [math.asinh(then), math.asinh((then - mean[-1]) / spread)] if math.isfinite(then) else [0, 0]
                assert told_NKJ2[n, k, j] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@all_seasons
@few
@given(seed=st.integers(0, 10_000))
def test_the_seasonal_candidate_is_the_newest_observed_value_of_that_phase(seasons, seed):
    values = make_series(seed, missing=0.4)
    scaled = scale_series(values, Running(seasons))
    rng = np.random.default_rng(seed)
    rows, origins = rng.integers(0, 2, 6), rng.integers(0, STEPS, 6)
    steps = np.arange(1, 65)
    question = ask(scaled, rows, origins, steps, seasons)
    assert question.features_NKF.shape == (6, 64, FEATURES)
    assert question.candidates_NKA.shape == (6, 64, CANDIDATES)
    assert question.path_KJ.shape == (64, PATH)
    for n, (row, origin) in enumerate(zip(rows, origins, strict=True)):
        for k, ahead in enumerate(steps):
            for place, season in enumerate(seasons, start=2):
                same_phase = [t for t in range(origin + 1) if (origin + ahead - t) % season == 0]
                there = [values[row, t] for t in same_phase if math.isfinite(values[row, t])]
                offered = question.available_NKA[n, k, place]
                assert offered == (season > 1 and bool(there))
                if offered:
                    level, scale = scaled.level_BT[row, origin], scaled.scale_BT[row, origin]
                    found = level + scale * question.candidates_NKA[n, k, place]
                    assert scale == 0 or found == pytest.approx(there[-1], rel=1e-9, abs=1e-9)


@both_kinds
@all_seasons
@few
@given(seed=st.integers(0, 10_000))
def test_the_other_candidates_are_what_is_smoothed_and_usual_and_the_trend(kind, seasons, seed):
    values = make_series(seed, missing=0.4)
    scaled = scale_series(values, scaling_for(kind, seasons, values))
    rng = np.random.default_rng(seed)
    rows, origins = rng.integers(0, 2, 6), rng.integers(0, STEPS, 6)
    steps = np.array([1, 2, 7, 12, 13, 30, 64])
    question = ask(scaled, rows, origins, steps, seasons)
    level, scale = (part[rows, origins][:, None, None] for part in (scaled.level_BT, scaled.scale_BT))
    found = np.where(question.available_NKA & (scale > 0), level + scale * question.candidates_NKA, math.nan)
    for n, (row, origin) in enumerate(zip(rows, origins, strict=True)):
        if scaled.scale_BT[row, origin] == 0:
            continue
        y = values[row, : origin + 1]
        begun = np.isfinite(y).any()
        expected = np.full((len(steps), 4), math.nan)
        expected[:, 0] = smoothed(y, PHASE_RATE)[-1] if begun else math.nan
        for place, season in enumerate(seasons, start=1):
            for k, ahead in enumerate(steps if season > 1 else ()):
                then = origin + ahead - math.ceil(ahead / season) * season
                if then >= 0:
                    expected[k, place] = middle_of(y, origin, season) + usual_of(y, then, season)
        base = np.where(np.isfinite(expected[:, 1]), expected[:, 1], scaled.last_BT[row, origin])
        seen = np.flatnonzero(np.isfinite(y))
        expected[:, 3] = base + (steps + (origin - seen[-1] if begun else 0)) * scaled.slope_BT[row, origin]
        limit = FARTHEST * scaled.scale_BT[row, origin]
        expected = scaled.level_BT[row, origin] + np.clip(expected - scaled.level_BT[row, origin], -limit, limit)
        np.testing.assert_allclose(found[n, :, 4:8], expected, rtol=1e-9, atol=1e-9)
    told = np.arcsinh(question.candidates_NKA[..., 4:])
    assert np.array_equal(question.features_NKF[..., FEATURES - 8 : FEATURES], told)


@both_kinds
@all_seasons
@pytest.mark.parametrize("seed", [22, 23])
def test_the_last_candidates_pass_through_the_newest_value_and_move_as_its_phases_do_or_did(kind, seasons, seed):
    values = make_series(seed, missing=0.3)
    scaled = scale_series(values, scaling_for(kind, seasons, values))
    rng = np.random.default_rng(seed)
    rows, origins = rng.integers(0, 2, 8), rng.integers(STEPS // 4, STEPS, 8)
    steps = np.array([1, 2, 7, 12, 13, 30, 64])
    found_ANK = candidates_then(scaled, rows, origins, steps, seasons)
    there = 0
    for n, (row, origin) in enumerate(zip(rows, origins, strict=True)):
        y = values[row, : origin + 1]
        newest = np.flatnonzero(np.isfinite(y))[-1]
        expected = np.full((4, len(steps)), math.nan)
        for place, season in enumerate(seasons):
            for k, ahead in enumerate(steps if season > 1 else ()):
                then = origin + ahead - math.ceil(ahead / season) * season
                moved = usual_of(y, then, season) - usual_of(y, newest, season)
                expected[place, k] = y[newest] + moved
                phase = y[then % season : then + 1 : season]
                phase = phase[np.isfinite(phase)]
                if newest >= season and len(phase):
                    expected[2 + place, k] = phase[-1] + y[newest] - y[newest - season]
        np.testing.assert_allclose(found_ANK[8:, n], expected, rtol=1e-9, atol=1e-9)
        there += np.isfinite(expected).sum()
    assert there or seasons == (1,)


@both_kinds
def test_after_a_jump_of_the_level_the_last_candidates_are_there_at_once(kind):
    """After a jump of 5 the usual of a phase lags behind; what passes through the newest value does not."""
    pattern = np.random.default_rng(3).normal(size=7)
    values = np.tile(pattern, 40)[None]
    values[0, 250:] += 5.0
    scaled = scale_series(values, scaling_for(kind, (7,), values))
    found_A = candidates_then(scaled, np.array([0]), np.array([250]), np.array([1]), (7,))[:, 0, 0]
    truth = pattern[251 % 7] + 5.0
    assert found_A[10] == pytest.approx(truth)
    assert abs(found_A[8] - truth) < 1.0
    assert abs(found_A[5] - truth) > 4.0


@both_kinds
@all_seasons
def test_which_candidates_are_there_is_told_by_three_features(kind, seasons):
    """Smoothed value and trend are there where a newest value is, the usual of a phase where its newest value is."""
    values = make_series(21, missing=0.6)
    scaled = scale_series(values, scaling_for(kind, seasons, values))
    rows, origins = np.repeat([0, 1], STEPS), np.tile(np.arange(STEPS), 2)
    question = ask(scaled, rows, origins, np.arange(1, 65), seasons)
    newest, first, second = (question.features_NKF[..., place] == 1 for place in (3, 4, 5))
    expected = [np.ones_like(newest), newest, first, second, newest, first, second, newest, first, second]
    assert np.array_equal(question.available_NKA[..., :10], np.stack(expected, axis=-1))
    assert not (question.available_NKA[..., 10:] & ~question.available_NKA[..., 2:4]).any()  # they may lack a change
    assert not newest.all() and (seasons == (1,) or not first.all())


def test_an_absurd_value_leaves_no_candidate_beyond_reach():
    values = np.random.default_rng(0).normal(size=(1, 400))
    values[:, 30] = 1e12
    scaled = scale_series(values, Running((7,)))
    rows, origins = np.zeros(400, np.int64), np.arange(400)
    question = ask(scaled, rows, origins, np.arange(1, 65), (7,))
    assert np.abs(question.candidates_NKA).max() == FARTHEST
    assert np.isfinite(question.features_NKF.astype(np.float32)).all()


def test_on_a_line_the_trend_goes_on_and_on_a_season_the_usual_comes_again():
    steps, last = np.arange(1, 40), 1199  # long enough to forget the first season, which had no mean of its own yet

    def found(series, seasons, candidate):
        scaled = scale_series(series[None], Running(seasons))
        question = ask(scaled, np.array([0]), np.array([last]), steps, seasons)
        return scaled.level_BT[0, last] + scaled.scale_BT[0, last] * question.candidates_NKA[0, :, candidate]

    line, wave = np.arange(last + 1.0), 5 + np.tile([3.0, -1.0, 0.0, -2.0], 300)
    for seasons in ((1,), (7,)):
        np.testing.assert_allclose(found(line, seasons, 7), last + steps, rtol=1e-9)
    for candidate in (2, 5, 7):
        np.testing.assert_allclose(found(wave, (4,), candidate), wave[(last + steps) % 4], rtol=1e-9)
    missed = channel(scale_series(wave[None], Running((4,))), "season_surprise")[0]
    assert np.abs(missed[4:8]).max() > 0.1 and np.abs(missed[-4:]).max() < 1e-6


def test_a_second_season_is_not_offered_where_there_is_none():
    values = make_series(11)
    for seasons, offered in (((1,), [0, 1, 4, 7]), ((7,), [0, 1, 2, 4, 5, 7, 8, 10]), ((7, 28), range(CANDIDATES))):
        question = ask(scale_series(values, Running(seasons)), np.array([0]), np.array([120]), np.arange(1, 9), seasons)
        assert np.flatnonzero(question.available_NKA.all((0, 1))).tolist() == list(offered)


# ------------------------------------------------------------------------------------------- one absurd value


@all_seasons
@pytest.mark.parametrize("absurd", [1e12, -1e12, 1e300])
def test_an_absurd_value_is_gone_from_the_level_when_its_season_is_over(seasons, absurd):
    values = make_series(12, missing=0.0)[:1]
    struck = values.copy()
    struck[0, 60] = absurd
    clean, hit = scale_series(values, Running(seasons)), scale_series(struck, Running(seasons))
    assert np.isfinite(hit.inputs_BTC).all()
    after = 60 + seasons[0]
    assert np.array_equal(hit.level_BT[:, after:], clean.level_BT[:, after:])


@all_seasons
def test_an_absurd_value_fades_from_the_scale(seasons):
    values = make_series(13, steps=1200, missing=0.0)[:1]
    struck = values.copy()
    struck[0, 60] = 1e12
    clean, hit = scale_series(values, Running(seasons)), scale_series(struck, Running(seasons))
    np.testing.assert_allclose(hit.scale_BT[:, 900:], clean.scale_BT[:, 900:], rtol=1e-3)


def test_the_inputs_stay_small_however_absurd_a_value_is():
    values = make_series(14, missing=0.0)
    values[0, 60] = 1e300
    assert np.abs(scale_series(values, Running((7,))).inputs_BTC).max() < 1000


# ------------------------------------------------------------------------------------------- as numbers


def test_a_scaling_is_rebuilt_from_its_plain_values():
    values = make_series(15)
    for scaling in (Running((4, 28)), fixed_from(values, (7,)), Fixed()):
        assert scaling_from(scaling.as_dict()) == scaling


def test_fixed_scaling_is_the_mean_and_spread_of_the_training_part():
    values = make_series(16, missing=0.2)
    scaling = fixed_from(values, (7,))
    seen = values[np.isfinite(values)]
    assert scaling.level == pytest.approx(seen.mean())
    assert scaling.scale == pytest.approx(seen.std())
    changes, season_changes = np.diff(values, axis=1), values[:, 7:] - values[:, :-7]
    assert scaling.change == pytest.approx(np.sqrt(np.nanmean(changes**2)))
    assert scaling.season_changes[0] == pytest.approx(np.sqrt(np.nanmean(season_changes**2)))
    scaled = scale_series(values, scaling)
    assert (scaled.level_BT == scaling.level).all()
    assert (scaled.scale_BT == scaling.scale).all()


def test_the_steps_ahead_are_described_without_the_series():
    one, other = (
        question_from(np.full((1, 3, CANDIDATES), size), (np.array([0.0]), np.array([1.0])), np.array([1, 7, 64]), (7,))
        for size in (1.0, 2.0)
    )
    assert np.array_equal(one.features_NKF[..., 6:14], other.features_NKF[..., 6:14])
    assert one.features_NKF[0, 1, 8:10] == pytest.approx([0, 1], abs=1e-12)  # a whole season ahead: the same phase
    assert np.array_equal(one.path_KJ, other.path_KJ)


@pytest.mark.parametrize("late", [0, 30])
@pytest.mark.parametrize("seasons", [(1,), (7,), (24, 40)])
def test_a_series_without_holes_is_scaled_as_beside_one_with_holes(late, seasons):
    """What is quicker for series without holes gives the same numbers, to the last bit."""
    values = np.random.default_rng(5).normal(size=(2, 130)).cumsum(1)
    values[:, :late] = np.nan
    values[1, [60, 61, 90]] = np.nan
    alone, beside = scale_series(values[:1], Running(seasons)), scale_series(values, Running(seasons))
    for name in ("inputs_BTC", "level_BT", "scale_BT", "last_BT", "smooth_BT", "slope_BT", "gap_BT"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(beside, name)[0])
    for one, other in zip(alone.phases, beside.phases, strict=True):
        for part, whole in zip(one, other, strict=True):
            np.testing.assert_array_equal(part[0], whole[0])
