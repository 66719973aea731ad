"""Intervals are made to hold on what came, evenly over the steps; those that follow a drift read nothing later."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from gatecast import metrics, predictor
from gatecast.adaptive import RANGE, Pace, adaptive_factors, follow, remembered
from gatecast.cli import app
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.conformal import ASKED, at_every_step, interval_scores, log_factors, pools, rescale
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.forecasts import LEAST_HISTORY, forecast, past_factors, unseen_steps
from gatecast.judging import backtest
from gatecast.panel import panel_from_arrays, panel_from_frame

NORMAL = stats.norm.ppf(QUANTILES)


def said(truth):
    """Standard normal forecasts of truths (S, O, H)."""
    return np.broadcast_to(NORMAL, (*truth.shape, len(QUANTILES)))


def drawn(spread, series=1, seed=0):
    """One-step truths (S, O, 1) of a standard deviation (O,) that moves."""
    rng = np.random.default_rng(seed)
    return (spread * rng.normal(size=(series, len(spread))))[..., None]


def walks(series=3, origins=40, horizon=9, seed=0):
    """Steps of random walks 1 ... horizon ahead of every origin, (S, O, H), and forecasts of them that are off."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(size=(series, origins + horizon - 1))
    truth = np.lib.stride_tricks.sliding_window_view(moves, horizon, axis=1).cumsum(axis=2)
    spread = np.sqrt(np.arange(1, horizon + 1)) * rng.uniform(0.5, 1.5, (series, origins, 1))
    return truth, spread[..., None] * NORMAL + 0.2 * rng.normal(size=(series, origins, horizon, 1))


# ---- factors from a validation part


def test_every_step_has_a_pool_and_later_ones_begin_after_the_direct_horizon():
    for horizon in (1, 2, 3, 7, 8, 50, 64, 200):
        around = pools(horizon)
        steps = np.concatenate([pool.steps for pool in around])
        np.testing.assert_array_equal(steps, np.arange(1, horizon + 1))
        assert all(pool.knot in pool.steps for pool in around)
        for direct in (1, 6, 50):
            later = pools(horizon, direct)
            assert all(pool.steps[0] > direct and pool.steps[-1] <= horizon for pool in later)
            assert [pool.knot for pool in later] == [pool.knot for pool in around if pool.knot > direct]


@pytest.mark.parametrize("width", [0.5, 0.8, 1.25, 3.0])
def test_many_scores_make_every_level_hold(width):
    truth = np.random.default_rng(1).normal(size=(1, 4000, 1))
    quantiles = np.broadcast_to(width * NORMAL, (1, 4000, 1, len(QUANTILES)))
    factors = at_every_step(log_factors(truth, quantiles, pools(1)), [1], 1)
    made = rescale(quantiles, factors)
    for level in (20, 40, 60, 80, 90, 95):
        assert metrics.coverage(truth, made, level) == pytest.approx(level / 100, abs=0.01)


def test_a_factor_is_the_score_of_the_rank_that_conformal_prediction_asks_for():
    """Nine scores: the 80 % interval asks for the eighth, the 90 % for the ninth, the 95 % has no more than that."""
    bound = NORMAL[-1 - np.arange(MEDIAN)]
    away = np.arange(11.0, 20.0)
    made = log_factors(away[None, :, None], said(away[None, :, None]), pools(1))[0]
    ranks = np.minimum(np.ceil(10 * ASKED - 1e-9), 9).astype(int)
    assert ranks.tolist() == [9, 9, 8, 6, 4, 2]
    expected = np.log(np.minimum(away[ranks - 1] / bound, 10.0)) * 81 / (81 + 4)
    np.testing.assert_allclose(made, expected)


def test_a_narrowing_needs_evidence_and_a_widening_little():
    rng = np.random.default_rng(2)
    share = {}
    for spread, count in ((0.8, 20), (0.8, 2000), (1.25, 20), (1.25, 2000), (0.01, 20)):
        truth = spread * rng.permutation(stats.norm.ppf((np.arange(count) + 0.5) / count))[None, :, None]
        share[spread, count] = log_factors(truth, said(truth), pools(1))[0, 2] / np.log(spread)
    assert share[0.8, 20] < 0.1 and share[1.25, 20] > 0.9
    assert share[0.01, 20] > 0.9, "what is far too wide is narrowed, however few say so"
    assert share[0.8, 2000] > 0.9 and share[1.25, 2000] == pytest.approx(1, abs=0.02)


def test_origins_that_share_steps_open_an_interval_less_than_if_they_were_one_and_narrow_less_than_if_many():
    truth = np.random.default_rng(3).normal(size=(1, 40, 8))
    rows = {apart: log_factors(truth, said(truth) * 1.5, pools(8), apart)[-1, 0] for apart in (1.0, 8.0)}
    assert rows[8.0] < rows[1.0] < 0
    rows = {apart: log_factors(truth, said(truth) / 1.5, pools(8), apart)[-1, 0] for apart in (1.0, 8.0)}
    assert rows[1.0] > rows[8.0] > 0


def test_without_truths_or_widths_factors_are_one():
    truth = np.full((1, 5, 3), np.nan)
    assert (log_factors(truth, said(truth), pools(3)) == 0).all()
    assert (log_factors(np.ones((1, 5, 3)), np.zeros((1, 5, 3, 13)), pools(3)) == 0).all()


def test_factors_run_evenly_over_the_logarithm_of_the_step():
    logs = np.random.default_rng(4).normal(size=(2, 4, MEDIAN))
    factors = np.log(at_every_step(logs, [1, 2, 4, 8], 20))
    np.testing.assert_allclose(factors[:, [0, 1, 3, 7], :MEDIAN], logs, atol=1e-12)
    np.testing.assert_allclose(factors[:, 2, 0], logs[:, 1, 0] + np.log2(1.5) * (logs[:, 2, 0] - logs[:, 1, 0]))
    np.testing.assert_array_equal(factors[:, 7:], np.repeat(factors[:, 7:8], 13, axis=1))
    np.testing.assert_array_equal(factors, factors[..., ::-1])
    assert (factors[..., MEDIAN] == 0).all()


# ---- factors that follow what came


def plain_factor(truth, quantiles, origins, now, low, pace):
    """The factor of one interval one step ahead, spelt out for one series."""
    past = []
    for origin, y, q in zip(origins, truth, quantiles, strict=True):
        if origin + 1 <= now and np.isfinite(y):
            bound = q[low] if y < q[MEDIAN] else q[-1 - low]
            past.append(((y - q[MEDIAN]) / (bound - q[MEDIAN]), 0.5 ** ((now - origin - 1) / pace.half_life)))
    if not past:
        return 1.0
    total = sum(weight for _, weight in past)
    n = total**2 / sum(weight**2 for _, weight in past)
    hold = min(1.0, (1 - 2 * QUANTILES[low]) * (1 + 1 / (n + pace.prior))) * total
    seen = 0.0
    for score, weight in sorted(past):
        seen += weight
        if seen >= hold - 1e-9:
            return min(max(score, RANGE[0]), RANGE[1]) ** (n / (n + pace.prior))
    raise AssertionError("the weights do not reach their sum")


@pytest.mark.parametrize("now", [5, 6, 11, 30])
def test_factors_are_weighted_quantiles_drawn_to_one(now):
    truth, quantiles = walks(origins=20, horizon=1)
    truth[0, 4] = np.nan
    origins, pace = 5 + np.arange(20), Pace(7.0, 3.0)
    made = adaptive_factors(truth, quantiles, origins, [now], pace)
    assert made.shape == (3, 1, 1, len(QUANTILES))
    for s in range(3):
        for low in range(MEDIAN):
            expected = plain_factor(truth[s, :, 0], quantiles[s, :, 0], origins, now, low, pace)
            assert made[s, 0, 0, low] == made[s, 0, 0, -1 - low] == pytest.approx(expected, rel=1e-9)
    assert (made[..., MEDIAN] == 1).all()


def test_a_score_says_how_far_out_a_truth_fell():
    quantiles = np.concatenate([-np.arange(6, 0, -1.0), [0.0], 2 * np.arange(1, 7.0)])
    np.testing.assert_allclose(interval_scores(np.array(3.0), quantiles), 3 / (2 * np.arange(6, 0, -1.0)))
    np.testing.assert_allclose(interval_scores(np.array(-3.0), quantiles), 3 / np.arange(6, 0, -1.0))
    assert np.isnan(interval_scores(np.array(np.nan), quantiles)).all()
    assert np.isnan(interval_scores(np.array(1.0), np.zeros(13))).all()


def test_without_anything_known_every_factor_is_one():
    truth, quantiles = walks()
    origins = np.arange(40)
    assert (adaptive_factors(truth, quantiles, origins, [0]) == 1).all()
    assert (adaptive_factors(np.full_like(truth, np.nan), quantiles, origins, [60]) == 1).all()
    assert (adaptive_factors(truth[:, :0], quantiles[:, :0], origins[:0], [60]) == 1).all()


def test_few_forecasts_move_a_factor_little_and_many_all_the_way():
    """Every truth lies at twice the bound of the 80 % interval."""
    low = QUANTILES.index(0.1)
    truth = np.full((1, 4000, 1), 2 * NORMAL[-1 - low])
    made = adaptive_factors(truth, said(truth), np.arange(4000), [0, 1, 5, 20, 4000], Pace(2000.0, 20.0))
    made = made[0, :, 0, low]
    np.testing.assert_allclose(made[:4], 2 ** (np.array([0, 1, 5, 20]) / (20 + np.array([0, 1, 5, 20]))), rtol=1e-3)
    assert made[4] == pytest.approx(2, rel=0.01)


def test_forecasts_that_share_steps_count_as_fewer():
    """Eight steps ahead from every origin are an eighth as many independent ones as from every eighth."""
    truth = np.full((1, 400, 8), 3.0)
    quantiles, pace = said(truth), Pace(1e6, 20.0)
    close = adaptive_factors(truth, quantiles, np.arange(400), [407], pace)
    apart = adaptive_factors(truth, quantiles, 8 * np.arange(400), [8 * 400], pace)
    few = adaptive_factors(truth[:, :50], quantiles[:, :50], 8 * np.arange(50), [400], pace)
    np.testing.assert_allclose(close[..., 7, :], few[..., 7, :], rtol=1e-3)
    assert (apart[..., 7, 5] > 1.2 * close[..., 7, 5]).all()


def test_one_absurd_value_opens_no_interval_without_end():
    truth, quantiles = walks(origins=300, horizon=1)
    origins, now = np.arange(300), np.array([220, 260, 300])
    before = adaptive_factors(truth, quantiles, origins, now)
    truth[:, 200] = 1e12
    made = adaptive_factors(truth, quantiles, origins, now)
    assert (made >= before).all() and (made[:, 0, :, 0] > before[:, 0, :, 0]).all()
    assert (made <= RANGE[1]).all() and (made >= RANGE[0]).all()
    np.testing.assert_allclose(made[..., 5], before[..., 5], rtol=0.1)  # the 20 % interval hardly sees it


# ---- nothing later, nobody else


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), now=st.integers(0, 60))
def test_what_comes_later_changes_no_factor(seed, now):
    truth, quantiles = walks(seed=seed)
    origins = np.arange(40)
    before = adaptive_factors(truth, quantiles, origins, [now])
    later = origins[:, None] + np.arange(1, 10) > now
    truth[:, later] = 1e6
    quantiles[:, later] *= -7
    np.testing.assert_array_equal(adaptive_factors(truth, quantiles, origins, [now]), before)


def test_what_came_at_the_origin_itself_does():
    truth, quantiles = walks()
    origins = np.arange(40)
    before = adaptive_factors(truth, quantiles, origins, [30])
    for step in (1, 4, 9):
        other = truth.copy()
        other[:, 30 - step, step - 1] = 1e6
        assert (adaptive_factors(other, quantiles, origins, [30]) != before).any()


def test_adapted_forecasts_of_many_origins_read_nothing_later():
    truth, quantiles = walks(origins=60)
    origins = np.arange(60)
    before, changed = follow(truth, quantiles, origins), truth.copy()
    changed[:, origins[:, None] + np.arange(1, 10) > 35] = -1e5
    after = follow(changed, quantiles, origins)
    np.testing.assert_array_equal(after[:, :36], before[:, :36])
    assert (after[:, 36:] != before[:, 36:]).any()
    cut = follow(truth[:, :36], quantiles[:, :36], origins[:36])
    np.testing.assert_array_equal(cut, before[:, :36])


def test_series_do_not_move_each_other_and_may_have_origins_of_their_own():
    truth, quantiles = walks()
    origins = np.arange(40) + np.array([[0], [5], [11]])
    together = adaptive_factors(truth, quantiles, origins, origins[:, 20:] + 3)
    for s in range(3):
        alone = adaptive_factors(truth[s : s + 1], quantiles[s : s + 1], np.arange(40), np.arange(20, 40) + 3)
        np.testing.assert_array_equal(together[s : s + 1], alone)


def test_many_series_are_worked_through_a_few_at_a_time(monkeypatch):
    truth, quantiles = walks(series=7)
    whole = adaptive_factors(truth, quantiles, np.arange(40), [20, 48])
    monkeypatch.setattr("gatecast.adaptive.CELLS", 1)
    np.testing.assert_array_equal(adaptive_factors(truth, quantiles, np.arange(40), [20, 48]), whole)


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-6, 1e6))
def test_the_unit_of_a_series_changes_no_factor(scale):
    truth, quantiles = walks(seed=3)
    one = adaptive_factors(truth, quantiles, np.arange(40), [45])
    np.testing.assert_allclose(adaptive_factors(scale * truth, scale * quantiles, np.arange(40), [45]), one, rtol=1e-9)


# ---- what is made of them


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000))
def test_no_interval_is_narrower_at_a_higher_level_and_the_median_stays(seed):
    truth, quantiles = walks(seed=seed)
    made = follow(truth, quantiles, np.arange(40), Pace(10.0, 1.0))
    np.testing.assert_array_equal(made[..., MEDIAN], quantiles[..., MEDIAN])
    assert (np.diff(made, axis=-1) >= 0).all()
    rng = np.random.default_rng(seed)
    assert (np.diff(rescale(quantiles, rng.uniform(0.1, 10, quantiles.shape)), axis=-1) >= 0).all()


def test_factors_move_evenly_between_powers_of_two():
    truth, quantiles = walks(horizon=20, origins=200)
    logs = np.log(adaptive_factors(truth, quantiles, np.arange(200), [150])[0, 0, :, 0])
    for begin in (1, 2, 4, 8):
        steps = np.arange(begin, 2 * begin + 1)
        share = np.log(steps / begin) / np.log(2)
        expected = (1 - share) * logs[begin - 1] + share * logs[2 * begin - 1]
        np.testing.assert_allclose(logs[steps - 1], expected, atol=1e-12)
    np.testing.assert_allclose(logs[15:], logs[15], atol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 1.6, 0.6])
def test_intervals_of_a_wrong_width_come_to_hold(spread):
    truth = drawn(np.full(1500, spread), series=8)
    made = follow(truth, said(truth), np.arange(1500))[:, 300:]
    for level in (80, 90, 95):
        assert metrics.coverage(truth[:, 300:], made, level) == pytest.approx(level / 100, abs=0.015)


def test_a_variance_that_drifts_is_followed():
    """The standard deviation goes up threefold and back; over the way up and the way down the intervals hold."""
    spread = np.exp(np.log(3) * (1 - np.abs(np.linspace(-1, 1, 2000))))
    truth = drawn(spread, series=8, seed=1)
    made = follow(truth, said(truth), np.arange(2000))
    assert metrics.coverage(truth, said(truth), 90) < 0.75
    assert metrics.coverage(truth, made, 90) == pytest.approx(0.9, abs=0.03)
    at_the_top = slice(800, 1200)
    assert metrics.coverage(truth[:, at_the_top], said(truth)[:, at_the_top], 90) < 0.5
    assert metrics.coverage(truth[:, at_the_top], made[:, at_the_top], 90) == pytest.approx(0.9, abs=0.05)


# ---- a model and a backtest that follow


def steady_then_wild(steps=400, wild=150, seed=0):
    """Noise around a level that is four times as large on the last steps."""
    noise = np.random.default_rng(seed).normal(size=steps)
    noise[-wild:] *= 4
    return 50 + noise


def small(**changes):
    training = {"scaling": "fixed", "context": 24, "horizon": 6, "updates": 30, "batch": 4, "origins": 4, "steps": 3}
    return LSTMForecaster(NetworkConfig(units=5), TrainingConfig(**{**training, **changes}), season_length=(1,))


@pytest.fixture(scope="module")
def trained():
    """A model trained on the steady part."""
    panel = panel_from_arrays(steady_then_wild()[:250])
    return small().fit_panel(panel, 50).model_


def columns(table, name="LSTM"):
    return np.stack([np.asarray(table[f"{name}{end}"]) for end in ("-lo-90", "", "-hi-90")])


@pytest.mark.parametrize("horizon", [1, 4, 15])
def test_a_forecast_that_adapts_is_as_wide_as_what_came_after_training_asks_for(trained, horizon):
    values, said_so = steady_then_wild(), []
    plain = columns(forecast(values, horizon, trained, level=[90], adapt=False))
    made = columns(forecast(values, horizon, trained, level=[90], note=said_so.append))
    np.testing.assert_array_equal(made[1], plain[1])
    assert ((made[2] - made[0])[:6] > 1.8 * (plain[2] - plain[0])[:6]).all()
    assert ((made[2] - made[0])[6:] > 1.2 * (plain[2] - plain[0])[6:]).all(), "beyond the direct horizon too"
    assert "on the 150 steps after the model's training: the 90 % interval of the first step ahead is" in said_so[-1]


@pytest.mark.parametrize("horizon", [1, 5])
def test_it_is_the_last_of_the_forecasts_of_one_pass(trained, horizon):
    values = steady_then_wild()
    origins = np.arange(249, 400)
    made = predictor.predict_many(trained, values[None], origins, horizon)
    ahead = origins[:, None] + np.arange(1, horizon + 1)
    truth = np.where(ahead < 400, values[np.minimum(ahead, 399)], np.nan)
    expected = follow(truth[None], made, origins)[0, -1]
    panel = panel_from_arrays(values)
    factors = past_factors(trained, panel, horizon)
    found = rescale(predictor.forecast_panel(trained, panel, horizon), factors)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_nothing_is_adapted_to_what_the_model_learned_from(trained):
    values, said_so = steady_then_wild(), []
    for table, model in ((values[:250], trained), (values, predictor.Model(trained.weights, trained.scaling))):
        np.testing.assert_array_equal(unseen_steps(model, panel_from_arrays(table)), [0])
        plain, made = (
            forecast(table, 3, model, level=[90], adapt=adapt, note=said_so.append) for adapt in (False, True)
        )
        np.testing.assert_array_equal(columns(made), columns(plain))
        assert not said_so
    other = values.copy()
    other[:200] += 30  # what it was trained on is no evidence, whatever the table holds there
    one, two = (past_factors(trained, panel_from_arrays(table), 1) for table in (values, other))
    np.testing.assert_allclose(one, two, rtol=0.05)


def test_each_series_of_a_panel_has_the_factors_it_has_alone(trained, monkeypatch):
    begins = {"a": (0, 400), "b": (0, 330), "c": (0, 250), "d": (280, 280 + LEAST_HISTORY - 5)}
    values = steady_then_wild()
    table = pa.table(
        {
            "unique_id": [name for name, (begin, end) in begins.items() for _ in range(begin, end)],
            "ds": [step for begin, end in begins.values() for step in range(begin, end)],
            "y": np.concatenate([values[begin:end] + number for number, (begin, end) in enumerate(begins.values())]),
        }
    )
    panel = panel_from_frame(table)
    np.testing.assert_array_equal(unseen_steps(trained, panel), [150, 80, 0, LEAST_HISTORY - 5])
    together = past_factors(trained, panel, 3)
    for s, name in enumerate(begins):
        one = panel_from_frame(table.filter([each == name for each in table["unique_id"].to_pylist()]))
        np.testing.assert_allclose(together[s], past_factors(trained, one, 3)[0], rtol=1e-9)
    assert (together[0] != 1).any() and (together[1] != 1).any()
    assert (together[2:] == 1).all(), "nothing new, and too short to say"
    monkeypatch.setattr("gatecast.forecasts.CELLS", 1)
    np.testing.assert_allclose(past_factors(trained, panel, 3), together, rtol=1e-9)


def test_only_the_newest_steps_are_looked_at(trained):
    values = np.concatenate([steady_then_wild(), 50 + np.random.default_rng(5).normal(size=remembered(1) + 20)])
    other = values.copy()
    other[250:280] += 1000 * np.random.default_rng(6).normal(size=30)
    one, two = (past_factors(trained, panel_from_arrays(table), 1) for table in (values, other))
    np.testing.assert_allclose(one, two, rtol=1e-7)  # the state's path is read to about 1e-9


def test_a_backtest_that_adapts_holds_where_the_series_gets_wilder_and_moves_no_median():
    values = steady_then_wild(steps=600, wild=300)
    plain, made = (backtest(values, ["AR", "LastValue"], origins=400, adapt=adapt) for adapt in (False, True))
    assert made.adapted == ("AR", "LastValue") and not plain.adapted
    for name, quantiles in made.forecasts.items():
        np.testing.assert_array_equal(quantiles[..., MEDIAN], plain.forecasts[name][..., MEDIAN])
        wild = slice(200, None)
        truth = plain.truth_SOH[:, wild]
        assert metrics.coverage(truth, plain.forecasts[name][:, wild], 90) < 0.6
        assert metrics.coverage(truth, quantiles[:, wild], 90) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("gap", [0, 3])
def test_a_backtest_that_adapts_reads_nothing_after_an_origin(gap):
    values = steady_then_wild()
    plan = {"horizon": 4, "step": 2, "origins": 60, "gap": gap, "adapt": True}
    before = backtest(values, "AR", **plan)
    place = 40
    last = before.origins_SO[0, place]
    values[last + 1 :] = -1e4
    after = backtest(values, "AR", **plan)
    np.testing.assert_array_equal(after.forecasts["AR"][:, : place + 1], before.forecasts["AR"][:, : place + 1])
    assert (after.forecasts["AR"][:, place + 3 :] != before.forecasts["AR"][:, place + 3 :]).any()


def test_a_forecast_without_all_quantiles_stays_as_it_is():
    def point(table, horizon):
        return np.full(horizon, 50.0)

    assert backtest(steady_then_wild(), point, origins=30).adapted == (), "it was handed over, not asked for by name"
    made = backtest(steady_then_wild(), point, origins=30, adapt=True)
    assert made.adapted == ("point",)
    assert (made.forecasts["point"][..., MEDIAN] == 50).all()
    assert np.isnan(np.delete(made.forecasts["point"], MEDIAN, axis=-1)).all()


def test_the_commands_take_the_option(tmp_path, trained):
    from gatecast.modelfile import save_model

    file, model = tmp_path / "values.csv", tmp_path / "model.safetensors"
    file.write_text("t,y\n" + "".join(f"{t},{y}\n" for t, y in enumerate(steady_then_wild())))
    save_model(trained, model)
    words = ["forecast", str(file), "--horizon", "2", "--model", str(model), "--json"]
    plain, made = (CliRunner().invoke(app, [*words, *more]) for more in (["--no-adapt"], []))
    assert plain.exit_code == made.exit_code == 0, made.output
    assert "intervals follow what came on the 150 steps" in made.stderr
    narrow, wide = (json.loads(each.stdout)[0] for each in (plain, made))
    assert wide["LSTM"] == narrow["LSTM"] and wide["LSTM-hi-80"] > narrow["LSTM-hi-80"]
    words = ["backtest", str(file), "--models", "LastValue,AR", "--json"]
    plain, made = (json.loads(CliRunner().invoke(app, [*words, *more]).stdout) for more in (["--no-adapt"], []))
    assert made["adapted"] == ["LastValue", "AR"] and plain["adapted"] == []
    assert [row["mase"] for row in made["scores"]] == [row["mase"] for row in plain["scores"]]
    assert made["scores"][0]["coverage_90"] != plain["scores"][0]["coverage_90"]


# ---- refused


def test_what_does_not_fit_is_refused():
    truth, quantiles = walks()
    with pytest.raises(SettingsError, match="half-life and a prior above 0"):
        adaptive_factors(truth, quantiles, np.arange(40), [5], Pace(0.0))
    with pytest.raises(DataError, match=r"truth has shape \(3, 40\)"):
        adaptive_factors(truth[..., 0], quantiles, np.arange(40), [5])
    with pytest.raises(DataError, match=r"\(39,\) origins for 40 forecasts"):
        adaptive_factors(truth, quantiles, np.arange(39), [5])
