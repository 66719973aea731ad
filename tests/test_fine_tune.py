"""A network that has learned goes on from where it stands: gently, repeatably, and on nothing it could not read."""

import numpy as np
import polars as pl
import pytest
import torch

import gatecast
from gatecast.config import MEDIAN, DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Widths
from gatecast.errors import DataError, SettingsError
from gatecast.fitting import GENTLE, TUNING
from gatecast.forecaster import LSTMForecaster
from gatecast.metrics import pinball
from gatecast.modelfile import Model, save_model
from gatecast.network import Network, export, restore
from gatecast.opening import open_source
from gatecast.panel import panel_from_arrays, panel_from_frame
from gatecast.predictor import forecast_panel, predict_many
from gatecast.run import complete
from gatecast.runtime import weights_from_arrays, weights_to_arrays
from gatecast.scaling import Running
from gatecast.supply import Part
from gatecast.training import Terms, train
from gatecast.zeroshot import ZeroShot, shipped
from helpers_supply import Given

SMALL = NetworkConfig(units=6)
QUICK = {"scaling": "running", "context": 24, "horizon": 6, "batch": 4, "origins": 4, "steps": 3, "readout": False}


def quick(**changes):
    return TrainingConfig(**{**QUICK, **changes})


def table(seed=0, steps=90, series=2, first="2024-01-01"):
    """Daily series that wander around a week."""
    rng = np.random.default_rng(seed)
    days = (np.datetime64(first) + np.arange(steps)).astype("datetime64[us]")
    week = 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)
    values = [20 + week + rng.normal(size=steps).cumsum() / 3 for _ in range(series)]
    names = np.repeat([f"s{s}" for s in range(series)], steps).tolist()
    return pl.DataFrame({"unique_id": names, "ds": np.tile(days, series), "y": np.concatenate(values)})


def arrays(model):
    return weights_to_arrays(model.weights)


def same(one, other):
    return all(np.array_equal(array, other[name]) for name, array in one.items())


@pytest.fixture(scope="module")
def start():
    """Trained a little; every test that adapts it takes a copy."""
    return LSTMForecaster(SMALL, quick(updates=20)).fit(table()).model_


def forecaster(model, **changes):
    """One that has this model."""
    made = LSTMForecaster(training=quick(**changes))
    made.model_ = model
    return made


# ------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("widths", [Widths(), Widths(2, 1, 3)])
def test_a_network_is_restored_from_what_was_exported(layers, widths):
    torch.manual_seed(0)
    shape = NetworkConfig(units=5, layers=layers)
    one, other = Network(shape, widths), Network(shape, widths)
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter)
    exported = export(one)
    assert not same(exported, export(other))
    restore(other, exported)
    assert same(exported, export(other))


def test_a_network_of_another_shape_is_not_restored():
    arrays_of_five = export(Network(NetworkConfig(units=5)))
    with pytest.raises(RuntimeError, match="size mismatch"):
        restore(Network(NetworkConfig(units=6)), arrays_of_five)


def losses(start, updates, values, seed=0):
    """Mean pinball loss on the training part of what a start becomes, and its weights."""
    given = Given(Part(values, values.shape[1] - 1))
    config = quick(updates=updates, learning_rate=3e-3, seed=seed)
    trained = train(given, Running((7,)), (SMALL, config), terms=Terms(choose=False, start=arrays(start)))
    model = Model(weights_from_arrays(trained.arrays), Running((7,)), start.config)
    origins = np.arange(30, values.shape[1] - 7)
    made = predict_many(model, values, origins, 6)
    truth = values[:, origins[:, None] + np.arange(1, 7)]
    return pinball(truth, made), trained


def test_without_updates_the_weights_are_those_of_the_start_and_more_lower_the_training_loss(start):
    values = np.sign(np.sin(np.arange(150) * 2 * np.pi / 7)) + np.random.default_rng(0).normal(size=(3, 150)) / 5
    none, untouched = losses(start, 0, values)
    assert same(arrays(start), untouched.arrays)
    some, more = losses(start, 40, values)[0], losses(start, 300, values)[0]
    assert none > some > more


def test_the_same_seed_gives_the_same_weights_and_another_others(start):
    values = np.random.default_rng(1).normal(size=(2, 80)).cumsum(1)
    one, again, other = (losses(start, 15, values, seed)[1].arrays for seed in (0, 0, 1))
    assert same(one, again)
    assert not same(one, other)


# ------------------------------------------------------------------------------------------- a model goes on


def test_with_no_update_the_forecasts_are_those_of_the_start(start):
    new = table(seed=5)
    for model, seasons in ((start, start.scaling.seasons), (shipped()[0], (7,))):
        tuned = forecaster(model, updates=0, horizon=model.direct_horizon).fine_tune(new).model_
        as_it_was = Model(tuned.weights, Running(seasons), tuned.config)
        assert same(arrays(model), arrays(tuned))
        assert tuned.direct_horizon == model.direct_horizon
        panel = panel_from_frame(new)
        for horizon in (3, 20, 70):
            one, other = (forecast_panel(each, panel, horizon) for each in (as_it_was, tuned))
            np.testing.assert_array_equal(one[..., MEDIAN], other[..., MEDIAN])
            plain = forecast_panel(Model(tuned.weights, tuned.scaling, tuned.config), panel, horizon)
            np.testing.assert_array_equal(one, plain)  # but for how wide its intervals are made


def test_what_was_learned_stays_and_what_was_not_asked_for_is_that_of_tuning(start):
    tuned = forecaster(start).fine_tune(table(seed=5))
    training = tuned.model_.config.training
    assert (training.learning_rate, tuned.fitted_.trained.planned) == (GENTLE, TUNING)
    assert tuned.model_.config.network.units == SMALL.units
    assert not same(arrays(start), arrays(tuned.model_)) or tuned.fitted_.trained.best_update == 0
    asked = forecaster(start, updates=7, learning_rate=0.02).fine_tune(table(seed=5)).model_.config.training
    assert (asked.learning_rate, asked.updates) == (0.02, 7)


def test_it_repeats_and_goes_on_from_a_file_as_from_a_fit(start, tmp_path):
    fitted = LSTMForecaster(SMALL, quick(updates=20)).fit(table())
    fitted.save(tmp_path / "model.safetensors")
    loaded = LSTMForecaster(training=quick(updates=20)).load(tmp_path / "model.safetensors")
    new = table(seed=5)
    adapted = (each.fine_tune(new) for each in (fitted, loaded, forecaster(start, updates=20)))
    one, other, again = (each.predict(9, level=[80]) for each in adapted)
    assert one.equals(other) and one.equals(again)


def test_fit_starts_over(start):
    tuned = LSTMForecaster(SMALL, quick(updates=20)).fit(table()).fine_tune(table(seed=5))
    assert not same(arrays(tuned.model_), arrays(start)) or tuned.fitted_.trained.best_update == 0
    assert same(arrays(tuned.fit(table()).model_), arrays(start))
    assert "start" not in tuned.model_.card


def test_it_can_be_adapted_twice_and_the_card_says_what_it_began_with(start, tmp_path):
    once = forecaster(start, updates=5).fine_tune(table(seed=5))
    began = once.model_.card["start"]
    assert began["data"]["fingerprint"] == start.card["data"]["fingerprint"]
    assert once.model_.card["data"]["fingerprint"] != began["data"]["fingerprint"]
    twice = once.fine_tune(table(seed=6))
    twice.save(tmp_path / "twice.safetensors")
    assert gatecast.load_model(tmp_path / "twice.safetensors").card["start"]["start"] == began


def test_the_seasons_are_those_of_the_new_table(start):
    months = np.arange("2010-01", "2016-01", dtype="datetime64[M]").astype("datetime64[us]")
    monthly = pl.DataFrame({"ds": months, "y": np.random.default_rng(0).normal(size=72)})
    assert forecaster(start, updates=1).fine_tune(monthly).model_.scaling.seasons == (12,)
    numbers = np.tile(np.random.default_rng(1).normal(size=9), 20)
    assert forecaster(start, updates=1).fine_tune(numbers).model_.scaling.seasons == (9,)
    asked = LSTMForecaster(training=quick(updates=1), season_length=(5,))
    asked.model_ = start
    assert asked.fine_tune(monthly).model_.scaling.seasons == (5,)


def test_the_forecast_follows_the_new_table_which_stays_as_it_was(start):
    new = table(seed=5, series=1, first="2030-05-01")
    before = new.clone()
    made = forecaster(start, updates=3).fine_tune(new).predict(2)
    assert isinstance(made, pl.DataFrame)
    assert [str(day)[:10] for day in made["ds"]] == ["2030-07-30", "2030-07-31"]
    assert new.equals(before)
    panel = panel_from_frame(new)
    assert forecaster(start, updates=3).fine_tune(panel).predict(2)["LSTM"].to_pylist() == made["LSTM"].to_list()


# ------------------------------------------------------------------------------------------- the shipped networks


def test_without_a_model_the_first_shipped_network_is_adapted():
    before = [array.copy() for array in arrays(shipped()[0]).values()]
    new = table(seed=5, steps=40, series=1)
    one = LSTMForecaster(training=quick(updates=4)).fine_tune(new)
    other = ZeroShot().fine_tune(new, training=quick(updates=4))
    assert isinstance(other, LSTMForecaster)
    assert one.predict(5, level=[90]).equals(other.predict(5, level=[90]))
    assert one.model_.weights.units == shipped()[0].weights.units
    assert all(np.array_equal(*pair) for pair in zip(before, arrays(shipped()[0]).values(), strict=True))


def test_weights_and_seasons_that_were_chosen_are_those_adapted(start, tmp_path):
    save_model(start, tmp_path / "own.safetensors")
    chosen = ZeroShot(season_length=(5,), weights=[tmp_path / "own.safetensors"])
    tuned = chosen.fine_tune(table(seed=5), training=quick(updates=2))
    assert tuned.model_.weights.units == SMALL.units
    assert tuned.model_.scaling.seasons == (5,)


# ------------------------------------------------------------------------------------------- columns beside the target


def with_price(seed=0, name="price"):
    frame = table(seed)
    return frame.with_columns(pl.Series(name, np.random.default_rng(seed).normal(10, 1 + seed, len(frame))))


def test_a_model_that_reads_columns_is_adapted_to_a_table_that_has_them():
    first = LSTMForecaster(SMALL, quick(updates=8)).fit(with_price(), known=["price"])
    learned = first.model_.columns
    tuned = first.fine_tune(with_price(seed=3), known=["price"])
    assert tuned.model_.columns == learned  # read as the weights know it
    assert tuned.model_.config.data.known == ("price",)


def test_other_columns_than_the_models_are_refused_in_words(start):
    with pytest.raises(SettingsError, match="given with price, and the model to start from reads no columns"):
        forecaster(start).fine_tune(with_price(), known=["price"])
    with pytest.raises(SettingsError, match="given with price, and the model to start from reads no columns"):
        LSTMForecaster().fine_tune(with_price(), inputs=["price"])
    reads = LSTMForecaster(SMALL, quick(updates=2)).fit(with_price(), known=["price"])
    with pytest.raises(DataError, match="the model reads price"):
        reads.fine_tune(table())
    with pytest.raises(SettingsError, match="given with rain, and the model to start from reads price"):
        both = with_price().with_columns(rain=pl.col("price") * 2)
        reads.fine_tune(both, known=["price"], inputs=["rain"])


# ------------------------------------------------------------------------------------------- refused


def test_a_scaling_that_is_fixed_and_another_shape_are_refused_in_words(start):
    wave = np.sin(np.arange(120) / 5)
    fixed = LSTMForecaster(SMALL, quick(updates=2, scaling="fixed")).fit(wave)
    with pytest.raises(SettingsError, match="level and scale are fixed"):
        fixed.fine_tune(wave)
    with pytest.raises(SettingsError, match="1 x 7 units is asked for, and the one to start from has 1 x 6"):
        other = LSTMForecaster(NetworkConfig(units=7))
        other.model_ = start
        other.fine_tune(table())


@pytest.mark.parametrize("kind", ["fine_tune", "continue_fit"])
def test_another_cell_is_refused_only_where_one_is_asked_for(kind, tmp_path):
    learned = LSTMForecaster(NetworkConfig(units=6, cell="gru"), quick(updates=2)).fit(ONE)
    learned.save(tmp_path / "gru.safetensors")

    def go_on(**shape):
        other = LSTMForecaster(NetworkConfig(**shape), quick(updates=2)).load(tmp_path / "gru.safetensors")
        return getattr(other, kind)(panel_from_arrays(ONE)).model_

    assert go_on(dropout=0.1).weights.cell == go_on().config.network.cell == "gru"
    with pytest.raises(SettingsError, match=f"^{kind}: cell = 'rnn' is asked for, and .* made of 'gru'"):
        go_on(cell="rnn")


def test_after_a_refusal_the_forecaster_is_as_it_was(start):
    fitted = LSTMForecaster(SMALL, quick(updates=5)).fit(table())
    before = fitted.predict(4)
    with pytest.raises(SettingsError):
        fitted.fine_tune(with_price(), known=["price"])
    with pytest.raises(DataError, match="at least 10 are needed"):
        fitted.fine_tune(panel_from_arrays([1.0, 2.0, 3.0]))
    assert fitted.predict(4).equals(before)


# ------------------------------------------------------------------------------------------- a panel begins with them


def few(**changes):
    return TrainingConfig(**{"updates": 3, "batch": 4, "origins": 4, "steps": 3, **changes})


def test_a_panel_of_the_target_alone_begins_with_the_shipped_weights():
    panel = panel_from_frame(table(series=3))
    made = LSTMForecaster(training=few(updates=0), season_length=(7,)).fit(panel).model_
    assert same(arrays(made), arrays(shipped()[0]))
    assert made.config.training.start == "shipped"
    assert "the weights saw no real data" in made.card["start"]["what"]


@pytest.mark.parametrize(
    ("network", "changes"),
    [(NetworkConfig(units=64, layers=2), {}), (None, {"start": "nothing"}), (None, {"scaling": "fixed"})],
)
def test_one_with_a_shape_or_a_fixed_scale_of_its_own_begins_with_nothing(network, changes):
    series = 1 if changes.get("scaling") else 3
    forecaster = LSTMForecaster(network, few(**changes), season_length=(7,))
    made = forecaster.fit(panel_from_frame(table(series=series))).model_
    assert made.config.training.start == "nothing"
    assert "start" not in made.card


def test_a_single_series_begins_with_the_shipped_weights_unless_it_is_a_wave_that_a_moment_learns_better():
    steps = np.arange(1500.0)
    noise = np.random.default_rng(2).normal(size=1500)
    uneven = 50 + noise.cumsum()
    found = {}
    for name, values in {"wave": np.sin(steps * np.pi / 50), "walk": uneven}.items():
        made = LSTMForecaster(training=TrainingConfig(updates=400, horizon=10), season_length=(1,)).fit({"y": values})
        found[name] = (made.model_.config.training.start, made.model_.config.training.scaling)
    assert found == {"wave": ("nothing", "fixed"), "walk": ("shipped", "running")}


def test_ctrl_c_before_it_is_known_where_to_begin_ends_the_fit(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gatecast.training._loss", stop)
    with pytest.raises(KeyboardInterrupt):
        LSTMForecaster(season_length=(7,)).fit(table(series=1))


def test_where_a_single_series_begins_can_be_asked():
    panel = panel_from_frame(table(series=1))
    for asked in ("nothing", "shipped"):
        made = LSTMForecaster(training=few(start=asked), season_length=(7,)).fit(panel).model_
        assert made.config.training.start == asked


def test_a_look_inside_and_the_sets_of_the_course_begin_with_nothing(tmp_path):
    steps = np.arange(160.0)
    own = tmp_path / "own.csv"
    own.write_text("y\n" + "\n".join(f"{value:.3f}" for value in 5 + np.sin(steps) + 0.1 * steps) + "\n")
    begun = {}
    for name, inside in ((str(own), False), (str(own), True), ("sp500", False)):
        config = RunConfig(data=DataConfig(source=name), inside=inside)
        begun[name == str(own), inside] = complete(config, open_source(config.data), 5).training.start
    assert begun == {(True, False): "auto", (True, True): "nothing", (False, False): "nothing"}


def test_columns_beside_the_target_begin_with_nothing_and_refuse_the_shipped_weights():
    frame = with_price()
    made = LSTMForecaster(training=few()).fit(frame, inputs=["price"]).model_
    assert made.config.training.start == "nothing"
    with pytest.raises(SettingsError, match=r"read the target alone, and the table is given with price"):
        LSTMForecaster(training=few(start="shipped")).fit(frame, inputs=["price"])
    with pytest.raises(SettingsError, match=r"scaling = 'fixed': .* leave one of the two out"):
        LSTMForecaster(training=few(start="shipped", scaling="fixed")).fit(panel_from_frame(table()))


def test_the_seed_says_which_of_the_shipped_networks_it_is():
    panel = panel_from_frame(table(series=3))
    for seed in range(3):
        made = LSTMForecaster(training=few(updates=0, seed=seed), season_length=(7,)).fit(panel).model_
        assert same(arrays(made), arrays(shipped()[seed % len(shipped())]))


def test_windows_show_three_long_seasons_and_are_then_fewer():
    long = panel_from_arrays(np.random.default_rng(3).normal(size=700))
    made = LSTMForecaster(training=few(start="shipped", batch=None, updates=1), season_length=(100,)).fit(long).model_
    assert (made.config.training.context, made.config.training.batch) == (300, 6)


def test_the_settings_of_a_fit_repeat_it_to_the_last_bit():
    panel = panel_from_frame(table(series=3))
    one = LSTMForecaster(training=few(), season_length=(7,)).fit(panel).model_
    again = LSTMForecaster(one.config.network, one.config.training, season_length=(7,)).fit(panel).model_
    assert same(arrays(one), arrays(again))


def test_what_was_learned_is_drawn_back_to_the_start_as_far_as_asked(start):
    given = Given(Part(np.random.default_rng(2).normal(size=(2, 80)).cumsum(1), 79))

    def learned(back):
        how = (SMALL, quick(updates=20))
        return train(given, Running((7,)), how, terms=Terms(choose=False, start=arrays(start), back=back)).arrays

    whole, drawn, before = learned(0.0), learned(0.25), arrays(start)
    assert not same(drawn, whole)
    for name, array in drawn.items():
        np.testing.assert_allclose(array, 0.75 * whole[name] + 0.25 * before[name], rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------- three names


def longer(values, more):
    """A series and what came after it."""
    return np.concatenate([values, values[-1] + np.random.default_rng(9).normal(size=more).cumsum()])


ONE = 20 + np.random.default_rng(8).normal(size=120).cumsum()


@pytest.fixture(scope="module", params=["running", "fixed"])
def learned(request):
    """One that has learned from a single series, with either scaling."""
    return LSTMForecaster(SMALL, quick(updates=20, scaling=request.param)).fit(panel_from_arrays(ONE)).model_


def test_fit_starts_over_whatever_was_learned_before(learned):
    fresh = LSTMForecaster(SMALL, quick(updates=15)).fit(panel_from_arrays(ONE)).model_
    used = LSTMForecaster(SMALL, quick(updates=15))
    used.model_ = learned
    assert same(arrays(fresh), arrays(used.fit(panel_from_arrays(ONE)).model_))


def test_continue_fit_goes_on_from_the_kept_weights_with_the_same_scaling(learned):
    none = forecaster(learned, scaling="auto", updates=0).continue_fit(panel_from_arrays(ONE))
    assert same(arrays(learned), arrays(none.model_))
    assert none.model_.scaling == learned.scaling
    more = forecaster(learned, scaling="auto", updates=30).continue_fit(panel_from_arrays(ONE))
    assert more.fitted_.trained.validation <= none.fitted_.trained.validation
    assert more.model_.scaling == learned.scaling
    assert more.model_.config.training.learning_rate == GENTLE
    assert more.model_.card["start"]["data"] == learned.card["data"]


def test_continue_fit_takes_the_same_series_grown_longer_and_no_other(learned):
    on = forecaster(learned, scaling="auto", updates=8).continue_fit(panel_from_arrays(longer(ONE, 30)))
    assert on.model_.card["data"]["steps"] == 150
    revised = longer(ONE, 30)
    revised[50] += 0.01
    for values, said in (
        (revised, "up to 119 the table holds other values than those the model has learned from"),
        (ONE[:-1], "holds other values"),
        (np.random.default_rng(1).normal(size=120), "holds other values"),
    ):
        with pytest.raises(SettingsError, match=f"continue_fit: .*{said}.*fine_tune adapts a model to other series"):
            forecaster(learned, scaling="auto").continue_fit(panel_from_arrays(values))
    with pytest.raises(SettingsError, match="from 1 series, the table holds 2"):
        forecaster(learned, scaling="auto").continue_fit(table())


def test_continue_fit_takes_a_panel_that_has_grown(start):
    frame = table()
    rng = np.random.default_rng(4)
    day, last = np.timedelta64(1, "D"), frame["ds"].max()
    new = [
        {"unique_id": s, "ds": last + k * day.item(), "y": 20 + rng.normal()} for s in ("s0", "s1") for k in (1, 2, 3)
    ]
    taller = pl.concat([frame, pl.DataFrame(new, schema=frame.schema)]).sort("unique_id", "ds")
    on = forecaster(start, updates=5).continue_fit(taller)
    assert on.model_.card["data"]["steps"] == start.card["data"]["steps"] + 6


def test_continue_fit_refuses_what_would_not_be_going_on(learned, tmp_path):
    kind = learned.scaling.as_dict()["kind"]
    other = "fixed" if kind == "running" else "running"
    panel = panel_from_arrays(ONE)
    with pytest.raises(SettingsError, match=f"continue_fit: scaling = '{other}' is asked for"):
        forecaster(learned, scaling=other).continue_fit(panel)
    asked = LSTMForecaster(training=quick(scaling="auto"), season_length=(9,))
    asked.model_ = learned
    with pytest.raises(SettingsError, match=r"continue_fit: season_length = \(9,\) is asked for"):
        asked.continue_fit(panel)
    wider = LSTMForecaster(NetworkConfig(units=7), quick(scaling="auto"))
    wider.model_ = learned
    with pytest.raises(SettingsError, match="continue_fit: a network of 1 x 7 units"):
        wider.continue_fit(panel)
    with pytest.raises(SettingsError, match="continue_fit: fit the forecaster first, or load a model"):
        LSTMForecaster().continue_fit(panel)
    with pytest.raises(SettingsError, match="does not say which series it has learned from"):
        forecaster(shipped()[0]).continue_fit(panel)


def test_continue_fit_goes_on_from_a_file_as_from_a_fit(learned, tmp_path):
    save_model(learned, tmp_path / "model.safetensors")
    loaded = LSTMForecaster(training=quick(scaling="auto", updates=10)).load(tmp_path / "model.safetensors")
    one, other = (
        each.continue_fit(panel_from_arrays(ONE)) for each in (loaded, forecaster(learned, scaling="auto", updates=10))
    )
    assert same(arrays(one.model_), arrays(other.model_))


def test_each_of_the_three_has_a_checkpoint_of_its_own_kind(learned, tmp_path):
    panel = panel_from_arrays(ONE)

    def kept():
        made = LSTMForecaster(
            training=quick(scaling="auto", updates=6, checkpoint_seconds=0.0), checkpoint=tmp_path / "kept"
        )
        made.model_ = learned
        return made

    one = kept().continue_fit(panel)
    assert same(arrays(one.model_), arrays(kept().continue_fit(panel).model_))
    assert same(arrays(one.model_), arrays(forecaster(learned, scaling="auto", updates=6).continue_fit(panel).model_))
    kept().fit(panel)  # a fit that is done gives way to another kind
