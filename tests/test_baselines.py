"""Baselines equal their definitions written as loops, read nothing after the origin, and survive odd series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast import baselines
from gatecast.baselines import AR, BASELINES, Drift, LastValue, SeasonalNaive
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

SEASON, TRAINING = 7, 150
SINE = np.sin(1 + 2 * np.pi * np.arange(5001) / 100)
each = pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)


def series(seed=0, steps=220, missing=0.1):
    """A seasonal random walk with holes, its first value known."""
    rng = np.random.default_rng(seed)
    values = 50 + np.cumsum(rng.normal(size=steps)) + 3 * np.sin(2 * np.pi * np.arange(steps) / SEASON)
    values[1:][rng.random(steps - 1) < missing] = np.nan
    return values


def fitted(baseline, values, training=TRAINING, season=SEASON):
    return baseline().fit_values(values[:training], season)


def newest_known(values, upto):
    return next(t for t in range(upto, -1, -1) if not np.isnan(values[t]))


def last_value_loop(values, origin, _):
    return values[newest_known(values, origin)]


def drift_loop(values, origin, step):
    newest = newest_known(values, origin)
    slope = (values[newest] - values[0]) / newest if newest else 0.0
    return values[newest] + slope * (origin + step - newest)


def seasonal_naive_loop(values, origin, step):
    same_phase = [t for t in range(origin + 1) if (origin + step - t) % SEASON == 0 and not np.isnan(values[t])]
    return values[same_phase[-1]] if same_phase else values[newest_known(values, origin)]


@pytest.mark.parametrize(
    ("baseline", "loop"),
    [(LastValue, last_value_loop), (Drift, drift_loop), (SeasonalNaive, seasonal_naive_loop)],
    ids=lambda item: getattr(item, "name", ""),
)
def test_point_forecasts_equal_the_definition(baseline, loop):
    values = series()
    origins = np.array([0, 1, 3, 6, 7, 40, 149, 180, 219])
    forecast = fitted(baseline, values).predict_many(values, origins, 20)[..., MEDIAN]
    expected = [[loop(values, origin, step) for step in range(1, 21)] for origin in origins]
    np.testing.assert_allclose(forecast, expected, rtol=1e-12)


def test_ar_paths_equal_the_recursion():
    values = series(missing=0)
    model = AR(3).fit_values(values[:TRAINING], 1)
    forecast = model.predict_many(values, [10, 160], 12)[..., MEDIAN]
    for row, origin in enumerate((10, 160)):
        known = list(values[: origin + 1])
        for _ in range(12):
            known.append(model.intercept + sum(c * known[-lag] for lag, c in enumerate(model.coefficients, start=1)))
        np.testing.assert_allclose(forecast[row], known[origin + 1 :], rtol=1e-9)


def test_ar_is_least_squares():
    values = series(missing=0)
    model = AR(2).fit_values(values[:TRAINING], 1)
    rows = [[1, values[t - 1], values[t - 2]] for t in range(2, TRAINING)]
    solution = np.linalg.lstsq(np.array(rows), values[2:TRAINING])[0]
    np.testing.assert_allclose([model.intercept, *model.coefficients], solution, rtol=1e-8)


def test_bic_by_one_qr_equals_a_fit_for_each_order():
    values = series(seed=3, missing=0)[:TRAINING]
    z = (values - values.mean()) / values.std()
    target, scores = z[15:], []
    for order in range(16):
        columns = [np.ones(len(target))] + [z[15 - lag : len(z) - lag] for lag in range(1, order + 1)]
        X = np.column_stack(columns)
        rss = np.sum((target - X @ np.linalg.lstsq(X, target)[0]) ** 2)
        scores.append(len(target) * np.log(rss / len(target)) + (order + 2) * np.log(len(target)))
    assert baselines.order_by_bic(z, 15) == np.argmin(scores)


def test_bic_finds_the_order_of_a_simulated_autoregression():
    rng = np.random.default_rng(0)
    values = np.zeros(3000)
    for t in range(2, 3000):
        values[t] = 0.5 * values[t - 1] + 0.3 * values[t - 2] + rng.normal()
    model = AR().fit_values(values, 1)
    assert model.order == 2
    np.testing.assert_allclose(model.coefficients, [0.5, 0.3], atol=0.05)


@each
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), origin=st.integers(0, 218), horizon=st.integers(1, 30))
def test_values_after_the_origin_change_no_forecast(baseline, seed, origin, horizon):
    values = series(seed % 5)
    model = fitted(baseline, values)
    changed = values.copy()
    changed[origin + 1 :] = np.random.default_rng(seed).normal(size=219 - origin) * 1e6
    before, after = (model.predict_many(table, [origin], horizon) for table in (values, changed))
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(before, model.predict_many(values[: origin + 1], [origin], horizon))


@each
def test_many_origins_equal_one_at_a_time(baseline):
    values = series()
    model = fitted(baseline, values)
    together = model.predict_many(values, np.arange(220), 9)
    alone = np.concatenate([model.predict_many(values, [origin], 9) for origin in range(220)])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@each
def test_quantiles_are_ordered_and_shaped(baseline):
    values = series()
    forecast = fitted(baseline, values).predict_many(values, [0, 5, 149, 219], 300)
    assert forecast.shape == (4, 300, len(QUANTILES)) and np.isfinite(forecast).all()
    assert (np.diff(forecast, axis=-1) >= 0).all()


@each
@pytest.mark.parametrize("factor", [1e-6, 0.3, 1e8])
def test_scaling_a_series_scales_its_forecast(baseline, factor):
    values = series()
    plain = fitted(baseline, values).predict_many(values, [9, 150, 219], 40)
    scaled = fitted(baseline, values * factor).predict_many(values * factor, [9, 150, 219], 40)
    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-6)


@each
def test_intervals_are_those_of_the_training_residuals(baseline):
    values = series(missing=0)
    model = fitted(baseline, values, season=1)
    horizon, start = 5, {Drift: TRAINING // 4, AR: getattr(model, "order", 1) - 1}.get(baseline, 0)
    origins = np.arange(start, TRAINING - 1)
    forecast = model.predict_many(values[:TRAINING], origins, horizon)
    for step in range(1, horizon + 1):
        rows = origins + step < TRAINING
        residuals = values[origins[rows] + step] - forecast[rows, step - 1, MEDIAN]
        expected = np.quantile(residuals, QUANTILES)
        expected[:MEDIAN] = np.minimum(expected[:MEDIAN], 0)
        expected[MEDIAN] = 0
        expected[MEDIAN + 1 :] = np.maximum(expected[MEDIAN + 1 :], 0)
        np.testing.assert_allclose(forecast[0, step - 1] - forecast[0, step - 1, MEDIAN], expected, atol=1e-9)


@each
def test_beyond_the_training_part_the_widest_known_interval_is_held(baseline):
    values = series()
    width = np.ptp(fitted(baseline, values).predict_many(values, [200], 500)[0], axis=-1)
    assert (width[TRAINING:] >= width.max() * (1 - 1e-12)).all()


@pytest.mark.parametrize("baseline", [LastValue, AR], ids=lambda baseline: baseline.name)
def test_ninety_percent_intervals_hold_on_a_random_walk(baseline):
    values = np.cumsum(np.random.default_rng(1).normal(size=6000))
    origins = np.arange(3000, 5990)
    bounds = baseline().fit_values(values[:3000], 1).predict_many(values, origins, 1)[:, 0]
    held = (bounds[:, 1] <= values[origins + 1]) & (values[origins + 1] <= bounds[:, -2])
    assert held.mean() == pytest.approx(0.9, abs=0.03)


@each
@pytest.mark.parametrize(
    "values",
    [
        np.full(30, 4.2),
        np.array([1.0, 2.0, 4.0]),
        np.array([3.0]),
        np.array([np.nan, 3.0, np.nan, np.nan, 5.0, np.nan]),
        np.array([np.nan] * 9 + [2.0]),
    ],
    ids=["constant", "three", "one", "mostly missing", "last only"],
)
def test_odd_training_parts_do_not_crash(baseline, values):
    forecast = baseline().fit_values(values, 12).predict_many(values, [len(values) - 1], 30)
    assert np.isfinite(forecast).all() and (np.diff(forecast, axis=-1) >= 0).all()
    if len(set(values[~np.isnan(values)])) == 1:
        np.testing.assert_allclose(forecast, values[~np.isnan(values)][0], rtol=1e-12)


def test_two_coefficients_solve_the_sine():
    model = AR().fit_values(SINE[:4000], 1)
    assert model.order == 2
    np.testing.assert_allclose(model.coefficients, [2 * np.cos(2 * np.pi / 100), -1], atol=1e-9)
    assert baselines.solves_exactly(SINE, 4000) < 1e-8
    free_run = model.predict_many(SINE, [4500], 500)[0, :, MEDIAN]
    np.testing.assert_allclose(free_run, SINE[4501:], atol=1e-8)


def test_two_coefficients_do_not_solve_noise():
    noisy = SINE + np.random.default_rng(0).normal(size=SINE.size) * 0.1
    assert baselines.solves_exactly(noisy, 4000) > 0.1
    assert baselines.solves_exactly(np.ones(50), 40) == 0
    with pytest.raises(DataError, match="leave some to forecast"):
        baselines.solves_exactly(SINE, len(SINE))


def test_an_unstable_fit_cannot_run_away():
    values = 1.1 ** np.arange(100)
    model = AR(1).fit_values(values, 1)
    assert model.coefficients[0] > 1.05
    path = model.predict_many(values, [99], 10_000)[0, :, MEDIAN]
    assert path.max() <= 2 * np.ptp(values) + values.min() + 1e-6 and np.isfinite(path).all()
    np.testing.assert_allclose(path[:5], 1.1 ** np.arange(100, 105), rtol=1e-6)


def test_what_cannot_work_is_refused():
    values = series()
    model = fitted(LastValue, values)
    with pytest.raises(SettingsError, match="horizon is 0"):
        model.predict_many(values, [3], 0)
    with pytest.raises(DataError, match="lie outside a series of 220"):
        model.predict_many(values, [220], 1)
    with pytest.raises(DataError, match="no value has been observed yet"):
        model.predict_many(np.array([np.nan, 1.0]), [0], 1)
    with pytest.raises(DataError, match="no observed value"):
        LastValue().fit_values(np.full(4, np.nan), 1)
    with pytest.raises(DataError, match="infinite"):
        LastValue().fit_values(np.array([1.0, np.inf]), 1)
    with pytest.raises(SettingsError, match="season_length is 0"):
        LastValue().fit_values(values, 0)
    with pytest.raises(DataError, match="lower order"):
        AR(20).fit_values(values[:30], 1)
    with pytest.raises(SettingsError, match="fixed_order is -1"):
        AR(-1)
