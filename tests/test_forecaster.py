"""Fit on a table, forecast beyond its end: any frame in, the same kind out, and nothing from after an origin."""

import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gatecast import metrics, predictor
from gatecast.config import LEVELS, MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import Model
from gatecast.panel import panel_from_arrays, panel_from_frame
from gatecast.predictor import forecast_panel
from gatecast.runtime import weights_to_arrays

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
START = datetime.datetime(2022, 3, 1)
HORIZON = 9


def forecaster(season_length=None, **changes):
    training = {"scaling": "running", "context": 24, "horizon": 6, "updates": 10, "batch": 4, "origins": 4, "steps": 3}
    return LSTMForecaster(
        NetworkConfig(units=5), TrainingConfig(**{**training, **changes}), season_length=season_length
    )


def values_of(seed=0, steps=120):
    rng = np.random.default_rng(seed)
    return 30 + rng.normal(size=steps).cumsum() + 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)


def columns_of(lengths):
    """A long table of daily series with these lengths, each with a start of its own."""
    columns = {"unique_id": [], "ds": [], "y": []}
    for number, (name, steps) in enumerate(lengths.items()):
        columns["unique_id"] += [name] * steps
        columns["ds"] += [START + datetime.timedelta(days=number + step) for step in range(steps)]
        columns["y"] += list(values_of(number, steps))
    return columns


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def fitted():
    """One forecaster for all that only looks at it."""
    return forecaster().fit(pa.table(columns_of({"a": 120, "b": 70})))


def panel_of(values):
    return panel_from_arrays(values, frequency=None)


# ------------------------------------------------------------------------------------------- tables


def test_the_forecast_is_a_table_of_the_kind_that_came_in(make):
    lengths = {"b": 120, "a": 60, "short": 20}
    table = make(columns_of(lengths))
    made = forecaster().fit(table).predict(HORIZON, level=[80, 95])
    assert type(made) is type(table)
    frame = nw.from_native(made, eager_only=True)
    bounds = ["LSTM-lo-80", "LSTM-hi-80", "LSTM-lo-95", "LSTM-hi-95"]
    assert frame.columns == ["unique_id", "ds", "LSTM", *bounds]
    assert frame["unique_id"].to_list() == [name for name in lengths for _ in range(HORIZON)]
    dates = np.array(frame["ds"].to_list(), "datetime64[us]").reshape(3, HORIZON)
    for number, steps in enumerate(lengths.values()):
        first = START + datetime.timedelta(days=number + steps)  # the day after the last one of this series
        expected = [first + datetime.timedelta(days=step) for step in range(HORIZON)]
        assert dates[number].tolist() == expected
    order = ["LSTM-lo-95", "LSTM-lo-80", "LSTM", "LSTM-hi-80", "LSTM-hi-95"]
    numbers = np.stack([np.array(frame[name].to_list()) for name in order], axis=1)
    assert np.isfinite(numbers).all()
    assert (np.diff(numbers, axis=1) >= 0).all()  # nested


def test_any_frame_gives_the_same_numbers():
    made = [
        nw.from_native(forecaster().fit(kind(columns_of({"a": 80, "b": 50}))).predict(4), eager_only=True)
        for kind in KINDS.values()
    ]
    assert made[0]["LSTM"].to_list() == made[1]["LSTM"].to_list() == made[2]["LSTM"].to_list()


def test_without_levels_there_are_no_intervals_and_every_level_can_be_asked(fitted):
    assert fitted.predict(3).column_names == ["unique_id", "ds", "LSTM"]
    made = fitted.predict(3, level=LEVELS)
    lows = [np.asarray(made[f"LSTM-lo-{level}"]) for level in LEVELS]
    assert (np.diff(lows, axis=0) <= 0).all()  # never narrower at a higher level


def test_own_column_names_and_past_only_inputs_are_read():
    columns = columns_of({"a": 90})
    table = pl.DataFrame({"Day": columns["ds"], "Sales": columns["y"], "Rain": values_of(5, 90)})
    model = forecaster().fit(table, time="Day", target="Sales", inputs=["Rain"])
    assert model.model_.reads("past") == model.model_.config.data.inputs == ("Rain",)
    assert len(model.predict(20)) == 20
    lacking = panel_from_frame(table, time="Day", target="Sales")
    with pytest.raises(DataError, match="the model reads Rain"):
        forecast_panel(model.model_, lacking, 5)


def test_columns_are_read_in_the_roles_they_are_given():
    columns = columns_of({"a": 90, "b": 60})
    rng = np.random.default_rng(0)
    columns |= {"rain": values_of(5, 150), "price": rng.normal(size=150), "day": ["open", "shut", "open"] * 50}
    columns |= {"town": ["Bonn"] * 90 + ["Kiel"] * 60, "area": [120.0] * 90 + [80.0] * 60}
    fitted = forecaster().fit(pa.table(columns), inputs=["rain"], known=["price", "day"], static=["town", "area"])
    model, data = fitted.model_, fitted.model_.config.data
    assert (model.reads("past"), model.reads("known")) == (("rain",), ("price", "day")) == (data.inputs, data.known)
    assert model.reads("static") == data.static == ("town", "area")
    assert {column.name: column.categories for column in model.columns if column.categories} == {
        "day": ("open", "shut"),
        "town": ("Bonn", "Kiel"),
    }


# ------------------------------------------------------------------------------------------- nothing from the future


@pytest.mark.parametrize("horizon", [1, 6, 20])
def test_values_after_the_origin_change_no_forecast(fitted, horizon):
    values, origins = values_of(), np.array([10, 60, 99])
    later = values.copy()
    later[100:] = [np.nan if step % 3 else 1e9 for step in range(20)]
    one, other = (fitted.predict_many(panel_of(v), origins, horizon) for v in (values, later))
    assert one.shape == (1, 3, horizon, len(QUANTILES))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, fitted.predict_many(panel_of(values + 1), origins, horizon))


@pytest.mark.parametrize("horizon", [1, 6, 20])
def test_the_last_of_many_origins_is_the_forecast_beyond_the_end(fitted, horizon):
    panel = panel_from_frame(pa.table(columns_of({"a": 120, "b": 70})))
    many = fitted.predict_many(panel, np.array([50, 119]), horizon)
    beyond = np.asarray(fitted.predict(horizon)["LSTM"]).reshape(2, horizon)
    np.testing.assert_allclose(many[:, 1, :, MEDIAN], beyond, rtol=1e-9)


@pytest.mark.parametrize("horizon", [6, 20])
def test_an_origin_forecasts_as_if_the_series_ended_there(fitted, horizon):
    values = values_of()
    many = fitted.predict_many(panel_of(values), np.array([30, 80]), horizon)
    for place, origin in enumerate((30, 80)):
        alone = forecast_panel(fitted.model_, panel_of(values[: origin + 1]), horizon)
        np.testing.assert_allclose(alone[0], many[0, place], rtol=1e-5)


def test_one_series_of_a_panel_does_not_move_the_forecast_of_another(fitted):
    columns = columns_of({"a": 120, "b": 70})
    both = forecast_panel(fitted.model_, panel_from_frame(pa.table(columns)), HORIZON)
    short = panel_of(np.array(columns["y"][120:]))
    np.testing.assert_allclose(forecast_panel(fitted.model_, short, HORIZON)[0], both[1], rtol=1e-5)


# ------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize("c", [1e-6, 0.37, 1000.0])
def test_multiplying_a_series_multiplies_its_forecast(fitted, c):
    values, origins = values_of(), np.array([40, 119])
    for horizon in (6, 20):
        one = fitted.predict_many(panel_of(values), origins, horizon)
        other = fitted.predict_many(panel_of(c * values), origins, horizon)
        np.testing.assert_allclose(other, c * one, rtol=1e-6)


@pytest.mark.parametrize("seasons", [(1,), (7,), (4, 28)])
def test_a_constant_a_zero_and_a_short_series_have_finite_forecasts(seasons):
    rng = np.random.default_rng(0)
    series = {
        "constant": np.full(60, 4.2),
        "zero": np.zeros(60),
        "short": values_of(steps=20),
        "crossing zero": rng.normal(size=60),
        "intermittent": np.where(rng.random(60) < 0.1, 1.0, 0.0),
        "missing": np.where(rng.random(60) < 0.2, np.nan, values_of(steps=60)),
    }
    for scaling in ("running", "fixed"):
        for name, values in series.items():
            model = forecaster(seasons, scaling=scaling).fit_panel(panel_of(values), max(2, len(values) // 10))
            made = forecast_panel(model.model_, panel_of(values), 20)
            assert np.isfinite(made).all(), (scaling, name)
            assert (np.diff(made, axis=-1) >= 0).all(), (scaling, name)
            if name == "zero":
                assert not made.any()


# ------------------------------------------------------------------------------------------- on its own output


@pytest.mark.parametrize("block", [1, 4])
def test_full_sequence_is_feeding_the_medians_back_by_hand(fitted, block):
    values, origin, steps = values_of(), 99, 10
    told = values[: origin + 1].copy()
    while len(told) <= origin + steps:
        told = np.append(told, forecast_panel(fitted.model_, panel_of(told), block)[0, :, MEDIAN])
    made = fitted.full_sequence(panel_of(values), origin, steps, block)
    np.testing.assert_allclose(made, told[origin + 1 :][:steps], rtol=1e-5)
    changed = values.copy()
    changed[origin + 1 :] = 1e6
    assert np.array_equal(fitted.full_sequence(panel_of(changed), origin, steps, block), made)


# ------------------------------------------------------------------------------------------- saved and loaded


def test_a_saved_forecaster_is_loaded_as_it_was(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    loaded = LSTMForecaster().load(tmp_path / "model.safetensors")
    panel = panel_of(values_of())
    one, other = (model.predict_many(panel, np.array([50, 119]), 20) for model in (fitted, loaded))
    np.testing.assert_allclose(other, one, rtol=1e-5)
    card = loaded.model_.card
    assert card["data"]["series"] == 2
    assert card["training"]["updates"] == fitted.fitted_.trained.updates
    with pytest.raises(SettingsError, match="fit the forecaster first"):
        loaded.predict(5)


def test_fitting_twice_gives_the_same_model():
    table = pa.table(columns_of({"a": 90}))
    one, other = forecaster().fit(table), forecaster().fit(table)
    assert one.predict(20, level=[90]).equals(other.predict(20, level=[90]))


# ------------------------------------------------------------------------------------------- refused


def test_nothing_can_be_forecast_before_fitting():
    with pytest.raises(SettingsError, match="fit the forecaster first"):
        forecaster().predict(5)


def test_a_level_that_is_not_offered_is_refused_with_the_list(fitted):
    with pytest.raises(SettingsError, match=r"level 81 is not offered; choose from 20, 40, 60, 80, 90, 95"):
        fitted.predict(5, level=[80, 81])


def test_known_future_values_are_refused_where_none_are_read(fitted):
    with pytest.raises(SettingsError, match="no columns that are known in advance"):
        fitted.predict(5, future=pa.table({"x": [1]}))


def test_too_few_values_are_refused():
    with pytest.raises(DataError, match="at least 10 are needed"):
        forecaster().fit(pa.table(columns_of({"a": 9})))


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_of_no_steps_is_refused(fitted, horizon):
    with pytest.raises(SettingsError, match="horizon"):
        fitted.predict(horizon)


def test_what_was_not_fitted_cannot_be_saved_or_asked(tmp_path):
    with pytest.raises(SettingsError, match="fit the forecaster first"):
        forecaster().save(tmp_path / "model.safetensors")
    with pytest.raises(SettingsError, match="fit the forecaster first"):
        forecaster().predict_many(panel_of(values_of()), np.array([50]), 5)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- choices


def test_the_scaling_with_the_lower_validation_loss_is_taken():
    sine = panel_of(np.sin(np.arange(300) / 5))
    model = forecaster(scaling="auto", updates=40).fit_panel(sine, 30)
    assert set(model.fitted_.race) == {"running", "fixed"}
    chosen = min(model.fitted_.race, key=model.fitted_.race.get)
    assert model.model_.scaling.as_dict()["kind"] == chosen
    assert model.model_.config.training.scaling == chosen
    panel = panel_from_frame(pa.table(columns_of({"a": 80, "b": 60})))
    several = forecaster(scaling="auto").fit_panel(panel, 8)
    assert several.model_.scaling.as_dict()["kind"] == "running"  # one level cannot serve many series


def test_the_season_comes_from_the_dates_unless_it_is_given():
    table = pa.table(columns_of({"a": 80}))
    assert forecaster().fit(table).model_.scaling.seasons == (7,)
    assert forecaster((1,)).fit(table).model_.scaling.seasons == (1,)
    assert forecaster().fit(pa.table(columns_of({"a": 14}))).model_.scaling.seasons == (
        1,
    )  # no two weeks to learn from


@pytest.mark.parametrize("off", ["too wide", "too narrow"])
def test_intervals_of_one_series_are_made_to_hold_on_the_validation_part(off):
    """Noise that is calmer or wilder there than where its scale was taken; both sides move alike, the median never."""
    noise = np.random.default_rng(2).normal(size=1500)
    noise[500:] *= 0.4 if off == "too wide" else 4
    series = panel_of(noise)
    model = forecaster((1,), updates=0, horizon=1, scaling="fixed").fit_panel(series, 1000).model_
    np.testing.assert_array_equal(model.widening_KQ, model.widening_KQ[:, ::-1])
    origins, held, medians = np.arange(499, 1499), [], []
    for each in (Model(model.weights, model.scaling, model.config), model):
        made = predictor.predict_many(each, series.values[None], origins, 1)[0, :, 0]
        held.append([metrics.coverage(series.values[500:], made, level) for level in (80, 90)])
        medians.append(made[..., MEDIAN])
    assert (held[0] > np.array([0.9, 0.95]) if off == "too wide" else held[0] < np.array([0.6, 0.7])).all()
    np.testing.assert_allclose(held[1], (0.8, 0.9), atol=0.02)
    np.testing.assert_array_equal(*medians)


def test_both_sides_of_an_interval_of_a_panel_are_widened_or_narrowed_alike(fitted):
    widening = fitted.model_.widening_KQ
    np.testing.assert_array_equal(widening, widening[:, ::-1])
    assert (widening > 0.4).all() and (widening[:, MEDIAN] == 1).all()
    made = forecast_panel(fitted.model_, panel_from_frame(pa.table(columns_of({"a": 120, "b": 70}))), 20)
    assert (np.diff(made, axis=-1) >= 0).all()


def test_a_panel_is_trained_again_with_its_validation_part():
    frame = columns_of({"a": 120, "b": 110})
    other = {**frame, "y": [*frame["y"][:115], *np.asarray(frame["y"][115:120]) + 3, *frame["y"][120:]]}
    seen = []
    for table in (frame, other):
        panel = panel_from_frame(pa.table(table))
        weights = []
        for retrain in (False, True):
            model = forecaster((7,), updates=120, retrain=retrain).fit_panel(panel, 8).model_
            weights.append(np.concatenate([array.ravel() for array in weights_to_arrays(model.weights).values()]))
        seen.append(weights)
    (first, again), (_first_other, again_other) = seen
    assert not np.array_equal(first, again)
    assert not np.array_equal(again, again_other)


@pytest.mark.parametrize("seasons", [(1,), (7,)])
def test_intervals_of_a_random_walk_keep_widening_beyond_the_direct_horizon(seasons):
    walk = panel_of(np.random.default_rng(2).normal(size=600).cumsum())
    model = forecaster(seasons, horizon=8, updates=60).fit_panel(walk, 60).model_
    made = forecast_panel(model, walk, 32)[0]
    for level in (0, 1, 2):
        width = made[:, -1 - level] - made[:, level]
        assert width[15] > width[7]
        assert width[31] >= (1 - 1e-12) * width[15]  # they may stay as they are, to the last digit
        assert width[31] > 1.2 * width[0]
