"""Tests of losses reject as often as they say, find what is there, and count no cell of a panel twice."""

import math

import numpy as np
import pytest
from statsmodels.tsa.stattools import diebold_mariano_test

from gatecast.errors import DataError, SettingsError
from gatecast.significance import beats_all, clustered_test, diebold_mariano, holm, long_run_variance

SIDES = ("p_two_sided", "p_better", "p_worse")


def rejected(tests, side="p_better"):
    return np.mean([getattr(test, side) < 0.05 for test in tests])


# ---- the Diebold-Mariano test


def test_equals_statsmodels_one_step_ahead():
    rng = np.random.default_rng(0)
    truth, a, b = rng.normal(size=(3, 80))
    ours = diebold_mariano((truth - a) ** 2, (truth - b) ** 2)
    theirs = diebold_mariano_test(truth, a, b, lags=0, harvey_adj=True, horizon=1)
    assert ours.statistic == pytest.approx(float(theirs.statistic))
    assert ours.p_two_sided == pytest.approx(float(theirs.pvalue))


def test_equals_statsmodels_with_its_weights_where_ours_come_out_negative():
    rng = np.random.default_rng(5)
    truth, b = np.zeros(60), np.ones(60)
    a = np.sqrt(1.1 + np.tile([0.9, -0.9], 30) + 0.05 * rng.normal(size=60))
    theirs = diebold_mariano_test(truth, a, b, lags=1, harvey_adj=True, horizon=2)
    ours = diebold_mariano(a**2, b**2, horizon=2)
    assert ours.statistic == pytest.approx(float(theirs.statistic))
    assert ours.p_two_sided == pytest.approx(float(theirs.pvalue))


def test_equals_a_sum_worked_by_hand():
    difference = np.array([1.0, 2.0, 4.0, 1.0])  # mean 2; deviations −1, 0, 2, −1
    ours = diebold_mariano(difference, np.zeros(4), horizon=2)
    variance = (1 + 0 + 4 + 1) / 4 + 2 * (0 + 0 - 2) / 4  # γ₀ + 2 γ₁ = 0.5
    correction = (4 + 1 - 4 + 2 / 4) / 4
    assert ours.statistic == pytest.approx(2 * math.sqrt(correction) / math.sqrt(variance / 4))
    assert ours.p_better > 0.95 > 0.05 > ours.p_worse


def test_a_negative_variance_falls_back_to_bartlett():
    alternating = np.array([3.0, -1.0] * 10)
    assert long_run_variance(alternating, 1) == pytest.approx(4 + 2 * 0.5 * (-4 * 19 / 20))
    assert np.isfinite(diebold_mariano(alternating, np.zeros(20), horizon=2).statistic)


@pytest.mark.parametrize("horizon", [1, 4])
def test_five_percent_of_true_nulls_are_rejected(horizon):
    """2,000 pairs of equally good forecasts; errors of ``horizon`` steps overlap."""
    rng = np.random.default_rng(1)
    shocks = rng.normal(size=(2, 2_000, 200 + horizon - 1))
    errors = np.lib.stride_tricks.sliding_window_view(shocks, horizon, axis=-1).sum(axis=-1)
    tests = [diebold_mariano(a, b, horizon) for a, b in zip(*errors**2, strict=True)]
    for side in SIDES:
        assert rejected(tests, side) == pytest.approx(0.05, abs=0.015), side


def test_five_percent_of_true_nulls_are_rejected_for_the_mean_over_four_steps():
    """Each origin's loss is the mean of its squared errors 1 … 4 steps ahead on a random walk."""
    shocks = np.random.default_rng(3).normal(size=(2, 2_000, 203))
    paths = np.lib.stride_tricks.sliding_window_view(shocks, 4, axis=-1).cumsum(axis=-1)
    tests = [diebold_mariano(a, b, 4) for a, b in zip(*(paths**2).mean(axis=-1), strict=True)]
    for side in SIDES:
        assert rejected(tests, side) == pytest.approx(0.05, abs=0.015), side


def test_a_real_difference_is_found():
    rng = np.random.default_rng(2)
    tests = [diebold_mariano(rng.normal(size=300) ** 2, (1.2 * rng.normal(size=300)) ** 2) for _ in range(300)]
    # mean difference 0.44, its standard error √((2 + 2·1.2⁴)/300) = 0.143: power Φ(0.44/0.143 − 1.645) = 0.92
    assert rejected(tests) == pytest.approx(0.92, abs=0.05)


@pytest.mark.parametrize("exponent", [-900, -300, 660])
def test_the_unit_of_the_losses_does_not_matter_to_the_last_bit(exponent):
    one, other = np.random.default_rng(4).random((2, 50))
    unit = 2.0**exponent  # the squares of such losses are no numbers, or zero
    for horizon in (1, 4):
        assert diebold_mariano(one * unit, other * unit, horizon) == diebold_mariano(one, other, horizon)


def test_identical_forecasts_give_p_one():
    losses = np.random.default_rng(0).random(50)
    assert diebold_mariano(losses, losses)[1:4] == (1, 1, 1)
    claim = beats_all({"LSTM": losses, "A": losses, "B": losses}, "LSTM")
    assert claim.p_value == 1 and not claim.beats_all and claim.worse_than == ()
    assert clustered_test(np.zeros((5, 40)))[1:4] == (1, 1, 1)
    assert clustered_test(np.zeros((5, 4)))[1:4] == (1, 1, 1)


def test_too_little_tells_nothing():
    assert diebold_mariano([0.0], [1.0]).p_better == 1
    assert diebold_mariano([0.0, 0.1, 0.0], [1.0, 1.0, 2.0], horizon=3).p_better == 1
    assert diebold_mariano([0.0, np.nan], [1.0, 1.0]).origins == 1


def test_a_constant_advantage_is_certain():
    assert diebold_mariano(np.zeros(20), np.ones(20))[:3] == (-math.inf, 0, 1)


# ---- several baselines


def test_holm_worked_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1, "b": 1}


def test_a_gain_needs_every_baseline():
    rng = np.random.default_rng(0)
    good, alike, bad = 0.5 * rng.random(200), 0.5 * rng.random(200), rng.random(200)
    assert beats_all({"LSTM": good, "bad": bad}, "LSTM").beats_all
    claim = beats_all({"LSTM": good, "bad": bad, "alike": alike}, "LSTM")
    assert not claim.beats_all and claim.hardest == "alike" and claim.worse_than == ()
    assert claim.tests["bad"].p_better < 0.05 < claim.tests["alike"].p_better == claim.p_value
    loss = beats_all({"LSTM": bad, "good": good, "alike": alike, "twin": bad}, "LSTM")
    assert loss.worse_than == ("good", "alike") and loss.p_worse["twin"] == 1


def test_a_loss_against_four_equals_is_seldom_found():
    """Holm: at most 5 in 100 models as good as all four baselines are called worse than any."""
    losses = np.random.default_rng(4).normal(size=(400, 5, 100)) ** 2
    called = [beats_all(dict(zip("ABCDE", each, strict=True)), "A") for each in losses]
    assert np.mean([bool(claim.worse_than) for claim in called]) < 0.075
    assert np.mean([claim.beats_all for claim in called]) < 0.02


# ---- panels


def test_a_panel_with_coinciding_origins_is_tested_by_origins():
    rng = np.random.default_rng(6)
    differences = rng.normal(size=(20, 60))
    for horizon in (1, 3):
        found = clustered_test(differences, horizon)
        assert found[:5] == pytest.approx(diebold_mariano(differences.mean(axis=0), np.zeros(60), horizon)[:5])
        assert found.by == "origins"


def test_a_panel_with_other_origins_is_tested_by_series():
    differences = np.random.default_rng(7).normal(size=(20, 60))
    found = clustered_test(differences, coincide=False)
    means = differences.mean(axis=1)
    assert (found.by, found.origins) == ("series", 20)
    assert found.statistic == pytest.approx(means.mean() / (means.std(ddof=1) / math.sqrt(20)))
    assert clustered_test(differences[:, :29]).by == "series", "29 origins are too few to count by"
    assert clustered_test(differences[:1, :29]) == diebold_mariano(differences[0, :29], np.zeros(29))


def test_series_of_different_length_count_alike():
    differences = np.full((12, 9), np.nan)
    rng = np.random.default_rng(8)
    means = rng.normal(size=12)
    for s in range(12):
        differences[s, : rng.integers(1, 10)] = means[s]
    expected = clustered_test(means[:, None], coincide=False)
    assert clustered_test(differences, coincide=False)[:5] == pytest.approx(expected[:5])
    gone = np.vstack([differences, np.full(9, np.nan)])
    assert clustered_test(gone, coincide=False)[:5] == pytest.approx(expected[:5]), "a series without any is left out"


def test_five_percent_of_true_nulls_are_rejected_in_panels():
    """Shocks common to all series at an origin, or a bias of each series: cells are far from independent."""
    rng = np.random.default_rng(9)

    def panels(shock, bias):
        for _ in range(1_000):
            yield rng.normal(size=(20, 60)) + shock * rng.normal(size=60) + bias * rng.normal(size=(20, 1))

    common = list(panels(1, 0))
    assert rejected([clustered_test(each) for each in common]) == pytest.approx(0.05, abs=0.02)
    assert rejected([diebold_mariano(each.ravel(), np.zeros(1200)) for each in common]) > 0.2, "pooling would lie"
    biased = [clustered_test(each, coincide=False) for each in panels(0, 0.5)]
    assert rejected(biased) == pytest.approx(0.05, abs=0.02)


# ---- refusals


def test_what_does_not_fit_is_refused():
    truth = np.arange(5.0)
    with pytest.raises(DataError, match="same length"):
        diebold_mariano(truth, truth[1:])
    with pytest.raises(SettingsError, match="horizon is 0"):
        diebold_mariano(truth, truth, 0)
    with pytest.raises(DataError, match="give series × origins"):
        clustered_test(truth)
    with pytest.raises(SettingsError, match="losses are of LSTM"):
        beats_all({"LSTM": truth}, "LSTM")
