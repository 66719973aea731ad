"""The judge claims what is there, claims nothing that is not, and its sentence turns when the numbers do."""

import dataclasses
import json
import math

import numpy as np
import pytest
from statsmodels.tsa.stattools import diebold_mariano_test

from gatecast import metrics, verdict
from gatecast.baselines import AR, BASELINES
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError

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


# ---- the Diebold-Mariano test


def test_equals_statsmodels_one_step_ahead():
    rng = np.random.default_rng(0)
    truth, a, b = rng.normal(size=(3, 80))
    ours = verdict.diebold_mariano((truth - a) ** 2, (truth - b) ** 2)
    theirs = diebold_mariano_test(truth, a, b, lags=0, harvey_adj=True, horizon=1)
    assert ours.statistic == pytest.approx(float(theirs.statistic))
    assert ours.p_two_sided == pytest.approx(float(theirs.pvalue))


def test_equals_a_sum_worked_by_hand():
    difference = np.array([1.0, 2.0, 4.0, 1.0])  # mean 2; deviations −1, 0, 2, −1
    ours = verdict.diebold_mariano(difference, np.zeros(4), horizon=2)
    variance = (1 + 0 + 4 + 1) / 4 + 2 * (0 + 0 - 2) / 4  # γ₀ + 2 γ₁ = 0.5
    correction = (4 + 1 - 4 + 2 / 4) / 4
    assert ours.statistic == pytest.approx(2 * math.sqrt(correction) / math.sqrt(variance / 4))
    assert ours.p_better > 0.95 > 0.05 > ours.p_worse


def test_a_negative_variance_falls_back_to_bartlett():
    alternating = np.array([3.0, -1.0] * 10)
    assert verdict.long_run_variance(alternating, 1) == pytest.approx(4 + 2 * 0.5 * (-4 * 19 / 20))
    assert np.isfinite(verdict.diebold_mariano(alternating, np.zeros(20), horizon=2).statistic)


@pytest.mark.parametrize("horizon", [1, 4])
def test_five_percent_of_true_nulls_are_rejected(horizon):
    rng = np.random.default_rng(1)
    shocks_a, shocks_b = rng.normal(size=(2, 2_000, 200 + horizon - 1))
    window = np.ones(horizon)
    pairs = zip(shocks_a, shocks_b, strict=True)
    errors = [(np.convolve(a, window, "valid"), np.convolve(b, window, "valid")) for a, b in pairs]
    tests = [verdict.diebold_mariano(a**2, b**2, horizon) for a, b in errors]
    for p in ("p_two_sided", "p_better", "p_worse"):
        assert np.mean([getattr(test, p) < 0.05 for test in tests]) == pytest.approx(0.05, abs=0.015), p


def test_a_real_difference_is_found():
    rng = np.random.default_rng(2)
    found = [
        verdict.diebold_mariano(rng.normal(size=300) ** 2, (1.2 * rng.normal(size=300)) ** 2).p_better < 0.05
        for _ in range(300)
    ]
    # mean difference 0.44, its standard error √((2 + 2·1.2⁴)/300) = 0.143: power Φ(0.44/0.143 − 1.645) = 0.92
    assert np.mean(found) == pytest.approx(0.92, abs=0.05)


def test_identical_forecasts_give_p_one():
    losses = np.random.default_rng(0).random(50)
    assert verdict.diebold_mariano(losses, losses)[1:4] == (1, 1, 1)
    claim = verdict.beats_all({"LSTM": losses, "A": losses, "B": losses}, "LSTM")
    assert claim.p_value == 1 and not claim.beats_all and claim.worse_than == ()


def test_too_little_tells_nothing():
    assert verdict.diebold_mariano([0.0], [1.0]).p_better == 1
    assert verdict.diebold_mariano([0.0, 0.1, 0.0], [1.0, 1.0, 2.0], horizon=3).p_better == 1
    assert verdict.diebold_mariano([0.0, np.nan], [1.0, 1.0]).origins == 1


def test_a_constant_advantage_is_certain():
    assert verdict.diebold_mariano(np.zeros(20), np.ones(20))[:3] == (-math.inf, 0, 1)


# ---- several baselines


def test_holm_worked_by_hand():
    assert verdict.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert verdict.holm({"a": 0.9, "b": 0.8}) == {"a": 1, "b": 1}


def test_a_gain_needs_every_baseline():
    rng = np.random.default_rng(0)
    good, alike, bad = 0.5 * rng.random(200), 0.5 * rng.random(200), rng.random(200)
    assert verdict.beats_all({"LSTM": good, "bad": bad}, "LSTM").beats_all
    claim = verdict.beats_all({"LSTM": good, "bad": bad, "alike": alike}, "LSTM")
    assert not claim.beats_all and claim.hardest == "alike" and claim.worse_than == ()
    loss = verdict.beats_all({"LSTM": bad, "good": good, "alike": alike, "twin": bad}, "LSTM")
    assert loss.worse_than == ("good", "alike") and loss.p_worse["twin"] == 1


# ---- findings


@pytest.mark.parametrize("disguise", [0.0, 0.3, 0.9, 1.5])
@pytest.mark.parametrize("bias", [0.0, 25.0])
def test_a_copy_of_the_last_value_is_named(disguise, bias):
    truth, last = WALK[1:], WALK[:-1]
    forecast = last + bias + disguise * noise(len(last))[:, 0]
    assert verdict.lag_detector(truth, forecast, last).follows_last


def test_a_copy_on_the_sine_is_named():
    assert verdict.lag_detector(SINE[4501:], SINE[4500:-1], SINE[4500:-1]).follows_last


def test_good_or_merely_bad_forecasts_are_not_called_copies():
    origins = np.arange(4500, 5000)
    solved = AR(2).fit_values(SINE[:4000], 1).predict_many(SINE, origins, 1)[:, 0, MEDIAN]
    noisy = SINE[4501:] + 0.002 * noise(500)[:, 0]
    flat = np.full(500, 3.0)
    for forecast in (solved, noisy, flat):
        assert not verdict.lag_detector(SINE[4501:], forecast, SINE[4500:-1]).follows_last
    white = noise(2000)[:, 0]
    assert not verdict.lag_detector(white[1:], np.zeros(1999), white[:-1]).follows_last
    assert not verdict.lag_detector(WALK[1:], np.full(1999, 900.0), WALK[:-1]).follows_last


def test_a_forecast_near_the_last_value_with_real_skill_is_not_a_copy():
    truth, last = WALK[1:], WALK[:-1]
    assert not verdict.lag_detector(truth, 0.7 * last + 0.3 * truth, last).follows_last


def test_the_sines_test_part_is_found_in_its_training_part():
    assert verdict.occurs_in(SINE[:4500], SINE[4500:]) == 600  # 501 values: the newest whole occurrence
    assert verdict.occurs_in(SINE[:4500], SINE[4500:4590]) == 100
    assert verdict.exact_period(SINE) == 100


def test_a_planted_copy_is_found_where_it_was_planted():
    values = WALK.copy()
    values[1900:] = values[700:800]
    assert verdict.occurs_in(values[:1900], values[1900:]) == 1200
    values[1950] = np.nan
    assert verdict.occurs_in(values[:1900], values[1900:]) == 1200
    values[1960] += 1e-3
    assert verdict.occurs_in(values[:1900], values[1900:]) is None


def test_what_is_no_copy_gives_none():
    assert verdict.occurs_in(WALK[:1800], WALK[1800:]) is None
    assert verdict.occurs_in(SINE[:4500], SINE[4500:] + 1e-6 * noise(501)[:, 0]) is None
    assert verdict.occurs_in(SINE[:400], SINE[4500:]) is None, "longer than the training part"
    assert verdict.occurs_in(np.zeros(100), np.zeros(10)) is None, "a flat part recurs by chance"
    assert verdict.occurs_in(SINE[:4500], SINE[4500:4503]) is None, "so does a very short one"
    assert verdict.exact_period(WALK) is None
    assert verdict.exact_period(np.append(SINE, 0.0)) is None


# ---- coverage


def test_coverage_has_the_binomial_band_of_its_origins():
    quantiles = np.tile(np.quantile(noise(9999), QUANTILES), (50, 1))
    found = verdict.judge_coverage(noise(50, seed=1)[:, 0], quantiles, 90)
    assert found.band == pytest.approx((0.82, 0.98)) and found.holds
    assert not verdict.judge_coverage(noise(50, seed=1)[:, 0], quantiles / 4, 90).holds


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
    assert "worse" in other.sentence and "do not use it for this series, use an autoregression" in other.sentence
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
    with pytest.raises(DataError, match="same length"):
        verdict.lag_detector(truth, truth[1:], truth)
    with pytest.raises(DataError, match="same length"):
        verdict.diebold_mariano(truth, truth[1:])
    with pytest.raises(SettingsError, match="horizon is 0"):
        verdict.diebold_mariano(truth, truth, 0)
