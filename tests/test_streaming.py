"""A stream says what recomputing from scratch says, its widths follow, and where it is can be kept in a file."""

import importlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from gatecast.adaptive import Pace, adaptive_factors
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.conformal import rescale
from gatecast.covariates import Column, Widths
from gatecast.errors import DataError, ModelFileError, SettingsError
from gatecast.following import empty_memory, followed, plan_for, say, score
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.predictor import predict_many
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Covariates, Running, fixed_from
from gatecast.stream import Stream
from gatecast.streaming import AFTER, ForecastStream, Manner, Start, load_stream
from gatecast.zeroshot import ZeroShot, shipped

DIRECT, HORIZON = 16, 12
COLUMNS = (
    Column("wind", "past"),
    Column("price", "known", centre=2.0, spread=3.0),
    Column("day", "known", ("work", "rest")),
    Column("size", "static"),
)
WAYS = (False, True)  # compiled


def make_series(seed=0, steps=300, missing=0.1):
    rng = np.random.default_rng(seed)
    values = 20 + rng.normal(size=steps).cumsum() + 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)
    values[rng.random(steps) < missing] = np.nan
    values[:2] = np.nan
    values[70:90] = np.nan
    return values


def make_model(scaling, columns=(), layers=1, seed=0):
    rng = np.random.default_rng(seed)
    widths = Widths(*(sum(c.width for c in columns if c.role == role) for role in ("past", "known", "static")))
    arrays = export(Network(NetworkConfig(units=6, layers=layers), widths))
    weights = weights_from_arrays({name: rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()})
    widening = 1 + rng.random((DIRECT, len(QUANTILES)))
    return Model(weights, scaling, RunConfig(training=TrainingConfig(horizon=DIRECT)), widening, columns)


def start_of(values, past=None, known=None, static=None, counted=0):
    nothing = np.zeros((0, len(values)))
    return Start(
        values,
        nothing if past is None else past,
        nothing if known is None else known,
        np.zeros(0) if static is None else static,
        counted,
    )


def close(made, expected, values, limit=1e-5):
    """Equal to a share of how much the series varies."""
    np.testing.assert_allclose(made, expected, rtol=0, atol=limit * float(np.nanstd(values)))


SCALINGS = {
    "no season": Running((1,)),
    "a week": Running((7,)),
    "two seasons": Running((4, 28)),
    "fixed": fixed_from(make_series()[:100], (7,)),
}


# ------------------------------------------------------------------------------------ as recomputing from scratch


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_stream_says_what_recomputing_from_scratch_says(scaling, layers, compiled):
    model, values = make_model(SCALINGS[scaling], layers=layers), make_series()
    origins = np.unique([2, 3, 10, *range(20, 300, 7), 75, 299])
    expected = predict_many(model, values[None], origins, HORIZON)[0]
    stream = ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, False, compiled), np.zeros(0))
    made = np.array([stream.update(value) for value in values])
    assert stream.compiled == compiled
    assert made.shape == (300, HORIZON, len(QUANTILES))
    close(made[origins], expected, values)


@pytest.mark.parametrize("compiled", WAYS)
def test_with_columns_beside_the_target_a_stream_says_what_recomputing_says(compiled):
    rng, values, steps = np.random.default_rng(1), make_series(), 300
    model = make_model(Running((7,)), COLUMNS)
    wind, price = rng.normal(size=steps).cumsum(), rng.normal(2, 3, size=steps + HORIZON)
    wind[rng.random(steps) < 0.2] = np.nan
    day = rng.choice(["work", "rest", "feast"], size=steps + HORIZON)
    known = np.stack([(price - 2) / 3, day == "work", day == "rest"]).astype(float)
    more = Covariates(wind[None, None], known[:, None], np.array([[1.5]]))
    origins = np.arange(20, steps, 11)
    expected = predict_many(model, values[None], origins, HORIZON, more)[0]
    stream = ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, False, compiled), np.array([1.5]))
    made = []
    for t, value in enumerate(values):
        ahead = slice(t + 1, t + 1 + HORIZON)
        made.append(
            stream.update(
                value,
                inputs={"wind": wind[t]},
                known={"price": price[t], "day": day[t]},
                future={"price": price[ahead], "day": list(day[ahead])},
            )
        )
    close(np.array(made)[origins], expected, values)


@pytest.mark.parametrize("compiled", WAYS)
def test_the_stream_of_an_ensemble_says_the_mean_of_its_networks(compiled):
    values = make_series(missing=0)
    members = [replace(model, scaling=Running((7,))) for model in shipped()]
    expected = np.mean([predict_many(model, values[None], np.arange(50, 300, 9), 24)[0] for model in members], axis=0)
    stream = ZeroShot(season_length=(7,)).stream(adapt=False, compiled=compiled, history=None)
    stream = ForecastStream(members, "ZeroShot", Pace(), Manner(24, False, compiled), np.zeros(0))
    made = np.array([stream.update(value) for value in values])
    close(made[50::9], expected, values)


@pytest.mark.slow
def test_after_ten_thousand_values_a_stream_still_says_what_recomputing_says():
    rng = np.random.default_rng(3)
    values = 50 + rng.normal(size=10_000).cumsum() * 0.2 + 5 * np.sin(np.arange(10_000) * 2 * np.pi / 24)
    values[rng.random(10_000) < 0.02] = np.nan
    for model in (replace(shipped()[0], scaling=Running((24,))), make_model(Running((24,)), layers=2)):
        horizon = min(24, model.direct_horizon)
        origins = np.arange(30, 10_000, 10)
        expected = predict_many(model, values[None], origins, horizon)[0]
        stream = ForecastStream([model], "LSTM", Pace(), Manner(horizon, False, True), np.zeros(0))
        made = np.array([stream.update(value) for value in values])[origins]
        scale = np.nanmean(np.abs(np.diff(values)))
        assert np.abs(made - expected).max() <= 1e-5 * max(scale, float(np.nanstd(values)))


@pytest.mark.parametrize("compiled", WAYS)
def test_a_history_and_updates_lead_to_the_same_place(compiled):
    model, values = make_model(Running((7,))), make_series()
    one, other = (ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, True, compiled), np.zeros(0)) for _ in "ab")
    one.read(start_of(values[:200]))
    for value in values[:200]:
        other.update(value)
    assert one.steps == other.steps == 200
    np.testing.assert_array_equal(one.forecast, other.forecast)
    np.testing.assert_array_equal(one.update(values[200]), other.update(values[200]))


def test_beyond_the_direct_horizon_a_stream_runs_on_as_a_forecast_does():
    model, values = make_model(Running((7,))), make_series()
    stream = ForecastStream([model], "LSTM", Pace(), Manner(40, False), np.zeros(0))
    stream.read(start_of(values, counted=300))
    close(stream.forecast, predict_many(model, values[None], np.array([299]), 40)[0, 0], values, 1e-7)
    with pytest.raises(SettingsError, match="up to 16 steps ahead, 40 are asked for"):
        ForecastStream([model], "LSTM", Pace(), Manner(40, False, True), np.zeros(0))


# ------------------------------------------------------------------------------------ widths that follow


def said_and_came(seed=0, steps=400):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=steps) * np.where(np.arange(steps) < 200, 1.0, 4.0)
    away = np.linspace(-2, 2, len(QUANTILES))
    said = np.broadcast_to(away, (steps, HORIZON, len(QUANTILES))) * (1 + np.arange(HORIZON)[:, None] / 20)
    return truth, said


def test_widths_follow_as_those_of_many_origins_do():
    truth, said = said_and_came()
    pace = Pace(60, 5)
    plan = plan_for(HORIZON, DIRECT, pace)
    memory = empty_memory(plan)
    ahead = np.arange(400)[:, None] + np.arange(1, HORIZON + 1)
    came = np.where(ahead < 400, truth[np.minimum(ahead, 399)], np.nan)[None]
    now, differences = np.array([150, 190, 270, 330, 399]), []
    factors = adaptive_factors(came, said[None], np.arange(400), now, pace)[0]
    for t, value in enumerate(truth):
        score(plan, memory, value)
        say(plan, memory, said[t])
        if t in now:
            made, expected = followed(plan, memory, said[t]), rescale(said[t], factors[list(now).index(t)])
            outer = [np.delete(each, MEDIAN, axis=1) for each in (made, expected)]
            differences.append(np.abs(outer[0] / outer[1] - 1))
            assert (np.diff(made, axis=1) >= 0).all()
    assert np.median(differences) < 0.02
    assert np.max(differences) < 0.15  # a pool is read again at every fifth step, and one more score may move it


@pytest.mark.parametrize("compiled", WAYS)
def test_intervals_of_a_stream_widen_when_a_series_gets_wilder_and_only_then(compiled):
    rng = np.random.default_rng(0)
    values = 10 + rng.normal(size=400)
    model = make_model(fixed_from(values[:100], (1,)))
    values[200:] = 10 + rng.normal(size=200) * 6
    follow, still = (
        ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, adapt, compiled), np.zeros(0))
        for adapt in (True, False)
    )
    shares = []
    for value in values:
        one, other = follow.update(value), still.update(value)
        np.testing.assert_allclose(one[:, MEDIAN], other[:, MEDIAN], rtol=1e-12)
        shares.append((one[0, -1] - one[0, 0]) / (other[0, -1] - other[0, 0]))
    assert shares[0] == pytest.approx(1)
    assert shares[-1] > 1.5 * shares[199]


def test_the_compiled_step_follows_as_the_readable_one():
    model, values = make_model(Running((7,))), make_series()
    one, other = (
        ForecastStream([model], "LSTM", Pace(50, 5), Manner(HORIZON, True, compiled), np.zeros(0)) for compiled in WAYS
    )
    for value in values:
        close(one.update(value), other.update(value), values, 1e-4)
    for mine, theirs in zip(one.memory, other.memory, strict=True):
        assert mine.shape == theirs.shape
    np.testing.assert_allclose(one.memory.totals_P2, other.memory.totals_P2)
    np.testing.assert_allclose(one.memory.logs_PL, other.memory.logs_PL, atol=1e-3)


# ------------------------------------------------------------------------------------ manners


def test_a_stream_compiles_by_itself_after_so_many_values():
    model = make_model(Running((7,)))
    stream = ForecastStream([model], "LSTM", Pace(), Manner(HORIZON), np.zeros(0))
    values = np.random.default_rng(0).normal(size=AFTER + 5).cumsum()
    stream.read(start_of(values[: AFTER - 2], counted=AFTER - 3))
    assert not stream.compiled
    for value in values[AFTER - 2 :]:
        stream.update(value)
    assert stream.compiled
    stream.update(1.0)
    never = ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, compiled=False), np.zeros(0))
    never.read(start_of(values, counted=AFTER))
    assert not never.compiled


def test_without_numba_a_stream_stays_readable_and_says_so_where_asked(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    model = make_model(Running((7,)))
    stream = ForecastStream([model], "LSTM", Pace(), Manner(HORIZON), np.zeros(0))
    stream._compile()
    assert not stream.compiled
    with pytest.raises(Exception, match="numba is not installed"):
        ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, True, True), np.zeros(0))


def test_what_is_refused_changes_nothing():
    model = make_model(Running((7,)), COLUMNS)
    stream = ForecastStream([model], "LSTM", Pace(), Manner(2), np.array([1.0]))
    future = {"price": [1, 2], "day": ["work", None]}
    stream.update(1.0, future=future)
    before = stream.states[0]
    for error, match, value, more in (
        (DataError, r"the value is 'much'; give a number", "much", {"future": future}),
        (DataError, r"the value is inf; give numbers up to 1e\+100", math.inf, {"future": future}),
        (SettingsError, r"no column 'wnd' as one of its past-only columns \(wind\)\. Did you mean 'wind'\?", 1.0,
         {"inputs": {"wnd": 1}, "future": future}),
        (SettingsError, r"no column 'cost' as one of its columns known in advance", 1.0,
         {"known": {"cost": 1}, "future": future}),
        (DataError, r"reads 'price' in advance; give its 2 next values, nothing is given", 1.0, {}),
        (DataError, r"give its 2 next values, 3 value\(s\) are given", 1.0,
         {"future": {**future, "day": ["work"] * 3}}),
        (SettingsError, r"reads no column 'dy' in advance\. Did you mean 'day'\?", 1.0,
         {"future": {**future, "dy": 1}}),
        (DataError, r"price is 'x'; give a number", 1.0, {"known": {"price": "x"}, "future": future}),
    ):  # fmt: skip
        with pytest.raises(error, match=match):
            stream.update(value, **more)
    assert stream.steps == 1
    for one, other in zip(before, stream.states[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_value_outside_its_band_is_an_anomaly():
    stream = ZeroShot().stream(np.sin(np.arange(200) * 2 * np.pi / 20) + 10, adapt=False)
    low, high = stream.band(95)
    assert low < 10 + math.sin(0) < high
    assert not stream.outside(10.0)
    assert stream.outside(high + 1) and stream.outside(low - 1, 80)
    assert not stream.outside(None) and not stream.outside(math.nan)
    with pytest.raises(SettingsError, match="level 33 is not offered; choose from"):
        stream.outside(1.0, 33)
    empty = ZeroShot().stream()
    assert empty.forecast is None and not empty.outside(1e9)


def test_settings_and_histories_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="a horizon of 0 has no steps"):
        ZeroShot().stream(horizon=0)
    with pytest.raises(SettingsError, match="holds 2 series, and a stream follows one"):
        ZeroShot().stream({"unique_id": ["a"] * 9 + ["b"] * 9, "ds": [*range(9), *range(9)], "y": [1.0] * 18})
    with pytest.raises(SettingsError, match="stream: fit the forecaster first, or load a model"):
        LSTMForecaster().stream()


def test_a_fitted_forecaster_streams_on_from_what_it_was_fitted_on():
    values = 5 + np.sin(np.arange(260) * 2 * np.pi / 20) + np.random.default_rng(0).normal(size=260) * 0.1
    forecaster = LSTMForecaster(NetworkConfig(units=4), TrainingConfig(updates=3), season_length=(20,)).fit(values)
    stream = forecaster.stream(horizon=5)
    expected = np.stack([forecaster.predict(5, level=[95])[name] for name in ("LSTM-lo-95", "LSTM", "LSTM-hi-95")])
    close(stream.forecast[:, [0, MEDIAN, -1]].T, expected, values)
    assert stream.memory.totals_P2.sum() == 0  # errors on what was learned from do not count
    again = forecaster.stream(values[:100], horizon=5)
    assert again.steps == 100
    path = forecaster.save  # the same from a loaded model, which has no series
    assert callable(path)


def test_zero_shot_streams_on_with_the_season_of_its_history():
    values = 10 + np.tile([0, 1, 5, 2, 0, 0, 3.0], 40) + np.random.default_rng(0).normal(size=280) * 0.01
    stream = ZeroShot().stream(values)
    assert stream.models[0].scaling.seasons == (7,)
    made = stream.update(float(values[0]))
    np.testing.assert_allclose(made[:7, MEDIAN], values[1:8], atol=0.3)
    assert (np.diff(made, axis=1) >= 0).all()


# ------------------------------------------------------------------------------------ kept in a file


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("adapt", [True, False])
def test_a_stream_that_was_kept_goes_on_as_one_that_never_stopped(tmp_path, compiled, adapt):
    forecaster = ZeroShot(season_length=(7,))
    values = make_series(missing=0)
    stream = forecaster.stream(values[:150], adapt=adapt, compiled=compiled)
    stream.save(tmp_path / "s.safetensors")
    again = forecaster.load_stream(tmp_path / "s.safetensors", compiled=compiled)
    assert (again.steps, again.horizon, again.compiled) == (150, 24, compiled)
    np.testing.assert_array_equal(again.forecast, stream.forecast)
    for value in values[150:170]:
        np.testing.assert_array_equal(again.update(value), stream.update(value))


def test_a_file_that_is_no_state_of_this_stream_is_refused(tmp_path):
    path, forecaster = tmp_path / "s.safetensors", ZeroShot(season_length=(7,))
    forecaster.stream(make_series(missing=0)[:60]).save(path)
    content = path.read_bytes()
    other = [replace(make_model(Running((7,))), widening_KQ=None)] * 2
    with pytest.raises(ModelFileError, match="the state of a stream over another model"):
        load_stream(path, other, "x", Pace(), None)
    with pytest.raises(ModelFileError, match="there is no such file"):
        forecaster.load_stream(tmp_path / "none")
    save_file({"x": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(ModelFileError, match="not the state of one of gatecast's streams"):
        forecaster.load_stream(tmp_path / "foreign")
    path.write_bytes(content.replace(b'"gatecast_stream_format":"2"', b'"gatecast_stream_format":"7"'))
    with pytest.raises(ModelFileError, match="has stream format 7, this gatecast reads up to 2; upgrade"):
        forecaster.load_stream(path)
    save_file({"x": np.zeros(3)}, tmp_path / "long", {"gatecast_stream_format": "9" * 5_000})
    with pytest.raises(ModelFileError, match=r"has stream format 9{20}, this"):
        forecaster.load_stream(tmp_path / "long")
    rng = np.random.default_rng(0)
    for _ in range(60):
        mutated = bytearray(content)
        if rng.random() < 0.3:
            mutated = mutated[: rng.integers(len(mutated))]
        else:
            mutated[rng.integers(len(mutated))] ^= 1 << rng.integers(8)
        path.write_bytes(mutated)
        with pytest.raises(ModelFileError):
            forecaster.load_stream(path)


def test_an_earlier_state_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path, stream = tmp_path / "s.safetensors", ZeroShot().stream([1.0, 2.0, 3.0, 4.0, 5.0])
    stream.save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    stream.update(6.0)
    with pytest.raises(Exception, match="No space left on device"):
        stream.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_state_of_a_stream_is_all_it_knows():
    model, values = make_model(Running((4, 28)), layers=2), make_series()
    one, other = Stream(model), Stream(model)
    for t, value in enumerate(values):
        if t % 37 == 36:
            other, last = Stream(model), other
            other.state = last.state
        one.update(value)
        other.update(value)
    np.testing.assert_array_equal(one.forecast(40), other.forecast(40))
    assert json.dumps([part.shape for part in one.state])
