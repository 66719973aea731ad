"""Before training: walks and noise are not called forecastable, waves and memory are, and the sentence follows."""

import dataclasses
import json

import numpy as np
import pytest
from arch.unitroot import VarianceRatio

from gatecast.errors import DataError, SettingsError
from gatecast.forecastability import autocorrelation, forecastability, spectral_entropy, variance_ratio

STEPS = 400


def ar1(rng, memory, size=STEPS):
    values, shocks = np.zeros(size + 50), rng.normal(size=size + 50)
    for t in range(1, size + 50):
        values[t] = memory * values[t - 1] + shocks[t]
    return values[50:]


def garch(rng, size=STEPS):
    variance, returns = 1.0, np.zeros(size)
    for t in range(size):
        returns[t] = np.sqrt(variance) * rng.normal()
        variance = 0.05 + 0.1 * returns[t] ** 2 + 0.85 * variance
    return np.cumsum(returns)


def wave(rng, season=12, size=STEPS):
    return np.sin(2 * np.pi * np.arange(size) / season) + 0.3 * rng.normal(size=size)


# ---- the numbers


@pytest.mark.parametrize("span", [2, 4, 8])
def test_equals_the_variance_ratio_of_arch(span):
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=300) * (1 + np.arange(300) / 100))
    theirs = VarianceRatio(values, lags=span, trend="c", debiased=True, robust=True, overlap=True)
    ours = variance_ratio(values, span)
    assert ours.ratio == pytest.approx(theirs.vr)
    assert ours.statistic == pytest.approx(theirs.stat) and ours.p_value == pytest.approx(theirs.pvalue)


def test_five_percent_of_walks_have_a_variance_ratio_off_one_even_when_their_size_clusters():
    rng = np.random.default_rng(1)
    walks = [variance_ratio(values) for values in rng.normal(size=(1_000, STEPS)).cumsum(axis=1)]
    clustered = [variance_ratio(garch(rng)) for _ in range(500)]
    for found in (walks, clustered):
        assert np.mean([each.p_value < 0.05 for each in found]) == pytest.approx(0.05, abs=0.025)


def test_entropy_is_one_for_noise_and_near_zero_for_a_wave():
    noise = np.random.default_rng(2).normal(size=2000)
    assert spectral_entropy(noise) > 0.97
    assert spectral_entropy(np.sin(np.arange(2000) / 7)) < 0.15
    assert spectral_entropy(np.cumsum(noise)) < 0.2
    assert spectral_entropy(np.full(100, 3.7)) == 0
    assert spectral_entropy(1e9 * noise) == pytest.approx(spectral_entropy(noise))


def test_autocorrelation_worked_by_hand():
    assert autocorrelation([1, -1, 1, -1], 1) == pytest.approx(-0.75)
    assert autocorrelation([1, -1, np.nan, 1, -1], 1) == pytest.approx(-0.5)
    assert autocorrelation(np.ones(5), 1) == 0


# ---- what series are called


@pytest.mark.parametrize("season", [1, 12])
def test_random_walks_are_seldom_called_forecastable(season):
    rng = np.random.default_rng(3)
    walks = [0.02 * np.arange(STEPS) + np.cumsum(rng.normal(size=STEPS)) for _ in range(400)]
    found = [forecastability(values, season) for values in walks]
    assert np.mean([each.forecastable for each in found]) < 0.08
    rough = [forecastability(np.cumsum(rng.standard_t(3, size=STEPS)), season) for _ in range(200)]
    assert np.mean([each.forecastable for each in rough]) < 0.08
    restless = [forecastability(garch(rng), season) for _ in range(200)]
    assert np.mean([each.forecastable for each in restless]) < 0.08


def test_noise_is_not_called_forecastable_either():
    rng = np.random.default_rng(4)
    found = [forecastability(5 + rng.normal(size=STEPS), 12) for _ in range(200)]
    assert np.mean([each.kind == "noise" for each in found]) > 0.92
    assert "do not expect to beat the mean" in found[0].sentence


def test_memory_is_found():
    rng = np.random.default_rng(5)
    for make in (lambda: ar1(rng, 0.5), lambda: np.cumsum(ar1(rng, 0.3)), lambda: wave(rng)):
        found = [forecastability(make()) for _ in range(50)]
        assert np.mean([each.kind == "memory" for each in found]) > 0.9


def test_waves_are_found():
    rng = np.random.default_rng(6)
    assert forecastability(np.sin(1 + 2 * np.pi * np.arange(STEPS) / 100)).kind == "solved"
    assert all(forecastability(wave(rng), 12).kind == "season" for _ in range(20))
    said = forecastability(wave(rng), 12).sentence
    assert said.startswith("It has a strong season of 12 (autocorrelation of the changes 0.")


def test_series_that_tell_nothing():
    assert forecastability(np.arange(49.0)).kind == "short" and not forecastability([]).forecastable
    assert forecastability(np.full(100, 3.0)).kind == "constant"
    assert forecastability(np.full(100, np.nan)).kind == "short"
    stuck = np.append(np.zeros(180), np.random.default_rng(7).normal(size=20))
    assert forecastability(stuck).sentence


def test_gaps_scale_and_place_do_not_change_what_it_is_called():
    rng = np.random.default_rng(8)
    values = ar1(rng, 0.5)
    plain = forecastability(values)
    far = forecastability(1e6 + 1e3 * values)
    assert far.sentence == plain.sentence
    values[rng.random(STEPS) < 0.05] = np.nan
    assert forecastability(values).kind == plain.kind == "memory"


# ---- the sentence


def test_the_sentence_turns_when_the_numbers_do():
    walk = forecastability(np.cumsum(np.random.default_rng(9).normal(size=STEPS)), 12)
    assert "random walk: changes carry no memory (variance ratio " in walk.sentence
    assert "do not expect to beat the last value" in walk.sentence and not walk.forecastable
    sure = walk.variance_ratio._replace(ratio=1.45, p_value=1e-5)
    memory = dataclasses.replace(walk, variance_ratio=sure)
    worse = dataclasses.replace(memory, ar_error=1.1 * memory.last_value_error)
    assert "yet an autoregression errs 10.0 % more than the last value" in worse.sentence
    assert "do not expect much" in worse.sentence
    assert memory.forecastable and "There is something to learn: changes carry memory" in memory.sentence
    assert "variance ratio 1.45" in memory.sentence and "p < 0.001" in memory.sentence
    assert " less than the last value" in dataclasses.replace(memory, ar_error=0.5 * memory.last_value_error).sentence
    assert " more than the last value" in dataclasses.replace(memory, ar_error=2 * memory.last_value_error).sentence
    season = dataclasses.replace(walk, change_autocorrelation_season=0.83)
    assert "strong season of 12 (autocorrelation of the changes 0.83)" in season.sentence
    assert dataclasses.replace(memory, ar_order=0).kind == "noise"
    assert "no network is needed" in dataclasses.replace(memory, ar_error=0.0).sentence


def test_the_dict_is_json_and_says_the_same():
    found = forecastability(wave(np.random.default_rng(10)), 12)
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["kind"] == "season" and plain["sentence"] == found.sentence and plain["variance_ratio"]["span"] >= 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="1 infinite"):
        forecastability([1.0, np.inf])
    with pytest.raises(SettingsError, match="season_length is 0"):
        forecastability(np.arange(100.0), 0)
    with pytest.raises(SettingsError, match="span is 1"):
        variance_ratio(np.arange(10.0), 1)
    with pytest.raises(DataError, match="none missing"):
        spectral_entropy(np.arange(10.0))
