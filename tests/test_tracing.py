"""A trace is what the network did; a held gate changes it as the equations say; units are described by measurement."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from typer.testing import CliRunner

import gatecast
from gatecast.cli import app
from gatecast.config import MEDIAN, NetworkConfig, TrainingConfig
from gatecast.errors import SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.inside import OpenNetwork, inside_of, inside_run, inside_table
from gatecast.panel import panel_from_arrays
from gatecast.predictor import predict_many, read_series
from gatecast.scaling import CHANNELS
from gatecast.tracing import GATES, Mute, Pin, correlations, one_series, trace
from gatecast.zeroshot import ZeroShot
from helpers_inside import cases, random_model, series

CASES = cases()


def auc(score: np.ndarray, is_one: np.ndarray) -> float:
    """The chance that a step that is one scores higher than one that is not."""
    ranks = np.empty(len(score))
    ranks[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    ones = int(is_one.sum())
    return float((ranks[is_one].sum() - ones * (ones + 1) / 2) / (ones * (len(score) - ones)))


# ------------------------------------------------------------------------------------------- what it did


@pytest.mark.parametrize("layers", [1, 2])
def test_the_head_sees_in_a_trace_what_it_sees_in_a_forecast(layers):
    model, values = random_model(layers=layers), series()
    traced = trace(model, values)
    _, h_STD = read_series(model, values[None])
    np.testing.assert_allclose(traced.head_TD, h_STD[0], rtol=0, atol=1e-12)
    assert traced.gate("forget").shape == (160, 5)
    assert np.isnan(traced.gate("forget")[:3]).all() and np.isfinite(traced.gate("forget")[3:]).all()


def test_a_trace_of_the_end_is_the_end_of_the_trace_and_forecasts_the_same():
    model, values = random_model(), series()
    whole, end = trace(model, values), trace(model, values, since=120)
    for name in (*GATES, "c", "h"):
        np.testing.assert_allclose(end.gate(name), whole.gate(name)[120:], rtol=0, atol=1e-12)
    for origin in (None, 130):
        made = end.forecast(12, origin)
        at = len(values) - 1 if origin is None else origin
        np.testing.assert_allclose(made, predict_many(model, values[None], np.array([at]), 12)[0, 0], atol=1e-9)


def test_the_states_of_every_step_follow_from_its_gates():
    traced = trace(random_model(), series(), pins=[Pin("input", 0.5, (1,))], mutes=[Mute((2,))], since=10)
    i, f, g, o, c, h = (traced.gate(name) for name in (*GATES, "c", "h"))
    np.testing.assert_allclose(c[1:], f[1:] * c[:-1] + i[1:] * g[1:], atol=1e-12)
    heard = np.array([1, 1, 0, 1, 1])
    np.testing.assert_allclose(h, heard * o * np.tanh(c), atol=1e-12)
    assert (i[:, 1] == 0.5).all() and not (i[:, 0] == 0.5).any()


# ------------------------------------------------------------------------------------------- what if


def test_a_forget_gate_pinned_open_adds_up_and_one_pinned_shut_remembers_nothing():
    model, values = random_model(), series()
    opened = trace(model, values, pins=[Pin("forget", 1.0)], since=20)
    written = opened.gate("input") * opened.gate("candidate")
    before = trace(model, values).gate("c")[19]
    np.testing.assert_allclose(opened.gate("c"), before + written.cumsum(0), atol=1e-9)
    shut = trace(model, values, pins=[Pin("forget", 0.0)], since=20)
    np.testing.assert_allclose(shut.gate("c"), shut.gate("input") * shut.gate("candidate"), atol=1e-12)


def test_pins_and_mutes_change_nothing_before_they_act_and_the_forecast_after():
    model, values = random_model(layers=2), series()
    free = trace(model, values)
    for held in ({"pins": [Pin("output", 0.0, (0,))]}, {"mutes": [Mute((0,))]}, {"mutes": [Mute((1,), layer=1)]}):
        changed = trace(model, values, since=100, **held)
        assert np.abs(changed.head_TD - free.head_TD[100:]).max() > 1e-3
        assert not np.allclose(changed.forecast(5), free.forecast(5), atol=1e-6)
    np.testing.assert_allclose(
        trace(model, values, pins=[Pin("output", 0.0, (0,))]).forecast(5),
        trace(model, values, mutes=[Mute((0,))]).forecast(5),  # nothing shown is nothing heard
    )


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"pins": [Pin("forgot", 1.0)]}, "no gate 'forgot'.*forget"),
        ({"pins": [Pin("forget", 1.5)]}, "lies in 0 to 1; it cannot be pinned at 1.5"),
        ({"pins": [Pin("candidate", -2)]}, "lies in -1 to 1"),
        ({"pins": [Pin("forget", 1.0, (5,))]}, "unit 5 is not there.*0 to 4"),
        ({"mutes": [Mute((0,), layer=1)]}, "layer 1 is not there"),
        ({"since": 160}, "from step 160 on"),
    ],
)
def test_what_cannot_be_held_is_refused_with_what_would_be_right(held, words):
    with pytest.raises(SettingsError, match=words):
        trace(random_model(), series(), **held)


def test_a_forecast_is_refused_where_the_trace_does_not_reach():
    traced = trace(random_model(), series(), since=100)
    with pytest.raises(SettingsError, match="1 to 12 steps"):
        traced.forecast(13)
    with pytest.raises(SettingsError, match="step 99 is not traced; 100 to 159 are"):
        traced.forecast(1, 99)
    with pytest.raises(SettingsError, match="no gate 'forgot'"):
        traced.gate("forgot")


# ------------------------------------------------------------------------------------------- what units are like


def test_a_half_life_is_that_of_the_forget_gate():
    traced = trace(random_model(), series(), pins=[Pin("forget", 0.5, (0,)), Pin("forget", 0.5**0.1, (1,))])
    half_life = trace(random_model(), series()).units().half_life
    pinned = traced.units().half_life
    assert pinned[0] == pytest.approx(1) and pinned[1] == pytest.approx(10)
    assert half_life[0] == pytest.approx(
        np.log(0.5) / np.log(trace(random_model(), series()).gate("forget")[3:, 0]).mean()
    )
    assert trace(random_model(), series(), pins=[Pin("forget", 1.0)]).units().half_life.tolist() == [np.inf] * 5


def test_correlations_are_numpys_and_missing_where_nothing_varies():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    x[:, 2], y[7] = 4.0, np.nan
    use = np.ones(50, bool)
    found = correlations(x, y, use)
    kept = np.isfinite(y)
    np.testing.assert_allclose(found[:2], [np.corrcoef(x[kept, d], y[kept])[0, 1] for d in range(2)])
    assert np.isnan(found[2]) and np.isnan(correlations(x, np.full(50, 2.0), use)).all()


def test_a_unit_that_is_built_to_follow_something_is_found_to_follow_it():
    """Unit 0 writes the season's surprise and unit 1 how far a value is from its level; the others hear nothing."""
    model = random_model(seasons=(7,))
    layer = model.weights.layers[0]
    for array in layer:
        array[:] = 0
    layer.bias_K[:5], layer.bias_K[5:10] = 4.0, -4.0  # inputs open, forget gates shut: the cell is the candidate
    layer.input_CK[CHANNELS.index("season_surprise"), 10] = 0.5
    layer.input_CK[CHANNELS.index("value"), 11] = 0.5
    values = 20 + 3 * np.sin(np.arange(400) * 2 * np.pi / 7) + 0.1 * np.random.default_rng(3).normal(size=400)
    values[[150, 203, 262, 311, 365]] += 4
    units = trace(model, values, since=100).units()
    assert units.strongest == ["shock", "season", "", "", ""]
    assert units.season[1] > 0.8 and abs(units.season[0]) < 0.3 and np.isnan(units.shock[2:]).all()


# ------------------------------------------------------------------------------------------- doors to it


def test_a_forecaster_inspects_what_it_was_fitted_on():
    table = panel_from_arrays(series(missing=0.0, begin=0)[:70], unique_id="a series")
    forecaster = LSTMForecaster(NetworkConfig(units=3), TrainingConfig(updates=3, horizon=4), season_length=(7,))
    with pytest.raises(SettingsError, match="inspect: fit the forecaster first"):
        forecaster.inspect()
    forecaster.fit(table)
    traced = forecaster.inspect("a series", pins=[gatecast.Pin("forget", 0.0)], since=60)
    assert traced.gate("forget").tolist() == [[0, 0, 0]] * 10
    free = forecaster.inspect()
    medians = forecaster.predict(4)["LSTM"]
    np.testing.assert_allclose(free.forecast(4)[:, MEDIAN], np.asarray(medians), rtol=1e-9)
    with pytest.raises(SettingsError, match=r"no series 'a serie'.*a series"):
        forecaster.inspect("a serie")
    updates = [update for update, _ in forecaster.fitted_.trained.snapshots]
    assert updates[0] == 0 and updates == sorted(set(updates))
    moments = [arrays["head.state_DE"] for _, arrays in forecaster.fitted_.trained.snapshots]
    assert not any(np.array_equal(moment, forecaster.model_.weights.head.state_DE) for moment in moments[:1])


def test_a_member_of_the_shipped_ensemble_is_inspected():
    forecaster = ZeroShot(season_length=(7,)).fit(panel_from_arrays(series()))
    one, two = forecaster.inspect(), forecaster.inspect(member=1)
    assert not np.allclose(one.head_TD, two.head_TD)
    assert one.forecast(3).shape == (3, 13)
    with pytest.raises(SettingsError, match="members 0 to 1"):
        forecaster.inspect(member=2)
    with pytest.raises(SettingsError, match="give the series to fit first"):
        ZeroShot().inspect()


def test_the_page_is_given_weights_and_values_and_no_results():
    case = CASES["columns"]
    text = inside_of([OpenNetwork("</script>", case.model)], case.panel)
    assert "</script" not in text
    told = json.loads(text)
    (network,), (one,) = told["networks"], told["series"]
    assert network["name"] == "</script>"
    assert set(network["units"][0][0]) == {"half_life", "level", "slope", "season", "shock", "strongest"}
    assert len(network["channels"]) == case.model.weights.layers[0].input_CK.shape[0]
    assert not {"forecast", "gates", "trace", "h", "c"} & {*told, *network, *one}


def test_the_arithmetic_of_the_page_fits_two_hundred_lines():
    lines = (files("gatecast") / "web" / "inside_network.js").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 120
    drawing = ("document", "canvas", "getElementById")
    assert not any(word in line for line in lines for word in drawing)


def test_without_a_model_the_page_opens_the_shipped_network():
    name, told = inside_table(series(missing=0.0, begin=0), season_length=(7,))
    assert name.startswith("the shipped network, member 1 of 2")
    assert json.loads(told)["networks"][0]["scaling"] == {"kind": "running", "seasons": [7], "nearest": True}
    with pytest.raises(SettingsError, match="no series 'x'"):
        one_series(panel_from_arrays(series()), "x")


def test_a_network_of_another_cell_is_not_opened():
    table = panel_from_arrays(series(missing=0.0, begin=0)[:70])
    forecaster = LSTMForecaster(NetworkConfig(units=3, cell="gru"), TrainingConfig(updates=2, horizon=4))
    forecaster.fit(table)
    assert inside_run(forecaster, table) is None  # its report has no such tab
    for opened in (forecaster.inspect, lambda: inside_of(forecaster.model_, table)):
        with pytest.raises(SettingsError, match="the network's cell is gru, and only an LSTM opens up"):
            opened()


def test_the_command_writes_one_page_and_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["inside", "nile", "--out", "nile.html"])
    assert done.exit_code == 0 and done.stdout == "Page: nile.html\n"
    page = (tmp_path / "nile.html").read_text(encoding="utf-8")
    assert "<h1" in page and "src=" not in page and "https://" not in page
    refused = CliRunner().invoke(app, ["inside", "nile", "--series", "Rhine"])
    assert refused.exit_code == SettingsError.exit_code and "no series 'Rhine'" in refused.stderr
    assert not (tmp_path / "inside.html").exists()


# ------------------------------------------------------------------------------------------- planted truth


def resets(seed: int, steps: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """A sum of random gains that falls to 0 at random steps, 1 in 25, and where it does."""
    rng = np.random.default_rng(seed)
    at, gains, values, total = rng.random(steps) < 1 / 25, rng.uniform(size=steps), np.empty(steps), 0.0
    for t in range(steps):
        total = 0.0 if at[t] else total + gains[t]
        values[t] = total
    return values, at


def dips(seed: int, scaling: str) -> tuple[float, float]:
    """How well a low mean forget gate tells the resets (AUC), and how well it tells steps that were drawn by lot."""
    values, at = resets(seed)
    config = TrainingConfig(updates=200, seed=seed, scaling=scaling, horizon=10)
    forecaster = LSTMForecaster(NetworkConfig(units=16), config, season_length=(1,))
    forecaster.fit_panel(panel_from_arrays(values[:1600]), 200)
    mean_T = trace(forecaster.model_, values, since=100).gate("forget").mean(1)
    by_lot = np.random.default_rng(seed).permutation(at[100:])
    return auc(-mean_T, at[100:]), auc(-mean_T, by_lot)


def test_the_forget_gate_dips_where_a_series_is_reset():
    found, by_lot = dips(0, "running")
    assert found >= 0.9
    assert 0.4 <= by_lot <= 0.6


@pytest.mark.slow
@pytest.mark.parametrize("scaling", ["running", "auto"])
def test_the_forget_gate_dips_where_a_series_is_reset_whatever_the_seed(scaling):
    found, by_lot = zip(*(dips(seed, scaling) for seed in range(5)), strict=True)
    assert np.median(found) >= 0.9
    assert 0.4 <= np.median(by_lot) <= 0.6
