"""A stream is one pass with the state kept: the same inputs, the same state, the same forecasts."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column, Widths
from gatecast.errors import SettingsError
from gatecast.modelfile import EARLIER, Model, brought_up
from gatecast.network import Network, export
from gatecast.predictor import full_sequence, predict_many, read_series
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Covariates, Running, fixed_from, scaling_from
from gatecast.stream import Stream

GOLDEN = Path(__file__).parent / "golden"
SEASONS = ((1,), (7,), (4, 28), (12, 24))
KINDS = ("running", "fixed")
DIRECT = 16


def make_series(seed=0, steps=160, missing=0.15):
    rng = np.random.default_rng(seed)
    values = 20 + rng.normal(size=steps).cumsum() + 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)
    values[rng.random(steps) < missing] = np.nan
    values[:3] = np.nan
    values[70:90] = np.nan
    return values


def make_model(kind="running", seasons=(7,), inputs=0, layers=1, direct=DIRECT, seed=0):
    """A model with random weights of the size that training gives, and intervals that are widened."""
    rng = np.random.default_rng(seed)
    arrays = export(Network(NetworkConfig(units=6, layers=layers), Widths(inputs)))
    weights = weights_from_arrays({name: rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()})
    scaling = Running(seasons) if kind == "running" else fixed_from(make_series()[:100], seasons)
    config = RunConfig(training=TrainingConfig(horizon=direct))
    widening = 1 + rng.random((3 * direct, len(QUANTILES)))
    columns = tuple(Column(f"input {number}", "past") for number in range(inputs))
    return Model(weights, scaling, config, widening, columns)


def streamed(model, values, further=None):
    """The stream after every value."""
    stream = Stream(model)
    for t, value in enumerate(values):
        stream.update(value, () if further is None else further[:, t])
        yield t, stream


def close(one, other, scale, limit=1e-9):
    np.testing.assert_allclose(one, other, rtol=0, atol=limit * max(1.0, scale))


every_kind = pytest.mark.parametrize("kind", KINDS)
every_season = pytest.mark.parametrize("seasons", SEASONS)


# ------------------------------------------------------------------------------------------- a stream is one pass


@every_kind
@every_season
@pytest.mark.parametrize("inputs", [0, 2])
def test_the_state_of_a_stream_is_that_of_one_pass(kind, seasons, inputs):
    model, values = make_model(kind, seasons, inputs, layers=2), make_series()
    further = np.stack([make_series(seed) for seed in range(1, inputs + 1)]) if inputs else None
    scaled, h_STD = read_series(model, values[None], None if further is None else Covariates(further[:, None]))
    for t, stream in streamed(model, values, further):
        assert stream._level == pytest.approx(scaled.level_BT[0, t], rel=1e-12, abs=1e-12)
        assert stream._scale == pytest.approx(scaled.scale_BT[0, t], rel=1e-12, abs=1e-12)
        assert stream._slope == pytest.approx(scaled.slope_BT[0, t], rel=1e-9, abs=1e-12)
        if np.isfinite(values[: t + 1]).any():
            assert stream._smooth.value == pytest.approx(scaled.smooth_BT[0, t], rel=1e-12)
        for season, phases in zip(stream._seasons, scaled.phases, strict=True):
            at = t % season.length
            told = [season.newest[at], season.middle, season.usual[at], season.usual_last, season.change]
            np.testing.assert_allclose(told, [part[0, t] for part in phases], rtol=1e-12, atol=1e-12)
        # an input is float32: the last bit of one may differ, and nearly never does
        np.testing.assert_allclose(stream._h_ND[0], h_STD[0, t], rtol=0, atol=1e-6)


@every_kind
@every_season
def test_every_channel_of_a_stream_is_that_of_one_pass(kind, seasons):
    model, values = make_model(kind, seasons), make_series(5)
    stream, scaled = Stream(model), read_series(model, values[None])[0]
    made = np.array([stream._scale_step(value) for value in values])
    if (kind, len(seasons)) == ("running", 2):
        assert np.abs(made).max(axis=0).all()  # every channel says something
    np.testing.assert_allclose(made, scaled.inputs_BTC[0], rtol=1e-6, atol=1e-6)


@every_kind
@every_season
def test_the_state_is_equal_to_the_last_digits_where_the_inputs_are(kind, seasons):
    model, values = make_model(kind, seasons), np.round(make_series(), 1)
    scaled, h_STD = read_series(model, values[None])
    assert scaled.inputs_BTC.dtype == np.float32
    same = 0
    for t, stream in streamed(model, values):
        same += np.abs(stream._h_ND[0] - h_STD[0, t]).max() <= 1e-12
    assert same >= 0.9 * len(values)


@every_kind
@every_season
@pytest.mark.parametrize("inputs", [0, 2])
@pytest.mark.parametrize("cut", [0, 2, 75, 160])
def test_steps_that_are_read_at_once_are_those_read_one_by_one(kind, seasons, inputs, cut):
    model, values = make_model(kind, seasons, inputs, layers=2), make_series()  # begins with three missing values
    further = np.stack([make_series(seed) for seed in range(1, inputs + 1)]) if inputs else None
    *_, (_, one) = streamed(model, values, further)
    many = Stream(model)
    for part in (slice(0, cut), slice(cut, None)):
        many.read(values[part], None if further is None else further[:, part])
    for this, other in zip(many.state, one.state, strict=True):
        np.testing.assert_allclose(this, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(many.forecast(20), one.forecast(20), rtol=1e-9)


@every_kind
@every_season
@pytest.mark.parametrize("horizon", [1, DIRECT, DIRECT + 1, 5 * DIRECT])
def test_the_forecasts_of_a_stream_are_those_of_one_pass(kind, seasons, horizon):
    model, values = make_model(kind, seasons), make_series()
    origins = np.array([2, 3, 20, 75, 159])
    passed = predict_many(model, values[None], origins, horizon)[0]
    made = {t: stream.forecast(horizon) for t, stream in streamed(model, values) if t in origins}
    for place, origin in enumerate(origins):
        assert made[origin].shape == (horizon, len(QUANTILES))
        spread = np.abs(passed[place] - passed[place][:, MEDIAN, None]).max()
        close(made[origin], passed[place], spread, limit=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.floats(0, 0.9), seasons=st.sampled_from(SEASONS))
def test_with_past_only_inputs_and_any_holes_a_stream_is_one_pass(seed, missing, seasons):
    model, values = make_model("running", seasons, inputs=1), make_series(seed, 60, missing)
    further = make_series(seed + 1, 60, 1 - missing)[None]
    passed = predict_many(model, values[None], np.array([59]), 40, Covariates(further[:, None]))[0, 0]
    *_, (_, stream) = streamed(model, values, further)
    close(stream.forecast(40), passed, np.abs(passed - passed[:, MEDIAN, None]).max(), limit=1e-6)


def test_a_past_only_input_that_is_left_out_is_missing():
    model, values = make_model(inputs=1), make_series()
    hidden = np.full((1, len(values)), np.nan)
    one, other = Stream(model), Stream(model)
    for t, value in enumerate(values):
        one.update(value)
        other.update(value, hidden[:, t])
    assert np.array_equal(one.forecast(20), other.forecast(20))


def golden_stream(version, name, row):
    """The golden series ``row``, what stands beside it, and a stream of the golden model."""
    with safe_open(GOLDEN / f"{version}.safetensors", framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        scaling = scaling_from(json.loads(file.metadata()[name]))
    past_PT = arrays["further_PBT" if version == "v1" else "past_PBT"][:, row]
    known_JT = arrays["known_JBT"][:, row] if version != "v1" else np.zeros((0, 48 + 64))
    static_G = arrays["static_GB"][:, row] if version != "v1" else np.zeros(0)
    roles = {"past": past_PT, "known": known_JT, "static": static_G}
    columns = tuple(Column(f"{role} {place}", role) for role, part in roles.items() for place in range(len(part)))
    named = {key.removeprefix("weights."): part for key, part in arrays.items() if key.startswith("weights.")}
    config = RunConfig(training=TrainingConfig(horizon=8))
    weights, then = weights_from_arrays(named), EARLIER.get(int(version.removeprefix("v")))
    weights = weights if then is None else brought_up(weights, then)
    model = Model(weights, scaling, config, arrays["widening_KQ"], columns)
    return Stream(model, static_G), arrays["values_BT"][row], past_PT, known_JT, arrays[f"{name}.forecast_SHQ"][row]


@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4"])
@pytest.mark.parametrize("name", ["running", "running_no_season", "fixed"])
def test_a_stream_gives_the_golden_forecasts(version, name):
    for row in range(2):
        stream, values, past_PT, known_JT, expected = golden_stream(version, name, row)
        for t, value in enumerate(values):
            stream.update(value, past_PT[:, t], known_JT[:, t])
        made = stream.forecast(20, known_JT[:, len(values) :][:, :20].T)
        close(made, expected, np.abs(expected).max(), limit=1e-6)


def test_known_values_of_another_shape_than_the_horizon_are_refused():
    stream, *_, known_JT, _ = golden_stream("v4", "running", 0)
    for given_HJ in (None, known_JT[:, :20], known_JT[:, :19].T, known_JT[:1, :20].T):
        with pytest.raises(
            SettingsError, match=r"reads 2 column\(s\) in advance; give their 20 next values, \(20, 2\)"
        ):
            stream.forecast(20, given_HJ)


def test_static_numbers_of_another_count_are_refused():
    stream, *_ = golden_stream("v4", "running", 0)
    for given_G in ((), (1.0, 2.0)):
        with pytest.raises(SettingsError, match=rf"reads 1 static number\(s\), {len(given_G)} are given"):
            Stream(stream._model, given_G)


# ------------------------------------------------------------------------------------------- a stream's state


def test_a_copy_is_independent_of_its_original():
    model, values = make_model("running", (4, 28), inputs=1), make_series()
    further = make_series(1)[None]
    *_, (_, stream) = streamed(model, values[:100], further[:, :100])
    before = stream.forecast(50)
    copy = stream.copy()
    assert np.array_equal(copy.forecast(50), before)
    for value in values[100:]:
        copy.update(value, (5.0,))
    assert np.array_equal(stream.forecast(50), before)
    again = stream.copy()
    for value in values[100:]:
        stream.update(value, (5.0,))
    assert np.array_equal(stream.forecast(50), copy.forecast(50))
    assert np.array_equal(again.forecast(50), before)


def test_a_forecast_changes_nothing():
    model, values = make_model(), make_series()
    asked, quiet = Stream(model), Stream(model)
    for value in values:
        asked.update(value)
        asked.forecast(40)
        quiet.update(value)
    assert np.array_equal(asked.forecast(40), quiet.forecast(40))


def test_nothing_in_a_stream_grows_with_its_history():
    def held(stream):
        parts = [stream, *stream._seasons, stream._size, *stream._past, *stream._known]
        slots = [getattr(part, name) for part in parts for name in getattr(part, "__slots__", None) or vars(part) or ()]
        return sum(part.size for part in slots if isinstance(part, np.ndarray)) + sum(
            len(part) for part in slots if isinstance(part, list)
        )

    stream = Stream(make_model("running", (4, 28), inputs=1))
    stream.update(1.0, (1.0,))
    early = held(stream)
    rng = np.random.default_rng(0)
    for value in rng.normal(size=2000):
        stream.update(value, (value,))
    assert held(stream) == early


@every_kind
def test_a_late_stream_is_as_true_to_one_pass_as_an_early_one(kind):
    rng = np.random.default_rng(1)
    values = 5 + rng.normal(size=6000).cumsum() * 0.1
    model = make_model(kind, (7,))
    passed = predict_many(model, values[None], np.array([5999]), 10)[0, 0]
    *_, (_, stream) = streamed(model, values)
    close(stream.forecast(10), passed, np.abs(passed - passed[:, MEDIAN, None]).max(), limit=1e-6)


def test_an_absurd_value_leaves_no_trace_in_the_level_of_a_stream():
    model, values = make_model("running", (7,)), make_series(missing=0)
    struck = values.copy()
    struck[20] = 1e300
    (*_, (_, clean)), (*_, (_, hit)) = streamed(model, values), streamed(model, struck)
    assert hit._level == clean._level == clean._seasons[0].middle
    assert np.isfinite(hit.forecast(40)).all()


def test_before_the_first_value_and_on_zeros_a_forecast_is_finite():
    stream = Stream(make_model())
    assert np.isfinite(stream.forecast(20)).all()
    for _ in range(30):
        stream.update(0.0)
    assert np.isfinite(stream.forecast(40)).all()
    for _ in range(300):
        stream.update(np.nan)
    assert np.isfinite(stream.forecast(40)).all()


# ------------------------------------------------------------------------------------------- running on


@every_kind
@every_season
def test_beyond_the_direct_horizon_no_interval_is_narrower_than_before(kind, seasons):
    for seed in range(5):
        made = predict_many(make_model(kind, seasons, seed=seed), make_series(seed)[None], np.array([159]), 4 * DIRECT)
        away = np.abs(made[0, 0] - made[0, 0][:, MEDIAN, None])
        assert (np.diff(away[DIRECT - 1 :], axis=0) >= -1e-9 * away.max()).all()
        assert (np.diff(made[0, 0], axis=-1) >= 0).all()


def test_a_forecast_does_not_depend_on_how_far_it_goes():
    model, values = make_model(), make_series()
    *_, (_, stream) = streamed(model, values)
    far = stream.forecast(4 * DIRECT)
    for horizon in (1, DIRECT, DIRECT + 3):
        np.testing.assert_allclose(stream.forecast(horizon), far[:horizon], rtol=1e-9)


@pytest.mark.parametrize("block", [1, 5, DIRECT])
def test_a_full_sequence_reads_its_own_medians_back(block):
    model, values, steps = make_model(), make_series(), 33
    made = full_sequence(model, values, steps, block)
    told = values.copy()
    while len(told) < len(values) + steps:
        ahead = predict_many(model, told[None], np.array([len(told) - 1]), block)[0, 0, :, MEDIAN]
        told = np.concatenate([told, ahead])
    assert made.shape == (steps,)
    np.testing.assert_allclose(made, told[len(values) :][:steps], rtol=1e-6)
