"""Scores equal their formulas written as loops, leave out missing truths, and give the oracle exactly 0."""

import math

import numpy as np
import pytest

from gatecast import metrics
from gatecast.config import LEVELS, QUANTILES
from gatecast.errors import DataError, SettingsError

TRUTH = np.array([1.0, np.nan, -2.0, 0.5, 4.0])


def draw(seed=0, steps=40):
    """A truth with holes and ordered quantiles around it."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=steps)
    quantiles = np.sort(rng.normal(size=(steps, len(QUANTILES))), axis=-1)
    truth[::7] = np.nan
    return truth, quantiles


def test_point_errors_equal_naive_loops():
    truth, quantiles = draw()
    forecast = quantiles[:, 6]
    errors = [f - y for y, f in zip(truth, forecast, strict=True) if not math.isnan(y)]
    assert metrics.rmse(truth, forecast) == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)))
    assert metrics.mae(truth, forecast) == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert metrics.mase(truth, forecast, 2.0) == pytest.approx(metrics.mae(truth, forecast) / 2)


def test_pinball_crps_and_wql_equal_naive_loops():
    truth, quantiles = draw()
    weights = metrics.crps_weights()
    losses = {
        (t, q): max(level * (y - quantiles[t, q]), (level - 1) * (y - quantiles[t, q]))
        for t, y in enumerate(truth)
        for q, level in enumerate(QUANTILES)
        if not math.isnan(y)
    }
    known = {t for t, _ in losses}
    assert metrics.pinball(truth, quantiles) == pytest.approx(sum(losses.values()) / len(losses))
    crps = sum(2 * weights[q] * loss for (_, q), loss in losses.items()) / len(known)
    assert metrics.crps(truth, quantiles) == pytest.approx(crps)
    deciles = [q for q, level in enumerate(QUANTILES) if round(level * 100) % 10 == 0]
    assert len(deciles) == 9
    total = sum(loss for (_, q), loss in losses.items() if q in deciles)
    size = sum(abs(truth[t]) for t in known)
    assert metrics.wql(truth, quantiles) == pytest.approx(2 * total / 9 / size)


def test_crps_weights_sum_to_one_and_are_symmetric():
    weights = metrics.crps_weights()
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-15)
    assert weights.min() > 0


def test_crps_of_a_point_is_its_absolute_error():
    truth, quantiles = draw()
    point = quantiles[:, 6]
    assert metrics.crps(truth, np.repeat(point[:, None], len(QUANTILES), 1)) == pytest.approx(metrics.mae(truth, point))


def test_crps_of_the_right_normal_is_near_its_closed_form():
    normal = np.array([-1.959964, -1.644854, -1.281552, -0.841621, -0.524401, -0.253347, 0.0])
    quantiles = np.concatenate([normal, -normal[-2::-1]])
    truth = np.random.default_rng(0).normal(size=20_000)
    closed = 1 / math.sqrt(math.pi)  # E of the CRPS of a standard normal under itself
    assert metrics.crps(truth, np.tile(quantiles, (truth.size, 1))) == pytest.approx(closed, rel=0.02)


def test_the_right_quantiles_score_best():
    truth = np.random.default_rng(0).normal(size=5_000)
    right = np.tile(np.quantile(truth, QUANTILES), (truth.size, 1))
    best = metrics.crps(truth, right)
    assert all(metrics.crps(truth, other) > best for other in (right * 0.7, right * 1.4, right + 0.3))


def test_the_oracle_scores_exactly_zero():
    truth, _ = draw()
    filled = np.nan_to_num(truth)
    table = np.repeat(filled[:, None], len(QUANTILES), 1)
    assert metrics.rmse(truth, filled) == metrics.mae(truth, filled) == metrics.mase(truth, filled, 1.3) == 0
    assert metrics.crps(truth, table) == metrics.pinball(truth, table) == metrics.wql(truth, table) == 0
    assert all(metrics.coverage(truth, table, level) == 1 for level in LEVELS)


def test_a_missing_forecast_is_not_left_out():
    assert math.isnan(metrics.rmse([1.0, 2.0], [1.0, np.nan]))
    assert metrics.rmse([1.0, np.nan], [1.0, np.nan]) == 0
    table = np.zeros((2, len(QUANTILES)))
    table[1] = np.nan
    assert math.isnan(metrics.crps([0.0, 1.0], table)) and math.isnan(metrics.coverage([0.0, 1.0], table, 90))


def test_nothing_known_gives_nan_without_a_warning():
    nothing = np.full(3, np.nan)
    table = np.zeros((3, len(QUANTILES)))
    assert math.isnan(metrics.rmse(nothing, nothing)) and math.isnan(metrics.mae(nothing, nothing))
    scores = [metrics.crps(nothing, table), metrics.coverage(nothing, table, 80), metrics.wql(nothing, table)]
    assert all(map(math.isnan, scores))


def test_seasonal_scale_is_the_mean_seasonal_step_over_known_pairs():
    values = np.array([1.0, 10.0, 2.0, np.nan, 5.0, 16.0])
    assert metrics.seasonal_scale(values, 2) == pytest.approx((1 + 3) / 2)
    assert metrics.seasonal_scale(values, 1) == pytest.approx((9 + 8 + 11) / 3)
    assert math.isnan(metrics.seasonal_scale(values, 6)) and math.isnan(metrics.seasonal_scale(values, 99))
    assert metrics.seasonal_scale(np.ones(5), 1) == 0
    assert math.isnan(metrics.mase([1.0], [2.0], 0.0)), "a constant training part has no scale"


def test_coverage_counts_bounds_as_inside():
    quantiles = np.tile(np.arange(13.0), (4, 1))
    assert metrics.coverage([0.0, 12.0, 1.0, 13.0], quantiles, 95) == 0.75
    assert metrics.coverage([0.0, 12.0, 1.0, 11.0], quantiles, 90) == 0.5
    assert [metrics.interval(quantiles, level)[0][0] for level in (95, 90, 80, 60, 40, 20)] == [0, 1, 2, 3, 4, 5]


def test_what_does_not_fit_is_refused_with_what_would():
    with pytest.raises(DataError, match=r"\(2,\) and the forecast \(3,\)"):
        metrics.rmse([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"give \(5, 13\)"):
        metrics.crps(TRUTH, np.zeros((5, 12)))
    with pytest.raises(SettingsError, match="20, 40, 60, 80, 90, 95"):
        metrics.coverage(TRUTH, np.zeros((5, 13)), 85)
    with pytest.raises(DataError, match="must hold 13"):
        metrics.interval(np.zeros((5, 9)), 80)
    with pytest.raises(DataError, match="before their last axis"):
        metrics.coverage(TRUTH, np.zeros((4, 13)), 80)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        metrics.pinball([1.0], [[1.0]], [80])
    with pytest.raises(SettingsError, match="season_length is 0"):
        metrics.seasonal_scale(TRUTH, 0)
