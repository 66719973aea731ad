"""The judge claims what is there, claims nothing that is not, and its sentence turns when the numbers do."""

import dataclasses
import json
import math

import numpy as np
import pytest

from gatecast import metrics, verdict
from gatecast.baselines import AR, BASELINES, Drift, LastValue, SeasonalNaive
from gatecast.config import MEDIAN, QUANTILES, NetworkConfig, TrainingConfig
from gatecast.errors import DataError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.leakage import leakage_probe
from gatecast.panel import panel_from_arrays

SINE = np.sin(1 + 2 * np.pi * np.arange(5001) / 100)
WALK = 1000 + np.cumsum(np.random.default_rng(4).normal(size=2000))


def judged(values, training, forecast, **words):
    """Judge a forecast made of truth, last value and the baselines' one-step tables on the steps after ``training``."""
    origins = np.arange(training - 1, len(values) - 1)
    tables = {b.name: b().fit_values(values[:training], 1).predict_many(values, origins, 1)[:, 0] for b in BASELINES}
    truth, last = values[training:], values[training - 1 : -1]
    made = forecast(truth, last, tables)
    return verdict.judge(truth, tables | {"LSTM": made}, last, values[:training], **words)


def noise(size, seed=0):
    return np.random.default_rng(seed).normal(size=(size, 1))


# ---- the sentence


def test_no_skill_on_a_random_walk():
    found = judged(
        WALK,
        1500,
        lambda truth, last, tables: tables["LastValue"] + 0.3 * noise(500),
        subject="the price",
        unit="points",
    )
    assert not found.claimed and found.lag.follows_last and found.seen_before is None
    assert found.sentence.startswith("On 500 origins the LSTM is ")
    assert "% worse than" in found.sentence and "do not use it for the price" in found.sentence
    assert " points, p = 0." in found.sentence and "follows the last value" in found.sentence


def test_an_insignificant_gain_is_no_gain():
    found = judged(WALK, 1500, lambda truth, last, tables: tables["LastValue"] + 0.01 * (truth - last)[:, None])
    assert found.claimed and found.gain_rmse_percent < 2, "a share of every step known is a small but certain gain"
    for seed in range(20):
        luck = judged(WALK, 1500, lambda truth, last, tables, seed=seed: tables["LastValue"] + 0.05 * noise(500, seed))
        if luck.gain_rmse_percent > 0:
            break
    assert luck.gain_rmse_percent > 0 and luck.p_value > 0.05 and not luck.claimed
    assert "better than" in luck.sentence and "which chance explains: do not use it" in luck.sentence


def test_a_gain_is_claimed_with_its_size_rival_and_p():
    found = judged(WALK, 1500, lambda truth, last, tables: tables["LastValue"] + 0.5 * (truth - last)[:, None])
    assert found.claimed and found.gain_rmse_percent == pytest.approx(50, abs=1)
    assert "better than every baseline: use it for this series" in found.sentence and "p < 0.001" in found.sentence
    assert not found.lag.follows_last


def test_the_sentence_turns_when_the_numbers_do():
    truth, last = WALK[1500:], WALK[1499:-1]
    offsets = np.quantile(noise(5000), QUANTILES)
    near, far = truth[:, None] + 0.2 * noise(500) + offsets, truth[:, None] + 0.4 * noise(500, seed=1) + offsets
    one = verdict.judge(truth, {"LSTM": near, "AR": far}, last)
    other = verdict.judge(truth, {"LSTM": far, "AR": near}, last)
    assert "better" in one.sentence and "use it for this series, one step ahead" in one.sentence
    assert (
        "worse" in other.sentence
        and "do not use it for this series, one step ahead; use an autoregression" in other.sentence
    )
    assert other.worse_than == ("AR",) and one.worse_than == ()
    tie = verdict.judge(truth, {"LSTM": near, "AR": near}, last)
    assert tie.p_value == 1 and "exactly as good as" in tie.sentence and "p = 1)" in tie.sentence


def test_the_interval_sentence_turns_too():
    truth, last = noise(400)[:, 0], np.zeros(400)
    right = np.tile(np.quantile(noise(9999, seed=3), QUANTILES), (400, 1))
    say = {
        factor: verdict.judge(truth, {"LSTM": right * factor, "AR": right}, last).sentence for factor in (0.5, 1.0, 3.0)
    }
    assert "that part is useful" in say[1.0]
    assert "too narrow, do not rely on it" in say[0.5]
    assert "wider than it need be" in say[3.0] and "held 100.0 %" in say[3.0]


def test_too_few_origins_claim_nothing_however_good():
    found = judged(WALK, 1980, lambda truth, last, tables: tables["LastValue"] + 0.5 * (truth - last)[:, None])
    assert not found.claimed and found.p_value < 0.05
    assert "too few to claim anything" in found.sentence and "chance alone gives" in found.sentence
    assert "useful" not in found.sentence


def test_the_sine_is_told_straight():
    found = judged(SINE, 4500, lambda truth, last, tables: truth[:, None] + 0.0005 * noise(501) + np.zeros(13))
    assert found.best_baseline == "AR" and found.best_rmse == 0 and found.gain_rmse_percent is None
    assert "an autoregression, which is exact" in found.sentence
    assert "digit for digit 600 steps earlier (the series repeats every 100 steps)" in found.sentence
    assert "Two autoregressive coefficients solve this series exactly" in found.sentence
    assert not found.lag.follows_last


def test_the_oracle_has_no_error_at_all():
    found = judged(SINE, 4500, lambda truth, last, tables: np.repeat(truth[:, None], 13, axis=1))
    assert found.rmse == found.mae == 0 and [held.held for held in found.coverage] == [1, 1]
    assert found.p_worse["AR"] == 1 and "exactly as good as an autoregression (RMSE 0 for both" in found.sentence
    walk = judged(WALK, 1500, lambda truth, last, tables: np.repeat(truth[:, None], 13, axis=1))
    assert walk.claimed and walk.gain_rmse_percent == 100 == walk.gain_mae_percent


def test_scaling_the_series_changes_nothing_but_the_errors():
    def forecast(truth, last, tables):
        return tables["LastValue"] + 0.1 * (truth - last)[:, None]

    plain, scaled = judged(WALK, 1500, forecast), judged(WALK * 1e6, 1500, forecast)
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-3)
    assert scaled.gain_rmse_percent == pytest.approx(plain.gain_rmse_percent, rel=1e-6)
    assert scaled.rmse == pytest.approx(plain.rmse * 1e6)


def test_missing_truths_are_left_out():
    values = WALK.copy()
    values[1600:1650] = np.nan

    def forecast(truth, last, tables):
        return tables["LastValue"]

    found = judged(values, 1500, forecast)
    assert found.origins == 450 and found.p_worse["LastValue"] == 1
    truth, last = values[1500:], values[1499:-1]
    kept = ~np.isnan(truth) & ~np.isnan(last)
    assert found.rmse >= metrics.rmse(truth[kept], last[kept])


def test_the_dict_is_json_and_complete():
    found = judged(SINE, 4500, lambda truth, last, tables: tables["Drift"])
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert set(plain) == {field.name for field in dataclasses.fields(verdict.Verdict)}
    assert plain["coverage"][1]["asked"] == 0.9 and plain["gain_rmse_percent"] is None
    assert plain["lag"]["follows_last"] in (True, False) and plain["sentence"] == found.sentence


def test_what_does_not_fit_is_refused():
    truth, table = np.arange(5.0), np.zeros((5, 13))
    with pytest.raises(SettingsError, match="at least one baseline"):
        verdict.judge(truth, {"LSTM": table}, truth)
    with pytest.raises(SettingsError, match="give LSTM"):
        verdict.judge(truth, {"A": table, "B": table}, truth)
    with pytest.raises(DataError, match=r"give \(5, 13\)"):
        verdict.judge(truth, {"LSTM": table, "A": table[:4]}, truth)
    with pytest.raises(DataError, match="A has no finite forecast"):
        verdict.judge(truth, {"LSTM": table, "A": np.full((5, 13), np.nan)}, truth)
    with pytest.raises(DataError, match="0 values known"):
        verdict.judge(np.full(5, np.nan), {"LSTM": table, "A": table}, truth)
    with pytest.raises(SettingsError, match="step is 0"):
        verdict.judge(truth, {"LSTM": table, "A": table}, truth, step=0)
    with pytest.raises(SettingsError, match="inputs are compared with the values of history"):
        verdict.judge(truth, {"LSTM": table, "A": table}, truth, inputs={"x": truth})
    with pytest.raises(DataError, match=r"by seed have shape \(5, 13\)"):
        verdict.judge(truth, {"LSTM": table, "A": table}, truth, seeds=table)
    with pytest.raises(DataError, match=r"give one series"):
        verdict.judge(np.zeros((2, 3, 4)), {"LSTM": table, "A": table}, truth)
    with pytest.raises(DataError, match=r"give \(S, O\)"):
        verdict.judge_panel(truth, {"LSTM": table, "A": table}, truth)
    with pytest.raises(DataError, match="no series has both"):
        verdict.judge_panel(truth[None], {"LSTM": table[None], "A": table[None]}, [0.0])


def test_what_was_importable_still_is():
    for name in ("judge", "Verdict", "Coverage", "LagFinding", "Comparison", "Claim", "IN_WORDS", "beats_all", "holm"):
        assert name in verdict.__all__ and hasattr(verdict, name)


# ---- several steps ahead


def paths(values, training, horizon, step, forecast):
    """Judge a forecast made of truths (O, H) and the baselines' tables."""
    origins = np.arange(training - 1, len(values) - horizon, step)
    tables = {b.name: b().fit_values(values[:training], 1).predict_many(values, origins, horizon) for b in BASELINES}
    truth = values[origins[:, None] + np.arange(1, horizon + 1)]
    made = forecast(truth, tables)
    history = values[:training]
    return verdict.judge(truth, tables | {"LSTM": made}, values[origins], history, step=step), truth, made


@pytest.mark.parametrize("step", [1, 3, 12])
def test_the_table_by_horizon_is_each_step_on_its_own(step):
    def forecast(truth, tables):
        return tables["LastValue"] + 0.4 * (truth[..., None] - tables["LastValue"])

    found, truth, made = paths(WALK, 1500, 12, step, forecast)
    assert found.horizon == 12 and [row.step for row in found.horizons] == list(range(1, 13))
    assert found.origins == len(truth) and found.claimed
    assert "use it for this series, 1 to 12 steps ahead" in found.sentence
    assert found.rmse == pytest.approx(metrics.rmse(truth, made[..., MEDIAN]))
    assert found.crps == pytest.approx(metrics.crps(truth, made))
    for row in found.horizons:
        point = made[:, row.step - 1, MEDIAN]
        assert row.rmse == pytest.approx(metrics.rmse(truth[:, row.step - 1], point))
        assert row.gain_rmse_percent == pytest.approx(40, abs=3) and row.p_value < 0.05
    assert found.coverage[0].independent == -(-len(truth) // -(-12 // step))


def test_one_step_ahead_is_the_same_with_and_without_the_axis():
    def forecast(truth, last, tables):
        return tables["LastValue"] + 0.3 * (truth - last)[:, None]

    flat = judged(WALK, 1500, forecast)

    def paths_of(truth, tables):
        return tables["LastValue"] + 0.3 * (truth[..., None] - tables["LastValue"][..., [MEDIAN]])

    deep, *_ = paths(WALK, 1500, 1, 1, paths_of)
    assert deep == flat


def test_a_test_part_seen_before_is_found_at_every_step():
    for step in (1, 4, 10):
        found, *_ = paths(SINE[:1500], 1000, 10, step, lambda truth, tables: tables["AR"])
        assert found.seen_before is not None and found.period == 100
    found, *_ = paths(SINE[:1500], 1000, 4, 9, lambda truth, tables: tables["AR"])
    assert found.seen_before is None, "the origins skip values"


def test_a_step_without_truths_is_left_out():
    truth, last = np.array([[1.0, np.nan]] * 40) + noise(40), np.zeros(40)
    table = np.zeros((40, 2, 13))
    found = verdict.judge(truth, {"LSTM": table + 0.5, "A": table}, last)
    assert [row.step for row in found.horizons] == [1] and found.origins == 40


# ---- evidence beside the forecast


def better(truth, last, tables):
    return tables["LastValue"] + 0.05 * (truth - last)[:, None]


def test_the_interval_of_a_claimed_gain_is_told():
    found = judged(WALK, 1500, better)
    low, high = found.gain_interval_percent
    assert low < found.gain_rmse_percent < high
    assert f"The gain lies between {low:.1f} and {high:.1f} % (90 % interval)." in found.sentence
    exact = judged(SINE, 4500, lambda truth, last, tables: truth[:, None] + 0.0005 * noise(501) + np.zeros(13))
    assert exact.gain_interval_percent is None


def test_a_gain_inside_the_spread_over_seeds_is_no_gain():
    assert judged(WALK, 1500, better).claimed
    truth = WALK[1500:]

    def seeds(spread):
        made = better(truth, WALK[1499:-1], {"LastValue": np.repeat(WALK[1499:-1, None], 13, axis=1)})
        error = made - truth[:, None]
        return truth[:, None] + np.stack([error, (1 + spread) * error])

    wide = judged(WALK, 1500, better, seeds=seeds(0.2))
    assert wide.p_value < 0.05 and not wide.claimed and wide.seeds.spread_percent == pytest.approx(100 * 0.2 / 1.1)
    assert "but another seed moves it as far: do not use it" in wide.sentence
    assert "Over 2 seeds its error differs by 18.2 %." in wide.sentence
    narrow = judged(WALK, 1500, better, seeds=seeds(0.01))
    assert narrow.claimed and "Over 2 seeds its error differs by 1.0 %." in narrow.sentence


def test_a_leak_makes_every_figure_worthless():
    leak = leakage_probe(lambda y: y[1499] - y.mean(), WALK, 1499)
    clean = leakage_probe(lambda y: y[1499], WALK, 1499)
    found = judged(WALK, 1500, better, leakage=leak)
    assert not found.claimed and "believe none of these figures" in found.sentence and leak.sentence in found.sentence
    honest = judged(WALK, 1500, better, leakage=clean)
    assert honest.claimed and clean.sentence in honest.sentence
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["leakage"]["leaks"] is True and plain["leakage"]["changes"][0]["name"] == "shifted"


def test_the_target_among_the_inputs_is_told():
    late, ahead = np.roll(WALK[:1500], 2), np.roll(WALK[:1500], -1)
    late[:2], ahead[-1:] = np.nan, np.nan
    harmless = judged(WALK, 1500, better, inputs={"x": late})
    assert harmless.claimed and "Input 'x' is the target 'y' 2 steps late" in harmless.sentence
    found = judged(WALK, 1500, better, inputs={"x": ahead})
    assert not found.claimed and "believe none of these figures" in found.sentence
    assert found.as_dict()["copies"][0]["holds_future"] is True


def test_misses_in_clusters_are_told():
    rng = np.random.default_rng(0)
    restless = np.where(np.arange(800) % 200 < 40, 3.0, 0.45)
    truth = restless * rng.normal(size=800)
    offsets = np.quantile(truth, QUANTILES)
    table = np.tile(offsets, (800, 1))
    found = verdict.judge(truth, {"LSTM": table, "AR": table}, np.zeros(800))
    assert found.coverage[-1].holds and "its misses come in clusters (p < 0.001)" in found.sentence
    calm = rng.normal(size=800)
    found = verdict.judge(calm, {"LSTM": table, "AR": table * 0 + np.quantile(calm, QUANTILES)}, np.zeros(800))
    assert "clusters" not in found.sentence


def test_a_flat_forecast_is_told():
    truth = 20 + noise(300)[:, 0]
    flat = np.tile(20 + np.quantile(noise(5000), QUANTILES), (300, 1))
    found = verdict.judge(truth, {"LSTM": flat, "AR": flat + noise(300, seed=2)}, np.roll(truth, 1))
    assert found.flat.is_flat and "Its forecast hardly moves" in found.sentence
    assert found.residuals.p_value > 0.01 and not found.lag.follows_last


# ---- panels


def panel(series, origins, share, seed=0, common=0.0):
    """Walks of different size; the model knows ``share`` of every next step, the baseline nothing."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.integers(-2, 4, series)
    steps = rng.normal(size=(series, origins)) + common * rng.normal(size=origins)
    last = np.cumsum(steps, axis=1) - steps
    other = rng.normal(size=steps.shape)
    offsets = np.sqrt(1 + common**2) * np.quantile(noise(9999), QUANTILES)
    truth = sizes[:, None] * (last + steps)
    model = sizes[:, None, None] * ((last + share * steps + 0.2 * other)[..., None] + offsets)
    naive = sizes[:, None, None] * (last[..., None] + offsets)
    return truth, {"LSTM": model, "LastValue": naive}, sizes


@pytest.mark.parametrize(("coincide", "counted"), [(True, "origins"), (False, "series")])
def test_a_gain_over_a_panel_is_claimed(coincide, counted):
    truth, tables, sizes = panel(30, 40, 0.3)
    found = verdict.judge_panel(truth, tables, sizes, coincide=coincide)
    assert found.claimed and found.counted == counted and found.series_won > 20
    scaled = np.abs(tables["LSTM"][..., MEDIAN] - truth) / sizes[:, None]
    assert found.mase == pytest.approx(scaled.mean())
    low, high = found.gain_interval_percent
    assert low < found.gain_percent < high
    assert found.sentence.startswith("On 30 series of 40 origins the LSTM is ")
    assert f"errs less than repeating the last value on {found.series_won} of 30 series" in found.sentence
    assert "use it for these series, one step ahead" in found.sentence
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["counted"] == counted


def test_few_series_claim_nothing_when_series_are_counted():
    truth, tables, sizes = panel(9, 40, 0.5)
    assert verdict.judge_panel(truth, tables, sizes).claimed
    few = verdict.judge_panel(truth, tables, sizes, coincide=False)
    assert not few.claimed and "too few to claim anything, give at least 10 series" in few.sentence


def test_series_without_a_scale_or_a_truth_are_left_out_and_counted():
    truth, tables, sizes = panel(30, 40, 0.3)
    sizes[3], sizes[4] = 0, np.nan
    truth[5] = np.nan
    found = verdict.judge_panel(truth, tables, sizes)
    assert (found.series, found.left_out) == (27, 3) and "3 series without a scale or a truth" in found.sentence
    kept = np.r_[0:3, 6:30]
    alone = verdict.judge_panel(truth[kept], {name: table[kept] for name, table in tables.items()}, sizes[kept])
    assert dataclasses.replace(alone, left_out=3, sentence=found.sentence) == found


def test_a_panel_of_several_steps_with_seeds_and_a_leak():
    truth, tables, sizes = panel(30, 40, 0.3)
    deep = {name: np.repeat(table[:, :, None], 3, axis=2) for name, table in tables.items()}
    seeds = np.stack([deep["LSTM"], truth[..., None, None] + 1.5 * (deep["LSTM"] - truth[..., None, None])])
    wide = verdict.judge_panel(np.repeat(truth[..., None], 3, axis=2), deep, sizes, seeds=seeds)
    assert wide.horizon == 3 and not wide.claimed and "another seed moves it as far" in wide.sentence
    leak = leakage_probe(lambda y: y.mean(), WALK, 1499)
    found = verdict.judge_panel(truth, tables, sizes, leakage=leak)
    assert not found.claimed and leak.sentence in found.sentence
    assert verdict.judge_panel(truth, {**tables, "LSTM": tables["LastValue"]}, sizes).p_value == 1


def test_false_claims_over_panels_with_common_shocks_are_rare():
    claimed = [
        verdict.judge_panel(*panel(12, 40, -0.02, seed, common=1.0)).claimed for seed in range(100)
    ]  # 0.2 of noise and 2 % of every step the wrong way: no skill at all
    assert np.mean(claimed) <= 0.05


# ---- simulations of the whole judge


def judge_series(values, training, made):
    """Judge an array of medians made for the steps after ``training`` beside all cheap baselines."""
    origins = np.arange(training - 1, len(values) - 1)
    fitted = [b().fit_values(values[:training], 1) for b in (LastValue, Drift, SeasonalNaive, AR)]
    tables = {b.name: b.predict_many(values, origins, 1)[:, 0] for b in fitted}
    tables["LSTM"] = np.repeat(np.asarray(made)[:, None], 13, axis=1)
    return verdict.judge(values[training:], tables, values[training - 1 : -1])


def stand_in(values, training, order=3):
    """A fitted model as flexible as a small network's first steps, and as ready to find what is not there."""
    origins = np.arange(training - 1, len(values) - 1)
    return AR(order).fit_values(values[:training], 1).predict_many(values, origins, 1)[:, 0, MEDIAN]


def test_at_most_eight_in_a_hundred_random_walks_are_claimed():
    rng = np.random.default_rng(11)
    found = []
    for values in rng.normal(size=(400, 300)).cumsum(axis=1):
        found.append(judge_series(values, 200, stand_in(values, 200)).claimed)
    assert np.mean(found) <= 0.08


@pytest.mark.slow
def test_at_most_eight_in_a_hundred_random_walks_are_claimed_with_a_small_trained_lstm():
    """400 walks, each with a network of 8 units trained for 60 updates on its first 200 steps."""
    found = []
    for seed, values in enumerate(np.random.default_rng(12).normal(size=(400, 300)).cumsum(axis=1)):
        settings = TrainingConfig(scaling="running", context=32, horizon=1, updates=60, batch=8, seed=seed)
        model = LSTMForecaster(NetworkConfig(units=8), settings, season_length=(1,))
        series = panel_from_arrays(values)
        model.fit_panel(series.head(200), 30)
        made = model.predict_many(series, np.arange(199, 299), 1)[0, :, 0, MEDIAN]
        found.append(judge_series(values, 200, made).claimed)
    assert np.mean(found) <= 0.08


@pytest.mark.parametrize("trials", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_returns_with_memory_are_found_with_the_power_stated(trials):
    """AR(1) returns of strength 0.3, 500 origins, a model that knows it against last value and drift.

    With returns of variance v = 1/(1 − 0.09) the loss difference has mean −0.09 v = −0.0989 and standard deviation
    √(4·0.09·v + 0.0081·2v²) = 0.644, so its standard error is 0.0288 and the power Φ(3.43 − 1.645) = 0.963.  At half
    the strength it is Φ(1.70 − 1.645) = 0.52.
    """
    rng = np.random.default_rng(13)
    for strength, power in ((0.3, 0.963), (0.15, 0.52)):
        found = []
        for _ in range(trials):
            shocks, returns = rng.normal(size=600), np.zeros(600)
            for t in range(1, 600):
                returns[t] = strength * returns[t - 1] + shocks[t]
            returns = returns[100:]
            loss = (returns[1:] - strength * returns[:-1]) ** 2
            found.append(verdict.diebold_mariano(loss, returns[1:] ** 2).p_better < 0.05)
        assert np.mean(found) == pytest.approx(power, abs=0.03 + 2 * math.sqrt(power * (1 - power) / trials))


def test_a_fitted_model_finds_the_memory_of_returns_in_prices():
    rng, found = np.random.default_rng(14), []
    for _ in range(20):
        returns = np.zeros(1_500)
        for t in range(1, 1_500):
            returns[t] = 0.3 * returns[t - 1] + rng.normal()
        values = np.cumsum(returns)
        origins = np.arange(999, 1_499)
        fitted = [b().fit_values(values[:1_000], 1) for b in (LastValue, Drift)]
        tables = {b.name: b.predict_many(values, origins, 1)[:, 0] for b in fitted}
        tables["LSTM"] = np.repeat(stand_in(values, 1_000, 2)[:, None], 13, axis=1)
        found.append(verdict.judge(values[1_000:], tables, values[999:-1]).claimed)
    assert np.mean(found) >= 0.8


def test_origins_a_season_apart_say_nothing_of_lateness_or_of_standing_still():
    rng = np.random.default_rng(0)
    season = np.tile(10 * np.sin(np.arange(7)), 60)
    truth = (season + rng.normal(size=420))[7::7]
    last = truth + 0.01 * rng.normal(size=len(truth))
    table = np.repeat(last[:, None], len(QUANTILES), axis=1)
    flat = np.zeros_like(table)
    near = verdict.judge(truth, {"LSTM": flat, "Other": table}, last)
    apart = verdict.judge(truth, {"LSTM": flat, "Other": table}, last, step=7)
    assert near.flat.is_flat and not apart.flat.is_flat
    assert "hardly moves" in near.sentence and "hardly moves" not in apart.sentence
