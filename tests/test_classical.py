"""The statistical models equal statsforecast called directly, read nothing after the origin, and survive odd series."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsforecast import StatsForecast, models
from statsforecast.ets import ets_f

from gatecast import engines
from gatecast.classical import MSTL, AutoARIMA, AutoETS, AutoTheta, classical_for, estimate_seconds
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

SEASON, TRAINING, STEPS = 4, 100, 150
CLASSICAL = (AutoETS, AutoTheta, AutoARIMA, MSTL)
PACKAGE = {each.name: getattr(models, each.name) for each in CLASSICAL}
each = pytest.mark.parametrize("model", CLASSICAL, ids=lambda model: model.name)
plain = pytest.mark.parametrize("model", [AutoETS, AutoTheta, AutoARIMA], ids=lambda model: model.name)


def series(kind="seasonal", seed=0, steps=STEPS, missing=0.0):
    rng = np.random.default_rng(seed)
    k = np.arange(steps)
    noise = rng.normal(size=steps)
    values = {
        "seasonal": 50 + 0.2 * k + 4 * np.sin(2 * np.pi * k / SEASON) + noise,
        "multiplicative": (50 + 0.5 * k) * (1 + 0.3 * np.sin(2 * np.pi * k / SEASON)) * np.exp(0.03 * noise),
        "walk": 100 + np.cumsum(noise),
        "line": 3 + 2.0 * k + np.cumsum(noise),
        "crossing": noise,
    }[kind]
    values[1:][rng.random(steps - 1) < missing] = np.nan
    return values


FITTED = {}


def fitted(model, kind="seasonal", season=SEASON, missing=0.0):
    """A model fitted once for all tests."""
    key = model, kind, season, missing
    if key not in FITTED:
        FITTED[key] = model().fit_values(series(kind, missing=missing)[:TRAINING], season)
    return FITTED[key]


def package(model, values, season, horizon, history=None):
    """The package itself, on the training part in the units that our model fits in; moved forward to ``history``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        direct = PACKAGE[model.name](season_length=season).fit(values)
        return direct.predict(horizon, level=[80]) if history is None else direct.forward(history, horizon, level=[80])


@each
@pytest.mark.parametrize("kind", ["seasonal", "multiplicative"])
def test_the_forecast_at_the_training_end_is_that_of_the_package(model, kind):
    values, made = series(kind), fitted(model, kind)
    scale = made.fitted.scale
    theirs = package(model, values[:TRAINING] / scale, SEASON, 15)["mean"] * scale
    ours = made.predict_many(values, [TRAINING - 1], 15)[0, :, MEDIAN]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert not made.note


@each
def test_the_unit_it_is_fitted_in_hardly_matters(model):
    """``StatsForecast`` in the series' own units, by its own front door: the search ends elsewhere by a little."""
    values = series()
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(TRAINING), "y": values[:TRAINING]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = StatsForecast([PACKAGE[model.name](season_length=SEASON)], freq=1).forecast(df=frame, h=8)
    ours = fitted(model).predict_many(values, [TRAINING - 1], 8)[0, :, MEDIAN]
    np.testing.assert_allclose(ours, theirs[model.name], rtol=1e-2)


@plain
@pytest.mark.parametrize("kind", ["walk", "line", "crossing"])
def test_one_pass_equals_the_package_moved_forward(model, kind):
    values, made = series(kind), fitted(model, kind, 1)
    scale, origins = made.fitted.scale, [TRAINING, TRAINING + 17, STEPS - 2]
    ours = made.predict_many(values, origins, 12)
    for row, origin in enumerate(origins):
        theirs = package(model, values[:TRAINING] / scale, 1, 12, values[: origin + 1] / scale)["mean"] * scale
        np.testing.assert_allclose(ours[row, :, MEDIAN], theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("model", [AutoETS, AutoARIMA], ids=lambda model: model.name)
def test_a_seasonal_model_moves_forward_as_the_package_does(model):
    values, made = series(), fitted(model)
    scale, origin = made.fitted.scale, STEPS - 2
    theirs = package(model, values[:TRAINING] / scale, SEASON, 12, values[: origin + 1] / scale)["mean"] * scale
    np.testing.assert_allclose(made.predict_many(values, [origin], 12)[0, :, MEDIAN], theirs, rtol=1e-8)


@pytest.mark.parametrize("kind", ["seasonal", "line"])
def test_arima_intervals_are_those_of_the_package(kind):
    season = SEASON if kind == "seasonal" else 1
    values, made = series(kind), fitted(AutoARIMA, kind, season)
    scale = made.fitted.scale
    theirs = package(AutoARIMA, values[:TRAINING] / scale, season, 10)
    ours = made.predict_many(values, [TRAINING - 1], 10)[0] / scale
    np.testing.assert_allclose(ours[:, 2], theirs["lo-80"], rtol=1e-8)
    np.testing.assert_allclose(ours[:, -3], theirs["hi-80"], rtol=1e-8)


@pytest.mark.parametrize("kind", ["STM", "OTM", "DSTM", "DOTM"])
def test_all_four_theta_models_equal_the_package(kind):
    values = series("line", steps=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "auto_theta", lambda z, season: models.auto_theta(z, season, model=kind))
        engine = engines.fit_theta(values[:40], 1)
    direct = models.AutoTheta(model=kind).fit(values[:40])
    for origin in (39, 55):
        mean, _ = engine.normal(values, np.array([origin]), 9)
        np.testing.assert_allclose(mean[0], direct.forward(values[: origin + 1], 9)["mean"], rtol=1e-9)


def simulated_spread(model, m, steps, paths=60_000):
    """Standard deviations of ``steps`` values after the last state of an ETS, drawn from its own equations."""
    error, trend, season, damped = model["components"]
    alpha, beta, gamma, phi = np.nan_to_num(model["par"][:4])
    phi = phi if damped == "D" else 1.0
    state, rng = model["states"][-1], np.random.default_rng(0)
    level, slope = np.full(paths, state[0]), np.full(paths, state[1] if trend != "N" else 0.0)
    seasons = np.tile(state[-m:, None], paths) if season != "N" else np.full((m, paths), float(season == "M"))
    spread = []
    for _ in range(steps):
        e, base, s = rng.normal(size=paths) * np.sqrt(model["sigma2"]), level + phi * slope, seasons[-1]
        mean = base * s if season == "M" else base + s
        shock = e if error == "A" else (base if season == "M" else mean) * e
        level, slope = base + alpha * shock, phi * slope + beta * shock
        newest = s * (1 + gamma * e) if season == "M" else s + gamma * shock
        seasons = np.concatenate([newest[None], seasons[:-1]]) if season != "N" else seasons
        spread.append(float(np.std(mean + e if error == "A" else mean * (1 + e))))
    return spread


@pytest.mark.parametrize(
    ("kind", "damped"),
    [
        *(("ANN", False), ("AAN", True), ("ANA", False), ("AAA", True)),
        *(("MAN", False), ("MNA", False), ("MAA", True), ("MNM", False), ("MAM", False), ("MAM", True)),
    ],
)
def test_ets_variances_are_those_of_simulated_paths(kind, damped):
    values = series("multiplicative")
    season = 1 if kind[2] == "N" else SEASON
    model = ets_f(values / values.std(), season, kind, damped=damped)
    _, deviation = engines.Ets(model, season).normal(values / values.std(), np.array([STEPS - 1]), 10)
    np.testing.assert_allclose(deviation[0], simulated_spread(model, season, 10), rtol=0.02)


@each
def test_values_after_the_origin_change_no_forecast(model):
    made, values = fitted(model, missing=0.1), series(missing=0.1)
    for origin in (0, 3, 40, TRAINING - 1, TRAINING, 131):
        changed = values.copy()
        changed[origin + 1 :] = np.random.default_rng(origin).normal(size=STEPS - 1 - origin) * 1e6
        before = made.predict_many(values, [origin], 7)
        np.testing.assert_array_equal(before, made.predict_many(changed, [origin], 7))
        np.testing.assert_array_equal(before, made.predict_many(values[: origin + 1], [origin], 7))


@each
def test_many_origins_equal_one_at_a_time(model):
    made, values = fitted(model, missing=0.1), series(missing=0.1)
    together = made.predict_many(values, np.arange(STEPS), 6)
    alone = np.concatenate([made.predict_many(values, [origin], 6) for origin in range(STEPS)])
    np.testing.assert_allclose(together, alone, rtol=1e-9)


@each
def test_a_missing_origin_is_forecast_from_the_newest_observed_one(model):
    made, values = fitted(model), series()
    gap = values.copy()
    gap[120:125] = np.nan
    from_gap = made.predict_many(gap, [124], 4)[0]
    np.testing.assert_allclose(from_gap, made.predict_many(gap, [119], 9)[0, 5:], rtol=1e-9)


@each
@pytest.mark.parametrize("kind", ["seasonal", "multiplicative", "walk", "crossing"])
def test_quantiles_are_ordered_shaped_and_nested(model, kind):
    forecast = fitted(model, kind).predict_many(series(kind), [0, 5, TRAINING, STEPS - 1], 40)
    assert forecast.shape == (4, 40, len(QUANTILES)) and np.isfinite(forecast).all()
    assert (np.diff(forecast, axis=-1) >= 0).all() and (np.diff(forecast[2:], axis=-1) > 0).all()


@each
@pytest.mark.parametrize("factor", [1e-6, 0.3, 1e8])
def test_scaling_a_series_scales_its_forecast(model, factor):
    values = series()
    scaled = model().fit_values(values[:TRAINING] * factor, SEASON).predict_many(values * factor, [TRAINING, 140], 9)
    np.testing.assert_allclose(scaled, fitted(model).predict_many(values, [TRAINING, 140], 9) * factor, rtol=1e-6)


@plain
def test_ninety_percent_intervals_hold_on_a_random_walk(model):
    values = series("walk", seed=2, steps=3000)
    origins = np.arange(1000, 2990)
    bounds = model().fit_values(values[:1000], 1).predict_many(values, origins, 5)[:, (0, 4)]
    truth = values[origins[:, None] + (1, 5)]
    held = (bounds[..., 1] <= truth) & (truth <= bounds[..., -2])
    np.testing.assert_allclose(held.mean(axis=0), 0.9, atol=0.03)


@each
@pytest.mark.parametrize(
    "values",
    [
        np.full(30, 4.2),
        np.zeros(40),
        np.array([1.0, 2.0, 4.0]),
        np.array([3.0]),
        np.array([np.nan, 3.0, np.nan, np.nan, 5.0, np.nan]),
        np.array([np.nan] * 9 + [2.0]),
        np.arange(30.0),
        np.append(np.zeros(29), 1.0),
        np.append(np.ones(15), np.zeros(15)),
        np.arange(12.0) % 2,
        np.random.default_rng(0).normal(size=13),
        np.sin(np.arange(60.0) * 2 * np.pi / 12),
    ],
    ids=[
        *("constant", "zeros", "three", "one", "mostly missing", "last only"),
        *("line", "one spike", "a step", "alternating", "short noise", "sine"),
    ],
)
def test_odd_training_parts_do_not_crash(model, values):
    made = model().fit_values(values, 12)
    forecast = made.predict_many(values, [len(values) - 1], 30)
    assert np.isfinite(forecast).all() and (np.diff(forecast, axis=-1) >= 0).all()
    known = values[~np.isnan(values)]
    if len(known) < 10 or np.ptp(known) == 0:
        assert "repeats the last value" in made.note
        np.testing.assert_allclose(forecast[..., MEDIAN], known[-1])
    if np.array_equal(values, np.arange(30.0)):
        np.testing.assert_allclose(forecast[0, :5, MEDIAN], np.arange(30.0, 35.0), rtol=0.05)


@each
def test_a_season_that_does_not_fit_is_dropped_and_said(model):
    made = model().fit_values(series("walk")[:30], 20)
    assert "drops the season of 20 steps: 30 values hold fewer than two" in made.note
    assert np.isfinite(made.predict_many(series("walk"), [29, 100], 5)).all()


def test_long_and_double_seasons_go_to_mstl():
    made = AutoETS().fit_values(series(), 25)
    assert "its longest is 24; MSTL takes longer" in made.note
    assert classical_for((12,)) == (AutoETS, AutoTheta, AutoARIMA)
    assert [make().name for make in classical_for((52,))] == ["MSTL", "AutoTheta"]
    k = np.arange(480)
    values = 20 + np.sin(2 * np.pi * k / 6) + 2 * np.sin(2 * np.pi * k / 42) + series("crossing", steps=480) * 0.1
    double = classical_for((6, 42))[0]().fit_values(values[:300], 6)
    single = MSTL().fit_values(values[:300], 6)
    origins = np.arange(299, 438)
    truth = values[origins[:, None] + np.arange(1, 43)]
    errors = [np.abs(m.predict_many(values, origins, 42)[..., MEDIAN] - truth).mean() for m in (double, single)]
    assert errors[0] < 0.2 < errors[1]
    assert "drops the season of 400" in MSTL(400).fit_values(values[:300], 6).note
    with pytest.raises(SettingsError, match="second_season is 1"):
        MSTL(1)


@each
def test_what_cannot_work_is_refused(model):
    made = fitted(model)
    with pytest.raises(SettingsError, match="horizon is 0"):
        made.predict_many(series(), [3], 0)
    with pytest.raises(DataError, match="lie outside"):
        made.predict_many(series(), [STEPS], 1)
    with pytest.raises(DataError, match="no observed value"):
        model().fit_values(np.full(4, np.nan), 1)
    with pytest.raises(SettingsError, match="season_length is 0"):
        model().fit_values(series(), 0)
    assert made.predict_many(series(), [], 3).shape == (0, 3, len(QUANTILES))


def test_what_the_package_raises_is_a_reason_to_repeat_the_last_value(monkeypatch):
    def broken(*_, **__):
        raise ValueError("no luck")

    monkeypatch.setattr(engines, "ets_f", broken)
    made = AutoETS().fit_values(series(), SEASON)
    assert "ValueError: no luck" in made.note and made.note.endswith("the last value is repeated")
    np.testing.assert_allclose(made.predict_many(series(), [30], 3)[0, :, MEDIAN], series()[30])


def test_the_global_random_state_is_left_alone():
    np.random.seed(3)
    expected = np.random.normal(size=3)
    np.random.seed(3)
    AutoTheta().fit_values(series(), SEASON).predict_many(series(), [120], 5)
    AutoETS().fit_values(series(), SEASON).predict_many(series(), [120], 5)
    np.testing.assert_array_equal(np.random.normal(size=3), expected)


def test_the_cost_is_estimated_from_a_probe():
    values = series("walk", steps=2000)
    short, long = (estimate_seconds(AutoETS, values[:n], 1, 100) for n in (200, 2000))
    assert min(short, long) > 0 and np.isfinite(long)
    assert estimate_seconds(AutoTheta, np.array([np.nan, 1.0, 2.0]), 1, 0) > 0
